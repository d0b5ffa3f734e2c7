"""The README names everything a user can set, run or call."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest
import typer.main
from click import Command, Group

from app.api.rest import rest_app
from app.cli import app
from app.settings import PREFIX, Settings

if TYPE_CHECKING:
    from app.api.runtime import Runtime

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SERVICE = (ROOT / "docs" / "service.md").read_text(encoding="utf-8")
CHAT_MODEL = (ROOT / "docs" / "chat-model.md").read_text(encoding="utf-8")
EVALUATION = (ROOT / "docs" / "evaluation.md").read_text(encoding="utf-8")
DOCUMENTED = README + SERVICE + CHAT_MODEL


def commands(group: Group, path: str = "citewell") -> dict[str, Command]:
    """Return every command by its whole name."""
    found: dict[str, Command] = {}
    for name, command in group.commands.items():
        if isinstance(command, Group) or hasattr(command, "commands"):
            found |= commands(command, f"{path} {name}")  # type: ignore[arg-type]
        else:
            found[f"{path} {name}"] = command
    return found


COMMANDS = commands(typer.main.get_command(app))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", sorted(Settings.model_fields))
def test_every_setting_is_documented(name: str) -> None:
    """Each CITEWELL_ variable stands in a table of settings."""
    assert f"\n| `{PREFIX}{name.upper()}` |" in DOCUMENTED


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_is_documented(name: str) -> None:
    """Each command is documented with all of its long options."""
    assert name in DOCUMENTED
    for parameter in COMMANDS[name].params:
        for option in parameter.opts:
            if option.startswith("--"):
                assert option in DOCUMENTED, f"{name} {option}"


def test_every_make_target_is_documented() -> None:
    """Each target of the Makefile stands in the README."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"^([a-z]+):.*## ", makefile, re.MULTILINE):
        assert f"make {target}" in README


def test_every_endpoint_is_documented() -> None:
    """Each path of the API, and what lies beside it, is documented with all of its methods."""
    runtime = SimpleNamespace(settings=Settings())
    described = rest_app(cast("Runtime", runtime)).openapi()["paths"]
    assert len(described) > 20
    for path, operations in described.items():
        lines = [
            line for line in SERVICE.splitlines() if re.search(rf"{re.escape(path)}[`?]", line)
        ]
        assert lines, path
        for method in operations:
            assert any(method.upper() in line for line in lines), f"{method.upper()} {path}"
    for path in ("/healthz", "/readyz", "/version"):
        assert path in SERVICE


def test_every_link_to_a_file_leads_somewhere() -> None:
    """Relative links and images of the README exist."""
    docs = ROOT / "docs"
    texts = ((ROOT, README), (docs, SERVICE), (docs, EVALUATION), (docs, CHAT_MODEL))
    for folder, text in texts:
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", text):
            assert (folder / target).exists(), target


def test_nothing_was_left_to_fill_in() -> None:
    """No placeholder of a number or an answer is left."""
    assert "@@" not in README


def test_no_lock_names_an_index() -> None:
    """The locks hold exact pins and no address."""
    for lock in ("requirements.lock", "requirements-dev.lock", "requirements-model.lock"):
        for line in (ROOT / lock).read_text(encoding="utf-8").splitlines():
            assert re.match(r"[a-z0-9][\w.-]*==[\w.]+( ; .+)?$", line), line
            assert "://" not in line
