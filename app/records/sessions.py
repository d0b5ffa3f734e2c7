"""Sessions of people: in the web chat after a login, in a portal after its token was exchanged."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from sqlalchemy import delete, insert, select
from sqlalchemy.exc import IntegrityError

from app.records.database import Database
from app.records.schema import sessions, spent


@dataclass(frozen=True, slots=True)
class Session:
    """Who is behind a session token; `portal` is the id of the portal it came through.

    `origin` is that of the portal's page. A framed session is used from our own page in a frame
    of the portal's; an anonymous one is a stranger's in a public portal, one with a login is of
    whoever has logged in to the web chat, and ends with that session.
    """

    subject: str
    groups: tuple[str, ...]
    portal: str | None
    expires: float
    origin: str | None = None
    is_framed: bool = False
    is_anonymous: bool = False
    has_login: bool = False


class Sessions:
    """Session tokens, kept as hashes, and what may be used only once."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(
        self,
        subject: str,
        groups: Sequence[str],
        lifetime: float,
        portal: str | None = None,
        origin: str | None = None,
        *,
        is_framed: bool = False,
        is_anonymous: bool = False,
        login: str | None = None,
    ) -> str:
        """Begin a session of so many seconds and return its token.

        It ends with the session whose token is `login`, if that is given.
        """
        token = secrets.token_urlsafe(32)
        with self._database.write() as connection:
            connection.execute(delete(sessions).where(sessions.c.expires <= time.time()))
            connection.execute(
                insert(sessions).values(
                    sha256=_hashed(token),
                    subject=subject,
                    groups=json.dumps(list(groups)),
                    portal=portal,
                    expires=time.time() + lifetime,
                    origin=origin,
                    is_framed=is_framed,
                    is_anonymous=is_anonymous,
                    login=login and _hashed(login),
                )
            )
        return token

    def find(self, token: str) -> Session | None:
        """Return the session of a token, unless there is none or its time is over."""
        query = select(sessions).where(
            sessions.c.sha256 == _hashed(token), sessions.c.expires > time.time()
        )
        row = self._database.row(query)
        if row is None:
            return None
        return Session(
            row.subject,
            tuple(json.loads(row.groups)),
            row.portal,
            row.expires,
            row.origin,
            row.is_framed,
            row.is_anonymous,
            row.login is not None,
        )

    def end(self, token: str) -> None:
        """End a session and those that hang on it; an unknown one is ended already."""
        mine = _hashed(token)
        ended = (sessions.c.sha256 == mine) | (sessions.c.login == mine)
        with self._database.write() as connection:
            connection.execute(delete(sessions).where(ended))

    def end_all(self, subject: str | None = None, portal: str | None = None) -> None:
        """End every session of a subject, or of a portal."""
        which = sessions.c.subject == subject if portal is None else sessions.c.portal == portal
        with self._database.write() as connection:
            connection.execute(delete(sessions).where(which))

    def spend(self, once: str, expires: float) -> bool:
        """Use up what may be used once; tell whether it was still unused."""
        try:
            with self._database._engine.begin() as connection:
                connection.execute(delete(spent).where(spent.c.expires <= time.time()))
                connection.execute(insert(spent).values(id=once, expires=expires))
        except IntegrityError:
            return False
        return True


def _hashed(token: str) -> str:
    return sha256(token.encode()).hexdigest()
