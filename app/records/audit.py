"""The audit log: who wrote, logged in or was refused, when, and from where."""

from __future__ import annotations

import time
from dataclasses import dataclass

from sqlalchemy import delete, insert, select

from app.records.database import Database
from app.records.schema import audit


@dataclass(frozen=True, slots=True)
class Entry:
    """One act; `at` is in seconds since 1970, UTC."""

    number: int
    at: float
    actor: str
    action: str
    target: str | None
    address: str | None
    request: str | None
    allowed: bool


class Audit:
    """The audit log; entries are only ever added, and deleted when their time is over."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def note(
        self,
        actor: str,
        action: str,
        target: str | None = None,
        address: str | None = None,
        request: str | None = None,
        allowed: bool = True,
    ) -> None:
        """Add an entry."""
        with self._database.write() as connection:
            connection.execute(
                insert(audit).values(
                    at=time.time(),
                    actor=actor,
                    action=action,
                    target=target,
                    address=address,
                    request=request,
                    allowed=allowed,
                )
            )

    def page(self, limit: int, before: int | None = None) -> list[Entry]:
        """Return entries, newest first, with numbers below `before`."""
        query = select(audit).order_by(audit.c.number.desc()).limit(limit)
        if before is not None:
            query = query.where(audit.c.number < before)
        return [Entry(**row._mapping) for row in self._database.rows(query)]

    def forget_before(self, moment: float) -> None:
        """Delete what is older than a moment."""
        with self._database.write() as connection:
            connection.execute(delete(audit).where(audit.c.at < moment))
