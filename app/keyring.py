"""Keys and grants as their administrators see them: names of collections, JSON."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from typing import Any, get_args

from app.answering.wire import Json, utc
from app.identity import RIGHTS, Allowed, Role
from app.records.grants import Grant
from app.records.keys import Key
from app.service import Service
from vectorstore.errors import SettingsError

PRINCIPAL = r"^((user|group):.+|\*)$"
DAY = 24 * 3600.0  # seconds


class Keyring:
    """Who may use a service; what is wrong is refused with a SettingsError or UnknownNameError."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._records = service.records

    # -- keys ----------------------------------------------------------------------------

    def keys(self) -> list[Json]:
        """Return the API keys, without their secrets."""
        names = self._names()
        return [_key(key, names) for key in self._records.keys.all()]

    def create_key(
        self,
        name: str,
        rights: Sequence[str],
        collections: Sequence[str] | None,
        expires: float | None,
    ) -> Json:
        """Make an API key; its `secret` is in this and nowhere else."""
        unknown = [right for right in rights if right not in RIGHTS]
        if unknown or not rights:
            msg = (
                f"{', '.join(unknown) or 'Nothing'} is no right. Give some of {', '.join(RIGHTS)}."
            )
            raise SettingsError(msg)
        if not 1 <= len(name.strip()) <= 100:
            msg = f"A key's name has 1 to 100 characters, not {len(name.strip())}."
            raise SettingsError(msg)
        ids = self._ids(collections)
        key, secret = self._records.keys.create(name.strip(), rights, ids, expires)
        return {**_key(key, self._names()), "secret": secret}

    def revoke_key(self, key: str) -> Json:
        """Revoke an API key, by its id or name, at once."""
        return _key(self._records.keys.revoke(key), self._names())

    # -- grants --------------------------------------------------------------------------

    def grants(self) -> list[Json]:
        """Return who has which role."""
        names = self._names()
        return [_grant(grant, names) for grant in self._records.grants.all()]

    def set_grant(self, principal: str, role: str, collections: Sequence[str] | None) -> Json:
        """Give a principal a role, in place of the one it had."""
        if not re.match(PRINCIPAL, principal):
            msg = (
                f"{principal!r} is nobody. Write user:NAME, group:NAME, or * for all who are known."
            )
            raise SettingsError(msg)
        if role not in get_args(Role):
            msg = f"{role!r} is no role. Give one of {', '.join(get_args(Role))}."
            raise SettingsError(msg)
        made = self._records.grants.set(principal, role, self._ids(collections))
        return _grant(made, self._names())

    def remove_grant(self, principal: str) -> None:
        """Take a principal's role away at once."""
        self._records.grants.remove(principal)

    def _names(self) -> dict[str, str]:
        return {known.id: known.name for known in self._service.collections()}

    def _ids(self, names: Sequence[str] | None) -> Allowed:
        return None if names is None else self._service.ids_of(names)


def in_days(days: float | None) -> float | None:
    """Return the moment so many days from now."""
    return None if days is None else time.time() + days * DAY


def _named(ids: Allowed, names: dict[str, str]) -> list[str] | None:
    """Return collections by name; one that was deleted since is left out."""
    return None if ids is None else [names[each] for each in ids if each in names]


def _key(key: Key, names: dict[str, str]) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "rights": list(key.rights),
        "collections": _named(key.collections, names),
        "created": utc(key.created),
        "expires": key.expires and utc(key.expires),
        "used": key.used and utc(key.used),
    }


def _grant(grant: Grant, names: dict[str, str]) -> dict[str, Any]:
    listed = _named(grant.collections, names)
    return {"principal": grant.principal, "role": grant.role, "collections": listed}
