"""How passages are found in languages that the default encoder was not trained on.

Our own short articles (languages.jsonl, CC0) in German, French, Spanish, Arabic, Russian and
Chinese, all in one index, asked in other forms of their words; and RGB's Chinese questions
(evaluation only) over all passages of their set. Each by the analysis of the language and by that
of English, as everything was read before. A passage counts where it holds the answer; of RGB's
`zh_int`, a part of it. The encoder is asked for the own articles and `zh_fact` only. The intervals
are 95 %, over questions.

    python bench/languages.py
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from corpora import argument_parser
from report import print_table

from app.evaluation.bootstrap import Interval, Resampler, percentile
from app.evaluation.files import read_lines
from vectorstore.encoder import SentenceTransformerEncoder
from vectorstore.language import detect, language_of, load
from vectorstore.lexical import LexicalIndex
from vectorstore.reader import LexicalRow
from vectorstore.retriever import ALPHA, CANDIDATES, fuse
from vectorstore.types import ArticleHead, Filter

OWN = Path(__file__).with_suffix(".jsonl")
SETS = ("zh_fact", "zh_refine", "zh_int")
ENCODED = ("own", "zh_fact")
TOLD = (  # file, field, language
    ("squad/questions_v1.1.dev", "question", "en"),
    ("cast/turns.dev", "utterance", "en"),
    ("rgb/en_fact.dev", "query", "en"),
    *((f"rgb/{name}.dev", "query", "zh") for name in SETS),
    ("squad/paragraphs", "text", "en"),
)
TOP = (1, 5, 10)

Scores = list[Mapping[int, float]]


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, its language, and the numbers of the passages that hold its answer."""

    query: str
    language: str
    relevant: frozenset[int]


@dataclass(frozen=True, slots=True)
class Set:
    """Passages and the questions about them."""

    name: str
    passages: list[str] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)


def own() -> Set:
    """Return our own articles and their questions."""
    found = Set("own")
    for line in OWN.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        relevant = frozenset({len(found.passages)})
        found.passages.append(f"{row['title']}. {row['text']}")
        found.asked.extend(Asked(each, row["language"], relevant) for each in row["questions"])
    return found


def read(folder: Path, name: str) -> Set:
    """Return all passages of one of RGB's sets and its questions."""
    rows = list(read_lines(folder / f"{name}.dev.jsonl"))
    numbers: dict[str, int] = {}
    for row in rows:
        for passage in (*_flat(row["positive"]), *_flat(row["negative"])):
            numbers.setdefault(passage, len(numbers))
    asked = [
        Asked(row["query"], "zh", frozenset(numbers[p] for p in _flat(row["positive"])))
        for row in rows
    ]
    return Set(name, list(numbers), asked)


def _flat(passages: Sequence[str | Sequence[str]]) -> Iterator[str]:
    for each in passages:
        yield from [each] if isinstance(each, str) else each


def lexical(of: Set, *, english: bool) -> Scores:
    """Return the BM25 of the best passages for each query, languages told or all English."""

    def row(number: int, text: str) -> tuple[LexicalRow, str]:
        language = None if english else detect(text)
        head = ArticleHead(f"a{number}", "uri", "", "0" * 64, "c", language=language)
        return LexicalRow(number, text, head, ""), text

    with tempfile.TemporaryDirectory() as folder:
        index = LexicalIndex(Path(folder))
        index.apply([], (row(number, text) for number, text in enumerate(of.passages)))
        found: Scores = []
        for each in of.asked:
            language = "en" if english else language_of(each.query)
            found.append(dict(index.search(each.query, CANDIDATES, Filter(), language)))
        index.close()
    return found


def dense(of: Set, encoder: SentenceTransformerEncoder) -> Scores:
    """Return the cosine of every passage for each query."""
    rows = np.stack(encoder.encode_queries(of.passages))
    queries = encoder.encode_queries([each.query for each in of.asked])
    return [dict(enumerate((rows @ query).tolist())) for query in queries]


def hits(asked: Sequence[Asked], scores: Scores, top: int) -> list[float]:
    """Return 1 for each question that has an answer among its first passages."""
    found = []
    for each, score in zip(asked, scores, strict=True):
        best = sorted(score, key=lambda n, of=score: (-of[n], n))[:top]
        found.append(float(bool(each.relevant.intersection(best))))
    return found


def systems_of(of: Set, encoder: SentenceTransformerEncoder) -> dict[str, Scores]:
    """Return the scores of each way to find passages."""
    systems = {
        "words, as English": lexical(of, english=True),
        "words, by language": lexical(of, english=False),
    }
    if of.name in ENCODED:
        cosines = dense(of, encoder)
        both = {
            f"{name} and meaning": [
                fuse(cosine, bm25, ALPHA) for cosine, bm25 in zip(cosines, found, strict=True)
            ]
            for name, found in systems.items()
        }
        systems |= {"meaning": cosines, **both}
    return systems


def print_own(of: Set, systems: Mapping[str, Scores]) -> None:
    """Print what each language finds first, by words."""
    table = []
    for language in dict.fromkeys(each.language for each in of.asked):
        places = [n for n, each in enumerate(of.asked) if each.language == language]
        told = sum(language_of(of.asked[n].query) == language for n in places)
        resampler = Resampler(["" for _ in places])
        ours, theirs = (
            [hits(of.asked, systems[name], 1)[n] for n in places]
            for name in ("words, by language", "words, as English")
        )
        table.append(
            [
                language,
                f"{told} of {len(places)}",
                *(cell(resampler.mean(each)) for each in (theirs, ours)),
                cell(resampler.difference(ours, theirs)),
            ]
        )
    print_table(["language", "told", "top 1, as English", "by language", "difference"], table)


def print_told(folder: Path) -> None:
    """Print how often a question's language is told, and a passage's, and how long it takes."""
    load()
    table = []
    for name, key, language in TOLD:
        texts = [str(row[key]) for row in read_lines(folder / f"{name}.jsonl")]
        tell = detect if key == "text" else language_of
        times, found = [], Counter[str | None]()
        for text in texts:
            start = time.process_time()
            found[tell(text)] += 1
            times.append((time.process_time() - start) * 1e3)
        wrong = len(texts) - found[language] - found[None]
        row = (name, len(texts), found[language], found[None], wrong)
        table.append([*map(str, row), f"{percentile(times, 0.5).value:.2f} ms"])
    print_table(["texts", "n", "told", "left open", "wrong", "p50 (CPU)"], table)


def cell(share: Interval) -> str:
    """Return a figure with its interval."""
    return f"{share.value:.3f} [{share.low:.3f}, {share.high:.3f}]"


def main() -> int:
    """Run from the command line."""
    folder = argument_parser(__doc__).parse_args().data / "data" / "rgb"
    print_told(folder.parent)
    encoder = SentenceTransformerEncoder()
    for of in (own(), *(read(folder, name) for name in SETS)):
        systems = systems_of(of, encoder)
        print(f"\n{of.name}: {len(of.asked)} questions, {len(of.passages)} passages\n")
        resampler = Resampler(["" for _ in of.asked])
        table = [
            [name, *(cell(resampler.mean(hits(of.asked, scores, top))) for top in TOP)]
            for name, scores in systems.items()
        ]
        print_table(["found by", *(f"top {top}" for top in TOP)], table)
        ours, theirs = (
            hits(of.asked, systems[name], 1) for name in ("words, by language", "words, as English")
        )
        print(f"\nBy language less as English, top 1: {cell(resampler.difference(ours, theirs))}\n")
        if of.name == "own":
            print_own(of, systems)
    return 0


if __name__ == "__main__":
    sys.exit(main())
