"""Who works here, how they prove it, and the sessions of those who are logged in."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import time
from dataclasses import dataclass
from pathlib import Path

LIFETIME = 8 * 3600  # seconds that a login lasts
NOBODY = "00" * 16  # the salt for names that nobody has: those take as long to refuse


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who may log in; `password` is hashed."""

    name: str
    full_name: str
    groups: tuple[str, ...]
    salt: str
    password: str


def hashed(password: str, salt: str) -> str:
    """Return a password's scrypt hash, in hex."""
    return hashlib.scrypt(password.encode(), salt=bytes.fromhex(salt), n=2**14, r=8, p=1).hex()


class People:
    """The people of a file, and their sessions, which a restart ends."""

    def __init__(self, file: Path) -> None:
        listed = json.loads(file.read_text(encoding="utf-8"))
        self._people = {
            each["name"]: Person(**{**each, "groups": tuple(each["groups"])}) for each in listed
        }
        self._sessions: dict[str, tuple[Person, float]] = {}

    def check(self, name: str, password: str) -> Person | None:
        """Return whose name and password these are."""
        person = self._people.get(name)
        found = hashed(password, person.salt if person else NOBODY)
        if person and hmac.compare_digest(found, person.password):
            return person
        return None

    def begin(self, person: Person) -> str:
        """Begin a session and return its cookie's value."""
        now = time.time()
        self._sessions = {key: kept for key, kept in self._sessions.items() if kept[1] > now}
        cookie = secrets.token_urlsafe(32)
        self._sessions[cookie] = (person, now + LIFETIME)
        return cookie

    def of(self, cookie: str) -> Person | None:
        """Return who is logged in."""
        person, ends = self._sessions.get(cookie, (None, 0.0))
        return person if ends > time.time() else None

    def end(self, cookie: str) -> None:
        """End a session."""
        self._sessions.pop(cookie, None)
