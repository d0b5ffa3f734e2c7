"""Sessions of a portal's users over HTTP."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request, Response
from pydantic import Field, model_validator

from app.api.models import Given, Name, Taken
from app.api.pages import identity_of, runtime_of
from app.api.portal_sessions import Begun
from app.api.portal_tokens import LONGEST_TOKEN
from app.identity import RIGHTS
from vectorstore.errors import ForbiddenError

sessions_router = APIRouter(prefix="/api/v1", tags=["sessions"])


class SessionIn(Taken):
    """A token that a portal's backend signed or, for a public portal, the portal's name.

    `frame` says that our own page asks, in a frame of the portal's; `login`, that it asks for who
    has logged in to the web chat.
    """

    token: Annotated[str, Field(max_length=LONGEST_TOKEN)] | None = None
    portal: Name | None = None
    frame: bool = False
    login: bool = False

    @model_validator(mode="after")
    def _one_of_both(self) -> SessionIn:
        if (self.token is None) == (self.portal is None):
            msg = "Give either a token or the name of a public portal."
            raise ValueError(msg)
        if self.login and self.portal is None:
            msg = "A login names its portal."
            raise ValueError(msg)
        return self


class SessionPortal(Given):
    """What the widget shows of a portal before anything is asked."""

    name: str
    welcome: str
    starters: list[str]
    is_public: bool


class SessionOut(Given):
    """A session's token, to be sent as a Bearer token for `expires_in` seconds.

    `user` is the same for the same user of the portal and another for another; null for the
    strangers of a public portal.
    """

    access_token: str
    token_type: Literal["Bearer"]
    expires_in: int
    user: str | None
    portal: SessionPortal


@sessions_router.post("/sessions", response_model=SessionOut, status_code=201)
def begin_session(request: Request, response: Response, asked: SessionIn) -> dict[str, Any]:
    """Exchange a token that a portal's backend signed for a session; strangers need none."""
    response.headers["cache-control"] = "no-store"
    access = runtime_of(request).access
    portals = access.portals
    if asked.login:
        login = request.cookies.get(access.cookie, "")
        return _told(portals.begin_login(asked.portal or "", login, request))
    if asked.token is not None:
        return _told(portals.begin(asked.token, request, asked.frame))
    return _told(portals.begin_public(asked.portal or "", request, asked.frame))


@sessions_router.delete("/sessions", status_code=204)
def end_session(request: Request) -> None:
    """End the session whose token is sent."""
    identity = identity_of(request)
    identity.need(*RIGHTS)
    if identity.portal is None:
        msg = f"{identity.subject} has no session that ends here. Keys: citewell keys revoke"
        raise ForbiddenError(msg)
    token = request.headers["authorization"].partition(" ")[2].strip()
    runtime_of(request).access.portals.end(token)


def _told(begun: Begun) -> dict[str, Any]:
    portal = begun.portal
    return {
        "access_token": begun.token,
        "token_type": "Bearer",
        "expires_in": int(begun.lifetime),
        "user": begun.user,
        "portal": {
            "name": portal.name,
            "welcome": portal.welcome,
            "starters": list(portal.starters),
            "is_public": portal.is_public,
        },
    }
