"""Evaluates follow-up questions and the extraction of articles: what needs no corpus."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache

from app.answering.conversation import Exchange, standalone
from app.answering.reading import Reader, reader_of
from app.evaluation.figures import ADDED, OURS, PRECISION, RECALL, RIGHTLY, Row
from app.evaluation.metrics import extraction_scores, normalize
from app.evaluation.sets import ConversationSet, PageSet, Turn
from ingest.extract import extract
from vectorstore.analysis import content_terms
from vectorstore.errors import ArticleFormatError

Rewriter = Callable[[Turn], str | None]
"""Returns a turn's question as it would be asked alone; None where it has none for this turn."""


def _as_it_stands(turn: Turn) -> str:
    return turn.utterance


def _joined(turn: Turn) -> str:
    return " ".join([*(user for user, _ in turn.history), turn.utterance])


def _track_s_own(turn: Turn) -> str | None:
    return turn.automatic


def _ours(turn: Turn) -> str:
    history = [Exchange(user, told or "") for user, told in turn.history]
    return standalone(turn.utterance, history, reader=_reader()).question


@cache
def _reader() -> Reader | None:
    """Return what reads follow-up questions in a service with the encoder it has by default."""
    from vectorstore.encoder import SentenceTransformerEncoder

    return reader_of(SentenceTransformerEncoder())


REWRITERS: Mapping[str, Rewriter] = {
    OURS: _ours,
    "as it stands": _as_it_stands,
    "earlier questions in front": _joined,
    "the track's own": _track_s_own,
}


def evaluate_turns(
    content: ConversationSet, rewriters: Mapping[str, Rewriter] = REWRITERS
) -> list[Row]:
    """Compare rewriters with the people who wrote each turn anew.

    Of a turn to which a person added content words: how many of them a rewriter added (recall)
    and how many of those it added are among them (precision, over all turns together). Of a turn
    that a person left as it is: whether a rewriter leaves it so.
    """
    return [_turn_row(turn, rewriters) for turn in content.turns]


def _turn_row(turn: Turn, rewriters: Mapping[str, Rewriter]) -> Row:
    known = set(content_terms(turn.utterance))
    wanted = set(content_terms(turn.rewrite)) - known
    alone = normalize(turn.rewrite) == normalize(turn.utterance)
    scores: dict[str, dict[str, float]] = {}
    said = {
        name: text for name, rewrite in rewriters.items() if (text := rewrite(turn)) is not None
    }
    for name, text in said.items():
        if alone:
            scores[name] = {"left unchanged": float(normalize(text) == normalize(turn.utterance))}
            continue
        if wanted:
            added = set(content_terms(text)) - known
            scores[name] = {
                "recall of added words": len(added & wanted) / len(wanted),
                ADDED: len(added),
                RIGHTLY: len(added & wanted),
            }
    group = "stands alone" if alone else "needs words" if wanted else "needs other changes"
    return Row(
        key=turn.id,
        group=group,
        cluster=turn.conversation,
        reported=True,
        question=turn.utterance,
        scores=scores,
        wanted=turn.rewrite,
        said=said.get(OURS, ""),
    )


def evaluate_pages(content: PageSet) -> list[Row]:
    """Extract every page's article and compare its text with the one people marked."""
    rows = []
    for page in content.pages:
        try:
            text = extract(page.html, "html", page.id).text
        except ArticleFormatError as exc:
            text, said = "", f"(not extracted: it {exc})"
        else:
            said = f"{len(text)} characters"
        precision, recall, exact = extraction_scores(text, page.text)
        scores = {PRECISION: precision, RECALL: recall, "exactly right": float(exact)}
        rows.append(
            Row(
                key=page.id,
                group="pages",
                cluster=page.site,
                reported=True,
                question=page.site,
                scores={OURS: scores},
                wanted=f"{len(page.text)} characters",
                said=said,
            )
        )
    return rows
