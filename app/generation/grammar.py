"""Which brackets of a chat model's reply are marks: [k7f], 【k7f†source】, ([k7f], [m2x]).

A bracket is read word by word, and is text as soon as a word comes that no mark holds. In square
and lenticular brackets at least one word is a key that was handed out, or all look like keys
(keys.py); beside a key, "p. 3" says where, and any other word as long as a key is an invention.
In round brackets every word is a key that was handed out. "source:", "see" and the like may stand
beside keys; characters of no width inside a mark are overlooked, full-width ones read as narrow.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from app.generation.keys import Keys

LONGEST = 96  # characters of a mark with what is around it; a longer bracket is text

_CLOSERS = {"[": "]", "(": ")", "【": "】", "〔": "〕"}
_EMPHASIS = ("**", "__", "*", "_")
OPENERS = "".join(_CLOSERS) + "\\^*_［（＼＾＊＿"  # what a mark and its surroundings start with

# Full-width forms read as their narrow ones; what has no width and no meaning reads as IGNORED.
_IGNORED = "\u200b"
_INVISIBLE = [0xAD, 0x61C, 0x180E, *range(0x200B, 0x2010), *range(0x202A, 0x202F)]
_INVISIBLE += [*range(0x2060, 0x2070), 0xFEFF, *range(0xE0000, 0xE0080)]
_SKELETON = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}
_SKELETON |= dict.fromkeys(_INVISIBLE, ord(_IGNORED)) | {0x3000: ord(" ")}

_LABELS = frozenset(
    "passage passages source sources ref refs reference references doc docs document documents "
    "cite cited citation citations article articles chunk chunks key keys id ids see cf siehe vgl "
    "quelle quellen artikel abschnitt fuente fuentes pasaje pasajes véase voir extrait extraits "
    "出典 来源 來源 资料 資料 参考 參考 المصدر المرجع مقطع".split()
)
_PLACES = frozenset("p pp page pages s seite seiten para l line lines ch sec section § §§".split())
_JOINTS = ("and", "und", "et", "y", "و", "和", "と")
_AROUND = _LABELS | _PLACES | frozenset(_JOINTS)
_BEGINNINGS = frozenset(word[:end] for word in _AROUND for end in range(len(word) + 1))
_COMMAS = ",;、،؛&|"
_PLACE_DIGITS = 4

_BLANKS = " \t\u00a0\u2009\u202f" + _IGNORED
_TOKEN = re.compile(
    rf"(?P<word>[^\W_](?:{_IGNORED}*[^\W_])*{_IGNORED}*|§+)|(?P<blank>[{_BLANKS}]+)"
    rf"|(?P<comma>[{_COMMAS}])"
    rf"|(?P<dash>[–—-])|(?P<sign>[.:/+=#@^])|(?P<open>\\?[\[(【〔])|(?P<close>\\?[\])】〕])"
    r"|(?P<dagger>†[^\[\]()【】〔〕\n\\]{0,24})"
)
_AROUND_MARK = r"(?:\*\*?|__?|\^)?"
_GATE = re.compile(rf"{_AROUND_MARK}(?:\\?[\[(【〔][{_BLANKS}]*){{1,2}}(?:[^\W_]|[§\\#@^]|\Z)")
_GATE_START = re.compile(rf"{_AROUND_MARK}\\?\Z")


@dataclass(frozen=True, slots=True)
class Mark:
    """A mark at the start of a text, in `end` characters: its keys, and how many are invented."""

    end: int
    keys: tuple[str, ...]
    invented: int


@dataclass(frozen=True, slots=True)
class Half:
    """What may become a mark, with the keys in its closed brackets.

    `certain` where nothing in it is likely to be anything else.
    """

    keys: tuple[str, ...] = ()
    invented: int = 0
    certain: bool = False


class _NotOne(Exception):
    """The text is no mark, whatever follows it."""


class _MoreNeeded(Exception):
    """The text ends inside what may be a mark."""


@dataclass(slots=True)
class _Read:
    """What has been read of a mark."""

    keys: list[str] = field(default_factory=list)
    invented: int = 0
    certain: bool = False


def match(text: str, keys: Keys) -> Mark | Half | None:
    """Read the mark at the start of `text`, with the emphasis and the brackets around it.

    More text never changes a Mark or None; a Half may become either. Of the text, LONGEST
    characters are read, and a Half as long as that is None.
    """
    if not keys or text[:1] not in OPENERS:
        return None
    plain = _skeleton(text[:LONGEST])
    if not _GATE.match(plain):  # most brackets and emphasis, told apart cheaply
        return Half() if _GATE_START.match(plain) else None
    read = _Read()
    try:
        end = _read_outside(plain, keys, read)
    except _NotOne:
        return None
    except _MoreNeeded:
        found = tuple(dict.fromkeys(read.keys))
        return Half(found, read.invented, read.certain) if len(text) < LONGEST else None
    return Mark(end, tuple(dict.fromkeys(read.keys)), read.invented)


def match_next(text: str, keys: Keys) -> Mark | Half | None:
    """Read the mark behind another one, with the comma, the "and" or the blanks between."""
    plain = _skeleton(text[:LONGEST])
    rest = plain.lstrip(_BLANKS)
    joint = next((joint for joint in (*_COMMAS, *_JOINTS) if rest.startswith(joint)), "")
    after = rest[len(joint) :].lstrip(_BLANKS)
    if not after or any(word.startswith(rest) for word in _JOINTS):
        return Half() if len(text) < LONGEST else None
    start = len(plain) - len(after)
    found = match(text[start:LONGEST], keys)
    if isinstance(found, Mark):
        return Mark(start + found.end, found.keys, found.invented)
    return found if len(text) < LONGEST else None


def _skeleton(text: str) -> str:
    """Return the text with each character read as the one it stands for."""
    return text if text.isascii() else text.translate(_SKELETON)


def _read_outside(text: str, keys: Keys, read: _Read) -> int:
    """Read emphasis or a caret and the bracket, and return where they end."""
    around = next((sign for sign in (*_EMPHASIS, "^") if text.startswith(sign)), "")
    end = _read_bracket(text, len(around), keys, read, inside=False)
    if around in ("", "^"):
        return end
    if text.startswith(around, end):
        return end + len(around)
    if around.startswith(text[end:]):
        read.certain = True
        raise _MoreNeeded
    raise _NotOne


def _read_bracket(text: str, start: int, keys: Keys, read: _Read, inside: bool) -> int:
    """Read a bracket with its content and return where it ends."""
    at = start + text.startswith("\\", start)
    if at == len(text):
        raise _MoreNeeded
    closer = _CLOSERS.get(text[at])
    if closer is None:
        raise _NotOne
    content = _Content(keys, closer == ")", inside)
    at += 1
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            if text[at:] == "\\":
                break
            raise _NotOne
        at = found.end()
        if found.lastgroup == "close":
            if found[0][-1] != closer:
                raise _NotOne
            content.close(read)
            return at
        if found.lastgroup == "open":
            content.nest()
            at = _read_bracket(text, found.start(), keys, read, inside=True)
        elif found.lastgroup == "word":
            content.add(found[0].replace(_IGNORED, ""), whole=at < len(text))
        else:
            content.part(found.lastgroup or "", found[0])
    read.certain = content.is_certain()
    raise _MoreNeeded


class _Content:
    """The words of a bracket, as far as they have come."""

    __slots__ = (
        "_alike", "_around", "_dash", "_found", "_inside", "_invented", "_keys", "_kind", "_last",
        "_nested", "_odd", "_round", "_tail",
    )  # fmt: skip

    def __init__(self, keys: Keys, is_round: bool, inside: bool) -> None:
        self._keys = keys
        self._round = is_round
        self._inside = inside
        self._found: list[str] = []
        self._alike = 0
        self._odd = 0  # words as long as a key, and numbers, that may be the text's own
        self._invented = 0  # those of them that count beside a key
        self._around = True  # nothing but labels and joints so far
        self._nested = False
        self._last = ""  # the last word
        self._kind = ""  # known, alike, around, place, number, odd, dagger
        self._dash = False
        self._tail = ""  # a word that may go on

    def add(self, word: str, whole: bool) -> None:
        """Take in a word, or what there is of the last one."""
        if self._kind == "dagger":
            raise _NotOne
        if whole:
            self._take(word)
        elif self._may_go_on(word):
            self._tail = word
        else:
            raise _NotOne

    def _take(self, word: str) -> None:
        plain = word.casefold()
        kind = self._classify(word, plain)
        if kind not in ("around", "place"):
            if self._nested or (self._round and kind != "known"):
                raise _NotOne
            self._around = False
        if self._dash and self._keys.digits and kind != "number":
            if not (word.isdecimal() and int(self._last) < int(word)):
                raise _NotOne
            self._found += self._keys.between(self._last, word)
        if kind == "known":
            self._found.append(self._keys.resolve(word) or word)
        elif kind == "alike":
            self._alike += 1
        elif kind in ("number", "odd"):
            self._odd += 1
            self._invented += kind == "odd"
        self._last, self._kind, self._dash = word, kind, False

    def _classify(self, word: str, plain: str) -> str:
        number = word.isdecimal() and len(word) <= _PLACE_DIGITS
        if number and (self._kind == "place" or (self._kind == "number" and self._dash)):
            return "number"
        if self._keys.resolve(word):
            return "known"
        if plain in _AROUND:
            return "place" if plain in _PLACES else "around"
        if self._keys.is_alike(word):
            return "alike"
        if number and not self._keys.digits:
            return "number"
        if self._keys.fits(word):
            return "odd"
        raise _NotOne

    def part(self, kind: str, sign: str) -> None:
        """Take in what stands between words."""
        if kind == "dash":
            between = self._last.isdecimal() if self._keys.digits else not self._around
            self._dash = True
        elif kind == "dagger":
            between = bool(self._found or self._alike) and not self._round
            self._kind = "dagger"
        elif kind == "sign":
            between = self._kind in ("around", "place")
            between |= sign in "#@^" and not self._last
            between |= sign in ":/+" and self._kind == "known" and not self._keys.digits
        else:
            between = True
        if not between:
            raise _NotOne

    def nest(self) -> None:
        """Prepare for a bracket inside, which only labels and other brackets may stand beside."""
        if self._inside or not self._around:
            raise _NotOne
        self._nested = True

    def close(self, read: _Read) -> None:
        """Add what the bracket says to what was read, if it is a mark."""
        if self._nested:
            return
        if not self._found and (self._round or self._odd or not self._alike):
            raise _NotOne
        read.keys += self._found
        read.invented += self._alike + self._invented

    def _may_go_on(self, word: str) -> bool:
        plain = word.casefold()
        if plain in _BEGINNINGS or (not self._nested and self._keys.may_be_known(word)):
            return True
        if self._round or self._nested:
            return False
        number = word.isdecimal() and len(word) <= _PLACE_DIGITS
        return number or self._keys.may_fit(word)

    def is_certain(self) -> bool:
        """Tell whether all that has come is of a mark, as nothing else would be."""
        if self._found:
            return True
        if self._odd:
            return False
        tail = self._tail
        return (
            not tail
            or tail.casefold() in _BEGINNINGS
            or self._keys.may_be_known(tail)
            or self._keys.may_be_alike(tail)
        )
