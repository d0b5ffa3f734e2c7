"""Who makes a request: a key, a session, a person whom a trusted proxy names, or nobody."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Sequence
from ipaddress import IPv6Address, ip_address
from math import isfinite
from typing import Any
from urllib.parse import unquote

import jwt
from starlette.requests import HTTPConnection

from app.identity import LOCAL, NOBODY, Identity, rights_of, user_name
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
LONGEST_SUBJECT = 200  # characters; a longer one is refused: cut short, two could be the same
LONGEST_TOKEN = 8_000  # characters of a portal's token


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
        authorization = request.headers.get("authorization", "")
        scheme, _, token = authorization.partition(" ")
        if self._settings.auth == "proxy" and scheme.lower() != "bearer":
            # Any other Authorization is what the proxy itself was shown, and has checked.
            return self._proxied(request) or NOBODY
        if authorization:
            if scheme.lower() != "bearer" or not token.strip():
                msg = "The Authorization header is not 'Bearer TOKEN'."
                raise UnauthenticatedError(msg)
            return self._bearer(token.strip(), request.headers.get("origin"))
        if self._settings.auth == "oidc":
            return self._logged_in(request)
        return NOBODY

    def _logged_in(self, request: HTTPConnection) -> Identity:
        token = request.cookies.get(self.cookie)
        session = self._records().sessions.find(token) if token else None
        if session is None or session.portal is not None:
            return NOBODY
        return self._person(session.subject, session.groups)

    def _bearer(self, token: str, origin: str | None) -> Identity:
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
        portal = self._portal(session.portal)
        if portal is None:
            msg = "The portal of this session was removed."
            raise UnauthenticatedError(msg)
        if origin is not None and origin not in portal.origins:
            msg = f"Portal {portal.name!r} is not used from {origin[:200]!r}."
            raise ForbiddenError(msg)
        return identity_in_portal(portal, session.subject)

    def _proxied(self, request: HTTPConnection) -> Identity | None:
        users = request.headers.getlist("x-citewell-user")
        if not users:
            return None
        if len(users) > 1 or not self._is_proxy(request):
            msg = "X-Citewell-User is believed once, and only from the proxy that is set up for it."
            raise UnauthenticatedError(msg)
        user = unquote(users[0]).strip()
        if not 1 <= len(user) <= LONGEST_SUBJECT:
            msg = f"X-Citewell-User has 1 to {LONGEST_SUBJECT} characters, not {len(user)}."
            raise UnauthenticatedError(msg)
        listed = request.headers.get("x-citewell-groups", "").split(",")
        groups = [unquote(group.strip()) for group in listed if group.strip()]
        return self._person(user_name(user), groups)

    def _is_proxy(self, request: HTTPConnection) -> bool:
        secret = self._settings.proxy_secret
        if secret is None or request.client is None:
            return False
        try:
            address = ip_address(request.client.host)
        except ValueError:
            return False
        if isinstance(address, IPv6Address) and address.ipv4_mapped:
            address = address.ipv4_mapped
        sent = request.headers.get("x-citewell-proxy-secret", "")
        expected = secret.get_secret_value()
        is_secret = hmac.compare_digest(sent.encode("latin-1"), expected.encode())
        return is_secret and any(address in net for net in self._settings.proxy_addresses)

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
            if len(token) > LONGEST_TOKEN:
                msg = f"it has more than {LONGEST_TOKEN} characters"
                raise jwt.InvalidTokenError(msg)
            named = jwt.decode(token, options={"verify_signature": False}).get("portal")
            portal = self._portal(named)
            if portal is None:
                msg = "it names no portal of this service"
                raise jwt.InvalidTokenError(msg)
            claims = self._verify(token, portal)
        except (jwt.InvalidTokenError, OverflowError, RecursionError) as exc:
            msg = f"The portal's token cannot be used: {exc}."
            raise UnauthenticatedError(msg) from exc
        _check_claims(claims, portal, origin)
        # Remembered for longer than it is accepted, so that at no moment it is neither.
        if not records.sessions.spend(f"{portal.id}/{claims['jti']}", claims["exp"] + 3 * CLOCKS):
            msg = "The portal's token was used already. Have the portal sign another one."
            raise UnauthenticatedError(msg)
        groups = claims.get("groups") or []
        made = records.sessions.create(
            claims["sub"],
            [group for group in groups if _is_text(group)] if isinstance(groups, list) else [],
            SESSION_LIFETIME,
            portal.id,
        )
        return made, SESSION_LIFETIME

    def _portal(self, named: object) -> Portal | None:
        """Return the portal that a token names; an id is never taken for another one's name."""
        portals = self._records().portals.all()
        by_id = [portal for portal in portals if portal.id == named]
        by_name = [portal for portal in portals if portal.name == named]
        return next(iter(by_id + by_name), None)

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
    moments = (claims["iat"], claims["exp"])
    if not all(type(moment) in (int, float) and isfinite(moment) for moment in moments):
        msg = "The portal's token has an iat or exp that is no number."
        raise UnauthenticatedError(msg)
    if claims["exp"] - claims["iat"] > TOKEN_LIFETIME:
        msg = f"The portal's token is valid for more than {TOKEN_LIFETIME} seconds."
        raise UnauthenticatedError(msg)
    if claims["origin"] not in portal.origins or origin not in (None, claims["origin"]):
        msg = f"Portal {portal.name!r} is not used from {str(origin or claims['origin'])[:200]!r}."
        raise UnauthenticatedError(msg)
    named = all(claims[name] and _is_text(claims[name]) for name in ("sub", "jti"))
    if not named or len(claims["sub"]) > LONGEST_SUBJECT:
        msg = f"The portal's token needs a jti, and a sub of 1 to {LONGEST_SUBJECT} characters."
        raise UnauthenticatedError(msg)


def _is_text(value: object) -> bool:
    """Whether a claim is text that can be kept; JSON may hold halves of characters."""
    return isinstance(value, str) and not any("\ud800" <= letter <= "\udfff" for letter in value)


def identity_of_key(key: Key) -> Identity:
    """Return the identity that an API key gives."""
    return Identity(f"key:{key.id}", dict.fromkeys(key.rights, key.collections))


def identity_in_portal(portal: Portal, subject: str) -> Identity:
    """Return the identity of a portal's user."""
    rights = dict.fromkeys(PORTAL_RIGHTS, portal.collections)
    return Identity(f"portal:{portal.id}/{subject}", rights, portal.id)
