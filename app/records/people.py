"""All that is kept of one person, given out or deleted.

People are named as they are in an Identity: `user:NAME`, `portal:ID/NAME`, `key:ID`, `local`.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ColumnElement, delete, select

from app.records.conversations import Conversation, Conversations, StoredAnswer
from app.records.database import Database
from app.records.schema import answers, feedback, replies, sessions

MOST = 1_000_000  # conversations: all of them


@dataclass(frozen=True, slots=True)
class Verdict:
    """What somebody thought of one of their answers."""

    answer: str
    verdict: str
    reason: str | None
    comment: str | None
    given: float


@dataclass(frozen=True, slots=True)
class Dossier:
    """All that is kept of one person; each part oldest first, conversations newest first."""

    subject: str
    conversations: tuple[Conversation, ...]
    answers: tuple[StoredAnswer, ...]
    feedback: tuple[Verdict, ...]


class People:
    """What is kept of each person."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._conversations = Conversations(database)

    def export(self, subject: str) -> Dossier:
        """Return all that is kept of somebody; it is empty for whoever never asked."""
        query = (
            select(feedback)
            .join(answers, answers.c.id == feedback.c.answer)
            .where(answers.c.owner == subject)
            .order_by(feedback.c.given)
        )
        return Dossier(
            subject,
            tuple(self._conversations.page(subject, MOST)),
            tuple(self._conversations.of_owner(subject)),
            tuple(Verdict(**row._mapping) for row in self._database.rows(query)),
        )

    def delete(self, subject: str) -> int:
        """Delete it all and end their sessions; return how many answers that were.

        It is overwritten in the file. The audit, which holds no text, stays.
        """
        gone = self._conversations.forget_owner(subject)
        with self._database.write() as connection:
            connection.execute(delete(replies).where(replies.c.owner == subject))
            if (theirs := _sessions_of(subject)) is not None:
                connection.execute(delete(sessions).where(theirs))
        self._database.fold()
        return gone


def _sessions_of(subject: str) -> ColumnElement[bool] | None:
    kind, _, name = subject.partition(":")
    if kind == "user":
        return (sessions.c.subject == name) & sessions.c.portal.is_(None)
    if kind == "portal":
        portal, _, user = name.partition("/")
        return (sessions.c.subject == user) & (sessions.c.portal == portal)
    return None  # keys have none
