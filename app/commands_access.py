"""What a terminal can ask of keys and grants: JSON in, JSON out, as in `app.commands`."""

from __future__ import annotations

from typing import Final

from app.answering.wire import Json
from app.identity import LOCAL
from app.keyring import Keyring, in_days
from app.service import Service


def _note(service: Service, action: str, target: str) -> None:
    service.records.audit.note(LOCAL.subject, action, target)


def _keys(service: Service, _: object, __: Json) -> Json:
    return {"keys": Keyring(service).keys()}


def _create_key(service: Service, _: object, sent: Json) -> Json:
    made = Keyring(service).create_key(
        sent["name"], sent["rights"], sent["collections"], in_days(sent["days"])
    )
    _note(service, "create key", made["id"])
    return made


def _revoke_key(service: Service, _: object, sent: Json) -> Json:
    gone = Keyring(service).revoke_key(sent["key"])
    _note(service, "revoke key", gone["id"])
    return gone


def _grants(service: Service, _: object, __: Json) -> Json:
    return {"grants": Keyring(service).grants()}


def _set_grant(service: Service, _: object, sent: Json) -> Json:
    made = Keyring(service).set_grant(sent["principal"], sent["role"], sent["collections"])
    _note(service, "grant", f"{made['principal']} {made['role']}")
    return made


def _remove_grant(service: Service, _: object, sent: Json) -> Json:
    Keyring(service).remove_grant(sent["principal"])
    _note(service, "remove grant", sent["principal"])
    return {"principal": sent["principal"]}


COMMANDS: Final = {
    "keys": _keys,
    "create_key": _create_key,
    "revoke_key": _revoke_key,
    "grants": _grants,
    "set_grant": _set_grant,
    "remove_grant": _remove_grant,
}
