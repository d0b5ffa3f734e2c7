"""What is said where the encoder reads a language badly: that of the question, or of a citation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from app.answering.answer import Degraded, Event, SentenceReleased
from vectorstore.language import ENGLISH, name_of, primary

WEAK_LANGUAGE = "language: the encoder reads English; in {} only words are matched well"


class Foreign:
    """Tells of each language once, by its name; of none where the encoder reads all.

    Articles whose language is not known are taken to be in one that it reads.
    """

    def __init__(self, multilingual: bool) -> None:
        self._told = set[str]()
        self._multilingual = multilingual

    def beside(self, events: Iterable[Event]) -> Iterator[Event]:
        """Yield the events of an answer, and what there is to say of a sentence's citations."""
        for event in events:
            if isinstance(event, SentenceReleased):
                yield from self.told(*(each.article.language for each in event.citations))
            yield event

    def told(self, *languages: str | None) -> Iterator[Degraded]:
        """Yield what there is to say of languages."""
        for language in languages:
            first = primary(language) or ENGLISH
            if not (self._multilingual or first == ENGLISH or first in self._told):
                self._told.add(first)
                yield Degraded(WEAK_LANGUAGE.format(name_of(first)))
