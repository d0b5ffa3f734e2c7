"""Dates in ranking, dates as filters, and articles that disagree, each with and without.

No public set at hand has dated articles, questions for the latest, and answers. So the sets are
made, and are called what they are:

- *dated*: SQuAD's paragraphs, each with a day drawn at random: the harm that dates may do to
  questions that name the time of an event. All questions with a date in them.
- *copies*: of 400 paragraphs whose answer is a figure, the answering sentence again as an article
  of its own under another title and another random day, with the figure altered; of every second
  one with words put in front and the end cut off ("told otherwise"). The question for the latest
  is the question after "What is the latest:"; right is the figure of the newer of the two.
- *MultiHop-RAG*: its evidence sentences whose article's day is known, each as a dated article, and
  its questions that name days. These compare reports, so the gold sentences are of several days.

Weights are chosen on SQuAD's fitted half of the articles and reported on the other half.
"""

from __future__ import annotations

import hashlib
import random
import re
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path

from corpora import (
    CachedQueries,
    Question,
    Record,
    argument_parser,
    fill,
    need,
    open_service,
    read_lines,
    squad_questions,
    squad_records,
    workplace,
)
from report import print_table

from app.answering.conflict import disagreeing, figures
from app.answering.engine import TOP_K
from app.answering.extractive import Candidate, rank_sentences
from app.answering.kinds import expected_kind
from app.answering.recency import (
    LATEST,
    MILD,
    PASSAGES,
    Lift,
    timely_passages,
    timely_sentences,
)
from app.answering.times import Time, read_time
from app.evaluation.adapters import is_fitted
from app.evaluation.bootstrap import Interval, Resampler
from app.service import Service
from vectorstore.retriever import Retrieved, Retriever
from vectorstore.types import Passage

TODAY = date(2026, 11, 24)
FIRST, DAYS = date(2015, 1, 1), 4_300  # up to October 2026
NEWS_TODAY = date(2024, 1, 15)  # when MultiHop-RAG's articles were new
COPIES = 400
SEED = 6
PREFIX = "What is the latest: "
PASSAGE_LIFTS = tuple(Lift(reach, weight) for reach in (0.065, 0.16) for weight in (0.065, 0.16))
SENTENCE_LIFTS = tuple(
    Lift(reach, weight, held)
    for reach in (3.0, 4.5, 6.0)
    for weight in (3.0, 9.0)
    for held in (0.0, 0.8)
)
WEIGHTS = (3.0, 4.5, 6.0, 9.0)
FURTHER = 100  # passages from which a filter takes those of a period
OFF = Lift(0.0, 0.0)


def drawn_day(uri: str) -> str:
    """Return a day that is the same in every run, and nothing to do with the text."""
    number = int(hashlib.sha256(uri.encode()).hexdigest()[:8], 16)
    return (FIRST + timedelta(days=number % DAYS)).isoformat()


def dated(records: Sequence[Record]) -> list[Record]:
    """Return the records with days."""
    return [{**record, "published": drawn_day(record["uri"])} for record in records]


# -- copies ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Copy:
    """A question, the article that answers it, and its copy with another figure."""

    question: Question
    original: str
    uri: str
    record: Record
    figure: str
    is_reworded: bool

    @property
    def newer(self) -> str:
        """The uri of the newer of the two."""
        return max((self.original, self.uri), key=drawn_day)


def copies(records: Sequence[Record], questions: Sequence[Question]) -> list[Copy]:
    """Return the copies, one of an article at most, drawn in the same way in every run."""
    texts = {record["uri"]: record for record in records}
    shuffled = list(questions)
    random.Random(SEED).shuffle(shuffled)  # noqa: S311 (a sample, not a secret)
    found: dict[str, Copy] = {}
    for question in shuffled:
        (pid,) = question.relevant
        if pid not in found and len(found) < COPIES:
            made = _copy(question, texts[pid], is_reworded=len(found) % 2 == 1)
            if made:
                found[pid] = made
    return list(found.values())


