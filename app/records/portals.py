"""Portals: the pages that may show the widget, and what their users may see."""

from __future__ import annotations

import json
import secrets
import time
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from app.records.database import Database
from app.records.schema import portal_keys, portals, sessions
from vectorstore.errors import ConflictError, UnknownNameError


@dataclass(frozen=True, slots=True)
class PortalKey:
    """What a portal's backend signs with, until `expires`; moments are seconds since 1970, UTC.

    `public_key` is the PEM of an ES256 key; None means HS256 with the secret that is derived
    from `kid`.
    """

    kid: str
    public_key: str | None
    created: float
    expires: float | None

    @property
    def algorithm(self) -> str:
        """The one algorithm that it is good for."""
        return "ES256" if self.public_key else "HS256"

    @property
    def is_live(self) -> bool:
        """Whether its time is not over."""
        return self.expires is None or self.expires > time.time()


@dataclass(frozen=True, slots=True, kw_only=True)
class PortalConfig:
    """What an administrator decides of a portal.

    All its users see `collections`, by id, and a group's further ones; from pages of `origins`.
    A public one lets in whoever opens such a page; one with a login, in its frames, whoever logs
    in at the provider. `limit_user` and `limit_portal` stand in
    place of the settings of that name.
    """

    origins: tuple[str, ...]
    collections: tuple[str, ...]
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    is_public: bool = False
    has_login: bool = False
    welcome: str = ""
    starters: tuple[str, ...] = ()
    limit_user: str | None = None
    limit_portal: str | None = None

    def seen_by(self, groups: Iterable[str]) -> tuple[str, ...]:
        """Return the collections that a user in these groups sees."""
        further = [each for group in groups for each in self.groups.get(group, ())]
        return tuple(dict.fromkeys([*self.collections, *further]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Portal(PortalConfig):
    """A portal; `keys` are oldest first, also those whose time is over."""

    id: str
    name: str
    created: float
    keys: tuple[PortalKey, ...]


class Portals:
    """The portals of a service."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, name: str, config: PortalConfig, public_key: str | None = None) -> Portal:
        """Add a portal with its first key.

        Raises:
            ConflictError: There is one of this name.
        """
        if self.named(name) is not None:
            msg = f"There is a portal {name!r} already. Choose another name, or --replace it."
            raise ConflictError(msg)
        identifier = f"p{uuid.uuid4().hex}"
        with self._database.write() as connection:
            connection.execute(
                insert(portals).values(
                    id=identifier, name=name, created=time.time(), **_values(config)
                )
            )
            _add_key(connection, identifier, public_key)
        return self.find(identifier)

    def replace(self, portal: str, config: PortalConfig) -> Portal:
        """Give a portal, by its id or name, another config; its keys and sessions stay.

        Raises:
            UnknownNameError: There is none.
        """
        found = self.find(portal)
        with self._database.write() as connection:
            connection.execute(
                update(portals).where(portals.c.id == found.id).values(**_values(config))
            )
        return self.find(found.id)

    def rotate(self, portal: str, public_key: str | None, overlap: float) -> Portal:
        """Give a portal a new key; those it has end after `overlap` seconds.

        Without overlap its sessions end too: a key that must not be used any more may have
        begun them.

        Raises:
            UnknownNameError: There is none.
        """
        found = self.find(portal)
        end = time.time() + overlap
        mine = portal_keys.c.portal == found.id
        with self._database.write() as connection:
            connection.execute(
                delete(portal_keys).where(mine, portal_keys.c.expires <= time.time())
            )
            lasting = portal_keys.c.expires.is_(None) | (portal_keys.c.expires > end)
            connection.execute(update(portal_keys).where(mine, lasting).values(expires=end))
            _add_key(connection, found.id, public_key)
            if overlap <= 0:
                connection.execute(delete(sessions).where(sessions.c.portal == found.id))
        return self.find(found.id)

    def all(self) -> list[Portal]:
        """Return every portal, by name."""
        return self._read()

    def origins(self) -> set[str]:
        """Return the origins of all portals."""
        rows = self._database.rows(select(portals.c.origins))
        return {origin for row in rows for origin in json.loads(row.origins)}

    def get(self, identifier: str) -> Portal | None:
        """Return the portal with this id, if there is one."""
        return next(iter(self._read(portals.c.id == identifier)), None)

    def named(self, name: str) -> Portal | None:
        """Return the portal with this name, if there is one."""
        return next(iter(self._read(portals.c.name == name)), None)

    def find(self, portal: str) -> Portal:
        """Return a portal by its id or, if it is nobody's id, its name.

        Raises:
            UnknownNameError: There is none.
        """
        found = self.get(portal) or self.named(portal)
        if found is None:
            msg = f"There is no portal {portal!r}. See: citewell portals list"
            raise UnknownNameError(msg)
        return found

    def remove(self, portal: str) -> Portal:
        """Delete a portal by its id or its name, and end its sessions.

        Raises:
            UnknownNameError: There is none.
        """
        found = self.find(portal)
        with self._database.write() as connection:
            connection.execute(delete(sessions).where(sessions.c.portal == found.id))
            connection.execute(delete(portal_keys).where(portal_keys.c.portal == found.id))
            connection.execute(delete(portals).where(portals.c.id == found.id))
        return found

    def _read(self, *which: Any) -> list[Portal]:  # noqa: ANN401 (conditions)
        rows = self._database.rows(select(portals).where(*which).order_by(portals.c.name))
        if not rows:
            return []
        query = (
            select(portal_keys)
            .where(portal_keys.c.portal.in_([row.id for row in rows]))
            .order_by(portal_keys.c.created)
        )
        keys: dict[str, list[PortalKey]] = {row.id: [] for row in rows}
        for key in self._database.rows(query):
            keys[key.portal].append(PortalKey(key.kid, key.public_key, key.created, key.expires))
        return [_portal(row, keys[row.id]) for row in rows]


def _add_key(connection: Connection, portal: str, public_key: str | None) -> None:
    kid = f"k{secrets.token_hex(6)}"
    connection.execute(
        insert(portal_keys).values(
            kid=kid, portal=portal, public_key=public_key, created=time.time()
        )
    )


def _values(config: PortalConfig) -> dict[str, Any]:
    return {
        "origins": json.dumps(config.origins),
        "collections": json.dumps(config.collections),
        "groups": json.dumps(dict(config.groups)),
        "is_public": config.is_public,
        "has_login": config.has_login,
        "welcome": config.welcome,
        "starters": json.dumps(config.starters),
        "limit_user": config.limit_user,
        "limit_portal": config.limit_portal,
    }


def _portal(row: Any, keys: list[PortalKey]) -> Portal:  # noqa: ANN401 (a row of portals)
    return Portal(
        id=row.id,
        name=row.name,
        created=row.created,
        keys=tuple(keys),
        origins=tuple(json.loads(row.origins)),
        collections=tuple(json.loads(row.collections)),
        groups={name: tuple(ids) for name, ids in json.loads(row.groups).items()},
        is_public=row.is_public,
        has_login=row.has_login,
        welcome=row.welcome,
        starters=tuple(json.loads(row.starters)),
        limit_user=row.limit_user,
        limit_portal=row.limit_portal,
    )
