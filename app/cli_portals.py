"""citewell portals and widget: the pages that may show the widget, and what they paste."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from app.options import DataDirOption, JsonOption
from app.session import open_session, run, status
from vectorstore.errors import SettingsError

portals_app = typer.Typer(no_args_is_help=True, help="Add, list, check and remove portals.")
widget_app = typer.Typer(no_args_is_help=True, help="What a portal's page pastes, and a token.")

PortalArgument = Annotated[str, typer.Argument(help="Its id or name.")]
PortalOption = Annotated[str, typer.Option("--portal", help="The portal's id or name.")]
PublicKeyOption = Annotated[
    Path | None, typer.Option("--public-key", help="PEM file of the ES256 key it signs with.")
]


def _print(result: dict[str, Any], as_json: bool, to_text: Callable[[dict[str, Any]], str]) -> None:
    typer.echo(json.dumps(result, ensure_ascii=False) if as_json else to_text(result))


@portals_app.command("add")
def portals_add(
    name: Annotated[str, typer.Argument(help="Its name, which its tokens give as iss.")],
    origins: Annotated[
        list[str], typer.Option("--origin", help="https://HOST of its pages; may be repeated.")
    ],
    collections: Annotated[
        list[str] | None,
        typer.Option("--collection", help="What all its users see; may be repeated."),
    ] = None,
    groups: Annotated[
        list[str] | None,
        typer.Option(
            "--group", help="GROUP=COLLECTION: what this group sees besides; may be repeated."
        ),
    ] = None,
    is_public: Annotated[
        bool, typer.Option("--public", help="Whoever opens its pages may ask, without a token.")
    ] = False,
    has_login: Annotated[
        bool,
        typer.Option("--login", help="In its frames, users log in at the OpenID provider."),
    ] = False,
    welcome: Annotated[str, typer.Option("--welcome", help="What the widget says first.")] = "",
    starters: Annotated[
        list[str] | None,
        typer.Option("--starter", help="A question to begin with; may be repeated."),
    ] = None,
    limit_user: Annotated[
        str | None, typer.Option("--limit-user", help="As CITEWELL_LIMIT_USER, for its users.")
    ] = None,
    limit_portal: Annotated[
        str | None, typer.Option("--limit-portal", help="As CITEWELL_LIMIT_PORTAL, for it.")
    ] = None,
    public_key: PublicKeyOption = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Change the portal of this name; its keys stay.")
    ] = False,
    as_json: JsonOption = False,
    data_dir: DataDirOption = None,
) -> None:
    """Add a portal; without a public key the secret it signs with is printed."""
    config = {
        "origins": origins,
        "collections": collections or [],
        "groups": _groups(groups or []),
        "is_public": is_public,
        "has_login": has_login,
        "welcome": welcome,
        "starters": starters or [],
        "limit_user": limit_user,
        "limit_portal": limit_portal,
    }
    made = run(
        "add_portal", name=name, config=config, public_key=_read(public_key), replace=replace
    )
    _print(made, as_json, _made_text)


def _groups(pairs: list[str]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for pair in pairs:
        group, _, collection = pair.rpartition("=")  # names of groups may hold one: cn=staff
        if not group or not collection:
            msg = f"{pair!r} is no group with what it sees. Write GROUP=COLLECTION."
            raise SettingsError(msg)
        groups.setdefault(group, []).append(collection)
    return groups


def _read(public_key: Path | None) -> str | None:
    try:
        return None if public_key is None else public_key.read_text(encoding="ascii")
    except (OSError, ValueError) as exc:
        msg = f"{public_key} cannot be read: {exc}"
        raise SettingsError(msg) from exc


def _made_text(made: dict[str, Any]) -> str:
    return "\n".join(filter(None, [made.get("secret"), _line(made)]))


def _line(portal: dict[str, Any]) -> str:
    algorithms = ", ".join(dict.fromkeys(key["algorithm"] for key in portal["keys"]))
    access = "public" if portal["is_public"] else algorithms
    access += ", login" if portal["has_login"] else ""
    return (
        f"{portal['id']}  {portal['name']} ({access}) from {', '.join(portal['origins'])}: "
        f"{', '.join(portal['collections']) or 'no collections'}"
    )


def _portal_text(portal: dict[str, Any]) -> str:
    lines = [_line(portal)]
    lines += [
        f"  group {group} sees besides: {', '.join(collections)}"
        for group, collections in portal["groups"].items()
    ]
    lines += [f"  {key}: {portal[key]}" for key in ("limit_user", "limit_portal") if portal[key]]
    lines += [f"  welcome: {portal['welcome']}"] if portal["welcome"] else []
    lines += [f"  starter: {starter}" for starter in portal["starters"]]
    for key in portal["keys"]:
        until = f", until {key['expires']}" if key["expires"] else ""
        lines.append(f"  key {key['kid']}: {key['algorithm']}, since {key['created']}{until}")
    return "\n".join(lines)


@portals_app.command("list")
def portals_list(as_json: JsonOption = False, data_dir: DataDirOption = None) -> None:
    """List the portals."""
    _print(
        run("portals"),
        as_json,
        lambda found: "\n".join(map(_line, found["portals"])) or "None yet.",
    )


@portals_app.command("show")
def portals_show(
    portal: PortalArgument, as_json: JsonOption = False, data_dir: DataDirOption = None
) -> None:
    """Show a portal with its groups, texts, limits and keys; never a secret."""
    _print(run("show_portal", portal=portal), as_json, _portal_text)


@portals_app.command("rotate")
def portals_rotate(
    portal: PortalArgument,
    public_key: PublicKeyOption = None,
    overlap: Annotated[
        float,
        typer.Option("--overlap-hours", help="The old keys end after so long; 0: at once.", min=0),
    ] = 24,
    as_json: JsonOption = False,
    data_dir: DataDirOption = None,
) -> None:
    """Give a portal a new key, and the old ones an end."""
    made = run("rotate_portal", portal=portal, public_key=_read(public_key), overlap=overlap * 3600)
    _print(made, as_json, _made_text)


@portals_app.command("remove")
def portals_remove(
    portal: PortalArgument, as_json: JsonOption = False, data_dir: DataDirOption = None
) -> None:
    """Remove a portal and end its users' sessions."""
    _print(run("remove_portal", portal=portal), as_json, lambda gone: f"Removed {gone['name']}")


