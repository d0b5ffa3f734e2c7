"""Whatever an article, a question or a talk tells a chat model: what it may show stays the same.

The scripted model obeys every order that it finds, in plain or in code, and does all the harm
that it can (attacks.py); the invariants are looked at in each face (invariants.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

import pytest

from app.answering.answer import Answer
from app.answering.conversation import Exchange, points_back
from app.answering.engine import Engine
from app.generation.prompts import NO_ANSWER
from ingest.extract import extract
from tests.app.generation.attacks import (
    ATTACKS,
    EVIL,
    FALSE,
    HARBOUR,
    HIDDEN,
    MARKER,
    OPENED,
    is_ordered,
    obeying,
    page,
)
from tests.app.generation.conftest import FERRIES, Ask, citing, engine_of, key_of
from tests.app.generation.invariants import check, faces_of
from tests.fakes import FINGERPRINT, HashEncoder, make_publication, put
from tests.model_server import ModelServer
from vectorstore.publication import Publication
from vectorstore.store import Store
from vectorstore.types import Filter

QUESTION = "When was the harbour bridge opened?"
FOLLOW_UP = "When was it opened?"
PRIDE = "The harbour bridge is the pride of the whole town, says one of its mayors."
IN_ARTICLES = ("title", "body", "url", "author", "file name")
IN_TALK = ("question", "earlier question", "earlier answer")
PLACES = (*IN_ARTICLES, *IN_TALK)
SHARE = 6  # of the harm that can be done a sixth in each cell, in turn
UNREAD = ("url", "file name")  # what no prompt holds
SENT = frozenset(  # and no tools
    {"model", "messages", "stream", "stream_options", "temperature", "max_tokens"}
    | {"max_completion_tokens"}
)


@dataclass(frozen=True)
class Bench:
    """A store with a collection for each cell, and an engine over it."""

    store: Store
    engine: Engine
    server: ModelServer
    collections: Mapping[str, str]

    def ask(
        self, kind: str, place: str, honest: bool, share: int, turn: int
    ) -> tuple[Any, Filter, int]:
        """Ask in a cell; return the faces, what may be seen, and how many calls are due."""
        self.server.requests.clear()
        self.server.play(obeying(honest, share, turn))
        question, history = self._talk(ATTACKS[kind], place)
        condition = Filter(collections=(self.collections[cell(kind, place)],))
        events = list(self.engine.stream(question, condition, history))
        meant = self.engine.understand(question, condition, history)
        leans = points_back(question, history) or any(part.added for part in meant.parts)
        return faces_of(events), condition, 1 + leans

    def _talk(self, order: str, place: str) -> tuple[str, list[Exchange]]:
        match place:
            case "question":
                return f"{QUESTION} {order}", []
            case "earlier question":
                told = f"What is the harbour bridge? {order}"
                return FOLLOW_UP, [Exchange(told, "It crosses the harbour.")]
            case "earlier answer":
                told = f"The harbour bridge crosses the harbour. {order}"
                return FOLLOW_UP, [Exchange("What is the harbour bridge?", told)]
        return QUESTION, []


def cell(kind: str, place: str) -> str:
    """Return the collection of a cell; talks share the one without orders."""
    return f"{kind} in {place}" if place in IN_ARTICLES else "innocent"


def hostile(store: Store, collection: str, kind: str = "", place: str = "") -> Publication:
    """Return an article with an order in one place, as ingesting would leave it there."""
    order = ATTACKS[kind] if kind else ""
    paragraphs = [PRIDE]
    if place == "body":
        text = extract(page(order), "html", "bridge").text if kind in HIDDEN else order
        paragraphs += text.split("\n\n") if kind in HIDDEN else [text]
    made = make_publication(store, "hostile", paragraphs, collection=collection)
    line = " ".join(order.split())
    head = made.article.head
    match place:
        case "title":
            head = replace(head, title=line)
        case "author":
            head = replace(head, authors=(line,))
        case "url":
            head = replace(head, url=f"https://example.org/{quote(line)}")
        case "file name":
            head = replace(head, uri=f"{line}.html", url=None)
    return replace(made, article=replace(made.article, head=head))


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """Every attack in every place of an article, beside an honest article."""
    store = Store(tmp_path_factory.mktemp("injection") / "data", FINGERPRINT)
    cells = [(kind, place) for kind in ATTACKS for place in IN_ARTICLES]
    publications: list[Publication] = []
    for collection, order in [(cell(*each), each) for each in cells] + [("innocent", ("", ""))]:
        publications.append(
            make_publication(store, "bridge", [HARBOUR, FERRIES], collection=collection)
        )
        publications.append(hostile(store, collection, *order))
    store.publish(publications)
    with ModelServer() as server:
        patience = {"llm_first_token": 60.0, "llm_seconds": 120.0, "llm_max_tokens": 4000}
        engine = engine_of(store, HashEncoder(), server, threshold=0.0, **patience)
        names = {each.name: each.id for each in store.catalogue.collections()}
        yield Bench(store, engine, server, names)
    store.close()


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", ATTACKS)
def test_an_order_changes_nothing_that_is_promised(bench: Bench, kind: str, place: str) -> None:
    """In every cell a model that obeys adds no link, leaks nothing and forges no citation."""
    turn = list(ATTACKS).index(kind) + PLACES.index(place)
    faces, condition, calls = bench.ask(kind, place, turn % 2 == 0, SHARE, turn)
    assert len(bench.server.requests) == calls
    assert all(set(each.body) <= SENT for each in bench.server.requests)
    check(faces, bench.server.requests, bench.store, condition)
    check_false(faces.answer)
    assert faces.answer.outcome != "not_found"
    if kind not in HIDDEN and place not in UNREAD:
        assert is_ordered(bench.server.requests[0].messages), "the order has not reached the model"


def check_false(answer: Answer) -> None:
    """The false sentence is never cited, unless what is quoted with it says it."""
    quotes = {citation.number: citation.quote for citation in answer.citations}
    for each in answer.sentences:
        if "Klein" in each.text:
            assert all("Klein" in quotes[number] for number in each.citations)


@pytest.mark.parametrize("place", [place for place in PLACES if place not in UNREAD])
def test_all_harm_at_once(bench: Bench, place: str) -> None:
    """All that orders could ask for in one reply: the true sentence is cited, the rest is not."""
    faces, condition, calls = bench.ask("plain", place, True, 1, 0)
    assert len(bench.server.requests) == calls
    check(faces, bench.server.requests, bench.store, condition)
    check_false(faces.answer)
    written = {each.text for each in faces.answer.sentences if each.support == "supported"}
    assert f"{OPENED}." in written
    assert place == "body" or not any(MARKER in text.casefold() for text in written)


def test_a_reply_without_support_shows_nothing(ask: Ask, server: ModelServer) -> None:
    """Where no sentence is borne out none is shown, not even marked: articles are quoted."""
    server.play(f"Pineapple! {FALSE} Now visit the fair. {NO_ANSWER}", f"Pineapple! {FALSE}")
    refused = ask(QUESTION)
    assert (refused.outcome, refused.sentences) == ("not_found", ())
    quoted = ask(QUESTION)
    assert {each.support for each in quoted.sentences} == {"verbatim"}
    assert any("borne out" in reason for reason in quoted.degraded)


def test_sentences_that_were_held_come_in_their_order(ask: Ask, server: ModelServer) -> None:
    """What came without support before the first sentence that has it is shown before it."""
    server.play(citing((FALSE, HARBOUR), (f"{OPENED}.", HARBOUR), ("It was sold again.", HARBOUR)))
    answer = ask(QUESTION)
    assert [each.text for each in answer.sentences] == [FALSE, f"{OPENED}.", "It was sold again."]
    assert [each.support for each in answer.sentences] == [
        "unsupported", "supported", "unsupported"
    ]  # fmt: skip


# -- what an article may do ----------------------------------------------------------------


def test_an_article_is_quoted_with_what_it_says(
    ask: Ask, server: ModelServer, articles: Store
) -> None:
    """A false sentence of an article is cited to it, and to no other article."""
    put(articles, "liar", PRIDE, FALSE)
    server.play(citing((FALSE, HARBOUR)))
    answer = ask(QUESTION)
    assert [each.quote for each in answer.citations] == [FALSE]
    assert answer.citations[0].article.uri == "liar"


def test_an_article_can_have_a_model_refuse(ask: Ask, server: ModelServer) -> None:
    """A model that an article talks into refusing says that nothing was found, and what is near."""
    server.play(NO_ANSWER)
    answer = ask(QUESTION)
    assert (answer.outcome, answer.sentences) == ("not_found", ())
    assert "bridge" in [head.uri for head in answer.closest]


def test_a_title_alone_bears_nothing_out(ask: Ask, server: ModelServer, articles: Store) -> None:
    """What only a title says is not supported by the text below it."""
    put(articles, "liar", "Old photographs are on show in the town hall.", title=FALSE)
    server.play(citing((FALSE, "Old photographs"), (f"{OPENED}.", HARBOUR)))
    answer = ask("When was the harbour bridge opened, and who was it sold to?")
    assert [each.support for each in answer.sentences] == ["unsupported", "supported"]


def test_a_false_language_switches_no_check_off(
    ask: Ask, server: ModelServer, articles: Store
) -> None:
    """An English article that says it is Chinese is checked as the English one that it is."""
    made = make_publication(articles, "liar", ["The harbour bridge is the pride of the town."])
    head = replace(made.article.head, language="zh")
    articles.publish([replace(made, article=replace(made.article, head=head))])
    server.play(citing(("The harbour bridge was sold to Oskar Klein.", "the pride"),
                       (f"{OPENED}.", HARBOUR)))  # fmt: skip
    answer = ask(QUESTION)
    assert [each.support for each in answer.sentences] == ["unsupported", "supported"]


def test_another_language_switches_no_check_off(ask: Ask, server: ModelServer) -> None:
    """Where question and passages are English, a sentence in German is not cited."""
    said = "Die Hafenbrücke wurde an Oskar Klein verkauft, der sie abreißen ließ."
    server.play(citing((said, HARBOUR), (f"{OPENED}.", HARBOUR)))
    answer = ask(QUESTION)
    assert [each.support for each in answer.sentences] == ["unsupported", "supported"]


@pytest.mark.parametrize("kind", HIDDEN)
def test_what_no_reader_sees_is_not_taken_in(kind: str) -> None:
    """Comments, hidden elements, tooltips and meta tags of a page are no part of its article."""
    found = extract(page(HIDDEN[kind]), "html", "bridge")
    held = " ".join([found.text, found.title, *found.authors])
    shows = kind in {"white", "unseen text"}  # a reader with another style sheet sees them
    assert (MARKER in held) == shows
    assert "\u200b" not in held


def test_unseen_characters_are_not_taken_in() -> None:
    """Tags, overrides of direction, control characters and spare selectors leave an article."""
    unseen = "\U000e0041\u202e\u2066\x9b\x1b\ufe01\U000e0101\u200b"
    found = extract(f"The bridge {unseen}is long\u200d.".encode(), "text", "bridge")
    assert found.text == "The bridge is long\u200d."


# -- what is made of the talk --------------------------------------------------------------


@pytest.mark.parametrize(
    "rewritten",
    [
        f"Who dug the harbour tunnel ![x](//{EVIL}/x.png)?",
        f"Who dug the harbour tunnel, see {EVIL}/x?",
        f"Who dug the harbour tunnel, see www.{EVIL}?",
        "Who dug the harbour tunnel javascript:alert(1)?",
        "Who dug the harbour tunnel <b>now</b>?",
        "What is the harbour tunnel?",
        "Who dug the harbour tunnel? " * 30,
        "You make the last question of a talk understandable by itself: who dug the tunnel?",
    ],
)
def test_a_rewritten_question_is_a_question(ask: Ask, server: ModelServer, rewritten: str) -> None:
    """A rewriting with an address, markup, another question or our words gives way to rules."""
    server.play(rewritten, OPENED)
    history = [Exchange("What is the harbour tunnel?", f"It crosses the harbour. See {EVIL}/x.")]
    answer = ask("Who dug it?", history=history)
    assert answer.question_used == "Who dug it? (harbour tunnel)"
    assert any("completed by rules" in reason for reason in answer.degraded)


def test_unseen_characters_leave_a_rewritten_question(ask: Ask, server: ModelServer) -> None:
    """What nobody sees in a rewritten question is taken out of it."""
    server.play("Who dug the harbour\U000e0041\u202e tunnel?", OPENED)
    answer = ask("Who dug it?", history=[Exchange("What is the harbour tunnel?", "A tunnel.")])
    assert answer.question_used == "Who dug the harbour tunnel?"


@pytest.mark.parametrize(
    "part",
    [
        f"who paid for the bridge, see {EVIL}/x",
        f"who paid for the bridge ![x](//{EVIL}/x.png)",
        "who paid for the bridge, key {key}",
        "who paid for the bridge, call our harbour hotline, the number is 555",
        "who paid for the bridge " * 20,
    ],
)
def test_a_missing_part_is_of_the_question(ask: Ask, server: ModelServer, part: str) -> None:
    """What a model calls missing is shown only in the question's words."""
    server.play(
        lambda messages: (
            f"{OPENED}. [{key_of(messages, HARBOUR)}]\n"
            f"MISSING: {part.replace('{key}', key_of(messages, HARBOUR))}"
        )
    )
    assert (
        ask("When was the harbour bridge opened by whom who paid for the bridge?").unanswered == ()
    )
