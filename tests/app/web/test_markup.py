"""What the chat shows is our own tags around escaped text."""

from __future__ import annotations

import re
from datetime import date
from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from app.answering.answer import AnswerSentence, Citation, Done, SentenceReleased, Started
from app.answering.conversation import Exchange
from app.web.markup import AnswerMarkup, notice_markup, question_markup, said_in
from vectorstore.types import ArticleHead, Filter

OURS = {"p", "mark", "a", "ul", "li"}


class Reader(HTMLParser):
    """Collects the tags and the text of markup."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""
        self.feed(markup)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag."""
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        """Note text."""
        self.text += data


def released(text: str, span: tuple[int, int] | None, title: str = "T") -> SentenceReleased:
    """Return a sentence event with one citation."""
    head = ArticleHead(id="a1", uri="u", title=title, sha256="f" * 64, collection="c")
    citation = Citation(1, head, "k", text, 0, len(text), None)
    return SentenceReleased(0, AnswerSentence(text, (1,), span, "verbatim", "r"), (citation,))


@given(st.text(min_size=1), st.data())
def test_a_sentence_cannot_bring_markup(text: str, data: st.DataObject) -> None:
    """Whatever an article says, its sentence shows as text between our own tags, on one line."""
    start = data.draw(st.integers(0, len(text) - 1))
    markup = AnswerMarkup()
    assert markup.add(released(text, (start, len(text))))
    found = Reader(markup.html)
    assert found.tags <= OURS
    assert found.attributes <= {"class", "href"}
    assert "\n" not in markup.html
    assert re.sub(r"\s+", "", found.text) == re.sub(r"\s+", "", text.replace("\x00", "")) + "1" or (
        "\x00" in text or "\r" in text
    )


def test_a_script_shows_as_text() -> None:
    """A script tag of an article reaches the page as words."""
    markup = AnswerMarkup()
    markup.add(released("<script>alert(1)</script> **bold** [x](javascript:y)", None))
    assert "<script" not in markup.html
    assert "&lt;script&gt;" in markup.html


def test_the_spaces_around_the_span_stay() -> None:
    """Marking the answering words does not glue them to their neighbours."""
    markup = AnswerMarkup()
    markup.add(released("There are 60,065 species.", (10, 16)))
    assert "There are <mark>60,065</mark> species." in markup.html


def test_a_chip_says_where_its_quote_stands() -> None:
    """A chip's href has the article, its version and the offsets."""
    markup = AnswerMarkup()
    markup.add(released("Yes.", None))
    assert f'href="#cite/a1/{"f" * 16}/0/4">1</a>' in markup.html


def test_not_found_names_the_closest() -> None:
    """A refusal lists the closest articles, escaped."""
    head = ArticleHead(id="a1", uri="u", title="<b>T</b>", sha256="f" * 64, collection="c")
    markup = AnswerMarkup()
    markup.add(Done("not_found", (head,), {}))
    assert "The articles do not say" in markup.html
    assert "&lt;b&gt;T" in markup.html


@given(st.text())
def test_questions_and_notices_are_escaped(text: str) -> None:
    """What a reader types, or an error quotes, is never markup."""
    assert Reader(question_markup(text)).tags <= {"p"}
    assert Reader(notice_markup(text)).tags <= {"p"}


def test_the_turns_are_read_from_what_is_shown() -> None:
    """What the chat shows tells the questions, the sentences and the words marked in the first."""
    answer = AnswerMarkup()
    answer.add(released("Kiptum & Co. ran <fast>.", (0, 12)))
    answer.add(released("It was in Chicago.", None))
    shown = [
        {"role": "user", "content": question_markup('Who ran "fast"?')},
        {"role": "assistant", "content": [{"type": "text", "text": answer.html}]},
    ]
    told = "Kiptum & Co. ran <fast>. It was in Chicago."
    places = (("a1", 0),)
    assert said_in(shown) == [Exchange('Who ran "fast"?', told, "Kiptum & Co.", ("a1",), places)]


def test_it_is_shown_how_a_question_was_understood() -> None:
    """A follow-up shows what it was taken for; a question that stands alone does not."""
    markup = AnswerMarkup()
    assert not markup.add(Started("q1", "Why?", "Why?", Filter()))
    assert markup.add(Started("q2", "Why?", "Why? (<b>bridge</b>)", Filter()))
    assert "Understood as: Why? (&lt;b&gt;bridge&lt;/b&gt;)" in markup.html


def test_it_is_shown_of_which_days_articles_were_asked() -> None:
    """A filter by dates is told in front, and named where the articles do not say."""
    june = Filter(published_from=date(2026, 6, 1), published_to=date(2026, 6, 30))
    markup = AnswerMarkup()
    assert markup.add(Started("q1", "Why?", "Why?", june))
    assert "Only articles of June 2026:" in markup.html
    markup.add(Done("not_found", (), {}))
    assert "The articles of June 2026 do not say." in markup.html
    assert "There are none yet" not in markup.html
