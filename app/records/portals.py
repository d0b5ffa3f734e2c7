"""Portals: the pages that may show the widget, and what their users may see."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, insert, select

from app.records.database import Database
from app.records.schema import portals, sessions
from vectorstore.errors import ConflictError, UnknownNameError


@dataclass(frozen=True, slots=True)
class Portal:
    """A portal; its users see `collections`, by id, from pages of `origins`.

    `public_key` is the PEM of the ES256 key its backend signs with; None means HS256 with the
    secret that is derived for it.
    """

    id: str
    name: str
    origins: tuple[str, ...]
    collections: tuple[str, ...]
    public_key: str | None
    created: float


class Portals:
    """The portals of a service."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(
        self,
        name: str,
        origins: Sequence[str],
        collections: Sequence[str],
        public_key: str | None = None,
    ) -> Portal:
        """Add a portal.

        Raises:
            ConflictError: There is one of this name.
        """
        if any(portal.name == name for portal in self.all()):
            msg = f"There is a portal {name!r} already. Choose another name."
            raise ConflictError(msg)
        new = Portal(
            f"p{uuid.uuid4().hex}",
            name,
            tuple(origins),
            tuple(collections),
            public_key,
            time.time(),
        )
        with self._database.write() as connection:
            connection.execute(
                insert(portals).values(
                    id=new.id,
                    name=name,
                    origins=json.dumps(list(origins)),
                    collections=json.dumps(list(collections)),
                    public_key=public_key,
                    created=new.created,
                )
            )
        return new

    def all(self) -> list[Portal]:
        """Return every portal, by name."""
        return [_portal(row) for row in self._database.rows(select(portals).order_by("name"))]

    def find(self, portal: str) -> Portal:
        """Return a portal by its id or its name.

        Raises:
            UnknownNameError: There is none.
        """
        query = select(portals).where((portals.c.id == portal) | (portals.c.name == portal))
        row = self._database.row(query)
        if row is None:
            msg = f"There is no portal {portal!r}. See: citewell portals list"
            raise UnknownNameError(msg)
        return _portal(row)

    def remove(self, portal: str) -> Portal:
        """Delete a portal by its id or its name, and end its sessions.

        Raises:
            UnknownNameError: There is none.
        """
        found = self.find(portal)
        with self._database.write() as connection:
            connection.execute(delete(sessions).where(sessions.c.portal == found.id))
            connection.execute(delete(portals).where(portals.c.id == found.id))
        return found


def _portal(row: Any) -> Portal:  # noqa: ANN401 (a row of portals)
    return Portal(
        row.id,
        row.name,
        tuple(json.loads(row.origins)),
        tuple(json.loads(row.collections)),
        row.public_key,
        row.created,
    )
