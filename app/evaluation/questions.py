"""Evaluates a set of questions over a corpus: passages, answers, refusals, citations, time."""

from __future__ import annotations

import gc
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from app.evaluation import baselines
from app.evaluation.asking import STAGES, Asker, Told
from app.evaluation.bootstrap import Resamplers, percentile
from app.evaluation.curves import (
    area_interval,
    calibration,
    curve,
    expected_error,
    threshold_at,
)
from app.evaluation.figures import OURS, REPORTED, Figure, Row, figures, groups_of, parts_of
from app.evaluation.metrics import exact_match, holds, word_f1
from app.evaluation.ranking import measure_ranking
from app.evaluation.result import Curve, Operating
from app.evaluation.sample import sample
from app.evaluation.sets import CORPUS, FOREIGN, Question, QuestionSet
from app.evaluation.stores import CachedQueries, Emit
from app.service import Service
from ingest.report import Progress
from vectorstore.encoder import SentenceTransformerEncoder

FOREIGN_QUESTIONS = 500  # of other sets, asked of a corpus that does not answer them
TIMED = 100  # questions that are asked once more, to measure time
SHARES = (0.03, 0.06)  # of the answerable ones that another threshold would refuse
WRONGLY, RIGHTLY = "refused though answerable", "refused, unanswerable"
TIME = "time"  # the group of latencies

Ranked = Mapping[str, Sequence[Sequence[str]]]  # system -> question -> uris


@dataclass(frozen=True, slots=True)
class Evaluated:
    """The rows and figures of a set of questions."""

    rows: tuple[Row, ...]
    figures: tuple[Figure, ...]
    curves: tuple[Curve, ...]
    notes: tuple[str, ...]


