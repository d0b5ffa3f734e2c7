"""What a portal's page loads of us: the widget's module, and the page for its frames."""

from __future__ import annotations

import json
from base64 import b64encode
from hashlib import sha384
from html.parser import HTMLParser
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from app import widget
from app.records.portals import PortalConfig
from tests.app.api.conftest import Api, client_of

TEXT = b'// \xe2\x80\xa6\nexport const VERSION = "2.3.4";\n' + b"// padding\n" * 100
ORIGINS = ("https://portal.example", "https://second.example:8443")
NOWHERE = "https://anywhere.example"


@pytest.fixture(autouse=True)
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> bytes:
    """A module and a frame's script in place of the real ones."""
    (tmp_path / "widget").mkdir()
    (tmp_path / "widget" / widget.MODULE).write_bytes(TEXT)
    (tmp_path / "widget" / widget.FRAME).write_text("// frame")
    monkeypatch.setattr(widget, "FOLDER", tmp_path / "widget")
    return TEXT


@pytest.fixture
def public(api: Api) -> TestClient:
    """A page's way to the service, without a key; it has a portal `hr` and a public `lobby`."""
    portals = api.runtime.service().records.portals
    for name in ("hr", "lobby", "club"):
        config = PortalConfig(
            origins=ORIGINS, collections=(), is_public=name == "lobby", has_login=name == "club"
        )
        portals.add(name, config)
    return client_of(api.runtime)


@pytest.mark.parametrize(
    ("version", "kept"),
    [("2.3.4", "public, max-age=31536000, immutable"), ("2", "public, max-age=300")],
)
def test_any_page_loads_the_module(
    public: TestClient, module: bytes, version: str, kept: str
) -> None:
    """Under its version for ever, under its first number for minutes; readable everywhere."""
    for headers in ({"origin": NOWHERE}, {"origin": "null"}, {}):
        reply = public.get(f"/widget/{version}/citewell.js", headers=headers)
        assert (reply.status_code, reply.content) == (200, module)
        assert reply.headers["content-type"].startswith("text/javascript")
        assert reply.headers["cache-control"] == kept
        assert reply.headers["access-control-allow-origin"] == "*"
        assert reply.headers["cross-origin-resource-policy"] == "cross-origin"
        assert reply.headers["x-content-type-options"] == "nosniff"
        assert "set-cookie" not in reply.headers
    assert public.head(f"/widget/{version}/citewell.js").headers["cache-control"] == kept


def test_the_module_is_sent_small_where_it_can_be(public: TestClient) -> None:
    """It is compressed exactly for those who say that they read it, and cached apart."""
    url = "/widget/2.3.4/citewell.js"
    for accepted, is_small in (
        ("gzip, br", True), ("*", True), ("GZIP;q=0.5", True), ("br, gzip;q=0", False),
        ("identity", False), ("", False),
    ):  # fmt: skip
        reply = public.get(url, headers={"accept-encoding": accepted})
        assert (reply.headers.get("content-encoding") == "gzip") == is_small, accepted
        assert reply.content == TEXT
        assert reply.headers["vary"] == "Accept-Encoding"
    small = public.get(url, headers={"accept-encoding": "gzip"}).headers["content-length"]
    assert int(small) < len(TEXT) / 2


