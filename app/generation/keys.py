"""The keys under which passages were handed out, and what looks like one.

A word is *known* if it is a key, in either case. It is *alike* if it is as long as a key, of the
same letters and digits in the same case, and with a digit where some key has both: with keys
such as k7f, x9z is alike, while "sic", "2" and "CO2" are not. So hand out keys with a digit in
them: every word of the right length is alike to keys of letters alone.
"""

from __future__ import annotations

import string
from collections.abc import Collection, Iterable

LONGEST_KEY = 16


class Keys:
    """The keys of one prompt."""

    def __init__(self, keys: Collection[str]) -> None:
        """Learn the keys.

        Raises:
            ValueError: A key is not 1 to 16 letters and digits, or two differ in case alone.
        """
        for key in keys:
            if not key.isalnum() or len(key) > LONGEST_KEY:
                raise ValueError(f"{key!r} cannot be a key: keys are 1 to 16 letters and digits")
        self._known = {key.casefold(): key for key in keys}
        if len(self._known) < len(set(keys)):
            raise ValueError(f"keys must differ in more than case: {sorted(set(keys))}")
        self._beginnings = {key[:n] for key in self._known for n in range(len(key) + 1)}
        self._lengths = {len(key) for key in keys}
        self._longest = max(self._lengths, default=0)
        self._first = _alphabet(key[0] for key in keys)
        self._rest = _alphabet(char for key in keys for char in key)
        self._mixed = any(_has_digit(key) and not key.isdecimal() for key in keys)
        self.digits = all(key.isdecimal() for key in keys)

    def __bool__(self) -> bool:
        return bool(self._known)

    def resolve(self, word: str) -> str | None:
        """Return the key that a word is, if it is one."""
        return self._known.get(word.casefold())

    def between(self, first: str, last: str) -> list[str]:
        """Return the keys inside a range of numbers, its ends left out."""
        inside = (key for key in self._known.values() if int(first) < int(key) < int(last))
        return sorted(inside, key=int)

    def fits(self, word: str) -> bool:
        """Tell whether a word is as long as a key."""
        return len(word) in self._lengths

    def is_alike(self, word: str) -> bool:
        """Tell whether a word looks like a key."""
        return (
            self.fits(word)
            and word[0] in self._first
            and self._rest.issuperset(word)
            and (_has_digit(word) or not self._mixed)
        )

    def may_fit(self, word: str) -> bool:
        """Tell whether a word that may go on can become as long as a key."""
        return len(word) <= self._longest

    def may_be_known(self, word: str) -> bool:
        """Tell whether a word that may go on can become a key."""
        return word.casefold() in self._beginnings

    def may_be_alike(self, word: str) -> bool:
        """Tell whether a word that may go on can look like a key."""
        room = self._longest - len(word)
        return (
            room >= 0
            and word[0] in self._first
            and self._rest.issuperset(word)
            and (_has_digit(word) or not self._mixed or room > 0)
        )


def _has_digit(word: str) -> bool:
    return any(map(str.isdecimal, word))


def _alphabet(chars: Iterable[str]) -> frozenset[str]:
    """Return the characters with their like: with one digit all ten, and so on."""
    alphabet = set(chars)
    for kind in (string.ascii_lowercase, string.ascii_uppercase, string.digits):
        if alphabet.intersection(kind):
            alphabet.update(kind)
    return frozenset(alphabet)
