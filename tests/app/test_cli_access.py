"""Who may use the service, from the terminal."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

RunCitewell = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run(
    citewell: RunCitewell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Any]:
    """Run a command with --json on a data folder with one collection."""
    monkeypatch.setenv("CITEWELL_SECRET", "s" * 32)

    def run_json(*arguments: str, status: int = 0) -> Any:  # noqa: ANN401 (JSON)
        done = citewell(tmp_path / "data", *arguments, "--json")
        assert done.returncode == status, done.stderr
        return json.loads(done.stdout) if status == 0 else done.stderr

    run_json("collections", "create", "news")
    return run_json


def test_a_key_is_made_listed_and_revoked(run: Callable[..., Any]) -> None:
    """The secret is told once; the list tells rights and collections, until it is revoked."""
    made = run("keys", "create", "portal", "--right", "ask", "--collection", "news")
    assert made["secret"].startswith("cw_")
    (listed,) = run("keys", "list")["keys"]
    assert (listed["rights"], listed["collections"]) == (["ask"], ["news"])
    assert "secret" not in listed
    run("keys", "revoke", "portal")
    assert run("keys", "list")["keys"] == []
    actions = [entry["action"] for entry in run("audit")["entries"]]
    assert actions == ["revoke key", "create key"]


def test_a_grant_is_set_changed_and_removed(run: Callable[..., Any]) -> None:
    """A principal has one role, the last that was given."""
    run("grants", "set", "group:staff", "reader", "--collection", "news")
    run("grants", "set", "group:staff", "editor")
    (grant,) = run("grants", "list")["grants"]
    assert grant == {"principal": "group:staff", "role": "editor", "collections": None}
    run("grants", "remove", "group:staff")
    assert run("grants", "list")["grants"] == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("keys", "create", "x", "--right", "fly"), "fly"),
        (("keys", "create", "x", "--right", "ask", "--collection", "nope"), "nope"),
        (("keys", "revoke", "nope"), "nope"),
        (("grants", "set", "ada", "reader"), "user:NAME"),
        (("grants", "set", "user:ada", "king"), "king"),
        (("grants", "remove", "user:ada"), "user:ada"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(
    run: Callable[..., Any], arguments: tuple[str, ...], said: str
) -> None:
    """A right, role, origin, principal or name that is none is refused, and nothing is made."""
    assert said in run(*arguments, status=1)
    kind = arguments[0]
    assert run(kind, "list")[kind] == []
