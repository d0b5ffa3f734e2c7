"""What a write answered, so that a client which sends it again does nothing twice."""

from __future__ import annotations

import time
from dataclasses import dataclass

from sqlalchemy import delete, insert, select

from app.records.database import Database
from app.records.schema import replies

KEPT = 24 * 3600.0  # seconds


@dataclass(frozen=True, slots=True)
class Reply:
    """The reply to a request, which is named by the hash of its method, path and body."""

    request: str
    status: int
    body: str


class Replies:
    """Replies by their owner and the key that the client chose (Idempotency-Key)."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, owner: str, key: str) -> Reply | None:
        """Return what was replied to this key within the last day."""
        query = select(replies.c.request, replies.c.status, replies.c.body).where(
            replies.c.owner == owner, replies.c.key == key, replies.c.at > time.time() - KEPT
        )
        row = self._database.row(query)
        return None if row is None else Reply(row.request, row.status, row.body)

    def keep(self, owner: str, key: str, reply: Reply) -> None:
        """Keep a reply for a day."""
        now = time.time()
        with self._database.write() as connection:
            connection.execute(delete(replies).where(replies.c.at <= now - KEPT))
            connection.execute(
                insert(replies).prefix_with("OR REPLACE", dialect="sqlite"),
                {
                    "owner": owner,
                    "key": key,
                    "request": reply.request,
                    "status": reply.status,
                    "body": reply.body,
                    "at": now,
                },
            )
