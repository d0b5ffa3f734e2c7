"""Every face tells what a chat model wrote: paragraphs, lists, and what nothing supports."""

from __future__ import annotations

from html import unescape

import pytest

from app.answering.answer import (
    NOT_SUPPORTED,
    AnswerSentence,
    Begins,
    Citation,
    Degraded,
    Done,
    Event,
    Generation,
    PassagesFound,
    SentenceReleased,
    Started,
    Support,
    Told,
    Waiting,
    gather,
)
from app.answering.wire import answer_json, event_json
from app.api.desk import replay
from app.api.openai import _usage
from app.api.openai_wire import Asked, Completion
from app.cli import _answer_text
from app.export import conversation_markdown
from app.mcp_tools import Sentence
from app.records.conversations import Conversation, StoredAnswer
from app.web.markup import AnswerMarkup, question_markup, said_in
from vectorstore.types import ArticleHead, Chunk, Filter, Passage, Signals

HEAD = ArticleHead(id="a1", uri="u", title="T", sha256="f" * 64, collection="c")
CITED = Citation(1, HEAD, "k", "The bridge opened in 1932.", 0, 26, None)
PASSAGE = Passage(Chunk("k", "a1", 0, 0, 26, CITED.quote, ()), HEAD, 0.9, 1, Signals(0.9, 2.0, 1.0))
WRITTEN: tuple[tuple[str, Begins, Support], ...] = (
    ("It opened in 1932.", "paragraph", "supported"),
    ("It is red.", "", "unsupported"),
    ("![x](https://e.org/x.png) <b>Steel</b>.", "item", "supported"),
    ("Stein.", "item", "unchecked"),
    ("That is all.", "paragraph", "supported"),
)
EVENTS = (
    Started("q1", "What of the bridge?", "What of the bridge?", Filter()),
    PassagesFound(()),
    *(
        SentenceReleased(
            n, AnswerSentence(text, (1,), None, support, f"why {n}", begins=begins), (CITED,)
        )
        for n, (text, begins, support) in enumerate(WRITTEN)
    ),
    Done("answered", (), {}, generation=Generation("m", "1", 1, 700, 80)),
)
BODY = answer_json(gather(EVENTS))
TEXT = (
    "It opened in 1932. [1] It is red. [1] (not supported by the articles)\n"
    "- ![x](https://e.org/x.png) <b>Steel</b>. [1]\n"
    "- Stein. [1]\n\nThat is all. [1]"
)


def markup() -> AnswerMarkup:
    """Return the answer as the chat shows it."""
    shown = AnswerMarkup()
    for event in EVENTS:
        shown.add(event)
    return shown


def test_the_chat_shows_paragraphs_and_lists() -> None:
    """They are our own tags, whole at any time; what the model wrote is text in them."""
    html = markup().html
    assert html.count('<p class="cw-paragraph">') == 2
    assert html.count('<ul class="cw-list">') == html.count("</ul>") == 1
    assert html.count("<li>") == html.count("</li>") == 2
    assert "<b>" not in html
    assert "<img" not in html
    growing = AnswerMarkup()
    for event in EVENTS:
        growing.add(event)
        for tag in ("p", "ul", "li", "span"):
            assert growing.html.count(f"<{tag}") == growing.html.count(f"</{tag}>")


def test_the_chat_warns_of_what_is_not_supported() -> None:
    """The warning is in words, with the reason; only that sentence has it."""
    html = markup().html
    assert html.count(NOT_SUPPORTED) == 1
    assert f'<strong class="cw-doubt" title="why 1">⚠ {NOT_SUPPORTED}</strong>' in html
    assert '<small class="cw-unchecked" title="why 3">(unchecked)</small>' in html
    assert "Unchecked: why 3." in html


def test_the_turns_are_read_without_the_warnings() -> None:
    """A follow-up leans on the sentences that the articles support, not on what is said of them."""
    shown = [
        {"role": "user", "content": question_markup("Q?")},
        {"role": "assistant", "content": markup().html},
    ]
    (turn,) = said_in(shown)
    borne_out = [text for text, _, support in WRITTEN if support != "unsupported"]
    assert turn.answer == unescape(" ".join(borne_out))


