"""A conversation as a Markdown file: questions as headings, citations as footnotes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import groupby

from app.answering.answer import NOT_SUPPORTED, lacking
from app.records.conversations import Conversation, StoredAnswer

ERASED = "*What this answer quoted was erased.*"


def conversation_markdown(conversation: Conversation, answers: Sequence[StoredAnswer]) -> str:
    """Return the conversation in Markdown; text of articles and readers is escaped.

    Footnotes are numbered through the whole file, in order of first use.
    """
    lines = [f"# {escape(conversation.title)}", ""]
    notes: list[str] = []
    for answer in answers:
        lines += [f"## {escape(answer.question)}", ""]
        if answer.body is None:
            lines += [ERASED, ""]
            continue
        if period := answer.body["filters"].get("period"):  # earlier versions kept none
            lines += [escape(f"Only articles {period}:"), ""]
        first = len(notes)
        for citation in answer.body["citations"]:
            where = citation["url"] or citation["uri"]
            dated = f", {citation['published']}" if citation["published"] else ""
            notes.append(
                f"[^{len(notes) + 1}]: {escape(citation['title'])}{dated}. "
                f"{escape(where)} — “{escape(citation['quote'])}”"
            )
        if answer.outcome == "not_found":
            lines += [escape(answer.body["text"]), ""]
            continue
        for part, sentences in groupby(
            answer.body["sentences"], key=lambda each: each.get("part", "")
        ):
            said = [
                escape(sentence["text"])
                + "".join(f"[^{first + number}]" for number in sentence["citations"])
                + (f" ({NOT_SUPPORTED})" if sentence["support"] == "unsupported" else "")
                for sentence in sentences
            ]
            lines += [*([f"**{escape(part)}**", ""] if part else []), " ".join(said), ""]
        if unanswered := answer.body.get("unanswered"):
            lines += [escape(lacking(unanswered)), ""]
    return "\n".join([*lines, *notes]).rstrip() + "\n"


def escape(text: str) -> str:
    """Return text on one line in which nothing is Markdown or HTML any more (CommonMark 2.4)."""
    return re.sub(r"([\\`*_{}\[\]<>()#+!|~&-])", r"\\\1", " ".join(text.split()))
