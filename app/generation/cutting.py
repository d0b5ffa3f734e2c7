"""Where a sentence of a reply ends, decided on one character behind it.

The rules for articles (vectorstore/sentences.py) know abbreviations and ordinals; around them
stand rules for what they do not ask: brackets and quotations that are still open, small letters
that go on, numbered items, days of the month, and marks, which models set behind whole sentences.
"""

from __future__ import annotations

import re

from vectorstore.sentences import find_sentences

STOPS = ".!?…。！？؟۔।॥｡．‼⁇⁈⁉"
TIGHT = "。！？｡"  # stops that no blank follows
CLOSING = "\"'”’»›)]}」』】）］〉》*_"
_UNSEEN = "".join(
    map(chr, [*range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x2070)])
)
_AFTER_STOP = CLOSING + "“‘" + _UNSEEN
TIGHT_ENDS = TIGHT + _AFTER_STOP  # what no blank need follow for a sentence to end
_GOES_ON = STOPS + ",;:，、；：)]}”’»›」』】）］〉》%"  # no sentence starts with these

_MEMORY = 80  # characters of the sentence that abbreviations are looked for in
_ASIDE = 200  # characters after which an open bracket or quotation is not waited for
_PAIRS = (("(", ")"), ("[", "]"), ("（", "）"), ("“", "”"), ("«", "»"), ("「", "」"), ("『", "』"))
_SURROGATES = re.compile("[\ud800-\udfff]")

# "1. Foo" within a line, "am 3. Mai", the initial of "M. Dupont".
_NUMBERED = re.compile(r"(?:^|[:;(]\s?)\(?\d{1,3}\.$")
_DAY = re.compile(
    r"\b(?:am|vom|zum|bis|der|den|dem|des|seit|ab|und|im|le|den|ten)\s\d{1,2}\.$", re.I
)
_INITIAL = re.compile(r"(?:^|[\s(\"“«.])[^\W\d_]\.$")
_OMISSION = re.compile(r"[\[(［（【](?:…|\.{2,4}|。{2,6})$")  # "[…]"


def ends_with_stop(sentence: str) -> bool:
    """Tell whether a sentence has a stop at its end, or before the quotes that close it."""
    return sentence.rstrip(_AFTER_STOP).endswith(tuple(STOPS))


def ends(sentence: str, after: str, apart: bool, marked: bool, language: str) -> bool:
    """Tell whether a sentence ends where it stands.

    Args:
        sentence: From its start to the last character before the blank.
        after: The next character that is no blank and of no mark.
        apart: Whether there is a blank between.
        marked: Whether there is a mark between.
        language: Whose abbreviations to expect; a tag such as en or de-CH.
    """
    tail = sentence[-_ASIDE:]
    core = tail.rstrip(_AFTER_STOP)
    stop = core[-1:]
    if not stop or stop not in STOPS or after in _GOES_ON or _OMISSION.search(core):
        return False
    if stop in TIGHT:
        return apart or marked or after not in CLOSING + _UNSEEN
    if not (apart or marked) or after.islower() or _is_open(tail):
        return False
    return marked or stop != "." or not _is_abbreviation(core, after, language)


def _is_open(tail: str) -> bool:
    """Tell whether the end of a sentence lies within brackets or quotes that are yet to close."""
    if tail.count('"') % 2:
        return True
    german = "„" in tail  # where “ closes
    for opening, closing in _PAIRS:
        if opening == "“" and german:
            opening, closing = "„", "“"
        if tail.count(opening) > tail.count(closing):
            return True
    return False


def _is_abbreviation(core: str, after: str, language: str) -> bool:
    """Tell whether the full stop at the end of `core` belongs to a word or a number."""
    if _NUMBERED.search(core) or _DAY.search(core) or _INITIAL.search(core):
        return True
    words = " ".join(_SURROGATES.sub("x", core[-_MEMORY:]).split())
    following = after if after.isalnum() else "A"
    probe = f"{words} {following}"
    return find_sentences(probe, 0, len(probe), language)[-1].start < len(words)
