"""What an OpenAI client sends for a chat completion, and an answer in the form that it reads.

The forms are those of OpenAI's API reference (chat completions). What a client sends to steer a
model (a temperature, messages of the system, tools) is accepted and ignored: the articles decide
what is answered, whether or not a chat model words it. More than one choice, and questions that
are not text, are refused.
"""

from __future__ import annotations

import re
import time
from typing import Annotated, Any

from pydantic import BaseModel, Field, field_validator

from app.answering.answer import (
    BEGINNINGS,
    NOT_FOUND,
    doubt_text,
    lacking,
    says_not_found,
)
from app.answering.conversation import Exchange
from app.answering.wire import Json
from app.links import citation_link

DOUBT = doubt_text("unsupported")
# What a sentence ends with as `Completion` writes it: its marks, and whether it is doubted.
_END = re.compile(rf"((?: \[\d+\])+(?:{re.escape(DOUBT)})?|{re.escape(DOUBT)})")

# Clients show the text as Markdown: what would be a link, an image or HTML there is none here.
_MARKUP = re.compile(r"!?\[[^\]\n]*\][(\[:]|<[a-z/!?][^>\n]*>", re.IGNORECASE)


class Part(BaseModel):
    """A part of a message; only those of type `text` can be read here."""

    type: str
    text: str | None = None


class Message(BaseModel):
    """A message of the conversation so far."""

    role: str
    content: str | list[Part] | None = None

    @property
    def text(self) -> str:
        """Its text; of several parts, one a line."""
        if isinstance(self.content, list):
            return "\n".join(part.text or "" for part in self.content)
        return self.content or ""


class StreamOptions(BaseModel):
    """What a stream tells beside the answer."""

    include_usage: bool | None = None


class Asked(BaseModel):
    """A chat completion: the last message of role `user` is the question.

    `model` is `citewell`, or `citewell/COLLECTION` for one collection.
    """

    model: str
    messages: Annotated[list[Message], Field(min_length=1)]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    n: Annotated[int, Field(ge=1, le=1)] | None = None

    @field_validator("messages")
    @classmethod
    def _ask_something(cls, messages: list[Message]) -> list[Message]:
        asked = [message for message in messages if message.role == "user"]
        if not asked:
            msg = "There is no message of role 'user': the last one is the question."
            raise ValueError(msg)
        content = asked[-1].content
        for part in content if isinstance(content, list) else ():
            if part.type != "text" or part.text is None:
                msg = f"A part of type {part.type!r} cannot be read: send text only."
                raise ValueError(msg)
        return messages

    @property
    def question(self) -> str:
        """The text of the last message of the user."""
        return self.messages[self._last].text

    @property
    def history(self) -> list[Exchange]:
        """The turns before: each message of the user with what was replied to it.

        Replies come without marks, and without the sentences that no article supports, on which
        nothing leans; that the articles do not say is no reply.
        """
        turns: list[Exchange] = []
        for message in self.messages[: self._last]:
            if message.role == "user":
                turns.append(Exchange(message.text))
            elif message.role == "assistant" and turns:
                answer = " ".join((turns[-1].answer, _borne_out(message.text))).strip()
                turns[-1] = Exchange(turns[-1].question, "" if says_not_found(answer) else answer)
        return turns

    @property
    def _last(self) -> int:
        return max(n for n, message in enumerate(self.messages) if message.role == "user")

    @property
    def with_usage(self) -> bool:
        """Whether a stream ends with the numbers of tokens."""
        return bool(self.stream_options and self.stream_options.include_usage)


def _borne_out(reply: str) -> str:
    """Return a reply without its marks and the sentences that are marked as not supported."""
    *ended, rest = _END.split(reply)
    pairs = zip(ended[::2], ended[1::2], strict=True)
    return "".join(said for said, end in pairs if not end.endswith(DOUBT)) + rest


def _as_text(text: str) -> str:
    """Return a sentence with the signs escaped that would make links or markup of its words."""
    return _MARKUP.sub(lambda found: re.sub(r"[!\[\]<]", r"\\\g<0>", found.group()), text)


class Completion:
    """A reply that grows with the frames of an answer.

    `text` is the text so far: the sentences, each followed by its marks. Every mark has an
    annotation: `text[start_index:end_index]` is the mark, `url` opens what it stands for.
    """

    def __init__(self, model: str, base: str) -> None:
        self.text = ""
        self.annotations: list[Json] = []
        self._base = base
        self._period: str | None = None
        self._about: Json = {"created": int(time.time()), "model": model}

    def add(self, name: str, data: Json) -> str:
        """Take a frame; return the text it adds."""
        if name == "start":
            self._about = {"id": f"chatcmpl-{data['answer_id']}", **self._about}
            self._period = data["filters"]["period"]
        before = len(self.text)
        if name == "sentence":
            if self._period and not self.text:
                self.text = f"Only articles {self._period}:"
            begun = BEGINNINGS[data.get("begins", "")] + _as_text(data["text"])
            self.text += begun if self.text else begun.lstrip("\n ")
            for citation in data["citations"]:
                self._mark(citation)
            self.text += doubt_text(data["support"])
        elif name == "done" and data["outcome"] == "not_found":
            self.text += f"The articles {self._period} do not say." if self._period else NOT_FOUND
        elif name == "done" and data["unanswered"]:
            self.text += f" {_as_text(lacking(data['unanswered']))}"
        return self.text[before:]

    def _mark(self, citation: Json) -> None:
        mark = f"[{citation['number']}]"
        start = len(self.text) + 1
        self.text += f" {mark}"
        place: Json = {
            "start_index": start,
            "end_index": start + len(mark),
            "url": citation_link(citation, self._base),
            "title": citation["title"],
        }
        self.annotations.append({"type": "url_citation", "url_citation": place})

    def whole(self, answer: Json, usage: Json) -> Json:
        """Return the reply of a request that is not streamed."""
        message = {
            "role": "assistant",
            "content": self.text,
            "refusal": None,
            "annotations": self.annotations,
        }
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
        return {
            **self._about,
            "object": "chat.completion",
            "choices": [choice],
            "usage": usage,
            "citewell": answer,
        }

    def chunk(self, delta: Json, finish_reason: str | None = None, **more: Any) -> Json:  # noqa: ANN401 (JSON)
        """Return a piece of a stream."""
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        return {
            **self._about,
            "object": "chat.completion.chunk",
            "choices": [choice],
            **more,
        }