def _copy(question: Question, record: Record, is_reworded: bool) -> Copy | None:
    answer = question.answers[0]
    if expected_kind(question.text) not in ("number", "date") or len(figures(answer)) != 1:
        return None
    holding = [s for s in re.split(r"(?<=[.!?])\s+(?=[A-Z])", record["text"]) if answer in s]
    digits = re.search(r"\d+", answer)
    time = read_time(question.text, TODAY)
    if len(holding) != 1 or digits is None or time != Time():
        return None
    altered = str(int(digits.group()) + 3).zfill(len(digits.group()))
    figure = answer[: digits.start()] + altered + answer[digits.end() :]
    sentence = holding[0].replace(answer, figure)
    if is_reworded:
        end = sentence.find(",", sentence.index(figure) + len(figure))
        kept = sentence[:end] if end > 0 else sentence.rstrip(".")
        sentence = f"It was reported that {kept[0].lower() if kept[1:2].islower() else kept[0]}"
        sentence += f"{kept[1:]}."
    uri = f"{record['uri']}-copy"
    copy = {
        "uri": uri,
        "title": f"{record['title']}, told again",
        "text": sentence,
        "published": drawn_day(uri),
    }
    return Copy(question, record["uri"], uri, copy, figure, is_reworded)


# -- asking ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Found:
    """What one question found, before its time is looked at."""

    question: Question
    time: Time
    retrieved: Retrieved
    further: tuple[Passage, ...]

    def passages(self, lift: Lift = OFF) -> tuple[Passage, ...]:
        """Return the passages in the order that the lift gives."""
        return timely_passages(self.retrieved.passages, self.time, lift)


def ask(
    service: Service, cache: Path, questions: Sequence[Question], today: date
) -> Iterator[Found]:
    """Yield what each question finds; of those that name a time, further passages too."""
    queries = CachedQueries(service.encoder)
    queries.prepare([question.text for question in questions], cache)
    retriever = Retriever(service.store, queries)
    for question in questions:
        time = read_time(question.text, today)
        further: tuple[Passage, ...] = ()
        if time.near or time.only:
            further = retriever.retrieve(question.text, FURTHER).passages
        yield Found(question, time, retriever.retrieve(question.text, TOP_K), further)


def in_time(each: Found) -> list[Passage]:
    """Return the further passages of the periods that a question names, as a filter would."""
    periods = (each.time.only, *each.time.near)
    return [p for p in each.further if any(x and x.holds(p.article.published) for x in periods)]


def told(interval: Interval) -> str:
    """Return a value with its interval."""
    return f"{interval.value:.3f} [{interval.low:.3f}, {interval.high:.3f}]"


def share(found: Sequence[tuple[Question, bool]]) -> str:
    """Return a share with its interval, which draws articles."""
    if not found:
        return "-"
    resampler = Resampler([question.title or question.id for question, _ in found])
    return told(resampler.mean([float(value) for _, value in found]))


def halves(questions: Sequence[Found]) -> list[tuple[str, list[Found]]]:
    """Return the questions of the fitted and of the reported articles."""
    return [
        ("fitted", [each for each in questions if is_fitted(each.question.title)]),
        ("reported", [each for each in questions if not is_fitted(each.question.title)]),
    ]


# -- what is measured --------------------------------------------------------------------


def events(found: Sequence[Found]) -> None:
    """Print how questions that name the time of an event fare."""
    named = [each for each in found if each.time.near or each.time.only]
    print(
        f"\n## Questions that name a time, articles of random days (filtered: "
        f"{sum(each.time.only is not None for each in named)} of {len(found)} questions)\n"
    )
    rows = []
    for half, some in halves(named):
        for name, hold in _treatments():
            ranks = [hold(each) for each in some]
            first = [(e.question, r == 1) for e, r in zip(some, ranks, strict=True)]
            five = [(e.question, 0 < r <= 5) for e, r in zip(some, ranks, strict=True)]
            rows.append([half, str(len(some)), name, share(first), share(five)])
    print_table(["half", "n", "dates", "R@1", "R@5"], rows)


def _treatments() -> list[tuple[str, Callable[[Found], int]]]:
    def rank(passages: Sequence[Passage], each: Found) -> int:
        uris = list(dict.fromkeys(passage.article.uri for passage in passages))
        hits = [n for n, uri in enumerate(uris, start=1) if uri in each.question.relevant]
        return hits[0] if hits else 0

    found: list[tuple[str, Callable[[Found], int]]] = [
        ("not looked at", lambda each: rank(each.passages(), each))
    ]
    for lift in PASSAGE_LIFTS:
        shipped = " (shipped)" if lift == PASSAGES else ""
        found.append(
            (
                f"rank, reach {lift.reach} weight {lift.weight}{shipped}",
                lambda each, lift=lift: rank(each.passages(lift), each),
            )
        )
    return [*found, ("filter by every period named", lambda each: rank(in_time(each), each))]


