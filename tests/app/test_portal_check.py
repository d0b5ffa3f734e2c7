"""`citewell portals check` finds what keeps the widget from working, and names what to do."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from app import widget
from app.api.portal_tokens import PortalTokens
from app.portal_check import Finding, Service, check_portal
from app.records.portals import PortalConfig
from app.records.records import Records
from app.settings import Settings
from tests.app.live import served
from tests.app.runtimes import SECRET

RunCitewell = Callable[..., "subprocess.CompletedProcess[str]"]
COOKIE = "session=ada"


@dataclass
class Site:
    """A portal beside a service's module; a test changes what they answer."""

    service: str = ""
    portal: str = ""
    sign: Callable[[], str] = lambda: ""
    module: widget.Module = field(default_factory=widget.load_module)
    module_headers: dict[str, str] = field(
        default_factory=lambda: {"access-control-allow-origin": "*"}
    )
    module_text: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)
    script: dict[str, str] = field(default_factory=dict)
    element: str = '<citewell-chat portal="hr" token-url="/token"></citewell-chat>'
    html: str | None = None
    needs_login: bool = False
    token: Callable[[], Response] | None = None

    def read_module(self, request: Request) -> Response:
        """Answer with the module."""
        text = self.module_text or self.module.text
        return Response(text, headers=self.module_headers, media_type="text/javascript")

    def read_page(self, request: Request) -> Response:
        """Answer with the portal's page."""
        if self.needs_login and request.headers.get("cookie") != COOKIE:
            return RedirectResponse("/login", 303)
        stated = {
            "type": "module",
            "src": f"{self.service}/widget/2.3.4/citewell.js",
            "integrity": self.module.integrity,
            "crossorigin": "anonymous",
            "nonce": "n0nce",
            **self.script,
        }
        attributes = " ".join(f'{name}="{value}"' for name, value in stated.items() if value)
        html = self.html or f"<script {attributes}></script>{self.element}"
        return HTMLResponse(f"<!doctype html><title>HR</title>{html}", headers=self.headers)

    def read_login(self, _: Request) -> Response:
        """Answer with the page that asks who it is."""
        return HTMLResponse("<!doctype html><form></form>")

    def give_token(self, request: Request) -> Response:
        """Answer with a token, for whoever is logged in on the portal's page."""
        if self.token is not None:
            return self.token()
        if request.headers.get("cookie") != COOKIE:
            return JSONResponse({}, status_code=401)
        assert request.headers["origin"] == self.portal
        return JSONResponse({"token": self.sign()}, headers={"cache-control": "no-store"})


@pytest.fixture
def records(tmp_path: Path) -> Iterator[Records]:
    """Empty records."""
    opened = Records(tmp_path / "catalogue.sqlite3")
    yield opened
    opened.close()


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A portal where all is right."""
    (tmp_path / "widget").mkdir()
    (tmp_path / "widget" / widget.MODULE).write_text('export const VERSION = "2.3.4";\n')
    monkeypatch.setattr(widget, "FOLDER", tmp_path / "widget")
    made = Site()
    module = Starlette(routes=[Route("/widget/{version}/citewell.js", made.read_module)])
    pages = Starlette(
        routes=[
            Route("/", made.read_page),
            Route("/login", made.read_login),
            Route("/token", made.give_token, methods=["POST"]),
        ]
    )
    with served(module) as made.service, served(pages) as made.portal:
        allowed = f"script-src 'nonce-n0nce'; connect-src 'self' {made.service}"
        made.headers = {"content-security-policy": allowed}
        yield made


@pytest.fixture
def check(site: Site, records: Records) -> Callable[..., dict[str, Finding]]:
    """Check the portal's page against what the service knows; returns findings by name."""
    settings = Settings(auth="keys", secret=SECRET, public_url=site.service)
    config = PortalConfig(origins=(site.portal,), collections=())
    portal = records.portals.add("hr", config)
    other = records.portals.add(
        "other", PortalConfig(origins=("https://x.example",), collections=())
    )
    tokens = PortalTokens(settings)
    site.sign = lambda: tokens.sign(portal, "ada", [], site.portal) or ""
    site.sign_other = lambda: tokens.sign(other, "ada", [], "https://x.example") or ""  # type: ignore[attr-defined]

    def read_token(token: str) -> dict[str, Any]:
        try:
            claims = tokens.read(token, records)
        except Exception as exc:
            return {"error": str(exc)}
        return {"portal": claims.portal.name, "origin": claims.origin}

    def run(path: str = "/", **options: Any) -> dict[str, Finding]:  # noqa: ANN401
        facts = {
            "auth": "keys",
            "base": site.service,
            "origin": site.service,
            "module_url": f"{site.service}/widget/2.3.4/citewell.js",
            "floating_url": f"{site.service}/widget/2/citewell.js",
            "integrity": site.module.integrity,
            "portals": [
                {"name": "hr", "origins": [site.portal], "is_public": False},
                {"name": "lobby", "origins": ["https://lobby.example"], "is_public": True},
            ],
            **options.pop("facts", {}),
        }
        found = check_portal(site.portal + path, Service(facts, read_token), **options)
        return {finding.check: finding for finding in found}

    return run


