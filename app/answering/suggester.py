"""Questions to go on or to begin with, each of which the articles are known to answer.

Candidates are made from sentences (suggestions.py), or proposed by a chat model. One is offered
only if the articles that may be seen answer it surely, with a sentence that was not shown yet;
one that was made from a sentence, only with that very sentence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import chain, islice, zip_longest
from typing import Protocol

from app.answering.citations import sentence_text
from app.answering.conversation import Exchange
from app.answering.extractive import Candidate, rank_sentences
from app.answering.forms import article_named, summary_of
from app.answering.kept import Kept
from app.answering.parts import understand
from app.answering.phrases import Setting
from app.answering.refusal import probability
from app.answering.replies import own_reply
from app.answering.suggestions import questions_of
from app.answering.summary import summarise, unsearched
from app.answering.times import Time, read_time, utc_today
from app.answering.words import terms
from vectorstore.errors import QuestionError
from vectorstore.language import ENGLISH, language_of
from vectorstore.retriever import Retriever, check_query
from vectorstore.rows import Located
from vectorstore.store import Store
from vectorstore.types import ArticleHead, Filter, Passage

FOLLOW_UPS, STARTERS = 3, 4
FEWEST, FEWEST_STARTERS = 2, 3  # summaries are offered where there are fewer questions
CHECKED = 8  # candidates for follow-ups; each costs a retrieval
AT_ONCE = 4  # of them encoded together
MARGIN = 0.1  # above the threshold that lets an answer through
TOP_K = 10  # passages, as an answer has them
ARTICLES = 2  # of an answer, whose sentences are read
READ = 120  # sentences of them
NEWEST = 12  # articles that starters come from
EACH = 2  # candidates of one of those
ALIKE = 0.75  # of the words of content: two questions are the same
LONGEST_TITLE = 60  # characters, in "Summarise “TITLE”"
KEPT = 64  # filters whose starters are remembered
KEPT_ANSWERS = 512  # whose follow-ups are


class Propose(Protocol):
    """What makes candidates to go on with: a chat model, say."""

    def __call__(
        self, passages: Sequence[Passage], question: str, history: Sequence[Exchange]
    ) -> list[str]:
        """Return questions that the passages may answer, the best first.

        Args:
            passages: What may be seen; the text in them is data.
            question: What was asked last.
            history: The turns before it, oldest first.
        """


@dataclass(frozen=True, slots=True)
class Told:
    """What a reader has seen of a conversation, and where its last answer comes from.

    Args:
        turns: Every turn, the answered one last.
        articles: Ids: those cited in their order, else that of the best passage.
        chunks: Ids of the chunks of the passages, best first.
        quotes: What the last answer's citations quote.
        answer: Its id, by which what goes on from it is remembered; "": it is not.
    """

    turns: tuple[Exchange, ...]
    articles: tuple[str, ...]
    chunks: tuple[str, ...]
    quotes: frozenset[str]
    answer: str = ""


@dataclass(frozen=True, slots=True)
class _Offer:
    """A candidate and the sentence it was made from; "" where a model proposed it."""

    question: str
    sentence: str = ""


class Suggester:
    """Finds questions that an open store answers.

    Args:
        store: Where the articles are.
        retriever: Finds the passages in it.
        threshold: How probable an answer has to be, in [0, 1], to be given.
        today: Tells the day from which "last week" is counted.
        propose: Makes candidates to go on with; where it has none, the patterns do.
    """

    def __init__(
        self,
        store: Store,
        retriever: Retriever,
        threshold: float,
        today: Callable[[], date] = utc_today,
        propose: Propose | None = None,
    ) -> None:
        self._store = store
        self._retriever = retriever
        self._least = min(threshold + MARGIN, (1.0 + threshold) / 2)
        self._today = today
        self._propose = propose
        self._begun: Kept[Filter, tuple[str, ...]] = Kept(store, KEPT)
        self._gone_on: Kept[tuple[str, Filter], tuple[str, ...]] = Kept(store, KEPT_ANSWERS)

    # -- to go on with ---------------------------------------------------------------------

    def follow_ups(self, told: Told, condition: Filter) -> list[str]:
        """Return up to FOLLOW_UPS questions that go on from the last answer of a conversation.

        They are remembered by its id until the store changes.
        """
        state, key = self._gone_on.state(), (told.answer, condition)
        found = self._gone_on.find(state, key) if told.answer else None
        if found is None:
            found = tuple(self._follow_ups(told, condition))
            if told.answer:
                self._gone_on.keep(state, key, found)
        return list(found)

    def _follow_ups(self, told: Told, condition: Filter) -> list[str]:
        chunks = self._chunks_of(told, condition)
        if not chunks:
            return []
        offers = self._proposed(chunks, told) or list(self._made_from(chunks, told))
        asked = [turn.question for turn in told.turns]
        chosen = _different(offers, asked, CHECKED)
        found = [offer.question for offer in self._answered(chosen, condition, told, FOLLOW_UPS)]
        if len(found) < FEWEST:
            filler = _summarise(chunks[0].article, self._store.catalogue.heads(condition))
            found += [filler] if filler and filler not in asked else []
        return found

    def _proposed(self, chunks: Sequence[Located], told: Told) -> list[_Offer]:
        if self._propose is None:
            return []
        passages = [unsearched(hit, rank) for rank, hit in enumerate(chunks[:TOP_K], start=1)]
        *before, last = told.turns
        return [_Offer(question) for question in self._propose(passages, last.question, before)]

    def _chunks_of(self, told: Told, condition: Filter) -> list[Located]:
        """Return what is near the answer: of each article its passages first, then the rest."""
        place = {chunk: rank for rank, chunk in enumerate(told.chunks)}
        found: list[Located] = []
        for article in told.articles[:ARTICLES]:
            seen = self._seen(article, condition)
            found += sorted(seen, key=lambda hit: place.get(hit.chunk.id, len(place)))
        return found

    def _seen(self, article: str, condition: Filter) -> list[Located]:
        """Return the chunks of an article, none where the filter does not let it through."""
        chunks = self._store.catalogue.located_in(article)
        exact = self._store.vectors.exact
        visible = set(exact.seen([hit.number for hit in chunks], exact.spell_out(condition)))
        return [hit for hit in chunks if hit.number in visible]

    def _made_from(self, chunks: Sequence[Located], told: Told) -> Iterator[_Offer]:
        settings: dict[str, Setting] = {}
        read = 0
        for hit in chunks:
            for sentence in _sentences(hit):
                if (read := read + 1) > READ:
                    return
                if sentence in told.quotes or any(sentence in turn.answer for turn in told.turns):
                    continue
                setting = settings.get(hit.article.id)
                if setting is None:
                    own = [each for each in chunks if each.article.id == hit.article.id]
                    setting = settings[hit.article.id] = self._setting(own)
                yield from (_Offer(asked, sentence) for asked in questions_of(sentence, setting))

    def _setting(self, chunks: Sequence[Located]) -> Setting:
        published = chunks[0].article.published
        year = (published or self._today()).year
        return Setting.of("\n".join(hit.chunk.text for hit in chunks), year)

    # -- to begin with ---------------------------------------------------------------------

    def starters(self, condition: Filter, most: int = STARTERS) -> list[str]:
        """Return up to `most` questions that different articles answer, the newest first.

        They are remembered until the store changes.
        """
        state = self._begun.state()
        found = self._begun.find(state, condition)
        if found is None:
            found = tuple(self._starters(condition))
            self._begun.keep(state, condition, found)
        return list(found[:most])

    def _starters(self, condition: Filter) -> list[str]:
        heads = self._store.catalogue.heads(condition)
        groups = [self._opening(head, condition) for head in heads[:NEWEST]]
        in_turn = chain.from_iterable(zip_longest(*groups))
        offers = _different([each for each in in_turn if each is not None], (), EACH * NEWEST)
        article_of = {each: number for number, group in enumerate(groups) for each in group}
        found: dict[int, str] = {}
        nothing = Told((), (), (), frozenset())
        for offer in self._answered(offers, condition, nothing, len(offers)):
            found.setdefault(article_of[offer], offer.question)
            if len(found) == STARTERS:
                break
        others = [head for number, head in enumerate(heads[:NEWEST]) if number not in found]
        fillers = (_summarise(head, heads) for head in others)
        lacking = max(0, FEWEST_STARTERS - len(found))
        return [*found.values(), *islice(filter(None, fillers), lacking)]

    def _opening(self, head: ArticleHead, condition: Filter) -> list[_Offer]:
        """Return candidates of one article: what its title is about first, then what is central."""
        chunks = self._seen(head.id, condition)
        if not chunks:
            return []
        central = {sentence_text(each.passage, each.sentence) for each in summarise(chunks)}
        setting, title = self._setting(chunks), terms(head.title)
        sentences = [text for hit in chunks for text in _sentences(hit)][:READ]
        made = [_Offer(each, text) for text in sentences for each in questions_of(text, setting)]
        made.sort(key=lambda o: (-len(terms(o.question) & title), o.sentence not in central))
        return made[:EACH]

    # -- whether they are answered ---------------------------------------------------------

    def _answered(
        self, offers: Iterable[_Offer], condition: Filter, told: Told, most: int
    ) -> Iterator[_Offer]:
        """Yield up to `most` that would be answered, each with a sentence that was not shown.

        They are encoded a few at a time: mostly the first few are enough.
        """
        leads: set[str] = set()
        for offer, query in self._encoded(offers, told.turns):
            lead = self._lead(query, condition)
            if lead is None or lead.text in leads or lead.text in told.quotes:
                continue
            if any(lead.text in turn.answer for turn in told.turns):
                continue
            if not offer.sentence or offer.sentence == lead.text:
                leads.add(lead.text)
                yield offer
                if len(leads) == most:
                    return

    def _encoded(
        self, offers: Iterable[_Offer], history: Sequence[Exchange]
    ) -> Iterator[tuple[_Offer, str]]:
        """Yield those that may be offered here, each with its query, which is encoded by then."""
        queries = ((offer, self._query(offer.question, history)) for offer in offers)
        able = (pair for pair in queries if pair[1])
        while some := list(islice(able, AT_ONCE)):
            self._retriever.prepare([query for _, query in some])
            yield from some

    def _query(self, question: str, history: Sequence[Exchange]) -> str:
        """Return what is searched with if a question is asked here; "" where it is none to offer.

        It asks one thing, of the articles, and of no time that would leave some of them out.
        """
        try:
            question = check_query(question)
        except QuestionError:
            return ""
        if own_reply(question, lambda: ()):
            return ""
        meant = understand(question, history)
        if meant.summary is not None or len(meant.parts) != 1:
            return ""
        return "" if read_time(meant.question, self._today()) != Time() else meant.parts[0].query

    def _lead(self, query: str, condition: Filter) -> Candidate | None:
        """Return the first sentence of the answer to a query, None where that is not sure.

        A reranker's turns are left to those who wait for an answer.
        """
        found = self._retriever.retrieve(query, TOP_K, condition, rerank=False)
        ranked = rank_sentences(query, found)
        if not ranked or probability(ranked, found.searched) < self._least:
            return None
        return ranked[0]


def _sentences(hit: Located) -> Iterator[str]:
    """Yield the sentences of a chunk that are in English, the only language of the patterns."""
    language = hit.article.language
    if language and not language.lower().startswith("en"):
        return
    for sentence in hit.chunk.sentences:
        start = sentence.start - hit.chunk.start
        text = hit.chunk.text[start : sentence.end - hit.chunk.start]
        if language_of(text) == ENGLISH:
            yield text


def _different(offers: Iterable[_Offer], asked: Iterable[str], most: int) -> list[_Offer]:
    """Return the first `most` that ask neither what was asked nor what another of them asks."""
    held = [terms(question) for question in asked]
    kept: list[_Offer] = []
    sentences: set[str] = set()
    for offer in offers:
        words = terms(offer.question)
        if offer.sentence in sentences or any(_alike(words, other) for other in held):
            continue
        held.append(words)
        kept.append(offer)
        if offer.sentence:
            sentences.add(offer.sentence)
        if len(kept) == most:
            break
    return kept


def _alike(one: frozenset[str], other: frozenset[str]) -> bool:
    return len(one & other) >= ALIKE * max(1, min(len(one), len(other)))


def _summarise(head: ArticleHead, heads: Sequence[ArticleHead]) -> str:
    """Return the question for a summary, "" where it would not be understood as that article's."""
    question = f"Summarise “{head.title}”"
    named = summary_of(question)
    is_plain = len(head.title) <= LONGEST_TITLE and named and article_named(named, heads) == head
    return question if is_plain else ""
