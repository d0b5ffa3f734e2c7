"""What a chat model must not write, whatever it was told: addresses, markup, its own instructions.

An article can ask a model to show a link or an image whose address carries data out, or to tell
what it was told. Sentences are shown as plain text, so nothing is loaded; these are not even shown.
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator

RUN = 7  # words in a row that are no accident
SHORT = 3  # words of a whole sentence of the instructions that is no accident
ENCODED = 24  # characters of a word of letters and digits that is no word of a language

_WORD = re.compile(r"\w+")
_END = re.compile(r"[.:!?]\s+|\n")
_IN_ADDRESS = r"[^\s()\[\]<>\"“”„«»，。、；：！？」』》]"
_HOST = r"(?:[\w-]{1,63}\.)+[^\W\d_]{2,24}"
_ADDRESS = re.compile(
    rf"\b\w[\w+.-]{{1,20}}:/{{1,3}}{_IN_ADDRESS}+"  # https://…
    rf"|\b(?:mailto|javascript|data|tel|sms|vbscript|blob|urn):{_IN_ADDRESS}+"
    rf"|\bwww\.{_IN_ADDRESS}+"
    rf"|\b[\w.+-]{{1,64}}@{_HOST}"
    rf"|\b{_HOST}(?::\d{{1,5}})?[/?#]{_IN_ADDRESS}+"  # example.org/path
    rf"|\b\d{{1,3}}(?:\.\d{{1,3}}){{3}}(?::\d{{1,5}})?[/?#]{_IN_ADDRESS}+"
    rf"|\b[^\W\d][\w-]{{0,62}}:\d{{2,5}}/{_IN_ADDRESS}*"  # localhost:8000/
    r"|\b(?:[\w-]{1,63}\.)+(?:com|net|org|info|biz|io|co|dev|app|xyz|site|online|example|test)\b"
    r"|\b[\w-]{2,63}(?:\.[\w-]{2,63}){2,}\b(?<![\d.])",  # data.example.xx
    re.IGNORECASE,
)
_MARKUP = re.compile(
    r"!?\[[^\]\n]{0,300}\]\([^)\n]{0,2000}\)"  # [text](address), ![image](address)
    r"|!?\[[^\]\n]{1,300}\]\[[^\]\n]{0,100}\]"  # [text][name]
    r"|\[[^\]\n]{1,100}\]:\s?\S+"  # [name]: address
    r"|</?[a-z][^>\n]{0,2000}>|<!--|<!\[|<\|",
    re.IGNORECASE,
)
_TRIMMED = ".,;:!?'\"”’*_"
_ENCODED = re.compile(rf"[a-z0-9+/=]{{{ENCODED},}}")
_LEET = str.maketrans("013457@$", "oieastas")
_KEPT = frozenset("\n\t\u200c\u200d\u200e\u200f\u061c\xad")  # other scripts need most of these


def visible(text: str) -> str:
    """Return a text without the characters that nobody sees and that can carry data or orders.

    Those are control and format characters, Unicode's tags, and variation selectors but the two
    that tell emoji from text. Joiners and marks of direction stay, overrides of it go.
    """
    return "".join(char for char in text if char in _KEPT or not _is_unseen(char))


def _is_unseen(char: str) -> bool:
    code = ord(char)
    selects = 0xFE00 <= code <= 0xFE0D or 0xE0100 <= code <= 0xE01EF
    return selects or unicodedata.category(char) in {"Cc", "Cf", "Co", "Cn", "Cs"}


class Screen:
    """Finds what may not be shown of one reply.

    Args:
        instructions: What the model was told by us; the passages are not among it.
        hidden: Words that belong to the prompt alone, such as its fence and its keys.
    """

    def __init__(self, instructions: str, hidden: Iterable[str] = ()) -> None:
        self._runs = _runs(instructions)
        self._sentences = {tuple(_words(part)) for part in _END.split(instructions)}
        self._hidden = frozenset(word.casefold() for word in hidden)

    def refuses(self, text: str, passages: Iterable[str]) -> str | None:
        """Return why a sentence may not be shown, None if it may.

        Args:
            text: The sentence.
            passages: The texts it cites: an address that stands there may be told.
        """
        plain, told = _plain(text), [_plain(each) for each in passages]
        for found in _MARKUP.finditer(plain):
            if not any(found.group() in each for each in told):
                return "markup"
        for found in _ADDRESS.finditer(plain):
            if not _stands_in(found.group().rstrip(_TRIMMED), told):
                return "an address that no passage has"
        for found in _ENCODED.finditer(plain):
            if _is_encoded(found.group()) and not _stands_in(found.group(), told):
                return "an encoding that no passage has"
        drawn = {*_words(plain), *(word[::-1] for word in _words(plain) if len(word) > SHORT)}
        if not self._hidden.isdisjoint(drawn):
            return "words of the prompt"
        if any(self._leaks(reading, told) for reading in _readings(plain)):
            return "words of the prompt"
        return None

    def _leaks(self, text: str, told: Collection[str]) -> bool:
        words = _words(text)
        while words and words[0].isdecimal():  # of a list
            del words[0]
        if len(words) >= SHORT and tuple(words) in self._sentences:
            return True
        leaked = _runs(text) & self._runs
        return bool(leaked) and not leaked <= frozenset().union(*map(_runs, told))


def _plain(text: str) -> str:
    """Return a text as it is read: compatible characters as one, nothing unseen between them."""
    shown = unicodedata.normalize("NFKC", text)
    shown = "".join(char for char in shown if unicodedata.category(char) != "Cf")
    return re.sub(r"(?<=[\x21-\x7e])。(?=[\x21-\x7e])", ".", shown).casefold()


def _stands_in(words: str, texts: Iterable[str]) -> bool:
    """Whether one of the texts has these words, and not as a part of something longer."""
    words = words.removeprefix("www.")
    begins = r"(?:(?<=www\.)|(?<![\w@.-])(?<![^/]/))"
    ends = r"(?![\w/?=&%#+@-]|\.\w)" if "/" in words else r"(?![\w@-]|\.\w)"
    whole = re.compile(begins + re.escape(words) + ends)
    return any(whole.search(text) for text in texts)


def _is_encoded(word: str) -> bool:
    """Whether a long word has figures among its letters, or a sign as in base64."""
    has_letters = any(map(str.isalpha, word))
    return has_letters and (any(map(str.isdigit, word)) or word.endswith("=") or "+" in word)


def _readings(text: str) -> Iterator[str]:
    """Yield a text in the ways in which instructions may be hidden in it."""
    yield text
    yield text[::-1]
    yield codecs.encode(text, "rot13")
    yield text.translate(_LEET)


def _words(text: str) -> list[str]:
    return [match.group().casefold() for match in _WORD.finditer(text)]


def _runs(text: str) -> frozenset[tuple[str, ...]]:
    words = _words(text)
    return frozenset(tuple(words[at : at + RUN]) for at in range(len(words) - RUN + 1))