@portals_app.command("check")
def portals_check(
    url: Annotated[str, typer.Argument(help="A page of the portal's, http(s)://….")],
    portal: Annotated[
        str | None, typer.Option("--portal", help="Its name. [what the page states]")
    ] = None,
    token_url: Annotated[
        str | None,
        typer.Option("--token-url", help="Where its backend answers with a token. [the page's]"),
    ] = None,
    cookie: Annotated[
        str | None,
        typer.Option("--cookie", help="NAME=VALUE of somebody who is logged in to the portal."),
    ] = None,
    as_json: JsonOption = False,
    data_dir: DataDirOption = None,
) -> None:
    """Look at a portal's page from here and say what keeps the widget from working."""
    if not url.startswith(("http://", "https://")):
        msg = f"{url!r} is no page. Write https://HOST/PATH."
        raise SettingsError(msg)
    from app.portal_check import Service, check_portal

    with open_session() as session:

        def read_token(token: str) -> dict[str, Any]:
            read: dict[str, Any] = session.execute("read_token", {"token": token}, lambda _: None)
            return read

        service = Service(session.execute("portal_facts", {}, lambda _: None), read_token)
        with status("Looking at the page"):
            found = [asdict(each) for each in check_portal(url, service, portal, token_url, cookie)]
    _print({"url": url, "checks": found}, as_json, _checks_text)
    if any(each["state"] == "wrong" for each in found):
        raise typer.Exit(1)


def _checks_text(result: dict[str, Any]) -> str:
    return "\n".join(
        f"{each['state']:<12} {each['check']}: {each['detail']}" for each in result["checks"]
    )


@widget_app.command("snippet")
def widget_snippet(
    portal: PortalOption,
    token_url: Annotated[
        str, typer.Option("--token-url", help="Where the portal's backend answers with a token.")
    ] = "/api/assistant-token",  # noqa: S107 (an address)
    label: Annotated[str | None, typer.Option("--label", help="What its button says.")] = None,
    mode: Annotated[
        Literal["bubble", "inline", "panel"] | None, typer.Option("--mode", help="How it stands.")
    ] = None,
    side: Annotated[
        Literal["start", "end"] | None, typer.Option("--side", help="On which side.")
    ] = None,
    theme: Annotated[
        Literal["auto", "light", "dark"] | None, typer.Option("--theme", help="How it looks.")
    ] = None,
    lang: Annotated[str | None, typer.Option("--lang", help="Its language, such as de.")] = None,
    context: Annotated[
        Literal["none", "page", "selection"] | None,
        typer.Option("--context", help="What it tells of the page with a question."),
    ] = None,
    floating: Annotated[
        bool, typer.Option("--floating", help="Follow later versions, without an integrity.")
    ] = False,
    as_json: JsonOption = False,
    data_dir: DataDirOption = None,
) -> None:
    """Print the lines that show the widget on a portal's page."""
    stated = {
        "label": label, "mode": mode, "side": side, "theme": theme, "lang": lang,
        "context": context,
    }  # fmt: skip
    made = run(
        "widget_snippet",
        portal=portal,
        token_url=token_url,
        floating=floating,
        attributes={name: value for name, value in stated.items() if value is not None},
    )
    _print(made, as_json, lambda told: str(told["snippet"]))


@widget_app.command("token")
def widget_token(
    portal: PortalOption,
    sub: Annotated[str, typer.Option("--sub", help="The user's name in the portal.")],
    groups: Annotated[
        list[str] | None, typer.Option("--group", help="A group of theirs; may be repeated.")
    ] = None,
    origin: Annotated[
        str | None, typer.Option("--origin", help="Of the page that uses it. [the portal's first]")
    ] = None,
    as_json: JsonOption = False,
    data_dir: DataDirOption = None,
) -> None:
    """Print a token as a portal's backend signs it, to try the portal with; HS256 only."""
    made = run("widget_token", portal=portal, sub=sub, groups=groups or [], origin=origin)
    _print(made, as_json, lambda told: str(told["token"]))
