"""From a sentence that a chat model wrote to one that may be shown: checked, cited, or marked."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from app.answering.answer import AnswerSentence, Begins, Citation, SentenceReleased
from app.answering.citations import Numbering, sentence_text
from app.answering.evidence import Evidence
from app.answering.verify import Checked, Verdict, Verifier
from app.generation.marks import Draft
from app.generation.screen import Screen, visible
from vectorstore.language import ENGLISH, language_of
from vectorstore.lexical import content_terms
from vectorstore.types import Passage, Sentence

TRIED = 3  # passages that are tried where what is cited does not bear a sentence out
LEAST = 2  # words of a sentence that is borne out by a passage which it does not cite
SHARED = 0.25  # of a sentence's words that a cited passage or a further quote has to add
TOLD = 1 / 3  # of a sentence's words that have to be in the text of what it cites
MEANT = 0.5  # of a sentence's words, from which on the cited passages are those it is about
ADDED = frozenset({"name", "number"})  # what another passage of the same article may add
BORNE_OUT: tuple[Checked, ...] = ("verbatim", "supported")
_EMPHASIS = re.compile(r"(\*\*|__)(?=\S)(.+?)(?<=\S)\1")
_SAYS = re.compile(r"\w")


class Release:
    """Lets the sentences of one reply out.

    Args:
        passages: What the model was given, by key.
        verifier: Checks a sentence against passages.
        screen: Knows what may not be shown.
        numbering: Numbers the citations of the whole answer.
        strict: Leave out what is not borne out, instead of marking it.
        language: Of the question.

    Attributes:
        unsupported: Sentences that were marked or left out.
        borne_out: Sentences that were let out with support.
    """

    def __init__(
        self,
        passages: Mapping[str, Passage],
        verifier: Verifier,
        screen: Screen,
        numbering: Numbering,
        *,
        strict: bool = False,
        language: str = ENGLISH,
    ) -> None:
        self.unsupported = self.borne_out = 0
        self._index = 0
        self._passages = passages
        self._verifier = verifier
        self._screen = screen
        self._numbering = numbering
        self._strict = strict
        self._language = language

    def sentence(self, draft: Draft) -> SentenceReleased | None:
        """Return a draft as a sentence of the answer, None if it may not be shown."""
        text = " ".join(visible(_EMPHASIS.sub(r"\2", draft.text)).split())
        if not _SAYS.search(text):
            return None
        cited = [self._passages[key] for key in draft.keys]
        verdict, bearing = self._support(text, cited)
        is_doubtful = verdict.support == "unsupported"
        # what shows without a citation has no passage whose address it could tell
        texts = [] if is_doubtful else [each.chunk.text for each in bearing]
        refused = verdict.support != "verbatim" and self._screen.refuses(text, texts)
        if refused or is_doubtful:
            self.unsupported += 1
        if refused or (is_doubtful and (self._strict or not draft.whole)):
            return None
        if not is_doubtful:
            self.borne_out += 1
        return self._released(text, draft, verdict, [] if is_doubtful else bearing)

    def _released(
        self, text: str, draft: Draft, verdict: Verdict, bearing: Sequence[Passage]
    ) -> SentenceReleased:
        citations: list[Citation] = []
        for passage in bearing:
            citations += [self._numbering.cite(passage, s) for s in _quoted(text, passage)]
        sentence = AnswerSentence(
            text=text,
            citations=tuple(dict.fromkeys(each.number for each in citations)),
            span=None,
            support=verdict.support,
            reason=verdict.reason,
            begins=_begins(draft),
        )
        self._index += 1
        return SentenceReleased(self._index - 1, sentence, tuple(dict.fromkeys(citations)))

    def _support(self, text: str, cited: Sequence[Passage]) -> tuple[Verdict, list[Passage]]:
        """Return a verdict and the passages it rests on: those cited, else another, or both."""
        verdict = Verdict("unsupported", "no passage is cited", 0.0)
        if cited:
            verdict = self._check(text, cited)
            if verdict.support in BORNE_OUT:
                return verdict, _contributing(text, cited)
            if verdict.support == "unchecked":
                return verdict, list(cited)
        for tried in self._instead(text, cited, verdict):
            other = self._check(text, tried)
            if other.support in BORNE_OUT:
                return other, _contributing(text, tried)
        return verdict, list(cited)

    def _instead(
        self, text: str, cited: Sequence[Passage], verdict: Verdict
    ) -> Iterator[list[Passage]]:
        """Yield passages that may bear a sentence out in the place of those cited.

        Where these have most of it, and one thing otherwise, they are what is meant: only a name
        or a number may be added from elsewhere in the same article.
        """
        if share(text, " ".join(each.chunk.text for each in cited)) < MEANT:
            yield from ([passage] for passage in self._likely(text, cited))
        if {fault.kind for fault in verdict.faults} <= ADDED:
            beside = self._beside(text, cited)
            if beside:
                yield [*cited, *beside]

    def _check(self, text: str, passages: Sequence[Passage]) -> Verdict:
        evidence = [Evidence.of(each) for each in passages]
        verdict = self._verifier.check(text, evidence)
        if verdict.support == "unchecked" and _are_english(each.chunk.text for each in passages):
            if _are_english([text]):  # an article says of itself in which language it is
                evidence = [replace(each, language=ENGLISH) for each in evidence]
                verdict = self._verifier.check(text, evidence)
            elif self._language == ENGLISH:
                return Verdict("unsupported", "neither asked nor told in this language", 0.0)
        if verdict.support == "supported" and _only_titles(text, passages):
            return Verdict("unsupported", "the passage says little of this", verdict.score)
        return verdict

    def _beside(self, text: str, cited: Sequence[Passage]) -> list[Passage]:
        """Return passages of the articles cited that have most of what the cited ones lack."""
        lacking = set(content_terms(text))
        lacking -= {term for each in cited for term in content_terms(each.chunk.text)}
        articles = {each.article.id for each in cited}
        held = [
            (len(lacking & set(content_terms(each.chunk.text))), each)
            for each in self._passages.values()
            if each.article.id in articles and each not in cited
        ]
        having = sorted((pair for pair in held if pair[0]), key=lambda pair: -pair[0])
        return [each for _, each in having[:TRIED]]

    def _likely(self, text: str, cited: Sequence[Passage]) -> list[Passage]:
        """Return the passages not cited that share most with a sentence, best first.

        One word alone stands in many passages, and in orders to write it: none.
        """
        if len(content_terms(text)) < LEAST:
            return []
        others = [each for each in self._passages.values() if each not in cited]
        shares = [(share(text, each.chunk.text), each) for each in others]
        likely = sorted((pair for pair in shares if pair[0] >= MEANT), key=lambda pair: -pair[0])
        return [each for _, each in likely[:TRIED]]


def _are_english(texts: Iterable[str]) -> bool:
    return all(language_of(text) == ENGLISH for text in texts)


def _only_titles(text: str, passages: Sequence[Passage]) -> bool:
    """Whether so little of a sentence is in the passages that it rests on their titles."""
    return share(text, " ".join(each.chunk.text for each in passages)) < TOLD


def _begins(draft: Draft) -> Begins:
    sign = draft.before.strip()
    if sign and sign[0] not in "#>":
        return "item"
    return "paragraph" if "\n" in draft.before else ""


def _contributing(text: str, cited: Sequence[Passage]) -> list[Passage]:
    """Return the passages that have a part of a sentence; the likeliest, where none has."""
    shares = [share(text, each.chunk.text) for each in cited]
    chosen = [p for p, share in zip(cited, shares, strict=True) if share >= SHARED]
    return chosen or [cited[shares.index(max(shares))]]


def share(text: str, told: str, empty: float = 0.0) -> float:
    """Return the share of a text's words of content that are told, `empty` where it has none."""
    terms = set(content_terms(text))
    return len(terms & set(content_terms(told))) / len(terms) if terms else empty


def _quoted(text: str, passage: Passage) -> list[Sentence]:
    """Return the sentences of a passage that say it: the one that shares most, and one more."""
    wanted = set(content_terms(text))
    told = [(s, set(content_terms(sentence_text(passage, s)))) for s in passage.chunk.sentences]
    chosen: list[Sentence] = []
    for _ in range(2):
        best = max(told, key=lambda pair: len(pair[1] & wanted))
        if chosen and len(best[1] & wanted) < max(1.0, SHARED * len(set(content_terms(text)))):
            break
        chosen.append(best[0])
        wanted -= best[1]
    return sorted(dict.fromkeys(chosen), key=lambda sentence: sentence.start)
