"""Whether the articles tie what a follow-up question asks to what the talk before it adds.

By its form alone "When was the cable laid?" may lean on the talk, and mean the cable of the bridge
that it was about. Where no passage has both, and others have the cable, the subject has changed:
nothing is added. And two subjects of a talk that no passage has together are not both meant: the
one that was said last is.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from app.answering.conversation import PHRASES, Exchange
from app.answering.dependence import signs_of
from app.answering.parts import Part, Understood
from vectorstore.analysis import content_terms
from vectorstore.store import Store
from vectorstore.types import Filter

TELLING = 2  # rare terms of a phrase, either of which stands for it


def tied(
    meant: Understood, history: Sequence[Exchange], store: Store, condition: Filter
) -> Understood:
    """Return what is meant without additions to its parts that nothing ties to them.

    Args:
        meant: As `understand` has it.
        history: The turns before, oldest first.
        store: The articles.
        condition: Which of them may be seen.
    """
    ties = _Ties(history, store, condition)
    parts = tuple(ties.part(part) for part in meant.parts)
    if parts == meant.parts:
        return meant
    return replace(meant, question=" ".join(part.query for part in parts), parts=parts)


class _Ties:
    def __init__(self, history: Sequence[Exchange], store: Store, condition: Filter) -> None:
        self._said = [set(content_terms(f"{e.question} {e.answer}")) for e in history]
        self._store = store
        self._condition = condition

    def part(self, part: Part) -> Part:
        if not part.added:
            return part
        own = set(content_terms(part.text))
        phrases = part.added.strip(" ()").split(", ")
        subjects = [
            self._rarest(set(content_terms(each)) - own)[:TELLING] for each in phrases[:PHRASES]
        ]
        if not all(subjects):
            return part
        if not _points_back(part.text):
            asked = next(([term] for term in self._rarest(own) if self._stand([term])), [])
            if asked and self._are_apart(asked, [term for each in subjects for term in each]):
                return replace(part, query=part.text)
        if len(subjects) == PHRASES and self._are_apart(*subjects):
            del phrases[min((0, 1), key=lambda at: self._last(subjects[at]))]
            return replace(part, query=f"{part.text.rstrip()} ({', '.join(phrases)})")
        return part

    def _rarest(self, terms: Iterable[str]) -> list[str]:
        """Return the terms, the rarest first."""
        idf = self._store.lexical.idf(terms)
        return sorted(idf, key=lambda term: (-idf[term], term))

    def _are_apart(self, one: list[str], other: list[str]) -> bool:
        """Whether passages have the one, and others the other, and none has both."""
        return self._stand(one) and self._stand(other) and not self._stand(one, other)

    def _stand(self, *groups: list[str]) -> bool:
        """Whether a passage that may be seen has a term of each group."""
        exact = self._store.vectors.exact
        condition = exact.spell_out(self._condition)
        return bool(exact.seen(self._store.lexical.having(groups, condition), condition))

    def _last(self, subject: list[str]) -> int:
        """Return the turn in which a subject was said last, counted from 0; -1 for none."""
        return max((n for n, said in enumerate(self._said) if said & set(subject)), default=-1)


def _points_back(question: str) -> bool:
    """Whether words of a question point to what was said, whatever articles there are."""
    signs = signs_of(question, frozenset())
    return any((signs.leans, signs.other, signs.relational, signs.one_sided))