def foreign_questions(content: QuestionSet, others: Iterable[QuestionSet]) -> list[Question]:
    """Return questions of the other sets that are given too, which this corpus does not answer.

    As many of each, at most FOREIGN_QUESTIONS in all; none for a user's own articles, of which
    nobody knows what they answer.
    """
    donors = [
        other
        for other in others
        if other.donates and other.name.split("/")[0] != content.name.split("/")[0]
    ]
    if content.records is None or not donors:
        return []
    chosen: list[Question] = []
    for donor in donors:
        own = [question for question in donor.questions if question.group == CORPUS]
        for question in sample(own, FOREIGN_QUESTIONS // len(donors)):
            chosen.append(
                replace(
                    question,
                    id=f"{donor.name}/{question.id}",
                    group=FOREIGN,
                    relevant={},
                    answers=(),
                    answerable=False,
                    reported=True,
                )
            )
    return chosen


def evaluate_questions(
    questions: Sequence[Question],
    service: Service,
    queries: CachedQueries,
    emit: Emit,
    resamplers: Resamplers,
) -> Evaluated:
    """Ask every question of an open service and of the plain pipelines over the same store."""
    notes: list[str] = []
    asker = Asker(service, queries)
    told: list[Told] = []
    ranked: list[Sequence[str]] = []
    for done, question in enumerate(questions, start=1):
        told.append(asker.ask(question))
        ranked.append(asker.rank(question) if _is_ranked(question) else ())
        emit(Progress(done, len(questions), question.id))
    scores: list[dict[str, dict[str, float]]] = [
        {OURS: _own_scores(question, each)} for question, each in zip(questions, told, strict=True)
    ]
    for system, found in _rankings(questions, ranked, service, queries, notes).items():
        for at, values in found.items():
            scores[at].setdefault(system, {}).update(values)
    rows = [
        _row(question, each, values)
        for question, each, values in zip(questions, told, scores, strict=True)
    ]
    curves, areas = refusal_curves(rows, service.settings.threshold, resamplers)
    found_figures = figures(rows, resamplers) + areas + latencies(questions, service)
    return Evaluated(tuple(rows), tuple(found_figures), tuple(curves), tuple(notes))


def _is_ranked(question: Question) -> bool:
    return bool(question.relevant) and question.within is None


def _own_scores(question: Question, told: Told) -> dict[str, float]:
    scores: dict[str, float] = {}
    if question.answers:
        scores["first sentence holds the answer"] = float(
            holds(told.sentences[:1], question.answers, question.any_case)
        )
        scores["shown answer holds it"] = float(
            holds(told.sentences, question.answers, question.any_case)
        )
        if len(question.answers) == 1:
            span = told.spans[0] if told.spans else ""
            gold = question.answers[0]
            scores["marked span, exact match"] = float(any(exact_match(span, g) for g in gold))
            scores["marked span, F1"] = max(word_f1(span, g) for g in gold)
    scores[WRONGLY if question.answerable else RIGHTLY] = float(told.refused)
    if told.verbatim:
        scores["quotes verbatim in the cited version"] = float(all(told.verbatim))
    if question.rejected:
        scores["shows a quote that was rejected"] = float(
            any(quote in told.sentences for quote in question.rejected)
        )
    return scores


def _rankings(
    questions: Sequence[Question],
    ours: Sequence[Sequence[str]],
    service: Service,
    queries: CachedQueries,
    notes: list[str],
) -> dict[str, dict[int, Mapping[str, float]]]:
    """Return the measures of every system's ranking: system -> position -> measure -> value."""
    places = [at for at, question in enumerate(questions) if _is_ranked(question)]
    if not places:
        return {}
    asked = [questions[at] for at in places]
    texts = [question.text for question in asked]
    plain = baselines.read_plain(service)
    systems: dict[str, Sequence[Sequence[str]]] = {OURS: [ours[at] for at in places]}
    systems |= baselines.rank_plain(plain, texts, queries)
    if baselines.has_peer():
        systems[baselines.PEER] = baselines.rank_peer(plain, texts, queries)
    else:
        notes.append("txtai is not installed and was not compared: pip install txtai.")
    return {
        system: dict(zip(places, measure_ranking(asked, rankings), strict=True))
        for system, rankings in systems.items()
    }


def _row(question: Question, told: Told, scores: Mapping[str, Mapping[str, float]]) -> Row:
    wanted = " and ".join(" or ".join(part) for part in question.answers)
    if not question.answerable:
        wanted = "(a refusal)"
    return Row(
        key=question.key,
        group=question.group,
        cluster=question.cluster,
        reported=question.reported,
        question=question.text,
        scores=scores,
        right=question.answerable,
        chance=told.chance,
        wanted=wanted,
        said=" / ".join(told.sentences) or "(refused)",
    )


# -- refusal -----------------------------------------------------------------------------


def refusal_curves(
    rows: Sequence[Row], threshold: float, resamplers: Resamplers
) -> tuple[list[Curve], list[Figure]]:
    """Return a curve for each group with questions that cannot be answered, and its area.

    They stand against the answerable questions of their own group; if it has none, against
    those of the whole corpus.
    """
    curves: list[Curve] = []
    areas: list[Figure] = []
    for part, inside in parts_of(rows):
        groups = groups_of(inside)
        for group, members in groups.items():
            wrong = [row for row in members if not row.right]
            right = [row for row in members if row.right]
            right = right or [row for row in groups.get(CORPUS, ()) if row.right]
            if not wrong or not right:
                continue
            curves.append(_curve(part, group, right, wrong, threshold))
            both = right + wrong
            interval = area_interval(
                [row.chance or 0.0 for row in both],
                [row.right for row in both],
                resamplers.of([row.cluster for row in both]),
            )
            areas.append(Figure(part, group, "refusal, area under the ROC curve", OURS, interval))
    return curves, areas


def _curve(
    part: str, group: str, right: Sequence[Row], wrong: Sequence[Row], threshold: float
) -> Curve:
    both = [*right, *wrong]
    scores, kinds = [row.chance or 0.0 for row in both], [row.right for row in both]
    yes, no = scores[: len(right)], scores[len(right) :]
    thresholds = {"the setting": threshold}
    thresholds |= {f"{share:.0%} wrongly refused": threshold_at(yes, share) for share in SHARES}
    bins = calibration(scores, kinds, [row.cluster for row in both])
    return Curve(
        part=part,
        name=group,
        right=len(yes),
        wrong=len(no),
        points=tuple(curve(scores, kinds)),
        operating=tuple(
            Operating(
                name,
                at,
                sum(score < at for score in yes) / len(yes),
                sum(score < at for score in no) / len(no),
            )
            for name, at in thresholds.items()
        ),
        bins=tuple(bins),
        error=expected_error(bins),
    )


# -- time --------------------------------------------------------------------------------


def latencies(questions: Sequence[Question], service: Service) -> list[Figure]:
    """Return p50 and p95 of every stage, of questions asked one by one with one thread."""
    asked = sample([q for q in questions if q.group == CORPUS] or questions, TIMED)
    model, precision = service.settings.encoder, service.settings.precision
    encoder = SentenceTransformerEncoder(str(model), 1, str(precision))
    encoder.load()
    asker = Asker(service, encoder)
    asker.meter(asked[0])  # what is slow only once
    gc.collect()
    gc.freeze()  # as the server does: else collections walk what the evaluation keeps
    spent = [asker.meter(question) for question in asked]
    gc.unfreeze()
    found: list[Figure] = []
    for stage in (*STAGES, "total"):
        for unit, at in (("ms", 0), ("CPU ms", 1)):
            values = [each[at][stage] for each in spent]
            for name, share in (("p50", 0.5), ("p95", 0.95)):
                interval = percentile(values, share)
                found.append(Figure(REPORTED, TIME, f"{stage}, {unit}, {name}", OURS, interval))
    return found
