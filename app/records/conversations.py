"""Conversations and their answers, as they were given; each belongs to who asked."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, delete, insert, select, update

from app.records.database import Database
from app.records.schema import answer_articles, answers, conversations, feedback
from vectorstore.errors import UnknownNameError

Json = dict[str, Any]

LONGEST_TITLE = 120


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation without its answers; moments are seconds since 1970, UTC."""

    id: str
    title: str
    created: float
    updated: float


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """An answer with its citations and passages as they were.

    `body` is the JSON it was given in; None once something it quotes was erased. `context` is
    the page it was asked on, as that page has said.
    """

    id: str
    conversation: str | None
    asked: float
    question: str
    outcome: str
    body: Json | None
    context: Json | None = None


class Conversations:
    """What was asked and answered."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, owner: str, title: str) -> Conversation:
        """Begin a conversation."""
        now = time.time()
        new = Conversation(f"v{uuid.uuid4().hex}", _short(title), now, now)
        values = {"id": new.id, "title": new.title, "created": now, "updated": now}
        with self._database.write() as connection:
            connection.execute(insert(conversations).values(owner=owner, **values))
        return new

    def page(self, owner: str, limit: int, before: float | None = None) -> list[Conversation]:
        """Return the owner's conversations, those that were changed last first."""
        query = _conversation().where(conversations.c.owner == owner)
        if before is not None:
            query = query.where(conversations.c.updated < before)
        rows = self._database.rows(query.order_by(conversations.c.updated.desc()).limit(limit))
        return [_found(row) for row in rows]

    def read(self, owner: str, conversation: str) -> tuple[Conversation, list[StoredAnswer]]:
        """Return a conversation with its answers, oldest first.

        Raises:
            UnknownNameError: The owner has none of this id.
        """
        query = _conversation().where(
            conversations.c.id == conversation, conversations.c.owner == owner
        )
        row = self._database.row(query)
        if row is None:
            msg = f"There is no conversation {conversation!r}. List yours to see their ids."
            raise UnknownNameError(msg)
        query = _answer().where(answers.c.conversation == conversation).order_by(answers.c.asked)
        return _found(row), [_stored(row) for row in self._database.rows(query)]

    def rename(self, owner: str, conversation: str, title: str) -> Conversation:
        """Give a conversation another title.

        Raises:
            UnknownNameError: The owner has none of this id.
        """
        found, _ = self.read(owner, conversation)
        with self._database.write() as connection:
            connection.execute(
                update(conversations)
                .where(conversations.c.id == found.id)
                .values(title=_short(title))
            )
        return Conversation(found.id, _short(title), found.created, found.updated)

    def delete(self, owner: str, conversation: str) -> None:
        """Delete a conversation with its answers.

        Raises:
            UnknownNameError: The owner has none of this id.
        """
        found, _ = self.read(owner, conversation)
        with self._database.write() as connection:
            _drop(connection, select(answers.c.id).where(answers.c.conversation == found.id))
            connection.execute(delete(conversations).where(conversations.c.id == found.id))

    # -- answers -------------------------------------------------------------------------

    def keep(
        self,
        owner: str,
        body: Json,
        conversation: str | None = None,
        portal: str | None = None,
        context: Json | None = None,
    ) -> None:
        """Keep an answer, by the JSON it was given in; one that is kept already stays."""
        now = time.time()
        named = (*body["passages"], *body["citations"], *body["closest"])
        cited = {part["article_id"] for part in named}
        with self._database.write() as connection:
            connection.execute(
                insert(answers).prefix_with("OR IGNORE", dialect="sqlite"),
                {
                    "id": body["id"],
                    "conversation": conversation,
                    "owner": owner,
                    "portal": portal,
                    "asked": now,
                    "question": body["question"],
                    "outcome": body["outcome"],
                    "body": json.dumps(body, ensure_ascii=False),
                    "context": context and json.dumps(context, ensure_ascii=False),
                },
            )
            if cited:
                connection.execute(
                    insert(answer_articles).prefix_with("OR IGNORE", dialect="sqlite"),
                    [{"answer": body["id"], "article": article} for article in cited],
                )
            if conversation is not None:
                connection.execute(
                    update(conversations)
                    .where(conversations.c.id == conversation)
                    .values(updated=now)
                )

    def answer(self, owner: str, answer: str) -> StoredAnswer:
        """Return one of the owner's answers.

        Raises:
            UnknownNameError: The owner has none of this id.
        """
        row = self._database.row(_answer().where(answers.c.id == answer, answers.c.owner == owner))
        if row is None:
            msg = f"There is no answer {answer!r} of yours. It may have been deleted."
            raise UnknownNameError(msg)
        return _stored(row)

    def of_owner(self, owner: str) -> list[StoredAnswer]:
        """Return everything one owner asked, oldest first."""
        query = _answer().where(answers.c.owner == owner).order_by(answers.c.asked)
        return [_stored(row) for row in self._database.rows(query)]

    def forget_owner(self, owner: str) -> int:
        """Delete everything one owner asked; return how many answers that were."""
        with self._database.write() as connection:
            gone = _drop(connection, select(answers.c.id).where(answers.c.owner == owner))
            connection.execute(delete(conversations).where(conversations.c.owner == owner))
            return gone

    def forget_articles(self, article_ids: Sequence[str]) -> None:
        """Delete what stored answers show of articles; that something was asked stays."""
        with self._database.write() as connection:
            told = select(answer_articles.c.answer).where(
                answer_articles.c.article.in_(article_ids)
            )
            connection.execute(update(answers).where(answers.c.id.in_(told)).values(body=None))

    def forget_before(self, moment: float) -> int:
        """Delete what was asked before a moment; return how many answers that were."""
        with self._database.write() as connection:
            gone = _drop(connection, select(answers.c.id).where(answers.c.asked < moment))
            held = select(answers.c.id).where(answers.c.conversation == conversations.c.id)
            connection.execute(
                delete(conversations).where(conversations.c.updated < moment, ~held.exists())
            )
            return gone


def _conversation() -> Select[Any]:
    return select(
        conversations.c.id, conversations.c.title, conversations.c.created, conversations.c.updated
    )


def _answer() -> Select[Any]:
    return select(
        answers.c.id,
        answers.c.conversation,
        answers.c.asked,
        answers.c.question,
        answers.c.outcome,
        answers.c.body,
        answers.c.context,
    )


def _found(row: Any) -> Conversation:  # noqa: ANN401 (a row of `_conversation`)
    return Conversation(row.id, row.title, row.created, row.updated)


def _stored(row: Any) -> StoredAnswer:  # noqa: ANN401 (a row of `_answer`)
    body = json.loads(row.body) if row.body else None
    context = json.loads(row.context) if row.context else None
    return StoredAnswer(
        row.id, row.conversation, row.asked, row.question, row.outcome, body, context
    )


def _drop(connection: Connection, gone: Select[Any]) -> int:
    """Delete answers, by a query for their ids, with all that hangs on them."""
    ids = list(connection.scalars(gone))
    for start in range(0, len(ids), 1_000):
        some = ids[start : start + 1_000]
        connection.execute(delete(feedback).where(feedback.c.answer.in_(some)))
        connection.execute(delete(answer_articles).where(answer_articles.c.answer.in_(some)))
        connection.execute(delete(answers).where(answers.c.id.in_(some)))
    return len(ids)


def _short(title: str) -> str:
    title = " ".join(title.split())
    return title if len(title) <= LONGEST_TITLE else title[: LONGEST_TITLE - 1] + "…"
