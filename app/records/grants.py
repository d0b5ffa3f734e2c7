"""Who may do what: a role and collections for a user, a group, or whoever is known."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, insert, select

from app.records.database import Database
from app.records.schema import grants
from vectorstore.errors import UnknownNameError


@dataclass(frozen=True, slots=True)
class Grant:
    """`principal` is `user:NAME`, `group:NAME` or `*`; `collections` are ids, None means all."""

    principal: str
    role: str
    collections: tuple[str, ...] | None


class Grants:
    """The grants of a service."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def set(self, principal: str, role: str, collections: Sequence[str] | None = None) -> Grant:
        """Give a principal a role, in place of the one it had."""
        listed = None if collections is None else json.dumps(list(collections))
        with self._database.write() as connection:
            connection.execute(delete(grants).where(grants.c.principal == principal))
            connection.execute(
                insert(grants).values(principal=principal, role=role, collections=listed)
            )
        return Grant(principal, role, None if collections is None else tuple(collections))

    def remove(self, principal: str) -> None:
        """Take a principal's role away.

        Raises:
            UnknownNameError: It has none.
        """
        with self._database.write() as connection:
            gone = connection.execute(delete(grants).where(grants.c.principal == principal))
        if not gone.rowcount:
            msg = f"{principal!r} has no grant. See: citewell grants list"
            raise UnknownNameError(msg)

    def all(self) -> list[Grant]:
        """Return every grant, by principal."""
        return [_grant(row) for row in self._database.rows(select(grants).order_by("principal"))]

    def of(self, user: str, groups: Sequence[str]) -> list[Grant]:
        """Return the grants that concern a user: its own, its groups', and everybody's."""
        principals = [f"user:{user}", *(f"group:{group}" for group in groups), "*"]
        query = select(grants).where(grants.c.principal.in_(principals))
        return [_grant(row) for row in self._database.rows(query)]


def _grant(row: Any) -> Grant:  # noqa: ANN401 (a row of grants)
    listed = None if row.collections is None else tuple(json.loads(row.collections))
    return Grant(row.principal, row.role, listed)
