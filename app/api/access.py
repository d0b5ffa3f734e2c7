"""Who makes a request: a key, a session, a person whom a trusted proxy names, or nobody."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Sequence
from ipaddress import IPv6Address, ip_address
from urllib.parse import unquote

from starlette.requests import HTTPConnection

from app.api.portal_sessions import PortalSessions
from app.api.portal_tokens import LONGEST_SUBJECT
from app.identity import LOCAL, NOBODY, Identity, rights_of, user_name
from app.records.keys import PREFIX, Key
from app.records.records import Records
from app.settings import Settings
from vectorstore.errors import UnauthenticatedError

COOKIE = "__Host-citewell"  # the prefix makes browsers refuse it from another host, or without TLS
PLAIN_COOKIE = "citewell"  # where the service is reached without TLS, on this machine


class Access:
    """Tells who makes a request.

    Args:
        settings: How people are known.
        records: Returns the open records, which a restore replaces.
    """

    def __init__(self, settings: Settings, records: Callable[[], Records]) -> None:
        self._settings = settings
        self._records = records
        self.portals = PortalSessions(settings, records)

    @property
    def cookie(self) -> str:
        """The name of the cookie that holds a web session's token."""
        is_secure = (self._settings.public_url or "").startswith("https://")
        return COOKIE if is_secure else PLAIN_COOKIE

    def identify(self, request: HTTPConnection) -> Identity:
        """Return who makes a request; NOBODY where nothing says so.

        Raises:
            UnauthenticatedError: What they present is wrong or has expired.
            ForbiddenError: A portal's session is used from another page than it was begun on.
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
            return self._bearer(token.strip(), request)
        if self._settings.auth == "oidc":
            return self._logged_in(request)
        return NOBODY

    def _logged_in(self, request: HTTPConnection) -> Identity:
        token = request.cookies.get(self.cookie)
        session = self._records().sessions.find(token) if token else None
        if session is None or session.portal is not None:
            return NOBODY
        return self._person(session.subject, session.groups)

    def _bearer(self, token: str, request: HTTPConnection) -> Identity:
        if token.startswith(PREFIX):
            key = self._records().keys.find(token)
            if key is None:
                msg = "The API key is unknown, was revoked or has expired. Ask for another one."
                raise UnauthenticatedError(msg)
            return identity_of_key(key)
        return self.portals.identify(token, request)

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


def identity_of_key(key: Key) -> Identity:
    """Return the identity that an API key gives."""
    return Identity(f"key:{key.id}", dict.fromkeys(key.rights, key.collections))
