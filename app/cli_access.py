"""citewell keys and grants: who may use the service."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Annotated, Any

import typer

from app.options import DataDirOption, JsonOption
from app.session import run

keys_app = typer.Typer(no_args_is_help=True, help="Make, list and revoke API keys.")
grants_app = typer.Typer(no_args_is_help=True, help="Give people and groups roles.")

AllowedOption = Annotated[
    list[str] | None,
    typer.Option("--collection", help="Only in this collection; may be repeated. [all]"),
]


def _print(result: dict[str, Any], as_json: bool, to_text: Callable[[dict[str, Any]], str]) -> None:
    typer.echo(json.dumps(result, ensure_ascii=False) if as_json else to_text(result))


def _lines(rows: list[dict[str, Any]], to_text: Callable[[dict[str, Any]], str]) -> str:
    return "\n".join(to_text(row) for row in rows) or "None yet."


def _where(row: dict[str, Any]) -> str:
    return "all collections" if row["collections"] is None else ", ".join(row["collections"])


@keys_app.command("create")
def keys_create(
    name: Annotated[str, typer.Argument(help="What it is for.")],
    rights: Annotated[
        list[str], typer.Option("--right", help="ask, search, ingest or admin; may be repeated.")
    ],
    collections: AllowedOption = None,
    days: Annotated[
        float | None, typer.Option("--expires-days", help="It ends after so many days.", min=0)
    ] = None,
    as_json: JsonOption = False,
    data_dir: DataDirOption = None,
) -> None:
    """Make an API key; its secret is printed once."""
    made = run("create_key", name=name, rights=rights, collections=collections or None, days=days)
    _print(made, as_json, lambda key: f"{key['secret']}\n{_key_text(key)}")


def _key_text(key: dict[str, Any]) -> str:
    until = f", until {key['expires'][:10]}" if key["expires"] else ""
    used = f"last used {key['used'][:10]}" if key["used"] else "never used"
    return f"{key['id']}  {key['name']}: {', '.join(key['rights'])} in {_where(key)}{until}; {used}"


@keys_app.command("list")
def keys_list(as_json: JsonOption = False, data_dir: DataDirOption = None) -> None:
    """List the API keys, without their secrets."""
    _print(run("keys"), as_json, lambda found: _lines(found["keys"], _key_text))


@keys_app.command("revoke")
def keys_revoke(
    key: Annotated[str, typer.Argument(help="Its id or name.")],
    as_json: JsonOption = False,
    data_dir: DataDirOption = None,
) -> None:
    """Revoke an API key at once."""
    _print(run("revoke_key", key=key), as_json, lambda gone: f"Revoked {gone['name']}")


@grants_app.command("set")
def grants_set(
    principal: Annotated[str, typer.Argument(help="user:NAME, group:NAME, or * for all.")],
    role: Annotated[str, typer.Argument(help="reader, editor or admin.")],
    collections: AllowedOption = None,
    as_json: JsonOption = False,
    data_dir: DataDirOption = None,
) -> None:
    """Give a person or a group a role, in place of the one it had."""
    made = run("set_grant", principal=principal, role=role, collections=collections or None)
    _print(made, as_json, _grant_text)


def _grant_text(grant: dict[str, Any]) -> str:
    return f"{grant['principal']}: {grant['role']} in {_where(grant)}"


@grants_app.command("list")
def grants_list(as_json: JsonOption = False, data_dir: DataDirOption = None) -> None:
    """List who has which role."""
    _print(run("grants"), as_json, lambda found: _lines(found["grants"], _grant_text))


@grants_app.command("remove")
def grants_remove(
    principal: Annotated[str, typer.Argument(help="As grants list shows it.")],
    as_json: JsonOption = False,
    data_dir: DataDirOption = None,
) -> None:
    """Take a role away at once."""
    gone = run("remove_grant", principal=principal)
    _print(gone, as_json, lambda told: f"Removed {told['principal']}")
