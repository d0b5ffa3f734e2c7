"""Who may use the service, from the terminal."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

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


def test_a_portal_is_made_with_a_secret_or_a_key(run: Callable[..., Any], tmp_path: Path) -> None:
    """Without a public key the derived secret is printed; with one there is none."""
    where = ("--origin", "https://intranet.example", "--collection", "news")
    made = run("portals", "create", "intranet", *where)
    assert (made["algorithm"], len(made["secret"])) == ("HS256", 64)
    public = ec.generate_private_key(ec.SECP256R1()).public_key()
    pem = tmp_path / "key.pem"
    pem.write_bytes(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    made = run("portals", "create", "other", *where, "--public-key", str(pem))
    assert (made["algorithm"], made["secret"]) == ("ES256", None)
    assert len(run("portals", "list")["portals"]) == 2
    run("portals", "remove", "intranet")
    assert [each["name"] for each in run("portals", "list")["portals"]] == ["other"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("keys", "create", "x", "--right", "fly"), "fly"),
        (("keys", "create", "x", "--right", "ask", "--collection", "nope"), "nope"),
        (("keys", "revoke", "nope"), "nope"),
        (("grants", "set", "ada", "reader"), "user:NAME"),
        (("grants", "set", "user:ada", "king"), "king"),
        (("grants", "remove", "user:ada"), "user:ada"),
        (("portals", "create", "x", "--origin", "intranet", "--collection", "news"), "https://"),
        (("portals", "create", "x", "--origin", "https://a.example/b", "--collection", "news"),
         "without a path"),
        (("portals", "create", "x", "--origin", "https://a.example", "--collection", "nope"),
         "nope"),
        (("portals", "remove", "nope"), "nope"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(
    run: Callable[..., Any], arguments: tuple[str, ...], said: str
) -> None:
    """A right, role, origin, principal or name that is none is refused, and nothing is made."""
    assert said in run(*arguments, status=1)
    kind = arguments[0]
    assert run(kind, "list")[kind] == []


def test_a_public_key_that_es256_cannot_take_is_refused(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    """An RSA key, and what is no key, are refused when the portal is made."""
    where = ("--origin", "https://a.example", "--collection", "news", "--public-key")
    public = rsa.generate_private_key(65537, 2048).public_key()
    pem = tmp_path / "key.pem"
    pem.write_bytes(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    assert "P-256" in run("portals", "create", "x", *where, str(pem), status=1)
    pem.write_text("no key")
    assert "not PEM" in run("portals", "create", "x", *where, str(pem), status=1)
    missing = str(tmp_path / "none")
    assert "cannot be read" in run("portals", "create", "x", *where, missing, status=1)