def timeless(found: Sequence[Found]) -> None:
    """Print what dates do to the first sentence where the articles' days mean nothing."""
    print("\n## First sentence holds the answer, articles of random days\n")
    rows = []
    for name, has in (
        ("names a time", lambda time: bool(time.near or time.only)),
        ("says now, today, current …", lambda time: time.current),
    ):
        for half, some in halves([each for each in found if has(each.time)]):
            ranked = [rank_sentences(each.question.text, each.retrieved) for each in some]
            for weight in (0.0, *WEIGHTS):
                leads = [
                    next(iter(timely_sentences(r, each.time, replace(MILD, weight=weight))), None)
                    for each, r in zip(some, ranked, strict=True)
                ]
                holds = [
                    (
                        each.question,
                        lead is not None and any(a in lead.text for a in each.question.answers),
                    )
                    for each, lead in zip(some, leads, strict=True)
                ]
                shipped = " (shipped)" if weight == MILD.weight else ""
                rows.append([name, half, str(len(some)), f"{weight:g}{shipped}", share(holds)])
    print_table(["question", "half", "n", "weight", "first sentence"], rows)


def latest(found: Sequence[Found], made: Sequence[Copy]) -> None:
    """Print how often the newer of two is told first, where the latest is asked for."""
    print("\n## Questions for the latest: the first sentence\n")
    of = {PREFIX + each.question.text: each for each in made}
    rows = []
    for half, some in halves(found):
        ranked = [rank_sentences(each.question.text, each.retrieved) for each in some]
        for lift in (OFF, *SENTENCE_LIFTS):
            leads = [
                (of[each.question.text], next(iter(timely_sentences(r, each.time, lift)), None))
                for each, r in zip(some, ranked, strict=True)
            ]
            newer = [(copy.question, _is_of(lead, {copy.newer})) for copy, lead in leads]
            either = [(c.question, _is_of(lead, {c.uri, c.original})) for c, lead in leads]
            shipped = " (shipped)" if lift == LATEST else ""
            cells = [f"{lift.reach:g}", f"{lift.weight:g}{shipped}", f"{lift.held:g}"]
            rows.append([half, str(len(some)), *cells, share(newer), share(either)])
    print_table(["half", "n", "reach", "weight", "held", "of the newer", "of either"], rows)


def _is_of(lead: Candidate | None, uris: set[str]) -> bool:
    return lead is not None and lead.passage.article.uri in uris


def conflicts(
    plain: Sequence[Found], asked: Sequence[Found], made: Sequence[Copy], explain: bool
) -> None:
    """Print how often a disagreement is told where there is none, and where there is one."""
    print("\n## Articles that disagree\n")
    rows = []
    for half, some in halves(plain):
        kinds = [e for e in some if expected_kind(e.question.text) in ("number", "date")]
        apart = {
            e.question.id: disagreeing(rank_sentences(e.question.text, e.retrieved)) for e in kinds
        }
        rows.append(
            [
                half,
                "SQuAD alone: told (falsely, but for real ones)",
                str(len(some)),
                share([(e.question, bool(apart.get(e.question.id))) for e in some]),
            ]
        )
        if explain:
            for e in kinds:
                for each in apart[e.question.id]:
                    print(
                        f"{half}: {e.question.text} -> [{each.passage.article.uri}] {each.text}\n"
                    )
    of = {each.question.text: each for each in made}
    for half, some in halves(asked):
        for name, is_reworded in (("same words", False), ("told otherwise", True)):
            kept = [e for e in some if of[e.question.text].is_reworded == is_reworded]
            hits, found = [], []
            for e in kept:
                copy = of[e.question.text]
                ranked = rank_sentences(e.question.text, e.retrieved)
                uris = {copy.uri, copy.original}
                apart = disagreeing(ranked)
                both = uris <= {c.passage.article.uri for c in apart}
                hits.append((e.question, both and apart[0].passage.article.uri == copy.newer))
                is_led = bool(ranked) and ranked[0].passage.article.uri in uris
                found.append(
                    (e.question, is_led and uris <= {c.passage.article.uri for c in ranked})
                )
                if explain and is_led and not both:
                    print(f"missed: {e.question.text} | {ranked[0].text} | {copy.record['text']}\n")
            rows.append(
                [
                    half,
                    f"altered copy, {name}: both told, newest first",
                    str(len(kept)),
                    share(hits),
                ]
            )
            rows.append(
                [
                    half,
                    "  of these the first sentence is of one, the other was retrieved",
                    str(len(kept)),
                    share(found),
                ]
            )
    print_table(["half", "what", "n", "share"], rows)


