"""What readers thought of answers."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, insert, select

from app.records.database import Database
from app.records.schema import answers, feedback

VERDICTS = ("helpful", "unhelpful")


@dataclass(frozen=True, slots=True)
class Feedback:
    """A verdict on an answer, with the answer it is about."""

    answer: str
    verdict: str
    reason: str | None
    comment: str | None
    given: float
    question: str
    body: dict[str, Any] | None


class FeedbackLog:
    """The verdicts, one an answer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def give(self, answer: str, verdict: str, reason: str | None, comment: str | None) -> None:
        """Set the verdict on an answer, in place of the one it had."""
        with self._database.write() as connection:
            connection.execute(delete(feedback).where(feedback.c.answer == answer))
            connection.execute(
                insert(feedback).values(
                    answer=answer,
                    verdict=verdict,
                    reason=reason,
                    comment=comment,
                    given=time.time(),
                )
            )

    def page(self, limit: int, before: float | None = None) -> list[Feedback]:
        """Return verdicts, newest first."""
        query = (
            select(feedback, answers.c.question, answers.c.body)
            .join(answers, answers.c.id == feedback.c.answer)
            .order_by(feedback.c.given.desc())
            .limit(limit)
        )
        if before is not None:
            query = query.where(feedback.c.given < before)
        return [
            Feedback(
                row.answer,
                row.verdict,
                row.reason,
                row.comment,
                row.given,
                row.question,
                json.loads(row.body) if row.body else None,
            )
            for row in self._database.rows(query)
        ]