def test_an_unchanged_module_is_not_sent_again(public: TestClient) -> None:
    """Who has the module of this ETag is told so."""
    first = public.get("/widget/2/citewell.js")
    again = public.get("/widget/2/citewell.js", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize("version", ["1", "1.0.0", "2.3", "2.3.40", "latest"])
def test_another_version_is_not_there(public: TestClient, version: str) -> None:
    """A page never gets another module than it names; the reply says which there is."""
    reply = public.get(f"/widget/{version}/citewell.js")
    assert reply.status_code == 404
    assert "2.3.4" in reply.json()["detail"]


def test_foreign_pages_load_and_nothing_else(public: TestClient) -> None:
    """Any origin reads the module, but writes nothing and reads no API with it."""
    origin = {"origin": NOWHERE}
    assert public.post("/widget/2/citewell.js", headers=origin).status_code == 403
    assert public.get("/widgets", headers=origin).status_code == 403
    assert public.get("/api/v1/collections", headers=origin).status_code == 403
    foreign = {"host": "evil.example"}
    assert public.get("/widget/2/citewell.js", headers=foreign).status_code == 403


def test_nobody_has_to_be_known(public: TestClient) -> None:
    """What a key or a session would be refused for elsewhere does not matter here."""
    headers = {"authorization": "Bearer cw_revoked"}
    assert public.get("/widget/2/citewell.js", headers=headers).status_code == 200
    assert public.get("/widget/frame?portal=hr", headers=headers).status_code == 200


class Elements(HTMLParser):
    """The elements of a page, each with its attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep an element."""
        self.found.append((tag, dict(attrs)))

    def named(self, tag: str) -> list[dict[str, str | None]]:
        """Return the attributes of the elements of one name."""
        return [attributes for name, attributes in self.found if name == tag]


def policy_of(header: str) -> dict[str, str]:
    """Return a Content-Security-Policy by its directives."""
    return {part.split()[0]: " ".join(part.split()[1:]) for part in header.split("; ")}


def test_a_frame_is_shown_by_its_portal_only(public: TestClient) -> None:
    """The portal's origins may frame the page, which runs our scripts and nothing inline."""
    reply = public.get("/widget/frame?portal=hr")
    policy = policy_of(reply.headers["content-security-policy"])
    assert policy["frame-ancestors"] == " ".join(ORIGINS)
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["connect-src"] == "'self'"
    assert policy["require-trusted-types-for"] == "'script'"
    assert "unsafe" not in reply.headers["content-security-policy"]
    assert "x-frame-options" not in reply.headers, "it cannot list origins"
    assert reply.headers["cache-control"] == "no-store"
    assert "style" not in [tag for tag, _ in Elements(reply.text).found]


def test_other_pages_are_framed_by_nobody(public: TestClient) -> None:
    """Every other reply says so in both ways, that of an unknown portal too."""
    for path in ("/widget/frame?portal=nope", "/widget/2/citewell.js", "/api/v1/openapi.json"):
        reply = public.get(path)
        assert reply.headers["x-frame-options"] == "DENY"
        assert "frame-ancestors 'none'" in reply.headers["content-security-policy"]


@pytest.mark.parametrize(
    ("portal", "access"), [("hr", "token"), ("lobby", "public"), ("club", "login")]
)
def test_a_frame_holds_the_element(public: TestClient, portal: str, access: str) -> None:
    """The page has the element for its portal, and its script is told whom to ask for a token."""
    elements = Elements(public.get(f"/widget/frame?portal={portal}").text)
    (element,) = elements.named("citewell-chat")
    assert (element["portal"], element["mode"], "frame" in element) == (portal, "panel", True)
    module, frame = elements.named("script")
    assert (module["src"], frame["src"]) == ("2.3.4/citewell.js", "frame.js")
    assert json.loads(frame["data-origins"] or "") == list(ORIGINS)
    assert frame["data-access"] == access
    for script in (module, frame):
        assert public.get(f"/widget/{script['src']}").status_code == 200


@pytest.mark.parametrize("query", ["", "?portal=", "?portal=nope", "?portal=%3Cscript%3Ex"])
def test_an_unknown_portals_frame_says_so(public: TestClient, query: str) -> None:
    """A person is told in words, and what the address says is text there."""
    reply = public.get(f"/widget/frame{query}")
    assert (reply.status_code, reply.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert "There is no such portal" in reply.text
    assert "<script>" not in reply.text


def test_a_module_without_a_version_is_told(
    public: TestClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A broken installation answers with what is wrong, not with a failure."""
    (tmp_path / "other").mkdir()
    monkeypatch.setattr(widget, "FOLDER", tmp_path / "other")
    missing = public.get("/widget/2/citewell.js")
    (tmp_path / "other" / widget.MODULE).write_text("// no version")
    nameless = public.get("/widget/2/citewell.js")
    assert [reply.status_code for reply in (missing, nameless)] == [503, 503]
    assert "Install" in missing.json()["detail"]
    assert "VERSION" in nameless.json()["detail"]


# -- the snippet -----------------------------------------------------------------------------


def test_a_snippet_names_the_module_and_what_it_must_be(module: bytes) -> None:
    """The address has the version, the integrity is that of the bytes, values are escaped."""
    loaded = widget.load_module()
    html = widget.snippet("https://chat.example/ask", loaded, {"portal": "hr", "label": '"&<'})
    elements = Elements(html)
    assert elements.named("script") == [
        {
            "type": "module",
            "src": "https://chat.example/ask/widget/2.3.4/citewell.js",
            "integrity": f"sha384-{b64encode(sha384(module).digest()).decode()}",
            "crossorigin": "anonymous",
            "nonce": "{{nonce}}",
        }
    ]
    assert elements.named("citewell-chat") == [{"portal": "hr", "label": '"&<'}]


def test_a_floating_snippet_has_no_integrity() -> None:
    """What changes under one address cannot be pinned."""
    html = widget.snippet("https://chat.example", widget.load_module(), {}, is_floating=True)
    (script,) = Elements(html).named("script")
    assert script["src"] == "https://chat.example/widget/2/citewell.js"
    assert "integrity" not in script
