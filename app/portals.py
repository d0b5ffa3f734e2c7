"""Portals as their administrators see them: names of collections, JSON."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from app.answering.wire import Json, utc
from app.api.limits import check_limit
from app.records.portals import Portal, PortalConfig, PortalKey
from app.service import Service
from vectorstore.errors import ConflictError, SettingsError

NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"  # it stands in addresses and in pages
ORIGIN = r"https?://(\[[0-9a-f:.]+\]|[a-z0-9]([a-z0-9.-]*[a-z0-9])?)(:[0-9]{1,5})?"
DEFAULT_PORTS = {"http": ":80", "https": ":443"}
LONGEST_WELCOME = 500  # characters
LONGEST_STARTER = 200
MOST_STARTERS = 8


class PortalAdmin:
    """The portals of a service; what is wrong is refused with an error that says how."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._portals = service.records.portals

    def all(self) -> list[Json]:
        """Return the portals, by name."""
        names = self._names()
        return [_portal(portal, names) for portal in self._portals.all()]

    def show(self, portal: str) -> Json:
        """Return a portal, by its id or name."""
        return _portal(self._portals.find(portal), self._names())

    def add(self, name: str, sent: Json, public_key: str | None, replace: bool = False) -> Json:
        """Add a portal, or with `replace` give the one of this name another config.

        Without a public key its backend signs with `secret`, which is derived. A portal that is
        replaced keeps its id, its keys and what its users have asked.
        """
        if not re.fullmatch(NAME, name):
            msg = f"{name!r} is no name for a portal. Use up to 64 letters, digits, `.`, `_`, `-`."
            raise SettingsError(msg)
        config = self._config(sent)
        found = self._portals.named(name)
        if replace and found is not None:
            if public_key is not None:
                msg = f"Portal {name!r} has keys. Change them with: citewell portals rotate"
                raise ConflictError(msg)
            return _portal(self._portals.replace(found.id, config), self._names())
        self._check_key(public_key)
        return self._with_secret(self._portals.add(name, config, public_key))

    def rotate(self, portal: str, public_key: str | None, overlap: float) -> Json:
        """Give a portal a new key; those it has end after `overlap` seconds."""
        newest = self._portals.find(portal).keys[-1]
        if newest.public_key is not None and public_key is None:
            msg = f"Portal {portal!r} signs with a key of its own. Give the new --public-key."
            raise SettingsError(msg)
        self._check_key(public_key)
        return self._with_secret(self._portals.rotate(portal, public_key, overlap))

    def remove(self, portal: str) -> Json:
        """Remove a portal, by its id or name, and end its users' sessions."""
        return _portal(self._portals.remove(portal), self._names())

    def _config(self, sent: Json) -> PortalConfig:
        origins = tuple(dict.fromkeys(_origin(each) for each in sent["origins"]))
        if not origins:
            msg = "A portal has at least one origin: https://HOST of its pages."
            raise SettingsError(msg)
        for limit in (sent["limit_user"], sent["limit_portal"]):
            if limit is not None:
                check_limit(limit)
        if sent["has_login"]:
            self._check_login(sent["is_public"])
        _check_texts(sent["welcome"], sent["starters"])
        return PortalConfig(
            origins=origins,
            collections=self._service.ids_of(sent["collections"]),
            groups={
                group: self._service.ids_of(collections)
                for group, collections in sent["groups"].items()
            },
            is_public=sent["is_public"],
            has_login=sent["has_login"],
            welcome=sent["welcome"],
            starters=tuple(sent["starters"]),
            limit_user=sent["limit_user"],
            limit_portal=sent["limit_portal"],
        )

    def _check_login(self, is_public: bool) -> None:
        if is_public:
            msg = "A public portal lets everybody in: leave out either --public or --login."
            raise SettingsError(msg)
        if self._service.settings.auth != "oidc":
            msg = "--login needs an OpenID provider. Set CITEWELL_AUTH=oidc, or leave it out."
            raise SettingsError(msg)

    def _check_key(self, public_key: str | None) -> None:
        if public_key is None:
            self._service.settings.need_secret()
            return
        try:
            key = load_pem_public_key(public_key.encode())
        except (ValueError, UnsupportedAlgorithm) as exc:
            msg = f"The public key is not PEM: {exc}"
            raise SettingsError(msg) from exc
        if not isinstance(key, EllipticCurvePublicKey) or not isinstance(key.curve, SECP256R1):
            msg = "The public key is not one of the curve P-256, which ES256 takes."
            raise SettingsError(msg)

    def _with_secret(self, portal: Portal) -> Json:
        newest = portal.keys[-1]
        secret = None if newest.public_key else self._service.settings.portal_secret(newest.kid)
        return {**_portal(portal, self._names()), "kid": newest.kid, "secret": secret}

    def _names(self) -> dict[str, str]:
        return {known.id: known.name for known in self._service.collections()}


def _origin(text: str) -> str:
    """Return an origin as browsers write it.

    Example: "HTTPS://Intranet.example:443" -> "https://intranet.example"
    """
    origin = text.lower()
    if not re.fullmatch(ORIGIN, origin):
        msg = f"{text!r} is no origin. Write https://HOST, without a path; xn--… for other letters."
        raise SettingsError(msg)
    return origin.removesuffix(DEFAULT_PORTS[urlsplit(origin).scheme])


def _check_texts(welcome: str, starters: Sequence[str]) -> None:
    if len(welcome) > LONGEST_WELCOME:
        msg = f"The welcome has {len(welcome)} characters: {LONGEST_WELCOME} at most."
        raise SettingsError(msg)
    wrong = [each for each in starters if not 1 <= len(each.strip()) <= LONGEST_STARTER]
    if wrong or len(starters) > MOST_STARTERS:
        msg = (
            f"A portal has up to {MOST_STARTERS} questions to begin with, of 1 to "
            f"{LONGEST_STARTER} characters each."
        )
        raise SettingsError(msg)


def _named(ids: Sequence[str], names: Mapping[str, str]) -> list[str]:
    """Return collections by name; one that was deleted since is left out."""
    return [names[each] for each in ids if each in names]


def _portal(portal: Portal, names: Mapping[str, str]) -> dict[str, Any]:
    return {
        "id": portal.id,
        "name": portal.name,
        "origins": list(portal.origins),
        "collections": _named(portal.collections, names),
        "groups": {group: _named(ids, names) for group, ids in portal.groups.items()},
        "is_public": portal.is_public,
        "has_login": portal.has_login,
        "welcome": portal.welcome,
        "starters": list(portal.starters),
        "limit_user": portal.limit_user,
        "limit_portal": portal.limit_portal,
        "keys": [_key(key) for key in portal.keys if key.is_live],
        "created": utc(portal.created),
    }


def _key(key: PortalKey) -> dict[str, Any]:
    return {
        "kid": key.kid,
        "algorithm": key.algorithm,
        "created": utc(key.created),
        "expires": key.expires and utc(key.expires),
    }