def news(found: Sequence[Found]) -> None:
    """Print how many of the gold sentences MultiHop-RAG's dated questions find."""
    some = [each for each in found if each.time.near or each.time.only]
    print(
        f"\n## MultiHop-RAG, questions that name a time (n = {len(some)}, filtered as shipped: "
        f"{sum(each.time.only is not None for each in some)})\n"
    )
    rows = []
    for name, lift in (
        ("not looked at", OFF),
        *((f"rank, reach {x.reach} weight {x.weight}", x) for x in PASSAGE_LIFTS),
    ):
        rows.append([name, *_recalls(some, [each.passages(lift) for each in some])])
    rows.append(["filter by every period named", *_recalls(some, [in_time(each) for each in some])])
    print_table(["dates", "recall@4", "gain, paired", "recall@10"], rows)


def _recalls(some: Sequence[Found], ranked: Sequence[Sequence[Passage]]) -> list[str]:
    resampler = Resampler([each.question.id for each in some])
    plain = _recall(some, [each.retrieved.passages for each in some], 4)
    at_4, at_10 = (_recall(some, ranked, k) for k in (4, TOP_K))
    gain = resampler.difference(at_4, plain)
    return [told(resampler.mean(at_4)), told(gain), told(resampler.mean(at_10))]


def _recall(some: Sequence[Found], ranked: Sequence[Sequence[Passage]], k: int) -> list[float]:
    return [
        len({p.article.uri for p in passages[:k]} & each.question.relevant.keys())
        / len(each.question.relevant)
        for each, passages in zip(some, ranked, strict=True)
    ]


def cost(found: Sequence[Found]) -> None:
    """Print what reading the time, and looking for disagreement, takes."""
    start = time.process_time()
    for each in found:
        read_time(each.question.text, TODAY)
    read = time.process_time()
    ranked = [rank_sentences(each.question.text, each.retrieved) for each in found]
    begun = time.process_time()
    for sentences in ranked:
        disagreeing(sentences)
    spent = (read - start, time.process_time() - begun)
    cells = [f"{1e3 * seconds / len(found):.3f}" for seconds in spent]
    print("\n## CPU a question, in milliseconds\n")
    print_table(["n", "reading the time", "looking for disagreement"], [[str(len(found)), *cells]])


def news_set(data: Path) -> tuple[list[Record], list[Question]]:
    """Return MultiHop-RAG's dated evidence as articles, and the questions that have some."""
    folder = data / "data/multihop_rag"
    records = [
        {
            "uri": row["fact_id"],
            "title": row["title"],
            "text": row["fact"],
            "published": row["published_at"][:10],
        }
        for row in read_lines(need(folder / "evidence_pool.jsonl"))
        if row["published_at"]
    ]
    held = {record["uri"] for record in records}
    questions = []
    for row in read_lines(need(folder / "queries.dev.jsonl")):
        relevant = {fact["fact_id"]: 1 for fact in row["evidence"] if fact["fact_id"] in held}
        if relevant:
            questions.append(Question(row["id"], row["query"], "", relevant))
    return records, questions


def main() -> None:
    """Build the stores that are not there, ask, and print the tables."""
    parser = argument_parser(__doc__)
    parser.add_argument("--explain", action="store_true", help="list disagreements, told or missed")
    parser.add_argument("--every", type=int, default=1, help="take every Nth SQuAD question [1]")
    options = parser.parse_args()
    records = squad_records(options.data)
    questions = squad_questions(options.data)
    made = copies(records, questions)
    with workplace(options.keep) as folder:
        cache = folder / "squad-queries.npz"
        service = _filled(folder / "dated", folder, "dated", dated(records))
        found = list(ask(service, cache, questions[:: options.every], TODAY))
        service.close()
        events(found)
        timeless(found)
        cost(found[:1000])
        if not (folder / "with-copies").exists():
            shutil.copytree(folder / "dated", folder / "with-copies")
        service = _filled(folder / "with-copies", folder, "copies", [c.record for c in made])
        asked = [replace(c.question, text=PREFIX + c.question.text) for c in made]
        latest(list(ask(service, cache, asked, TODAY)), made)
        same = list(ask(service, cache, [c.question for c in made], TODAY))
        service.close()
        conflicts(found, same, made, options.explain)
        told_news, asked_news = news_set(options.data)
        service = _filled(folder / "news", folder, "news", told_news)
        news(list(ask(service, folder / "news-queries.npz", asked_news, NEWS_TODAY)))
        service.close()


def _filled(store: Path, folder: Path, name: str, records: Sequence[Record]) -> Service:
    service = open_service(store, threads=1)
    held = {head.uri for head in service.articles()}
    if not held >= {record["uri"] for record in records}:
        fill(service, folder, name, records)
    return service


if __name__ == "__main__":
    main()
