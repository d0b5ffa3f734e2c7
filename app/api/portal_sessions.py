"""Sessions of a portal's users: begun with a token of its backend's, or by strangers in public."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

from starlette.requests import HTTPConnection

from app.api.portal_tokens import (
    LOGIN_SUBJECT,
    PortalTokens,
    is_text,
    refuse,
    refuse_origin,
    spend,
)
from app.identity import Identity
from app.records.portals import Portal
from app.records.records import Records
from app.records.sessions import Session
from app.settings import Settings
from vectorstore.errors import ForbiddenError

RIGHTS = ("ask", "search")
LIFETIME = 15 * 60  # seconds that a session lasts which no login stands behind


@dataclass(frozen=True, slots=True)
class Begun:
    """A new session; `user` tells users of the portal apart and says nothing else of them."""

    token: str
    user: str | None
    portal: Portal
    lifetime: float = LIFETIME


class PortalSessions:
    """Begins, finds and ends the sessions of portals' users.

    A session belongs to the origin it was begun from. What it sees follows from the portal as it
    is at each request, and from the groups that the token has stated.
    """

    def __init__(self, settings: Settings, records: Callable[[], Records]) -> None:
        self._settings = settings
        self._records = records
        self._tokens = PortalTokens(settings)

    def begin(self, token: str, request: HTTPConnection, is_framed: bool = False) -> Begun:
        """Begin the session of the user whom a token names.

        Args:
            token: What the portal's backend has signed.
            request: Comes from the portal's page, or from ours in a frame of that.
            is_framed: Whether it does the latter.

        Raises:
            UnauthenticatedError: The token or where it comes from is wrong; `code` says how.
        """
        self._need_authentication()
        records = self._records()
        sent = request.headers.get("origin")
        own = self._own(request)
        if is_framed and sent != own:
            refuse("token-origin", f"A frame's session begins on {own}, not on {sent!r:.200}.")
        claims = self._tokens.read(token, records)
        if not is_framed and sent not in (None, claims.origin):
            refuse_origin(claims.portal, sent)
        spend(claims, records)
        made = records.sessions.create(
            claims.subject,
            claims.groups,
            LIFETIME,
            claims.portal.id,
            claims.origin,
            is_framed=is_framed,
        )
        return Begun(made, self._user(claims.portal, claims.subject), claims.portal)

    def begin_public(self, name: str, request: HTTPConnection, is_framed: bool = False) -> Begun:
        """Begin the session of a stranger in a public portal; see `begin`.

        Each is a subject of its own, so that nobody reads what another has asked.
        """
        self._need_authentication()
        records = self._records()
        portal = records.portals.named(name) if is_text(name) else None
        if portal is None:
            refuse(
                "portal-unknown",
                f"There is no portal {name[:100]!r} here. See: citewell portals list",
            )
        if not portal.is_public:
            refuse(
                "portal-private",
                f"Portal {portal.name!r} is not public: it takes a token that its backend signs.",
            )
        sent = request.headers.get("origin")
        if sent not in ((self._own(request),) if is_framed else portal.origins):
            refuse_origin(portal, sent)
        made = records.sessions.create(
            f"anonymous-{secrets.token_hex(16)}",
            (),
            LIFETIME,
            portal.id,
            None if is_framed else sent,
            is_framed=is_framed,
            is_anonymous=True,
        )
        return Begun(made, None, portal)

    def begin_login(self, name: str, login: str, request: HTTPConnection) -> Begun:
        """Begin the session of who has logged in to the web chat, for a portal's frame.

        It lasts as long as that login does. Its subject is none that a token can name, so that
        a provider's names and a backend's never meet.

        Args:
            name: The portal's.
            login: The token of the web session.
            request: Comes from our own page, in a window that the frame has opened.
        """
        records = self._records()
        own = self._own(request)
        if request.headers.get("origin") != own:
            refuse("token-origin", f"A login begins a session on {own} only.")
        portal = records.portals.named(name) if is_text(name) else None
        if portal is None or not portal.has_login or self._settings.auth != "oidc":
            refuse("portal-unknown", f"No portal {name[:100]!r} here takes logins.")
        session = records.sessions.find(login)
        if session is None or session.portal is not None:
            refuse("session-ended", "Nobody is logged in here. Log in: /login")
        lifetime = session.expires - time.time()
        subject = LOGIN_SUBJECT + session.subject
        made = records.sessions.create(
            subject, session.groups, lifetime, portal.id, is_framed=True, login=login
        )
        return Begun(made, self._user(portal, subject), portal, lifetime)

    def identify(self, token: str, request: HTTPConnection) -> Identity:
        """Return who is behind a session's token.

        Raises:
            UnauthenticatedError: The session has ended.
            ForbiddenError: It is used from another page than it was begun on.
        """
        portal, session = self._find(token)
        sent = request.headers.get("origin")
        if sent not in (None, self._own(request) if session.is_framed else session.origin):
            msg = f"This session of portal {portal.name!r} is not used from {sent!r:.200}."
            raise ForbiddenError(msg)
        stranger_at = request.client.host if session.is_anonymous and request.client else None
        return Identity(
            f"portal:{portal.id}/{session.subject}",
            dict.fromkeys(RIGHTS, portal.seen_by(session.groups)),
            portal.id,
            portal.limit_user,
            portal.limit_portal,
            stranger_at,
        )

    def end(self, token: str) -> None:
        """End a session at once."""
        self._records().sessions.end(token)

    def _find(self, token: str) -> tuple[Portal, Session]:
        records = self._records()
        session = records.sessions.find(token)
        if session is None or session.portal is None:
            refuse("session-ended", "The session has ended. Begin another one: /api/v1/sessions")
        portal = records.portals.get(session.portal)
        if portal is None:
            refuse("session-ended", "The portal of this session was removed.")
        is_listed = session.origin is None or session.origin in portal.origins
        is_let_in = (portal.is_public or not session.is_anonymous) and (
            portal.has_login or not session.has_login
        )
        if not is_listed or not is_let_in:
            refuse("session-ended", f"Portal {portal.name!r} was changed. Begin another session.")
        return portal, session

    def _user(self, portal: Portal, subject: str) -> str:
        return self._settings.derive(f"user {portal.id}/{subject}")[:32]

    def _own(self, request: HTTPConnection) -> str:
        return self._settings.origin_at(request.headers.get("host", ""))

    def _need_authentication(self) -> None:
        if self._settings.auth == "none":
            msg = "Without authentication there are no sessions. Set CITEWELL_AUTH=keys."
            raise ForbiddenError(msg)
