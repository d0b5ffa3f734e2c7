"""The tokens by which a portal's backend says who its user is: JWTs (RFC 7519), good once."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, NoReturn
from uuid import uuid4

import jwt

from app.records.portals import Portal, PortalKey
from app.records.records import Records
from app.settings import Settings
from vectorstore.errors import UnauthenticatedError

LIFETIME = 60  # seconds that a token may be valid at most
LEEWAY = 30  # seconds that two machines' clocks may differ
LONGEST_SUBJECT = 200  # characters; a longer one is refused: cut short, two could be the same
LOGIN_SUBJECT = "login:"  # before the name of who has logged in; no token may say it
LONGEST_TOKEN = 8_000  # characters
NEEDED = ("iss", "aud", "sub", "iat", "exp", "jti", "origin", "portal")


@dataclass(frozen=True, slots=True)
class Claims:
    """What a portal's backend states of its user, who is on a page of `origin`."""

    portal: Portal
    subject: str
    groups: tuple[str, ...]
    origin: str
    jti: str
    expires: float


def refuse(code: str, detail: str) -> NoReturn:
    """Raise what is answered to a session that cannot begin; `code` is for the widget."""
    raise UnauthenticatedError(detail, code)


class PortalTokens:
    """Reads portals' tokens.

    Args:
        settings: To whom tokens are made out, and what secrets are derived from.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def read(self, token: str, records: Records) -> Claims:
        """Return what a token states, which may have been used already.

        Raises:
            UnauthenticatedError: It is wrong or has expired; `code` says how.
        """
        try:
            if len(token) > LONGEST_TOKEN:
                refuse("token-invalid", f"The token has more than {LONGEST_TOKEN} characters.")
            named: Any = jwt.decode(token, options={"verify_signature": False}).get("portal")
            portal = records.portals.named(named) if named and is_text(named) else None
            if portal is None:
                refuse(
                    "portal-unknown",
                    "The token names no portal of this service. See: citewell portals list",
                )
            claims = self._verify(token, portal)
        except jwt.ExpiredSignatureError:
            refuse(
                "token-expired",
                "The portal's token has expired. Have the portal sign one for each request, and "
                "compare the clocks of both machines.",
            )
        except jwt.ImmatureSignatureError:
            refuse(
                "token-clock",
                "The portal's token is from the future: its iat or nbf is more than "
                f"{LEEWAY} seconds ahead of the clock here. Set the clocks of both machines.",
            )
        except jwt.InvalidAudienceError:
            refuse(
                "token-audience",
                f"The portal's token is made out to another service: its aud must be "
                f"{self._settings.public_origin!r}.",
            )
        except (jwt.PyJWTError, OverflowError, RecursionError) as exc:
            refuse("token-invalid", f"The portal's token cannot be used: {exc}.")
        _check(claims, portal)
        groups = claims.get("groups")
        return Claims(
            portal,
            claims["sub"],
            tuple(filter(is_text, groups)) if isinstance(groups, list) else (),
            claims["origin"],
            claims["jti"],
            claims["exp"],
        )

    def _verify(self, token: str, portal: Portal) -> dict[str, Any]:
        """Return the claims of a token that one of the portal's living keys has signed."""
        head = jwt.get_unverified_header(token)
        keys = [
            key
            for key in portal.keys
            if key.is_live
            and key.algorithm == head.get("alg")
            and head.get("kid") in (None, key.kid)
        ]
        if not keys:
            refuse(
                "token-invalid",
                f"Portal {portal.name!r} has no living key of the token's alg and kid. "
                f"See: citewell portals show {portal.name}",
            )
        for key in keys[:-1]:
            try:
                return self._decode(token, portal, key)
            except jwt.InvalidSignatureError:
                continue  # another key may have signed it
        return self._decode(token, portal, keys[-1])

    def _decode(self, token: str, portal: Portal, key: PortalKey) -> dict[str, Any]:
        claims: dict[str, Any] = jwt.decode(
            token,
            key.public_key or self._settings.portal_secret(key.kid),
            algorithms=[key.algorithm],
            audience=self._settings.public_origin,
            issuer=portal.name,
            leeway=LEEWAY,
            options={"require": list(NEEDED)},
        )
        return claims

    def sign(self, portal: Portal, subject: str, groups: Sequence[str], origin: str) -> str | None:
        """Return a token as the portal's backend would sign it, for a test.

        None where its backend signs with a key that only it has.
        """
        key = next((key for key in reversed(portal.keys) if key.is_live), None)
        if key is None or key.public_key is not None:
            return None
        now = int(time.time())
        claims = {
            "iss": portal.name,
            "aud": self._settings.public_origin,
            "sub": subject,
            "groups": list(groups),
            "portal": portal.name,
            "origin": origin,
            "iat": now,
            "exp": now + LIFETIME,
            "jti": uuid4().hex,
        }
        secret = self._settings.portal_secret(key.kid)
        return jwt.encode(claims, secret, key.algorithm, {"kid": key.kid})


def spend(claims: Claims, records: Records) -> None:
    """Use a token up.

    Raises:
        UnauthenticatedError: It was used already.
    """
    # Remembered for longer than it is accepted, so that at no moment it is neither.
    once = f"{claims.portal.id}/{claims.jti}"
    if not records.sessions.spend(once, claims.expires + 3 * LEEWAY):
        refuse(
            "token-used", "The portal's token was used already. Have the portal sign another one."
        )


def _check(claims: dict[str, Any], portal: Portal) -> None:
    moments = (claims["iat"], claims["exp"])
    if not all(type(moment) in (int, float) and isfinite(moment) for moment in moments):
        refuse("token-invalid", "The portal's token has an iat or exp that is no number.")
    if claims["exp"] - claims["iat"] > LIFETIME:
        refuse(
            "token-long",
            f"The portal's token is valid for more than {LIFETIME} seconds. Sign a shorter one.",
        )
    if claims["origin"] not in portal.origins:
        refuse_origin(portal, claims["origin"])
    named = all(claims[name] and is_text(claims[name]) for name in ("sub", "jti"))
    is_taken = named and claims["sub"].startswith(LOGIN_SUBJECT)
    if not named or is_taken or len(claims["sub"]) > LONGEST_SUBJECT:
        refuse(
            "token-invalid",
            f"The portal's token needs a jti, and a sub of 1 to {LONGEST_SUBJECT} characters "
            f"that does not begin with {LOGIN_SUBJECT!r}.",
        )


def refuse_origin(portal: Portal, origin: object) -> NoReturn:
    """Raise what is answered to a page that is not the portal's."""
    refuse(
        "token-origin",
        f"Portal {portal.name!r} is not used from {str(origin)[:200]!r}, but from "
        f"{', '.join(portal.origins)}.",
    )


def is_text(value: object) -> bool:
    """Whether a claim is text that can be kept; JSON may hold halves of characters."""
    return isinstance(value, str) and not any("\ud800" <= letter <= "\udfff" for letter in value)
