"""Keys, grants and portals over HTTP, and sessions for a portal's users."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Request
from pydantic import Field

from app.api.articles import note
from app.api.jobs import utc
from app.api.models import Given, MeOut, Name, Names, SessionOut, Taken, TokenIn
from app.api.pages import runtime_of, view_of
from app.identity import RIGHTS, Allowed, Right, Role
from app.records.grants import Grant
from app.records.keys import Key
from app.records.portals import Portal
from app.view import View

admin_router = APIRouter(prefix="/api/v1", tags=["access"])

Origin = Annotated[str, Field(pattern=r"^https?://[^/?#@\s]+$", max_length=300)]
Principal = Annotated[str, Field(pattern=r"^((user|group):.+|\*)$", max_length=300)]


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


class PortalOut(Given):
    """A portal; `collections` are names."""

    id: str
    name: str
    origins: list[str]
    collections: list[str]
    algorithm: Literal["HS256", "ES256"]
    created: datetime


class PortalList(Given):
    """The portals, by name."""

    items: list[PortalOut]


@admin_router.post("/sessions", response_model=SessionOut, status_code=201)
def begin_session(
    request: Request, asked: TokenIn, origin: Annotated[str | None, Header()] = None
) -> dict[str, Any]:
    """Exchange a token that a portal's backend signed for a session."""
    runtime = runtime_of(request)
    runtime.service()
    token, lifetime = runtime.access.exchange(asked.token, origin)
    return {"access_token": token, "token_type": "Bearer", "expires_in": lifetime}


@admin_router.get("/me", response_model=MeOut)
def read_me(request: Request) -> dict[str, Any]:
    """Tell who makes the request, and with which rights in which collections."""
    view = view_of(request)
    view.identity.need(*RIGHTS)
    names = _names(view)
    rights = {right: _named(held, names) for right, held in view.identity.rights.items()}
    return {"subject": view.identity.subject, "rights": rights}


@admin_router.get("/keys", response_model=KeyList)
def list_keys(request: Request) -> dict[str, Any]:
    """List the API keys, without their secrets."""
    view = _admin(request)
    return {"items": [_key(key, _names(view)) for key in view.service.records.keys.all()]}


@admin_router.post("/keys", response_model=KeyOut, status_code=201)
def create_key(request: Request, asked: KeyIn) -> dict[str, Any]:
    """Make an API key; its secret is in this reply and nowhere else."""
    view = _admin(request)
    expires = asked.expires.timestamp() if asked.expires else None
    ids = _ids(view, asked.collections)
    key, secret = view.service.records.keys.create(asked.name, asked.rights, ids, expires)
    note(request, view, "create key", key.id)
    return {**_key(key, _names(view)), "secret": secret}


@admin_router.delete("/keys/{key_id}", status_code=204)
def revoke_key(request: Request, key_id: str) -> None:
    """Revoke an API key at once."""
    view = _admin(request)
    revoked = view.service.records.keys.revoke(key_id)
    note(request, view, "revoke key", revoked.id)


@admin_router.get("/grants", response_model=GrantList)
def list_grants(request: Request) -> dict[str, Any]:
    """List who has which role."""
    view = _admin(request)
    return {"items": [_grant(each, _names(view)) for each in view.service.records.grants.all()]}


@admin_router.put("/grants", response_model=GrantOut)
def set_grant(request: Request, asked: GrantIn) -> dict[str, Any]:
    """Give a person or a group a role, in place of the one it had."""
    view = _admin(request)
    ids = _ids(view, asked.collections)
    made = view.service.records.grants.set(asked.principal, asked.role, ids)
    note(request, view, "grant", f"{asked.principal} {asked.role}")
    return _grant(made, _names(view))


@admin_router.delete("/grants/{principal:path}", status_code=204)
def remove_grant(request: Request, principal: str) -> None:
    """Take a role away at once."""
    view = _admin(request)
    view.service.records.grants.remove(principal)
    note(request, view, "remove grant", principal)


@admin_router.get("/portals", response_model=PortalList)
def list_portals(request: Request) -> dict[str, Any]:
    """List the portals; they are made with `citewell portals create`."""
    view = _admin(request)
    return {"items": [_portal(each, _names(view)) for each in view.service.records.portals.all()]}


@admin_router.delete("/portals/{portal_id}", status_code=204)
def remove_portal(request: Request, portal_id: str) -> None:
    """Remove a portal and end its users' sessions."""
    view = _admin(request)
    records = view.service.records
    removed = records.portals.remove(portal_id)
    records.sessions.end_all(portal=removed.id)
    note(request, view, "remove portal", removed.name)


def _admin(request: Request) -> View:
    view = view_of(request)
    view.administer()
    return view


def _names(view: View) -> dict[str, str]:
    return {known.id: known.name for known in view.service.collections()}


def _named(ids: Allowed, names: dict[str, str]) -> list[str] | None:
    """Return collections by name; one that was deleted since is left out."""
    return None if ids is None else [names[each] for each in ids if each in names]


def _ids(view: View, names: tuple[str, ...] | None) -> Allowed:
    return None if names is None else view.service.ids_of(names)


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


def _portal(portal: Portal, names: dict[str, str]) -> dict[str, Any]:
    return {
        "id": portal.id,
        "name": portal.name,
        "origins": list(portal.origins),
        "collections": _named(portal.collections, names),
        "algorithm": "ES256" if portal.public_key else "HS256",
        "created": utc(portal.created),
    }
