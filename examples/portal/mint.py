"""Mint the token with which the widget says who is logged in: PyJWT, ten lines."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import uuid4

import jwt


@dataclass(frozen=True)
class Assistant:
    """What `citewell portals add` was told, and what it printed."""

    service: str  # Citewell's origin
    portal: str  # our name there
    origin: str  # where our pages are
    key: str  # HS256: the printed secret; ES256: the PEM of our private key
    algorithm: str = "HS256"


def mint(assistant: Assistant, user: str, groups: Sequence[str]) -> str:
    """Return a token for a user of ours, good once and for a minute."""
    now = int(time.time())
    claims = {
        "iss": assistant.portal,
        "aud": assistant.service,
        "sub": user,
        "groups": list(groups),
        "portal": assistant.portal,
        "origin": assistant.origin,
        "iat": now,
        "exp": now + 60,
        "jti": uuid4().hex,
    }
    return jwt.encode(claims, assistant.key, assistant.algorithm)