def wrong(found: dict[str, Finding]) -> dict[str, str]:
    """Return what is wrong."""
    return {name: each.detail for name, each in found.items() if each.state == "wrong"}


def test_all_is_well(check: Callable[..., dict[str, Finding]]) -> None:
    """A page with the snippet, its policy and a working endpoint passes every check."""
    found = check(cookie=COOKIE)
    assert {name: each.state for name, each in found.items()} == dict.fromkeys(
        ("service", "page", "clock", "origin", "snippet", "script-src", "connect-src", "token"),
        "ok",
    )


def test_without_a_login_the_token_is_not_looked_at(
    check: Callable[..., dict[str, Finding]],
) -> None:
    """401 is what the endpoint should answer; it is said, and nothing is wrong."""
    found = check()
    assert not wrong(found)
    assert found["token"].state == "not checked"
    assert "401" in found["token"].detail


def test_a_page_behind_a_login_is_not_blamed(
    site: Site, check: Callable[..., dict[str, Finding]]
) -> None:
    """The login's page has no snippet; with the cookie the page itself is looked at."""
    site.needs_login = True
    found = check()
    assert "/login" in found["page"].detail
    assert found["snippet"].state == "not checked"
    assert "--cookie" in found["snippet"].detail
    assert check(cookie=COOKIE)["snippet"].state == "ok"


@pytest.mark.parametrize(
    ("change", "check_name", "said"),
    [
        ({"module_text": b"// other"}, "service", "is not the module"),
        ({"module_headers": {}}, "service", "Access-Control-Allow-Origin"),
        ({"html": "<p>nothing</p>"}, "snippet", "no module"),
        ({"element": ""}, "snippet", "no <citewell-chat>"),
        ({"script": {"integrity": "sha384-other"}}, "snippet", "sha384-other"),
        ({"script": {"type": ""}}, "snippet", 'type="module"'),
        ({"script": {"crossorigin": ""}}, "snippet", "crossorigin"),
        ({"script": {"src": "https://elsewhere.example/citewell.js"}}, "snippet", "elsewhere"),
        ({"headers": {"content-security-policy": "script-src 'self'"}}, "script-src", "'self'"),
        ({"headers": {"content-security-policy": "default-src 'self'"}}, "connect-src", "Add http"),
        ({"element": '<citewell-chat portal="nope"></citewell-chat>'}, "portal", "nope"),
        ({"element": '<citewell-chat portal="lobby"></citewell-chat>'}, "origin", "--replace"),
        (
            {"html": '<iframe src="https://elsewhere.example/widget/frame?portal=hr"></iframe>'},
            "snippet",
            "elsewhere",
        ),
    ],
)
def test_what_is_wrong_is_found(
    site: Site,
    check: Callable[..., dict[str, Finding]],
    change: dict[str, Any],
    check_name: str,
    said: str,
) -> None:
    """Each mistake is found under its own name, with the value that is wrong or what to do."""
    for name, value in change.items():
        setattr(site, name, value)
    assert said in wrong(check(cookie=COOKIE))[check_name]


@pytest.mark.parametrize(
    ("apart", "state", "said"),
    [(300, "wrong", "300 seconds behind"), (-300, "wrong", "ahead of"), (20, "ok", "within 30")],
)
def test_clocks_that_differ_are_told(
    check: Callable[..., dict[str, Finding]],
    monkeypatch: pytest.MonkeyPatch,
    apart: float,
    state: str,
    said: str,
) -> None:
    """Half a minute is allowed, more is wrong; which clock is behind is said."""
    ours = SimpleNamespace(time=lambda: time.time() + apart)
    monkeypatch.setattr("app.portal_check.time", ours)
    found = check()["clock"]
    assert found.state == state
    assert said in re.sub(r"\b(299|301)\b", "300", found.detail)


def test_a_meta_policy_counts_too(site: Site, check: Callable[..., dict[str, Finding]]) -> None:
    """What the page's own HTML forbids is found, whatever the header allows."""
    meta = '<meta http-equiv="Content-Security-Policy" content="connect-src \'self\'">'
    site.element = meta + site.element
    assert "connect-src 'self'" in wrong(check())["connect-src"]


def test_a_frame_needs_frame_src_only(site: Site, check: Callable[..., dict[str, Finding]]) -> None:
    """For a page that frames us nothing else of its policy matters."""
    site.html = f'<iframe src="{site.service}/widget/frame?portal=hr"></iframe>'
    site.headers = {"content-security-policy": f"default-src 'none'; frame-src {site.service}"}
    found = check()
    assert (found["snippet"].state, found["frame-src"].state) == ("ok", "ok")
    assert "connect-src" not in found
    site.headers = {"content-security-policy": "default-src 'none'"}
    assert "frame-src" in wrong(check())