def test_the_completion_is_the_answers_text() -> None:
    """OpenAI's clients read the same text without markup; each mark has its annotation."""
    completion = Completion("citewell", "http://h")
    for event in EVENTS:
        completion.add(*event_json(event))
    assert BODY["text"] == TEXT
    markup = "![x](https://e.org/x.png) <b>Steel</b>"
    escaped = r"\!\[x\](https://e.org/x.png) \<b>Steel\</b>"
    assert completion.text == TEXT.replace(markup, escaped)
    for each in completion.annotations:
        place = each["url_citation"]
        assert completion.text[place["start_index"] : place["end_index"]] == "[1]"
    assert len(completion.annotations) == len(WRITTEN)
    messages = [
        {"role": "user", "content": "Q?"},
        {"role": "assistant", "content": completion.text},
        {"role": "user", "content": "And?"},
    ]
    asked = Asked.model_validate({"model": "citewell", "messages": messages})
    assert asked.history[0].answer == (
        f"It opened in 1932.\n- {escaped}.\n- Stein.\n\nThat is all."
    )


def test_the_usage_is_the_models() -> None:
    """Where a chat model's provider counts tokens, those are told, and nothing is encoded."""
    usage = _usage(None, "Q?", TEXT, BODY)  # type: ignore[arg-type]
    assert usage == {"prompt_tokens": 700, "completion_tokens": 80, "total_tokens": 780}


def test_the_command_tells_it_line_by_line() -> None:
    """`citewell ask` has paragraphs, items and the warning."""
    said = _answer_text(BODY).split("\n\n[1]")[0].rstrip()
    assert said == TEXT


def test_the_export_has_paragraphs_lists_and_warnings() -> None:
    """The Markdown's own marks are ours; what the model wrote is escaped."""
    kept = StoredAnswer("q1", "c", 0.0, BODY["question"], "answered", BODY, None)
    text = conversation_markdown(Conversation("c", "C", 0.0, 0.0), [kept])
    assert "It opened in 1932.[^1] It is red.[^1] *\\(not supported by the articles\\)*\n- " in text
    assert "\n- Stein.[^1]\n\nThat is all.[^1]" in text
    assert "![x]" not in text


def test_a_replay_and_a_tool_tell_the_same() -> None:
    """A stored answer streams as it was given; a model that calls the tool reads the verdicts."""
    told = [data for name, data in replay(dict(BODY)) if name == "sentence"]
    live = [data for name, data in map(event_json, EVENTS) if name == "sentence"]
    assert told == live
    tool = [Sentence.model_validate(each) for each in BODY["sentences"]]
    assert [each.support for each in tool] == [support for _, _, support in WRITTEN]


@pytest.mark.parametrize("places", [(), (1,), (1, 1), (2, 2, 4), (1, 3, 5, 7), (7, 7)])
def test_a_replay_has_what_was_lacking_where_it_was_told(places: tuple[int, ...]) -> None:
    """Reasons come again under the numbers under which they were streamed, the late ones too."""
    told: list[Told] = [event for event in EVENTS if not isinstance(event, PassagesFound)]
    told.insert(1, PassagesFound((PASSAGE,)))
    for number, place in reversed([*enumerate(places)]):
        told.insert(place, Degraded(f"reason {number}"))
    live: list[Event] = [event for each in told for event in (each, Waiting())]
    assert replay(answer_json(gather(live))) == [event_json(event) for event in told]


def test_an_old_answer_tells_first_what_was_lacking() -> None:
    """Of one that was kept without the places, the reasons come behind the start, as they did."""
    body = {**BODY, "degraded": ["one", "two"]}
    del body["degraded_at"]
    names = [name for name, _ in replay(body)]
    assert names[:4] == ["start", "degraded", "degraded", "sentence"]
    assert names[-1] == "done"
