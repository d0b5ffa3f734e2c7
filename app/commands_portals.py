"""What a terminal can ask of portals: JSON in, JSON out, as in `app.commands`."""

from __future__ import annotations

from typing import Final

from app.answering.wire import Json
from app.api.portal_tokens import PortalTokens
from app.identity import LOCAL
from app.portals import PortalAdmin
from app.service import Service
from app.widget import load_module, module_url, snippet
from vectorstore.errors import SettingsError, UnauthenticatedError


def _note(service: Service, action: str, target: str) -> None:
    service.records.audit.note(LOCAL.subject, action, target)


def _portals(service: Service, _: object, __: Json) -> Json:
    return {"portals": PortalAdmin(service).all()}


def _show(service: Service, _: object, sent: Json) -> Json:
    return PortalAdmin(service).show(sent["portal"])


def _add(service: Service, _: object, sent: Json) -> Json:
    made = PortalAdmin(service).add(
        sent["name"], sent["config"], sent["public_key"], sent["replace"]
    )
    _note(service, "replace portal" if sent["replace"] else "add portal", made["name"])
    return made


def _rotate(service: Service, _: object, sent: Json) -> Json:
    made = PortalAdmin(service).rotate(sent["portal"], sent["public_key"], sent["overlap"])
    _note(service, "rotate portal", made["name"])
    return made


def _remove(service: Service, _: object, sent: Json) -> Json:
    gone = PortalAdmin(service).remove(sent["portal"])
    _note(service, "remove portal", gone["name"])
    return gone


def _snippet(service: Service, _: object, sent: Json) -> Json:
    portal = service.records.portals.find(sent["portal"])
    module = load_module()
    attributes = {"portal": portal.name, **sent["attributes"]}
    if not portal.is_public:
        attributes.setdefault("token-url", sent["token_url"])
    return {
        "portal": portal.name,
        "version": module.version,
        "integrity": module.integrity,
        "snippet": snippet(_base(service), module, attributes, sent["floating"]),
    }


def _facts(service: Service, _: object, __: Json) -> Json:
    """What a check of a portal's page compares it with."""
    module = load_module()
    base = _base(service)
    return {
        "auth": service.settings.auth,
        "base": base,
        "origin": service.settings.public_origin,
        "module_url": module_url(base, module),
        "floating_url": module_url(base, module, is_floating=True),
        "integrity": module.integrity,
        "portals": PortalAdmin(service).all(),
    }


def _read_token(service: Service, _: object, sent: Json) -> Json:
    """A token's claims without using it up; `error` where it would be refused."""
    try:
        claims = PortalTokens(service.settings).read(sent["token"], service.records)
    except UnauthenticatedError as exc:
        return {"error": str(exc)}
    return {"portal": claims.portal.name, "origin": claims.origin, "groups": list(claims.groups)}


def _base(service: Service) -> str:
    return (service.settings.public_url or service.settings.public_origin).rstrip("/")


def _token(service: Service, _: object, sent: Json) -> Json:
    portal = service.records.portals.find(sent["portal"])
    origin = sent["origin"] or portal.origins[0]
    token = PortalTokens(service.settings).sign(portal, sent["sub"], sent["groups"], origin)
    if token is None:
        msg = f"Portal {portal.name!r} signs with a key that only its backend has (ES256)."
        raise SettingsError(msg)
    _note(service, "sign test token", f"{portal.name}/{sent['sub']}")
    return {"portal": portal.name, "token": token}


COMMANDS: Final = {
    "portals": _portals,
    "show_portal": _show,
    "add_portal": _add,
    "rotate_portal": _rotate,
    "remove_portal": _remove,
    "widget_snippet": _snippet,
    "widget_token": _token,
    "portal_facts": _facts,
    "read_token": _read_token,
}
