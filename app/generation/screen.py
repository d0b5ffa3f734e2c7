"""What a chat model must not write, whatever it was told: addresses, markup, its own instructions.

An article can ask a model to show a link or an image whose address carries data out, or to tell
what it was told. Sentences are shown as plain text, so nothing is loaded; these are not even shown.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

RUN = 7  # words in a row that are no accident
_WORD = re.compile(r"\w+")
_ADDRESS = re.compile(
    r"\b[a-z][a-z0-9+.-]{1,20}:/{1,3}[^\s)\]>]+"  # https://…
    r"|\b(?:mailto|javascript|data|tel|vbscript):[^\s)\]>]+"
    r"|\bwww\.[^\s)\]>]+"
    r"|\b(?:[a-z0-9-]{1,63}\.)+[a-z]{2,24}(?:/[^\s)\]>]*|\?[^\s)\]>]+)",  # example.org/path
    re.IGNORECASE,
)
_MARKUP = re.compile(
    r"!?\[[^\]\n]{0,300}\]\s?\([^)\n]{0,2000}\)"  # [text](address), ![image](address)
    r"|\[[^\]\n]{1,100}\]:\s?\S+"  # [name]: address
    r"|</?[a-z][^>\n]{0,2000}>|<!--|<!\[",
    re.IGNORECASE,
)


class Screen:
    """Finds what may not be shown of one reply.

    Args:
        instructions: What the model was told by us; the passages are not among it.
        hidden: Other words that belong to the prompt alone, such as its fence.
    """

    def __init__(self, instructions: str, hidden: Iterable[str] = ()) -> None:
        self._runs = _runs(instructions)
        self._hidden = tuple(hidden)

    def refuses(self, text: str, passages: Iterable[str]) -> str | None:
        """Return why a sentence may not be shown, None if it may.

        Args:
            text: The sentence.
            passages: The texts it cites: an address that stands there may be told.
        """
        told = list(passages)
        for found in _MARKUP.finditer(text):
            if not any(found.group() in each for each in told):
                return "markup"
        for found in _ADDRESS.finditer(text):
            if not any(found.group().rstrip(".,;:!?'\"”’") in each for each in told):
                return "an address that no passage has"
        if any(word in text for word in self._hidden):
            return "words of the prompt"
        leaked = _runs(text) & self._runs
        if leaked and not leaked <= frozenset().union(*map(_runs, told)):
            return "words of the prompt"
        return None


def _runs(text: str) -> frozenset[tuple[str, ...]]:
    words = [match.group().casefold() for match in _WORD.finditer(text)]
    return frozenset(tuple(words[at : at + RUN]) for at in range(len(words) - RUN + 1))
