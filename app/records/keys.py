"""API keys: shown once when they are made, kept as hashes."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from sqlalchemy import delete, insert, select, update

from app.records.database import Database
from app.records.schema import keys
from vectorstore.errors import UnknownNameError

PREFIX = "cw_"
NOTED_EVERY = 60.0  # seconds between two notes of a key's last use


@dataclass(frozen=True, slots=True)
class Key:
    """An API key without its secret; moments are seconds since 1970, UTC.

    `rights` are of `app.identity.RIGHTS`; `collections` are ids, None lets all through.
    """

    id: str
    name: str
    rights: tuple[str, ...]
    collections: tuple[str, ...] | None
    created: float
    expires: float | None
    used: float | None

    @property
    def is_expired(self) -> bool:
        """Whether its time is over."""
        return self.expires is not None and self.expires <= time.time()


class Keys:
    """The API keys. A key has 256 random bits, so a plain SHA-256 keeps it (no dictionary helps).

    Looking up the hash compares nothing of the secret itself, so its time tells nothing.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(
        self,
        name: str,
        rights: Sequence[str],
        collections: Sequence[str] | None = None,
        expires: float | None = None,
    ) -> tuple[Key, str]:
        """Make a key; returns it with its secret, which nobody can read again."""
        secret = PREFIX + secrets.token_urlsafe(32)
        found = None if collections is None else tuple(collections)
        key = Key(
            f"k{secrets.token_hex(6)}", name, tuple(rights), found, time.time(), expires, None
        )
        with self._database.write() as connection:
            connection.execute(
                insert(keys).values(
                    id=key.id,
                    name=name,
                    sha256=_hashed(secret),
                    rights=json.dumps(list(rights)),
                    collections=None if found is None else json.dumps(list(found)),
                    created=key.created,
                    expires=expires,
                )
            )
        return key, secret

    def all(self) -> list[Key]:
        """Return every key, oldest first."""
        return [_key(row) for row in self._database.rows(select(keys).order_by(keys.c.created))]

    def find(self, secret: str) -> Key | None:
        """Return the key of a secret, unless there is none or it has expired; note its use."""
        row = self._database.row(select(keys).where(keys.c.sha256 == _hashed(secret)))
        if row is None:
            return None
        key = _key(row)
        if key.is_expired:
            return None
        now = time.time()
        if key.used is None or now - key.used > NOTED_EVERY:
            with self._database.write() as connection:
                connection.execute(update(keys).where(keys.c.id == key.id).values(used=now))
        return key

    def revoke(self, name: str) -> Key:
        """Delete a key, by its id or its name.

        Raises:
            UnknownNameError: There is no such key, or several have this name.
        """
        found = [key for key in self.all() if name in (key.id, key.name)]
        if len(found) != 1:
            many = f"{len(found)} keys are called {name!r}: give an id."
            msg = many if found else f"There is no key {name!r}. See: citewell keys list"
            raise UnknownNameError(msg)
        with self._database.write() as connection:
            connection.execute(delete(keys).where(keys.c.id == found[0].id))
        return found[0]


def _hashed(secret: str) -> str:
    return sha256(secret.encode()).hexdigest()


def _key(row: Any) -> Key:  # noqa: ANN401 (a row of keys)
    return Key(
        row.id,
        row.name,
        tuple(json.loads(row.rights)),
        None if row.collections is None else tuple(json.loads(row.collections)),
        row.created,
        row.expires,
        row.used,
    )
