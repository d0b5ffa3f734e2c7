"""What holds of every answer, whatever a chat model was told: looked at in each face."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any

from markdown_it import MarkdownIt

from app.answering.answer import NOT_SUPPORTED, Answer, Event, Waiting, gather
from app.answering.wire import answer_json, event_json
from app.api.openai_wire import Completion
from app.cli import _answer_text
from app.export import conversation_markdown
from app.generation.prompts import ANSWER, REWRITE
from app.records.conversations import Conversation, StoredAnswer
from app.web.markup import AnswerMarkup
from tests.model_server import Asked
from vectorstore.store import Store
from vectorstore.types import Filter

OWN = re.compile(r"<passage (\d{8})>\nkey: (\w+)\n")
TAGS = frozenset({"p", "span", "a", "mark", "em", "strong", "small", "ul", "li"})
LEFT = 30  # characters in a row of our instructions that are no accident


class _Tags(HTMLParser):
    """The tags and links of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.links: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag."""
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.links += [value or "" for name, value in attrs if name in {"href", "src"}]


@dataclass(frozen=True)
class Faces:
    """One answer as each face shows it."""

    answer: Answer
    html: str
    openai: str
    annotations: list[dict[str, Any]]
    terminal: str
    exported: str


def faces_of(events: Iterable[Event]) -> Faces:
    """Return what each face makes of an answer's events."""
    told = [event for event in events if not isinstance(event, Waiting)]
    answer = gather(told)
    markup, completion = AnswerMarkup(), Completion("citewell", "http://127.0.0.1")
    for event in told:
        markup.add(event)
        completion.add(*event_json(event))
    body = answer_json(answer)
    stored = StoredAnswer(answer.id, "c1", 0.0, answer.question, answer.outcome, body)
    return Faces(
        answer,
        markup.html,
        completion.text,
        [each["url_citation"] for each in completion.annotations],
        _answer_text(body),
        conversation_markdown(Conversation("c1", "A talk", 0.0, 0.0), [stored]),
    )


def check(
    faces: Faces,
    asked: Sequence[Asked],
    store: Store,
    condition: Filter,
    evil: str = "evil.example",
) -> None:
    """Assert all that holds of an answer for which a model was asked.

    Args:
        faces: The answer.
        asked: What the model was sent for it.
        store: Where the articles are.
        condition: What the reader may see.
        evil: The host of every address that only an order names.
    """
    check_citations(faces.answer, store, condition)
    check_marks(faces)
    check_links(faces)
    check_addresses(faces.answer, evil)
    check_secrets(faces.answer, asked)


def check_citations(answer: Answer, store: Store, condition: Filter) -> None:
    """Quotes stand where they are said to, in articles that may be seen; numbers are 1..n."""
    visible = {head.id for head in store.catalogue.heads(condition)}
    chunks = {passage.chunk.id for passage in answer.passages}
    for citation in answer.citations:
        article = store.catalogue.article(citation.article.id)
        assert article.text[citation.start : citation.end] == citation.quote
        assert citation.article.sha256 == article.head.sha256
        assert citation.article.id in visible
        assert citation.chunk_id in chunks
    used = dict.fromkeys(number for each in answer.sentences for number in each.citations)
    assert list(used) == list(range(1, len(used) + 1))
    assert {citation.number for citation in answer.citations} == set(used)


def check_marks(faces: Faces) -> None:
    """What nothing supports has no number and says so in every face; all else has a number."""
    doubtful = 0
    for each in faces.answer.sentences:
        if each.support == "unsupported":
            doubtful += 1
            assert each.citations == ()
        elif each.support != "service":
            assert each.citations
    if faces.answer.outcome != "not_found":
        for text in (faces.html, faces.openai, faces.terminal, faces.exported, faces.answer.text):
            assert text.count(NOT_SUPPORTED) == doubtful
    else:
        assert not doubtful


def check_links(faces: Faces) -> None:
    """No face has a link but to what is cited, and none has an image."""
    page = _Tags(faces.html)
    assert page.tags <= TAGS
    assert page.attributes <= {"class", "href", "title"}
    assert all(re.match(r"#(cite|article)/", link) for link in page.links)
    for text in (faces.openai, faces.exported):
        assert not _Tags(MarkdownIt("commonmark").enable("table").render(text)).links
    urls = {citation.url for citation in faces.answer.citations}
    for each in faces.annotations:
        assert each["url"] in urls
        assert re.fullmatch(r"\[\d+\]", faces.openai[each["start_index"] : each["end_index"]])


def check_addresses(answer: Answer, evil: str) -> None:
    """An address shows only where it stands in a passage that is quoted with it."""
    quotes = {citation.number: citation.quote for citation in answer.citations}
    for each in answer.sentences:
        assert not any(unicodedata.category(char) in {"Cc", "Co", "Cn"} for char in each.text)
        assert not any(0xE0000 <= ord(char) <= 0xE01EF for char in each.text)
        shown = _plain(each.text)
        if evil in shown or "://" in shown or "javascript:" in shown or "192.0.2.7" in shown:
            assert any(shown in _plain(quotes[number]) for number in each.citations)
    told = [*answer.degraded, *answer.unanswered]
    if answer.question_used != answer.question:
        told.append(answer.question_used)
    for text in told:
        assert evil not in _plain(text)
        assert "](" not in text


def check_secrets(answer: Answer, asked: Sequence[Asked]) -> None:
    """Neither our instructions nor what was drawn for the prompt shows."""
    quotes = {citation.number: citation.quote for citation in answer.citations}
    drawn = {word for each in asked for found in OWN.findall(each.text) for word in found}
    lines = [_plain(line) for line in (ANSWER + "\n" + REWRITE).splitlines()]
    kept = {line[at : at + LEFT] for line in lines for at in range(len(line) - LEFT + 1)}
    texts = [*answer.unanswered, *answer.degraded]
    texts += [e.text for e in answer.sentences if not any(e.text in quotes[n] for n in e.citations)]
    for text in texts:
        shown = _plain(text)
        assert drawn.isdisjoint(re.findall(r"\w+", shown))
        assert not any(shown[at : at + LEFT] in kept for at in range(len(shown) - LEFT + 1))


def _plain(text: str) -> str:
    shown = unicodedata.normalize("NFKC", text).casefold()
    return "".join(char for char in shown if unicodedata.category(char) != "Cf")
