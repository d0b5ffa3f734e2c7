"""How well articles are ranked, as ir_measures defines it; the only file that imports it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from app.evaluation.sets import Question

DEPTH = 10  # articles of a ranking that are measured
MEASURES = ("nDCG@10", "R@1", "R@5", "R@10", "MRR")


def measure_ranking(
    questions: Sequence[Question], ranked: Sequence[Sequence[str]]
) -> list[Mapping[str, float]]:
    """Return MEASURES for each question.

    Args:
        questions: Each with at least one relevant article.
        ranked: The uris of the articles found for each, best first. MRR is the reciprocal rank of
            the first relevant one among the first DEPTH; nDCG is Järvelin and Kekäläinen's (2002).
    """
    import ir_measures
    from ir_measures import RR, R, nDCG

    names = {nDCG @ 10: "nDCG@10", R @ 1: "R@1", R @ 5: "R@5", R @ 10: "R@10", RR @ 10: "MRR"}
    qrels = [
        ir_measures.Qrel(str(at), uri, grade)
        for at, question in enumerate(questions)
        for uri, grade in question.relevant.items()
    ]
    run = [
        ir_measures.ScoredDoc(str(at), uri, -float(rank))
        for at, uris in enumerate(ranked)
        for rank, uri in enumerate(uris[:DEPTH])
    ]
    found: list[dict[str, float]] = [dict.fromkeys(MEASURES, 0.0) for _ in questions]
    if run:
        for each in ir_measures.iter_calc(list(names), qrels, run):
            found[int(each.query_id)][names[each.measure]] = float(each.value)
    return list(found)
