"""Sentences that say the same in nearly the same words, of which one is shown and all are cited.

Two sentences are taken for the same only by their words: with the same names and figures in the
same order, and no word of the one that the other lacks. Vectors would not do: those of "The price
rose" and "The price fell" are near each other.
"""

from __future__ import annotations

from collections.abc import Iterable

from app.answering.features import PRONOUNS, Read

LEAST = 6  # words of content: shorter sentences are alike by chance
MORE = 1.25  # as many words of content at most as the sentence that is shown
CITED = 3  # passages for one sentence
# All else can turn a sentence round: "not", "before", "by", "from", "without".
_FILLERS = frozenset(
    "a an and are at be been had has have he in is it its of on or she that the they was were "
    "which who".split()
)


def says(other: Read, one: Read) -> bool:
    """Whether `other` says what `one` says, and little more.

    Example: "On 3 May 1932 the new harbour bridge opened for trams." says "The harbour bridge
    opened for trams on 3 May 1932."
    """
    if other.text == one.text:
        return _is_whole(one)
    if len(one.held & other.held) < 0.8 * len(one.held):  # soon told for most
        return False
    wanted, found = _content(one), _content(other)
    return (
        _is_whole(one)
        and _is_whole(other)
        and wanted <= found
        and len(found) <= MORE * len(wanted)
        and _facts(one, wanted) == _facts(other, wanted)
    )


def repeats(later: Read, earlier: Read) -> bool:
    """Whether the later sentence tells nothing that the earlier one does not."""
    return says(later, earlier) or says(earlier, later)


def elsewhere(shown: Read, others: Iterable[Read]) -> list[Read]:
    """Return where else the same is said: one sentence for each other article, in their order."""
    found = {shown.passage.article.id: shown}
    for read in others:
        if read.passage.article.id not in found and says(read, shown):
            found[read.passage.article.id] = read
    return list(found.values())[1:CITED]


def _is_whole(read: Read) -> bool:
    """Whether a sentence has a subject of its own, and enough words to be told by."""
    return len(_content(read)) >= LEAST and read.tokens[0].word.lower not in PRONOUNS


def _content(read: Read) -> frozenset[str]:
    return frozenset(
        term
        for token in read.tokens
        if token.word.lower not in _FILLERS
        for term in token.word.terms
    )


def _facts(read: Read, wanted: frozenset[str]) -> list[str]:
    """Return the sentence's names and figures among `wanted`, in order; not its first word."""
    return [
        term
        for place, token in enumerate(read.tokens)
        if token.word.digit or (token.word.capital and place)
        for term in token.word.terms
        if term in wanted
    ]
