"""Whether a chat model says the same over and over, as small ones do without end."""

from __future__ import annotations

import re
from collections import Counter

TAIL = 240  # characters at the end that may repeat a shorter unit
REPEATS = 4  # times that a unit, or a line or sentence, may not be said
LEAST = 20  # characters of a line or sentence that counts; shorter ones recur in lists and tables
STEP = 80  # characters between two looks

_LINES = re.compile(r"\n+|(?<=[.!?])\s+")
_BULLET = re.compile(r"^\s*(?:[-*•]|\d{1,3}[.)])\s+")


def period(text: str) -> int:
    """Return the length of the shortest unit that, repeated, makes the text.

    The last repeat may be broken off: "abcabca" -> 3. By the prefix function of Knuth, Morris
    and Pratt (1977).
    """
    borders = [0] * len(text)
    for index in range(1, len(text)):
        border = borders[index - 1]
        while border and text[index] != text[border]:
            border = borders[border - 1]
        borders[index] = border + (text[index] == text[border])
    return len(text) - borders[-1] if text else 0


def is_endless(text: str) -> bool:
    """Whether a text has come to repeat itself.

    Either its last 240 characters are one unit four times or more, or one line or sentence of
    at least 20 characters, numbering aside, was said four times.
    """
    tail = text[-TAIL:]
    if len(tail) == TAIL and period(tail) * REPEATS <= TAIL:
        return True
    said = Counter(_BULLET.sub("", line).strip() for line in _LINES.split(text))
    return any(times >= REPEATS and len(line) >= LEAST for line, times in said.items())


class Watch:
    """Looks at a text while it grows, every 80 characters."""

    def __init__(self) -> None:
        self._text = ""
        self._looked = 0

    def add(self, piece: str) -> bool:
        """Add a piece; whether the text has come to repeat itself."""
        self._text += piece
        if len(self._text) - self._looked < STEP:
            return False
        self._looked = len(self._text)
        return is_endless(self._text)
