"""Questions whose answer has a form of its own: a summary, a comparison, a list."""

from __future__ import annotations

import re
from collections.abc import Sequence

from vectorstore.analysis import content_terms
from vectorstore.types import ArticleHead

_PLEASE = r"^\W*(?:please\s+)?(?:(?:can|could|would)\s+you\s+(?:please\s+)?)?"
_END = r"\s*(?:,?\s*please)?\W*$"
_SUMMARY = re.compile(
    rf"{_PLEASE}(?:(?:summari[sz]e|sum\s+up|tl;?\s?dr:?)|(?:(?:give|show|write)\s+(?:me\s+)?)?"
    rf"(?:a|the)?\s*(?:short\s+|brief\s+)?summary\s+of)(?:\s+(?P<what>.*?))?{_END}",
    re.IGNORECASE | re.DOTALL,
)
_AT_HAND = re.compile(
    r"^(?:(?:this|that|the|it|your)(?:\s+(?:last\s+)?(?:article|text|page|story|report|piece|one))?)?$",
    re.IGNORECASE,
)
_CALLED = re.compile(
    r"^(?:(?:this|that|the)\s+)?(?:article|story|report|piece|text|page)\s+"
    r"(?:on\s+|about\s+|called\s+|titled\s+|named\s+)?",
    re.IGNORECASE,
)
_SIDES = rf"(?P<one>.+?)\s+{{joint}}\s+(?P<other>.+?){_END}"
_DIFFERENCE = r"(?:(?:main|key|big|biggest|major)\s+)?differences?"
_COMPARISONS = tuple(
    re.compile(begins + _SIDES.format(joint=joint), re.IGNORECASE)
    for begins, joint in (
        (rf"{_PLEASE}compare\s+", r"(?:and|with|to|versus|vs\.?)"),
        (
            rf"{_PLEASE}(?:(?:what(?:\s+(?:is|are|was|were)|[’']s)|tell\s+me|explain)\s+)?"
            rf"(?:the\s+|a\s+)?{_DIFFERENCE}\s+between\s+",
            "and",
        ),
        (
            r"^\W*how\s+(?:do|does|did|is|are)\s+",
            r"(?:(?:similar\s+or\s+)?different\s+from|differ\s+from|compare\s+(?:with|to))",
        ),
        (r"^(?=(?:\S+\s+){2,9}\S+$)", r"(?:vs\.?|versus)"),
    )
)
_ASKING = re.compile(
    r"^(?:who|what|when|where|why|which|how|tell|is|are|was|were|do|does|did)\b", re.I
)
_NO_THING = re.compile(r"^(?:each\s+other|one\s+another|it|its|them|their|this|that|these)\b", re.I)
_OF = re.compile(r"^(?P<aspect>.+?\s+(?:of|in|for))\s+(?P<thing>.+)$", re.IGNORECASE)
LONGEST_SIDE = 80  # characters; what is longer is no name of a thing
_COUNT = r"(?:all|some|several|the|any|two|three|four|five|six|seven|eight|nine|ten|\d+)"
_ASKED = r"(?:are|were|do|did|have|had|can|could|will|would)"
_MANY = r"(?:\w+\s+){0,2}?(?!(?:this|was|is|has|does|yes|its|his)\b)\w+(?<!s)s"
_LIST = re.compile(
    rf"{_PLEASE}(?:list\s+(?!of\b)|enumerate\s+|name\s+{_COUNT}\s+|give\s+(?:me\s+)?(?:a|the)\s+list\s+of\s+)\w"
    rf"|^\W*which\s+{_MANY}\s+{_ASKED}\b"
    rf"|^\W*what\s+(?:are|were)\s+(?:all|some|the\s+(?:different|various))\s",
    re.IGNORECASE,
)


def summary_of(question: str) -> str | None:
    """Return the words that name what to summarise, "" for the article at hand; None if nothing.

    Example: "Summarise the article about the Lyra Dome, please." -> "the Lyra Dome"
    """
    match = _SUMMARY.match(question)
    if match is None:
        return None
    what = (match.group("what") or "").strip(" \t\n\"“”„«»'‘’")
    return "" if _AT_HAND.match(what) else _CALLED.sub("", what)


def article_named(words: str, heads: Sequence[ArticleHead]) -> ArticleHead | None:
    """Return the article whose title is meant: the very title, else that which has all the words.

    Of several, the one with the fewest words beside them, then the first in `heads`.
    """
    plain = _plain(words)
    wanted = set(content_terms(words))
    fitting: list[tuple[int, ArticleHead]] = []
    for head in heads:
        if _plain(head.title) == plain:
            return head
        held = set(content_terms(head.title))
        if wanted and wanted <= held:
            fitting.append((len(held - wanted), head))
    return min(fitting, key=lambda pair: pair[0])[1] if fitting else None


def _plain(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.casefold()))


def compared(question: str) -> tuple[str, str] | None:
    """Return the two things that a question compares; an aspect of the one is carried over.

    Example: "Compare the cost of coal and wind" -> ("the cost of coal", "the cost of wind")
    """
    for pattern in _COMPARISONS:
        match = pattern.match(question)
        if match is None:
            continue
        one, other = match.group("one"), match.group("other")
        whole = max(len(one), len(other)) <= LONGEST_SIDE and " and " not in other.casefold()
        if not whole or _ASKING.match(one) or any(map(_NO_THING.match, (one, other))):
            return None
        aspect = _OF.match(one)
        if aspect and not _OF.match(other):
            other = f"{aspect.group('aspect')} {other}"
        return one, other
    return None


def is_list(question: str) -> bool:
    """Whether several things are asked for.

    Example: "Which companies were fined?" -> True; "Which company was fined?" -> False
    """
    return bool(_LIST.search(question))