def test_a_page_that_cannot_be_loaded_is_told(
    site: Site, check: Callable[..., dict[str, Finding]]
) -> None:
    """An address that answers nothing, or not with a page, is wrong by itself."""
    assert "404" in wrong(check("/nothing"))["page"]
    site.portal = "http://127.0.0.1:1"
    assert "cannot be loaded" in wrong(check())["page"]
    gone = {"module_url": "http://127.0.0.1:1/widget/2.3.4/citewell.js", "auth": "none"}
    assert "CITEWELL_PUBLIC_URL" in wrong(check(facts=gone))["service"]


NO_STORE = {"cache-control": "no-store"}


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda site: JSONResponse({"token": site.sign()}), "no-store"),
        (lambda site: JSONResponse({"jwt": "x"}, headers=NO_STORE), '{"token"'),
        (lambda site: JSONResponse(["x"], headers=NO_STORE), '{"token"'),
        (lambda site: HTMLResponse("<p>", headers=NO_STORE), '{"token"'),
        (lambda site: RedirectResponse("/login", 303), "303"),
        (lambda site: JSONResponse({}, status_code=405), "405"),
        (lambda site: JSONResponse({"token": "a.b.c"}, headers=NO_STORE), "refused"),
        (lambda site: JSONResponse({"token": site.sign_other()}, headers=NO_STORE), "x.example"),
    ],
)
def test_a_wrong_token_endpoint_is_told(
    site: Site,
    check: Callable[..., dict[str, Finding]],
    answer: Callable[[Any], Response],
    said: str,
) -> None:
    """No JSON, no token, a cacheable one, or one that we refuse: each is named."""
    site.token = lambda: answer(site)
    assert said in wrong(check(cookie=COOKIE))["token"]


def test_a_token_comes_from_the_pages_own_origin(
    check: Callable[..., dict[str, Finding]],
) -> None:
    """Another origin's endpoint is not even asked."""
    found = check(cookie=COOKIE, token_url="https://elsewhere.example/t")  # noqa: S106 (an address)
    assert "own origin" in wrong(found)["token"]


def test_looking_at_a_token_does_not_use_it_up(
    site: Site, check: Callable[..., dict[str, Finding]]
) -> None:
    """The same token passes twice: only an exchange spends it."""
    token = site.sign()
    site.token = lambda: JSONResponse({"token": token}, headers=NO_STORE)
    assert [check(cookie=COOKIE)["token"].state for _ in range(2)] == ["ok", "ok"]


def test_the_cookie_goes_to_the_portal_only(
    site: Site, check: Callable[..., dict[str, Finding]]
) -> None:
    """A redirect to another origin is followed without it, and the service never gets it."""
    sent: list[str | None] = []

    def note(request: Request) -> Response:
        sent.append(request.headers.get("cookie"))
        return HTMLResponse("<p>")

    with served(Starlette(routes=[Route("/", note)])) as elsewhere:
        site.headers |= {"location": f"{elsewhere}/"}
        site.read_page = lambda _: RedirectResponse(f"{elsewhere}/", 303)  # type: ignore[method-assign]
        away = Starlette(routes=[Route("/", site.read_page)])
        with served(away) as site.portal:
            check(cookie=COOKIE)
    assert sent == [None]


def test_the_command_prints_a_line_a_check(
    citewell: RunCitewell, site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each line begins with its state; the exit status tells whether anything is wrong."""
    monkeypatch.setenv("CITEWELL_SECRET", SECRET)
    monkeypatch.setenv("CITEWELL_AUTH", "keys")
    monkeypatch.setenv("CITEWELL_PUBLIC_URL", site.service)
    data = tmp_path / "data"
    added = citewell(data, "portals", "add", "hr", "--origin", site.portal)
    assert added.returncode == 0, added.stderr

    def sign() -> str:
        signed = citewell(data, "widget", "token", "--portal", "hr", "--sub", "ada")
        return signed.stdout.strip()

    token = sign()
    site.token = lambda: JSONResponse({"token": token}, headers=NO_STORE)
    good = citewell(data, "portals", "check", f"{site.portal}/")
    assert good.returncode == 0, good.stdout + good.stderr
    assert {line.split("  ")[0] for line in good.stdout.splitlines()} == {"ok"}
    site.element = ""
    bad = citewell(data, "portals", "check", f"{site.portal}/", "--portal", "hr", "--json")
    assert bad.returncode == 1
    states = {each["check"]: each["state"] for each in json.loads(bad.stdout)["checks"]}
    assert (states["snippet"], states["origin"]) == ("wrong", "ok")
    assert citewell(data, "portals", "check", "portal.example").returncode == 1
