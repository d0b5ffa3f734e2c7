"""Portals and what their pages paste, from the terminal."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from app import widget

RunCitewell = Callable[..., "subprocess.CompletedProcess[str]"]
WHERE = ("--origin", "https://intranet.example", "--collection", "news")


@pytest.fixture
def run(
    citewell: RunCitewell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Any]:
    """Run a command with --json on a data folder with two collections."""
    monkeypatch.setenv("CITEWELL_SECRET", "s" * 32)
    monkeypatch.setenv("CITEWELL_PUBLIC_URL", "https://chat.example/ask/")

    def run_json(*arguments: str, status: int = 0, as_json: bool = True) -> Any:  # noqa: ANN401
        done = citewell(tmp_path / "data", *arguments, *(["--json"] if as_json else []))
        assert done.returncode == status, done.stderr
        if status:
            return done.stderr
        return json.loads(done.stdout) if as_json else done.stdout

    for name in ("news", "secrets"):
        run_json("collections", "create", name)
    return run_json


@pytest.fixture
def key(tmp_path: Path) -> Callable[[Any], str]:
    """Write a key's public half as PEM; returns the file's path."""

    def write(private: Any) -> str:  # noqa: ANN401 (of any kind)
        pem = tmp_path / "key.pem"
        spki = PublicFormat.SubjectPublicKeyInfo
        pem.write_bytes(private.public_key().public_bytes(Encoding.PEM, spki))
        return str(pem)

    return write


def test_a_portal_is_added_with_a_secret_or_a_key(
    run: Callable[..., Any], key: Callable[[Any], str]
) -> None:
    """Without a public key the derived secret is printed; with one there is none."""
    made = run("portals", "add", "intranet", *WHERE)
    assert (made["keys"][0]["algorithm"], len(made["secret"])) == ("HS256", 64)
    pem = key(ec.generate_private_key(ec.SECP256R1()))
    made = run("portals", "add", "other", *WHERE, "--public-key", pem)
    assert (made["keys"][0]["algorithm"], made["secret"]) == ("ES256", None)
    assert len(run("portals", "list")["portals"]) == 2
    run("portals", "remove", "intranet")
    assert [each["name"] for each in run("portals", "list")["portals"]] == ["other"]


def test_a_portal_is_shown_as_it_was_configured(run: Callable[..., Any]) -> None:
    """Origins as browsers write them, groups, texts and limits; the secret is not told again."""
    made = run(
        "portals", "add", "hr", "--origin", "HTTPS://Intranet.example:443",
        "--origin", "http://localhost:8000", "--collection", "news",
        "--group", "cn=staff=secrets", "--public", "--welcome", "Ask HR.", "--starter", "When?",
        "--limit-user", "5/minute", "--limit-portal", "50/hour",
    )  # fmt: skip
    shown = run("portals", "show", "hr")
    assert shown == {name: made[name] for name in shown}
    assert "secret" not in shown
    assert shown["origins"] == ["https://intranet.example", "http://localhost:8000"]
    assert shown["groups"] == {"cn=staff": ["secrets"]}
    told = run("portals", "show", "hr", as_json=False)
    for part in ("cn=staff sees besides: secrets", "Ask HR.", "When?", "5/minute", "50/hour"):
        assert part in told
    assert made["secret"] not in told


def test_a_portal_is_changed_in_place(run: Callable[..., Any]) -> None:
    """--replace gives it another config under the same id and keys; without it a name is taken."""
    made = run("portals", "add", "hr", *WHERE, "--welcome", "Ask HR.")
    assert "already" in run("portals", "add", "hr", *WHERE, status=1)
    changed = run(
        "portals", "add", "hr", "--origin", "https://b.example", "--collection", "secrets",
        "--replace",
    )  # fmt: skip
    assert (changed["id"], changed["keys"]) == (made["id"], made["keys"])
    assert (changed["collections"], changed["welcome"]) == (["secrets"], "")
    actions = [entry["action"] for entry in run("audit")["entries"]]
    assert actions == ["replace portal", "add portal"]


def test_a_key_is_rotated_with_an_overlap(
    run: Callable[..., Any], key: Callable[[Any], str]
) -> None:
    """The new key's secret is printed, the old key ends a day later; at once if asked to."""
    old = run("portals", "add", "hr", *WHERE)
    new = run("portals", "rotate", "hr")
    assert new["secret"] not in (None, old["secret"])
    ends = [each["expires"] for each in run("portals", "show", "hr")["keys"]]
    tomorrow = time.strftime("%Y-%m-%dT%H", time.gmtime(time.time() + 24 * 3600))
    assert (ends[0][:13], ends[1]) == (tomorrow, None)
    pem = key(ec.generate_private_key(ec.SECP256R1()))
    only = run("portals", "rotate", "hr", "--public-key", pem, "--overlap-hours", "0")
    assert [each["algorithm"] for each in only["keys"]] == ["ES256"]
    assert "--public-key" in run("portals", "rotate", "hr", status=1)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("x", "--origin", "intranet", "--collection", "news"), "https://"),
        (("x", "--origin", "https://a.example/b", "--collection", "news"), "without a path"),
        (("x", "--origin", "https://a.example;b", "--collection", "news"), "a.example;b"),
        (("x", "--origin", "https://a.example 'unsafe-inline'", "--collection", "news"), "unsafe"),
        (("x", "--origin", "https://*.example", "--collection", "news"), "*.example"),
        (("x", "--origin", "https://bücher.example", "--collection", "news"), "xn--"),
        (("x", "--origin", "https://a.example", "--collection", "nope"), "nope"),
        (("x", *WHERE, "--group", "staff"), "GROUP=COLLECTION"),
        (("x", *WHERE, "--group", "staff=nope"), "nope"),
        (("x", *WHERE, "--limit-user", "often"), "often"),
        (("x", *WHERE, "--welcome", "x" * 501), "500"),
        (("x", *WHERE, "--starter", " "), "begin with"),
        (("a b", *WHERE), "a b"),
        (("a/b", *WHERE), "a/b"),
    ],
)
def test_what_is_wrong_is_named(
    run: Callable[..., Any], arguments: tuple[str, ...], said: str
) -> None:
    """A name, origin, group, limit or text that is none is refused, and nothing is added."""
    assert said in run("portals", "add", *arguments, status=1)
    assert run("portals", "list")["portals"] == []


