"""A reply that comes in pieces becomes tokens: text, blanks, marks, code, what leads a line.

A token is given out as soon as nothing that may follow can change it, so however the reply is cut
into pieces, the tokens say the same (a run of text or blanks may come in several).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from app.generation.grammar import LONGEST, OPENERS, Half, Mark, match, match_next
from app.generation.keys import Keys

INLINE = 200  # characters of `code` in a line; backticks that are further apart are text
CODE_LINE = 1_000  # characters of a line in a fence; a longer one comes in pieces
_FENCE = re.compile(r"(`{3,9}|~{3,9})[^`~\n][^`\n]{0,60}\n|(`{3,9}|~{3,9})\n")
_FENCE_START = re.compile(r"(?:`{1,2}|~{1,2}|(?:`{3,9}|~{3,9})(?:[^`~\n][^`\n]{0,60})?)\Z")
_LEAD = re.compile(r"(?:[-+*–—•‣◦▪·]|#{1,6}|>|(\d{1,3})[.)]|[a-z]\))[ \t]|[•‣◦▪>]")
_LEAD_START = re.compile(r"(?:[-+*–—·]|#{1,6}|\d{1,3}[.)]?|[a-z]\)?)\Z")
_BLANKS = re.compile(r"[^\S\n]*\n|[^\S\n]+")
_PLAIN = re.compile(rf"[^\s`{re.escape(OPENERS)}]+")
_TICKS = re.compile("`+")


@dataclass(frozen=True, slots=True)
class Token:
    """A part of a reply; `half` is a mark that the reply's end cut off.

    `lead` is a list item's sign, a heading's or a quotation's, with the blank behind it; `span`
    is inline code with its backticks, `fence` a line of a code block.
    """

    kind: Literal["text", "blank", "mark", "half", "lead", "span", "fence"]
    text: str
    keys: tuple[str, ...] = ()
    invented: int = 0


class _WaitError(Exception):
    """What has come may still become one thing or another."""


class Reader:
    """The tokens of one reply."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self._text = ""  # what has not been given out
        self._at = 0  # of it
        self._ended = False
        self._line_start = True
        self._after_mark = False
        self._fence = ""  # the signs that opened it
        self._item = 0  # the last number that led a line

    def feed(self, piece: str) -> Iterator[Token]:
        """Yield the tokens that have become certain."""
        self._text = self._text[self._at :] + piece
        self._at = 0
        try:
            while self._at < len(self._text):
                token = self._next()
                self._at += len(token.text)
                yield token
        except _WaitError:
            return

    def close(self) -> Iterator[Token]:
        """Yield the rest."""
        self._ended = True
        yield from self.feed("")

    def _next(self) -> Token:
        if self._after_mark:
            self._after_mark = False
            if token := self._mark(joined=True):
                return token
        if blanks := _BLANKS.match(self._text, self._at):
            self._line_start |= blanks[0].endswith("\n")
            return Token("blank", blanks[0])
        if self._fence:
            return self._fence_line()
        if self._line_start:
            if token := self._start_of_line():
                return token
            self._line_start = False
        char = self._text[self._at]
        token = self._span() if char == "`" else self._mark() if char in OPENERS else None
        if token:
            return token
        plain = _PLAIN.match(self._text, self._at)
        return Token("text", plain[0] if plain else char)

    def _wait(self) -> None:
        """Go no further until more has come, if more may come."""
        if not self._ended:
            raise _WaitError

    def _start_of_line(self) -> Token | None:
        """Return what leads a line, or opens a code block."""
        if fence := _FENCE.match(self._text, self._at):
            self._fence = fence[1] or fence[2]
            return Token("fence", fence[0].rstrip())
        if _FENCE_START.match(self._text, self._at):
            self._wait()
            line = self._text[self._at :]
            if line.startswith(("```", "~~~")):
                return Token("fence", line.rstrip())
        if lead := _LEAD.match(self._text, self._at):
            number = int(lead[1] or 0)
            # A number that is not the list's next one is a date or a sum: "3. Mai".
            if number > 1 and number != self._item + 1:
                return None
            self._item = number or self._item
            return Token("lead", lead[0])
        if _LEAD_START.match(self._text, self._at):
            self._wait()
        return None

    def _fence_line(self) -> Token:
        limit = self._at + CODE_LINE
        end = self._text.find("\n", self._at, limit)
        if end == -1:
            end = min(limit, len(self._text))
            if end < limit:
                self._wait()
        line = self._text[self._at : end].rstrip()
        if line.startswith(self._fence) and not line.strip(self._fence[0]):
            self._fence = ""
        return Token("fence", line)

    def _span(self) -> Token:
        """Return inline code; or its first backticks as text, if no others close it in time."""
        ticks = _TICKS.match(self._text, self._at, self._at + 4)
        run = len(ticks[0]) if ticks else 0
        if run == 4:
            return Token("text", "`")  # the next three are looked at again
        start = self._at + run
        window = self._text[start : start + INLINE]
        if not window:
            self._wait()
        closing = re.search(rf"(?<!`)`{{{run}}}(?!`)|\n", window)
        if len(window) < INLINE and (closing is None or closing.end() == len(window)):
            self._wait()
        if closing is None or closing[0] == "\n":
            return Token("text", "`" * run)
        return Token("span", self._text[self._at : start + closing.end()])

    def _mark(self, joined: bool = False) -> Token | None:
        text = self._text[self._at : self._at + LONGEST]
        found = match_next(text, self._keys) if joined else match(text, self._keys)
        if isinstance(found, Mark):
            self._after_mark = True
            return Token("mark", text[: found.end], found.keys, found.invented)
        if isinstance(found, Half):
            self._after_mark = joined
            self._wait()
            self._after_mark = False
            if found.certain:
                return Token("half", text, found.keys, found.invented)
        return None
