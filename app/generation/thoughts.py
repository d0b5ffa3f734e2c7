"""Reasoning that a server leaves in the text, between <think> and </think>."""

from __future__ import annotations

OPENING, CLOSING = "<think>", "</think>"


class Thoughts:
    """Takes reasoning out of a text that begins with <think>, piece by piece."""

    def __init__(self) -> None:
        self._held: str | None = ""  # the beginning, while it may be reasoning

    def without(self, text: str) -> str:
        """Return what of a piece, and of those held back before it, is text."""
        if self._held is None:
            return text
        self._held += text
        begin = self._held.lstrip()
        if begin.startswith(OPENING):
            _, closing, rest = begin.partition(CLOSING)
            if not closing:
                return ""
        elif OPENING.startswith(begin):
            return ""
        else:
            rest = self._held
        self._held = None
        return rest

    def rest(self) -> str:
        """Return what was held back and turned out to be text, at the end of the stream."""
        held = (self._held or "").lstrip()
        return "" if held.startswith(OPENING) else held
