"""The stream of a chat model's reply becomes whole sentences with the passages they cite.

What happens to the white space around marks, which may be several with blanks, a comma or an
"and" between them:

* Behind text of the same line, the blanks before the marks go if blanks, a closing bracket or
  quote, punctuation or the end of the reply follows ("so [k7f]." becomes "so.", "so. [k7f] But"
  becomes "so. But"); else they stay. The marks belong to the sentence before them.
* At the start of a line, of a list item or of the reply, with text behind them, the blanks
  behind them go. The marks belong to the sentence that follows.
* Alone on a line, they belong to the sentence before them, and of the white space before and
  behind them that with more line breaks stays, the one behind if they have as many. Where there
  is no sentence before them, all white space stays and the next sentence gets them.
* White space at the very end of the reply goes, as does a list item's sign with nothing behind.

A sentence is given out with the next character that is neither blank nor of a mark, or that with
which a line begins otherwise: never later than LONGEST characters of a possible mark, or INLINE
characters of possible code, after that.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from app.generation.cutting import CLOSING, STOPS, TIGHT_ENDS, ends, ends_with_stop
from app.generation.keys import Keys
from app.generation.reader import Reader, Token

LONG = 1_000  # characters after which a sentence is cut at the next blank
TOO_LONG = 2_000  # and anywhere
GAP = 200  # characters of white space after which a sentence is not held for marks

_CLINGS = STOPS + CLOSING + ",;:，、；："  # what no blank stands before
_TIGHT_ENDS = tuple(TIGHT_ENDS)
_OPENING = tuple("([{“«„「『（【〔")
_UP_TO_END = re.compile(f"[^{re.escape(TIGHT_ENDS)}]*[{re.escape(TIGHT_ENDS)}]?")


@dataclass(frozen=True, slots=True)
class Draft:
    """A sentence of a reply without its marks, or a heading, a table's row, a line of code.

    Attributes:
        text: Without white space around it.
        keys: Of the marks that belong to it, in order of first mention, each once.
        invented: How many keys in its marks were never handed out.
        before: The white space between the last draft and this one, and signs of list items,
            headings and quotations, such as "", " " or "## ".
        code: Whether it is a line of a code block, or inline code and nothing else.
        whole: False where the reply ended, or grew too long, without a sentence's end.
    """

    text: str
    keys: tuple[str, ...]
    invented: int
    before: str
    code: bool
    whole: bool


class CitationStream:
    """The drafts of one reply.

    However the reply is cut into pieces, the drafts are the same, in the same order, and their
    `before` and `text` joined are the reply without its marks.

    Attributes:
        invented: Keys never handed out in all marks, those of no draft as well.
        halved: 1 after `close` if the reply ended within a mark, which is dropped; else 0.
    """

    def __init__(self, keys: Collection[str], language: str = "en") -> None:
        """Prepare for a reply.

        Args:
            keys: Under which passages were handed out: 1 to 16 letters and digits each, not
                told apart by case alone. Best with a digit in each (keys.py).
            language: Whose abbreviations to expect; a tag such as en or de-CH.

        Raises:
            ValueError: A key has another form.
        """
        self._reader = Reader(Keys(keys))
        self._language = language
        self._ready: list[Draft] = []
        self.invented = 0
        self.halved = 0
        # The sentence under way, and what led to it.
        self._text = ""
        self._before: list[str] = []
        self._cited: dict[str, None] = {}
        self._inventions = 0
        self._unit = ""  # line or fence: what is no prose
        self._code_only = False
        # What came after it: blanks, marks, blanks.
        self._gap = ""
        self._marks: list[Token] = []
        self._behind = ""
        self._rival = ""  # blanks before marks that were alone on their line

    def feed(self, piece: str) -> list[Draft]:
        """Return the drafts that a further piece of the reply has made whole."""
        return self._take(self._reader.feed(piece))

    def close(self) -> list[Draft]:
        """Return what is left at the end of the reply."""
        drafts = self._take(self._reader.close())
        self._cite(self._marks)
        self._marks = []
        if self._text:
            stopped = ends_with_stop(self._text) or "\n" in self._gap or self._unit == "fence"
            self._finish(stopped)
        drafts += self._ready
        self._ready = []
        return drafts

    def _take(self, tokens: Iterable[Token]) -> list[Draft]:
        for token in tokens:
            if token.kind == "blank":
                self._add_blank(token.text)
            elif token.kind in ("mark", "half"):
                self._add_mark(token)
            elif token.kind == "text":
                self._add_text(token.text)
            else:
                self._add_other(token)
        ready, self._ready = self._ready, []
        return ready

    def _add_blank(self, blank: str) -> None:
        if not self._marks:
            self._gap += blank
        else:
            self._behind += blank
            if "\n" in blank or len(self._behind) > GAP:
                self._cite(self._marks)
                if self._text:
                    self._rival, self._gap = self._gap, ""
                self._gap += self._behind
                self._marks, self._behind = [], ""
        if self._text and len(self._gap) > GAP:
            self._choose_gap()
            self._finish(ends_with_stop(self._text) or "\n" in self._gap)
        if not self._text:
            self._before.append(self._gap)
            self._gap = ""

    def _choose_gap(self) -> None:
        """Keep the white space before or behind marks that stood alone on their line."""
        if self._rival.count("\n") > self._gap.count("\n"):
            self._gap = self._rival
        self._rival = ""

    def _add_mark(self, token: Token) -> None:
        self.invented += token.invented
        self.halved += token.kind == "half"
        if self._rival:
            self._choose_gap()
        self._marks.append(token)
        self._behind = ""

    def _add_text(self, text: str) -> None:
        at = 0
        while at < len(text):
            self._begin(text[at])
            # Up to what a sentence may start behind without a blank.
            found = _UP_TO_END.match(text, at, at + TOO_LONG - len(self._text))
            run = found[0] if found else text[at]
            self._text += run
            at += len(run)

    def _add_other(self, token: Token) -> None:
        if token.kind == "span":
            self._begin("`")
            self._code_only = not self._text
            self._text += token.text
            return
        self._begin(token.text[0], forced=True)
        if token.kind == "lead":
            self._before.append(token.text)
            self._unit = "line" if token.text.startswith("#") else ""
        else:
            self._text, self._unit = token.text, "fence"

    def _begin(self, char: str, forced: bool = False) -> None:
        """Settle what came before a character, and end the sentence there if it ends."""
        if not (self._gap or self._marks or forced or self._text.endswith(_TIGHT_ENDS)):
            if not self._text and char == "|":
                self._unit = "line"
            if len(self._text) < TOO_LONG:
                self._code_only = False
                return
        self._choose_gap()
        marks, self._marks = self._marks, []
        apart = bool(self._gap or self._behind)
        if marks and self._is_inline():
            self._cite(marks)
            if self._behind or char in _CLINGS:
                self._gap = self._behind
            following: list[Token] = []
        else:
            following = marks
        self._behind = ""
        if self._text and (forced or self._ends(char, apart, bool(marks))):
            self._finish(whole=True)
        elif self._text and self._is_too_long():
            self._finish(whole=False)
        if self._text:
            self._text += self._gap
        else:
            self._before.append(self._gap)
            if char == "|":
                self._unit = "line"
        self._gap = ""
        self._code_only = False
        self._cite(following)

    def _is_inline(self) -> bool:
        """Tell whether the marks stand behind text of their line."""
        behind_text = bool(self._text) and "\n" not in self._gap
        return behind_text and (bool(self._gap) or not self._text.endswith(_OPENING))

    def _ends(self, char: str, apart: bool, marked: bool) -> bool:
        breaks = self._gap.count("\n")
        if self._unit == "fence" or breaks >= 2:
            return True
        if self._unit == "line":
            return breaks > 0
        if breaks and char == "|":
            return True
        return ends(self._text, char, apart, marked, self._language)

    def _is_too_long(self) -> bool:
        return len(self._text) >= (LONG if self._gap else TOO_LONG)

    def _cite(self, marks: Iterable[Token]) -> None:
        for mark in marks:
            self._cited.update(dict.fromkeys(mark.keys))
            self._inventions += mark.invented

    def _finish(self, whole: bool) -> None:
        code = self._unit == "fence" or self._code_only
        before = "".join(self._before)
        self._ready.append(
            Draft(self._text, tuple(self._cited), self._inventions, before, code, whole)
        )
        self._text, self._before, self._unit = "", [], ""
        self._cited, self._inventions, self._code_only = {}, 0, False
