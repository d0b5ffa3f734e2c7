"""An answer as the chat shows it: escaped text, marked spans, numbered chips.

Every message is built from our own tags around escaped text, one HTML block without blank
lines, so that neither HTML nor Markdown of an article is ever interpreted. A chip carries
what it points to in its href, the one attribute that the chat's sanitiser leaves alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from html import escape, unescape
from typing import Any

from app.answering.answer import (
    NOT_SUPPORTED,
    AnswerSentence,
    Citation,
    Degraded,
    Done,
    Event,
    SentenceReleased,
    Started,
    lacking,
    not_found_text,
    period_text,
)
from app.answering.conversation import Exchange
from vectorstore.types import ArticleHead, Filter

UNDERSTOOD = "Understood as:"
ITEM_ENDS = "</li></ul>"
# Those with doubts have one more class: the talk goes on without them.
_SENTENCES = re.compile(r'<(p|span) class="cw-sentence">(.*?)</\1>', re.DOTALL)
_MARKED = re.compile(r"<mark>(.*?)</mark>", re.DOTALL)
_CITED = re.compile(r'href="#cite/([^/"]+)/[^/"]*/(\d+)/')
_CHIPS = re.compile(r'<(a|strong|small) class="cw-.*?</\1>', re.DOTALL)  # and doubts
_TAGS = re.compile(r"<[^>]*>")


def question_markup(question: str) -> str:
    """Return the reader's question, escaped."""
    return f"<p>{_text(question)}</p>"


def notice_markup(text: str) -> str:
    """Return a message of the service, such as an error."""
    return f'<p class="cw-notice">{_text(text)}</p>'


def said_in(messages: Iterable[Mapping[str, Any]]) -> list[Exchange]:
    """Return the turns of a chat from what it shows, oldest first.

    Args:
        messages: As the chat holds them, each built by this module.
    """
    turns: list[Exchange] = []
    for message in messages:
        content = message["content"]
        html = content if isinstance(content, str) else "".join(p.get("text", "") for p in content)
        if message["role"] == "user":
            turns.append(Exchange(_plain(html)))
        elif turns:
            sentences = [match[2] for match in _SENTENCES.finditer(html)]
            marked = _MARKED.search(sentences[0]) if sentences else None
            answer = " ".join(_plain(each) for each in sentences)
            told = _plain(marked[1]) if marked else ""
            places = [(article, int(start)) for article, start in _CITED.findall(html)]
            cited = tuple(dict.fromkeys(article for article, _ in places))
            evidence = tuple(dict.fromkeys(places))
            turns[-1] = Exchange(turns[-1].question, answer, told, cited, evidence)
    return turns


def _plain(html: str) -> str:
    return unescape(_TAGS.sub("", _CHIPS.sub("", html))).strip()


class AnswerMarkup:
    """Grows with the events of one answer; `html` is what to show after each of them."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._ends = ""  # what closes the paragraph or list that goes on
        self._unchecked: dict[str, None] = {}
        self._condition = Filter()
        self._part = ""

    @property
    def html(self) -> str:
        """The answer so far."""
        return "".join(self._parts) + self._ends

    def add(self, event: Event) -> bool:
        """Take an event; tell whether there is something new to show."""
        match event:
            case Started():
                return self._start(event)
            case SentenceReleased():
                if event.sentence.part != self._part:
                    self._part = event.sentence.part
                    self._block(f'<p class="cw-part">{_text(self._part)}</p>')
                self._say(event.sentence, event.citations)
            case Degraded():
                self._block(notice_markup(event.reason))
            case Done(outcome="not_found"):
                self._block(_not_found(event.closest, self._condition))
            case Done(unanswered=unanswered):
                told = [f"Unchecked: {reason}." for reason in self._unchecked]
                told += [lacking(unanswered)] if unanswered else []
                self._block("".join(map(notice_markup, told)))
                return bool(told)
            case _:
                return False
        return True

    def _block(self, html: str) -> None:
        """Add what stands by itself."""
        self._parts += [self._ends, html]
        self._ends = ""

    def _say(self, sentence: AnswerSentence, citations: tuple[Citation, ...]) -> None:
        """Add a sentence to the paragraph or item that goes on, or begin one with it."""
        said = _sentence(sentence, citations)
        if sentence.support == "unchecked":
            self._unchecked[sentence.reason] = None
        if sentence.begins == "item":
            is_next = self._ends == ITEM_ENDS
            self._parts += ["</li><li>"] if is_next else [self._ends, '<ul class="cw-list"><li>']
            self._ends = ITEM_ENDS
        elif sentence.begins == "paragraph":
            self._parts += [self._ends, '<p class="cw-paragraph">']
            self._ends = "</p>"
        elif self._ends:
            said = f" {said}"
        tag = "span" if self._ends else "p"
        doubt = " cw-doubtful" if sentence.support == "unsupported" else ""
        self._parts.append(f'<{tag} class="cw-sentence{doubt}">{said}</{tag}>')

    def _start(self, event: Started) -> bool:
        notices = []
        if event.question_used != event.question:
            notices.append(f"{UNDERSTOOD} {event.question_used}")
        if period := period_text(event.filters):
            notices.append(f"Only articles {period}:")
        self._condition = event.filters
        self._parts += map(notice_markup, notices)
        return bool(notices)

    def fail(self, reason: str) -> None:
        """Say why there is no more of the answer."""
        self._block(notice_markup(reason))


def _sentence(sentence: AnswerSentence, citations: tuple[Citation, ...]) -> str:
    if sentence.span is None:
        text = _text(sentence.text)
    else:
        start, end = sentence.span
        before, marked, after = (
            sentence.text[:start],
            sentence.text[start:end],
            sentence.text[end:],
        )
        text = f"{_text(before)}<mark>{_text(marked)}</mark>{_text(after)}"
    chips = "".join(
        f'<a class="cw-chip" href="{citation_href(citation)}">{citation.number}</a>'
        for citation in citations
    )
    return f"{text} {chips}{_doubt(sentence)}"


def _doubt(sentence: AnswerSentence) -> str:
    """Return what warns of a sentence, in words: a colour alone does not reach everybody.

    The words are there for everybody; the reason is a tooltip, where the page lets it be one.
    """
    reason = f'title="{_text(sentence.reason)}"'
    if sentence.support == "unsupported":
        return f' <strong class="cw-doubt" {reason}>\u26a0 {_text(NOT_SUPPORTED)}</strong>'
    if sentence.support == "unchecked":
        return f' <small class="cw-unchecked" {reason}>(unchecked)</small>'
    return ""


def citation_href(citation: Citation) -> str:
    """Return the fragment that names an article, its version, and the quote's place in it."""
    return (
        f"#cite/{citation.article.id}/{citation.article.sha256[:16]}"
        f"/{citation.start}/{citation.end}"
    )


def _not_found(closest: tuple[ArticleHead, ...], condition: Filter) -> str:
    told = not_found_text(condition)
    if not closest:
        return notice_markup(told if condition.dated else f"{told} There are none yet.")
    items = "".join(
        f'<li><a class="cw-article" href="#article/{head.id}">{_text(head.title)}</a>'
        f"{f' ({head.published.isoformat()})' if head.published else ''}</li>"
        for head in closest
    )
    said = notice_markup(f"{told} The closest are:")
    return f'{said}<ul class="cw-closest">{items}</ul>'


def _text(text: str) -> str:
    """Escape text for HTML, on one line, so that it cannot leave its block."""
    return escape(re.sub(r"\s+", " ", text), quote=True)
