"""Keys, grants and portals over HTTP."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request
from pydantic import Field

from app.api.articles import note
from app.api.models import Given, MeOut, Name, Names, Taken
from app.api.pages import view_of
from app.identity import RIGHTS, Right, Role
from app.keyring import PRINCIPAL, Keyring
from app.portals import PortalAdmin
from app.view import View

admin_router = APIRouter(prefix="/api/v1", tags=["access"])

Principal = Annotated[str, Field(pattern=PRINCIPAL, max_length=300)]


class KeyIn(Taken):
    """A new key; `collections` are names, null stands for all."""

    name: Name
    rights: Annotated[tuple[Right, ...], Field(min_length=1)]
    collections: Names | None = None
    expires: datetime | None = None


class KeyOut(Given):
    """A key; `secret` is given once, when it is made."""

    id: str
    name: str
    rights: list[str]
    collections: list[str] | None
    created: datetime
    expires: datetime | None
    used: datetime | None
    secret: str | None = None


class KeyList(Given):
    """The keys, oldest first."""

    items: list[KeyOut]


class GrantIn(Taken):
    """A role for `user:NAME`, `group:NAME` or `*`, which is whoever is known."""

    principal: Principal
    role: Role
    collections: Names | None = None


class GrantOut(Given):
    """A grant; `collections` are names, null stands for all."""

    principal: str
    role: str
    collections: list[str] | None


class GrantList(Given):
    """The grants, by principal."""

    items: list[GrantOut]


class PortalKeyOut(Given):
    """What a portal's backend signs with, until `expires`."""

    kid: str
    algorithm: Literal["HS256", "ES256"]
    created: datetime
    expires: datetime | None


class PortalOut(Given):
    """A portal; `collections`, and those of its groups, are names."""

    id: str
    name: str
    origins: list[str]
    collections: list[str]
    groups: dict[str, list[str]]
    is_public: bool
    has_login: bool
    welcome: str
    starters: list[str]
    limit_user: str | None
    limit_portal: str | None
    keys: list[PortalKeyOut]
    created: datetime


class PortalList(Given):
    """The portals, by name."""

    items: list[PortalOut]


@admin_router.get("/me", response_model=MeOut)
def read_me(request: Request) -> dict[str, Any]:
    """Tell who makes the request, and with which rights in which collections."""
    view = view_of(request)
    view.identity.need(*RIGHTS)
    names = {known.id: known.name for known in view.collections()}
    rights = {
        right: None if held is None else [names[each] for each in held if each in names]
        for right, held in view.identity.rights.items()
    }
    return {"subject": view.identity.subject, "rights": rights}


@admin_router.get("/keys", response_model=KeyList)
def list_keys(request: Request) -> dict[str, Any]:
    """List the API keys, without their secrets."""
    return {"items": Keyring(_admin(request).service).keys()}


@admin_router.post("/keys", response_model=KeyOut, status_code=201)
def create_key(request: Request, asked: KeyIn) -> dict[str, Any]:
    """Make an API key; its secret is in this reply and nowhere else."""
    view = _admin(request)
    expires = asked.expires.timestamp() if asked.expires else None
    made = Keyring(view.service).create_key(asked.name, asked.rights, asked.collections, expires)
    note(request, view, "create key", made["id"])
    return made


@admin_router.delete("/keys/{key_id}", status_code=204)
def revoke_key(request: Request, key_id: str) -> None:
    """Revoke an API key at once."""
    view = _admin(request)
    note(request, view, "revoke key", Keyring(view.service).revoke_key(key_id)["id"])


@admin_router.get("/grants", response_model=GrantList)
def list_grants(request: Request) -> dict[str, Any]:
    """List who has which role."""
    return {"items": Keyring(_admin(request).service).grants()}


@admin_router.put("/grants", response_model=GrantOut)
def set_grant(request: Request, asked: GrantIn) -> dict[str, Any]:
    """Give a person or a group a role, in place of the one it had."""
    view = _admin(request)
    made = Keyring(view.service).set_grant(asked.principal, asked.role, asked.collections)
    note(request, view, "grant", f"{asked.principal} {asked.role}")
    return made


@admin_router.delete("/grants/{principal:path}", status_code=204)
def remove_grant(request: Request, principal: str) -> None:
    """Take a role away at once."""
    view = _admin(request)
    Keyring(view.service).remove_grant(principal)
    note(request, view, "remove grant", principal)


@admin_router.get("/portals", response_model=PortalList)
def list_portals(request: Request) -> dict[str, Any]:
    """List the portals; they are made with `citewell portals add`."""
    return {"items": PortalAdmin(_admin(request).service).all()}


@admin_router.delete("/portals/{portal_id}", status_code=204)
def remove_portal(request: Request, portal_id: str) -> None:
    """Remove a portal and end its users' sessions."""
    view = _admin(request)
    note(request, view, "remove portal", PortalAdmin(view.service).remove(portal_id)["name"])


def _admin(request: Request) -> View:
    view = view_of(request)
    view.administer()
    return view
