"""Who makes a request: a key, a session, a person whom a trusted proxy names, or nobody."""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable, Sequence
from ipaddress import ip_address
from typing import Any
from urllib.parse import unquote

import jwt
from starlette.requests import HTTPConnection

from app.identity import LOCAL, NOBODY, Identity, rights_of
from app.records.keys import PREFIX, Key
from app.records.portals import Portal
from app.records.records import Records
from app.settings import Settings
from vectorstore.errors import ForbiddenError, UnauthenticatedError

COOKIE = "__Host-citewell"  # the prefix makes browsers refuse it from another host, or without TLS
PLAIN_COOKIE = "citewell"  # where the service is reached without TLS, on this machine
PORTAL_RIGHTS = ("ask", "search")
TOKEN_LIFETIME = 60  # seconds that a portal's token may be valid at most
SESSION_LIFETIME = 15 * 60.0  # seconds that a portal's session lasts
CLOCKS = 5  # seconds that two machines' clocks may differ
LONGEST_SUBJECT = 200


class Access:
    """Tells who makes a request.

    Args:
        settings: How people are known.
        records: Returns the open records, which a restore replaces.
    """

    def __init__(self, settings: Settings, records: Callable[[], Records]) -> None:
        self._settings = settings
        self._records = records

    @property
    def cookie(self) -> str:
        """The name of the cookie that holds a web session's token."""
        is_secure = (self._settings.public_url or "").startswith("https://")
        return COOKIE if is_secure else PLAIN_COOKIE

    def identify(self, request: HTTPConnection) -> Identity:
        """Return who makes a request; NOBODY where nothing says so.

        Raises:
            UnauthenticatedError: What they present is wrong or has expired.
            ForbiddenError: A portal's session is used from a page that is not the portal's.
        """
        if self._settings.auth == "none":
            return LOCAL
        if authorization := request.headers.get("authorization"):
            return self._bearer(authorization, request.headers.get("origin"))
        if named := self._proxied(request):
            return named
        token = request.cookies.get(self.cookie)
        session = self._records().sessions.find(token) if token else None
        if session is None or session.portal is not None:
            return NOBODY
        return self._person(session.subject, session.groups)

    def _bearer(self, authorization: str, origin: str | None) -> Identity:
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            msg = "The Authorization header is not 'Bearer TOKEN'."
            raise UnauthenticatedError(msg)
        token = token.strip()
        if token.startswith(PREFIX):
            key = self._records().keys.find(token)
            if key is None:
                msg = "The API key is unknown, was revoked or has expired. Ask for another one."
                raise UnauthenticatedError(msg)
            return identity_of_key(key)
        session = self._records().sessions.find(token)
        if session is None or session.portal is None:
            msg = "The session is unknown or has ended. Begin another one: /api/v1/sessions"
            raise UnauthenticatedError(msg)
        portal = self._records().portals.find(session.portal)
        if origin is not None and origin not in portal.origins:
            msg = f"Portal {portal.name!r} is not used from {origin[:200]!r}."
            raise ForbiddenError(msg)
        return identity_in_portal(portal, session.subject)

    def _proxied(self, request: HTTPConnection) -> Identity | None:
        secret = self._settings.proxy_secret
        user = request.headers.get("x-citewell-user")
        if self._settings.auth != "proxy" or secret is None or not user or request.client is None:
            return None
        try:
            address = ip_address(request.client.host)
        except ValueError:
            return None
        sent = request.headers.get("x-citewell-proxy-secret", "")
        is_proxy = any(address in network for network in self._settings.proxy_addresses)
        if not is_proxy or not hmac.compare_digest(
            sent.encode(), secret.get_secret_value().encode()
        ):
            msg = "X-Citewell-User is believed only from the proxy that is set up for it."
            raise UnauthenticatedError(msg)
        groups = request.headers.get("x-citewell-groups", "")
        return self._person(
            unquote(user)[:LONGEST_SUBJECT],
            [unquote(group.strip()) for group in groups.split(",") if group.strip()],
        )

    def _person(self, name: str, groups: Sequence[str]) -> Identity:
        grants = self._records().grants.of(name, groups)
        rights = rights_of((grant.role, grant.collections) for grant in grants)
        return Identity(f"user:{name}", rights)

    # -- portals -------------------------------------------------------------------------

    def exchange(self, token: str, origin: str | None) -> tuple[str, float]:
        """Return a session's token, and its seconds, for a token that a portal's backend signed.

        The token is a JWT (RFC 7519) with the claims iss, aud ("citewell"), sub, portal, origin,
        iat, exp and jti; it is valid for at most TOKEN_LIFETIME and only once.

        Raises:
            UnauthenticatedError: The token is wrong, has expired or was used already.
        """
        records = self._records()
        try:
            named = str(jwt.decode(token, options={"verify_signature": False}).get("portal"))
            portal = next(p for p in records.portals.all() if named in (p.id, p.name))
            claims = self._verify(token, portal)
        except StopIteration as exc:
            msg = "The token names no portal of this service."
            raise UnauthenticatedError(msg) from exc
        except jwt.InvalidTokenError as exc:
            msg = f"The portal's token cannot be used: {exc}."
            raise UnauthenticatedError(msg) from exc
        _check_claims(claims, portal, origin)
        if not records.sessions.spend(f"{portal.id}/{claims['jti']}", claims["exp"] + CLOCKS):
            msg = "The portal's token was used already. Have the portal sign another one."
            raise UnauthenticatedError(msg)
        groups = claims.get("groups") or []
        made = records.sessions.create(
            str(claims["sub"])[:LONGEST_SUBJECT],
            [str(group) for group in groups] if isinstance(groups, list) else [],
            SESSION_LIFETIME,
            portal.id,
        )
        return made, SESSION_LIFETIME

    def _verify(self, token: str, portal: Portal) -> dict[str, Any]:
        if portal.public_key is not None:
            key, algorithm = portal.public_key, "ES256"
        else:
            key, algorithm = self.portal_secret(portal), "HS256"
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=[algorithm],
            audience="citewell",
            issuer=portal.name,
            leeway=CLOCKS,
            options={"require": ["iss", "aud", "sub", "iat", "exp", "jti", "origin", "portal"]},
        )
        return claims

    def portal_secret(self, portal: Portal) -> str:
        """Return the secret with which a portal's backend signs (HS256)."""
        return self._settings.derive(f"portal {portal.id}")


def _check_claims(claims: dict[str, Any], portal: Portal, origin: str | None) -> None:
    if claims["exp"] - claims["iat"] > TOKEN_LIFETIME or claims["iat"] > time.time() + CLOCKS:
        msg = f"The portal's token is valid for more than {TOKEN_LIFETIME} seconds."
        raise UnauthenticatedError(msg)
    if claims["origin"] not in portal.origins or origin not in (None, claims["origin"]):
        msg = f"Portal {portal.name!r} is not used from {origin or claims['origin']!r}."
        raise UnauthenticatedError(msg)
    if not str(claims["jti"]) or not str(claims["sub"]):
        msg = "The portal's token has an empty sub or jti."
        raise UnauthenticatedError(msg)


def identity_of_key(key: Key) -> Identity:
    """Return the identity that an API key gives."""
    return Identity(f"key:{key.id}", dict.fromkeys(key.rights, key.collections))


def identity_in_portal(portal: Portal, subject: str) -> Identity:
    """Return the identity of a portal's user."""
    rights = dict.fromkeys(PORTAL_RIGHTS, portal.collections)
    return Identity(f"portal:{portal.id}/{subject}", rights, portal.id)
