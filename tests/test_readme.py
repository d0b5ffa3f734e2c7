"""The README names everything a user can set, run or call."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer.main
from click import Command, Group

from app.cli import app
from app.settings import PREFIX, Settings

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


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
    """Each CITEWELL_ variable stands in the README."""
    assert f"`{PREFIX}{name.upper()}`" in README


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_is_documented(name: str) -> None:
    """Each command stands in the README with all of its long options."""
    assert name in README
    for parameter in COMMANDS[name].params:
        for option in parameter.opts:
            if option.startswith("--"):
                assert option in README, f"{name} {option}"


def test_every_make_target_is_documented() -> None:
    """Each target of the Makefile stands in the README."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"^([a-z]+):.*## ", makefile, re.MULTILINE):
        assert f"make {target}" in README


@pytest.mark.parametrize(
    "path", ["/healthz", "/readyz", "/api/v1/answers", "/api/v1/articles/{article_id}"]
)
def test_every_endpoint_is_documented(path: str) -> None:
    """Each HTTP endpoint stands in the README."""
    assert path in README


def test_every_link_to_a_file_leads_somewhere() -> None:
    """Relative links and images of the README exist."""
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", README):
        assert (ROOT / target).exists(), target


def test_nothing_was_left_to_fill_in() -> None:
    """No placeholder of a number or an answer is left."""
    assert "@@" not in README


def test_no_lock_names_an_index() -> None:
    """The locks hold exact pins and no address."""
    for lock in ("requirements.lock", "requirements-dev.lock"):
        for line in (ROOT / lock).read_text(encoding="utf-8").splitlines():
            assert re.match(r"[a-z0-9][\w.-]*==[\w.]+( ; .+)?$", line), line
            assert "://" not in line
