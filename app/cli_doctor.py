"""citewell doctor: whether everything that an answer needs is there."""

from __future__ import annotations

import json
from typing import Any

import typer

from app.options import DataDirOption, JsonOption
from app.session import chosen_settings, run
from vectorstore.errors import CitewellError, SettingsError


def doctor(as_json: JsonOption = False, data_dir: DataDirOption = None) -> None:
    """Try settings, store, encoder and models; exit status 1 if something is wrong."""
    result = _examined()
    typer.echo(json.dumps(result, ensure_ascii=False) if as_json else _text(result))
    if not result["ok"]:
        raise typer.Exit(1)


def _examined() -> dict[str, Any]:
    """Have the running server checked, with its settings, or else what this process opens."""
    try:
        settings = chosen_settings()
    except SettingsError as exc:
        from app.doctor import Check, report

        return report([Check("settings", False, str(exc))])
    try:
        found: dict[str, Any] = run("doctor")
    except CitewellError as exc:
        from app.doctor import examine_closed

        return examine_closed(settings, exc)
    return found


def _text(result: dict[str, Any]) -> str:
    lines = [
        f"{'ok' if check['ok'] else 'WRONG':5}  {check['name']}: {check['said']}"
        for check in result["checks"]
    ]
    lines.append("All is well." if result["ok"] else "Something is wrong.")
    return "\n".join(lines)