@pytest.mark.parametrize("command", ["show", "rotate", "remove"])
def test_an_unknown_portal_is_named(run: Callable[..., Any], command: str) -> None:
    """The name that is nobody's is told, and how to see those there are."""
    said = run("portals", command, "nope", status=1)
    assert "nope" in said
    assert "citewell portals list" in said


def test_a_public_key_that_es256_cannot_take_is_refused(
    run: Callable[..., Any], key: Callable[[Any], str], tmp_path: Path
) -> None:
    """An RSA key, and what is no key, are refused when the portal is added."""
    pem = key(rsa.generate_private_key(65537, 2048))
    add = ("portals", "add", "x", *WHERE, "--public-key")
    assert "P-256" in run(*add, pem, status=1)
    Path(pem).write_text("no key")
    assert "not PEM" in run(*add, pem, status=1)
    assert "cannot be read" in run(*add, str(tmp_path / "none"), status=1)


# -- what a page pastes ----------------------------------------------------------------------


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> widget.Module:
    """A module in place of the real one."""
    (tmp_path / "widget").mkdir()
    (tmp_path / "widget" / widget.MODULE).write_text('export const VERSION = "2.3.4";\n')
    monkeypatch.setattr(widget, "FOLDER", tmp_path / "widget")
    return widget.load_module()


def test_a_snippet_is_ready_to_paste(run: Callable[..., Any], module: widget.Module) -> None:
    """It has our public address, the integrity, the portal and where its token comes from."""
    run("portals", "add", "hr", *WHERE)
    printed = run(
        "widget", "snippet", "--portal", "hr", "--label", "Ask HR", "--mode", "panel",
        "--token-url", "/token", as_json=False,
    )  # fmt: skip
    assert printed == (
        '<script type="module" src="https://chat.example/ask/widget/2.3.4/citewell.js" '
        f'integrity="{module.integrity}" crossorigin="anonymous" nonce="{{{{nonce}}}}"></script>\n'
        '<citewell-chat portal="hr" label="Ask HR" mode="panel" token-url="/token">'
        "</citewell-chat>\n"
    )


def test_a_public_portals_snippet_has_no_token_url(
    run: Callable[..., Any], module: widget.Module
) -> None:
    """Where nobody signs anything, nothing is asked for; a floating one has no integrity."""
    run("portals", "add", "lobby", *WHERE, "--public")
    printed = run("widget", "snippet", "--portal", "lobby", "--floating")["snippet"]
    assert "token-url" not in printed
    assert "integrity" not in printed
    assert "nope" in run("widget", "snippet", "--portal", "nope", status=1)


def test_a_test_token_is_what_the_backend_would_sign(run: Callable[..., Any]) -> None:
    """It is signed with the printed secret and states what was asked for; the audit knows."""
    made = run("portals", "add", "hr", *WHERE)
    token = run(
        "widget", "token", "--portal", "hr", "--sub", "ada", "--group", "staff", as_json=False
    ).strip()
    claims = jwt.decode(token, made["secret"], ["HS256"], audience="https://chat.example")
    assert jwt.get_unverified_header(token)["kid"] == made["kid"]
    assert (claims["iss"], claims["portal"], claims["sub"]) == ("hr", "hr", "ada")
    assert (claims["groups"], claims["origin"]) == (["staff"], "https://intranet.example")
    assert claims["exp"] - claims["iat"] == 60
    assert run("audit")["entries"][0]["target"] == "hr/ada"
    other = run(
        "widget", "token", "--portal", "hr", "--sub", "ada", "--origin", "https://b.example"
    )
    assert jwt.decode(other["token"], options={"verify_signature": False})["origin"] == (
        "https://b.example"
    )


def test_nobody_signs_for_a_portal_with_its_own_key(
    run: Callable[..., Any], key: Callable[[Any], str]
) -> None:
    """We hold no private key of a portal's, and say so."""
    pem = key(ec.generate_private_key(ec.SECP256R1()))
    run("portals", "add", "hr", *WHERE, "--public-key", pem)
    assert "ES256" in run("widget", "token", "--portal", "hr", "--sub", "ada", status=1)
