"""Who asks, and what they may do with which collections."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, get_args

from vectorstore.errors import ForbiddenError, UnauthenticatedError

Right = Literal["ask", "search", "ingest", "admin"]
Role = Literal["reader", "editor", "admin"]
RIGHTS: Final[tuple[Right, ...]] = get_args(Right)
ROLES: Final[Mapping[str, tuple[str, ...]]] = {
    "reader": ("ask", "search"),
    "editor": ("ask", "search", "ingest"),
    "admin": RIGHTS,
}

Allowed = tuple[str, ...] | None
"""Collections, by id; None means all, those to come too."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Whoever makes a request.

    `subject` is `local`, `key:ID`, `user:NAME` or `portal:ID/NAME`: what is kept of a request
    belongs to it. `rights` tells for each right they have in which collections. `limit_user` and
    `limit_portal` are a portal's own. `stranger_at` is the address of somebody without a name,
    who could come as another subject each time.
    """

    subject: str
    rights: Mapping[str, Allowed] = field(default_factory=dict)
    portal: str | None = None
    limit_user: str | None = None
    limit_portal: str | None = None
    stranger_at: str | None = None

    def need(self, *rights: str) -> Allowed:
        """Return the collections in which they have one of these rights.

        Raises:
            UnauthenticatedError: Nobody knows who they are.
            ForbiddenError: They have none of these rights.
        """
        held = [self.rights[right] for right in rights if right in self.rights]
        if held:
            return _union(held)
        if self.subject == NOBODY.subject:
            msg = "Nobody is logged in. Log in, or send an API key as a Bearer token."
            raise UnauthenticatedError(msg)
        msg = f"{self.subject} may not do this: it takes the right to {' or '.join(rights)}."
        raise ForbiddenError(msg)


NOBODY: Final = Identity("nobody")
LOCAL: Final = Identity("local", dict.fromkeys(RIGHTS))


def user_name(name: str) -> str:
    """Return a user's name as it is compared: an e-mail address without regard to case.

    `sub:…` is what a provider calls somebody (app/api/login.py), and stays as it is.
    """
    return name.lower() if "@" in name and not name.startswith("sub:") else name


def rights_of(roles: Iterable[tuple[str, Allowed]]) -> dict[str, Allowed]:
    """Return what roles, each with its collections, allow together."""
    found: dict[str, list[Allowed]] = {}
    for role, collections in roles:
        for right in ROLES[role]:
            found.setdefault(right, []).append(collections)
    return {right: _union(held) for right, held in found.items()}


def _union(held: Iterable[Allowed]) -> Allowed:
    together: dict[str, None] = {}
    for collections in held:
        if collections is None:
            return None
        together |= dict.fromkeys(collections)
    return tuple(together)
