"""A portal whose users log in at the provider: what a login begins, and what ends it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.testclient import TestClient

from app.api.runtime import Runtime
from app.portals import PortalAdmin
from app.records.portals import Portal, PortalConfig
from tests.app.api.conftest import client_of
from tests.app.runtimes import SECRET, opened
from vectorstore.errors import SettingsError

ORIGIN = "https://portal.example"
OWN = "http://127.0.0.1"
PROVIDER = {"oidc_issuer": "https://id.example", "oidc_client_id": "citewell"}


@pytest.fixture
def runtime(tmp_path: Path) -> Iterator[Runtime]:
    """A service whose people log in, with the portal `club`."""
    settings = {"auth": "oidc", "secret": SECRET, "oidc_client_secret": "hush", **PROVIDER}
    with opened(tmp_path, **settings) as runtime:
        service = runtime.service()
        bridge, tunnel = service.ids_of(["bridge"]), service.ids_of(["tunnel"])
        config = PortalConfig(
            origins=(ORIGIN,), collections=bridge, groups={"build": tunnel}, has_login=True
        )
        service.records.portals.add("club", config)
        service.records.portals.add("hr", PortalConfig(origins=(ORIGIN,), collections=bridge))
        yield runtime


@pytest.fixture
def login(runtime: Runtime) -> str:
    """The token of Ada's web session."""
    return runtime.service().records.sessions.create("ada", ["build"], 3_000)


def begin(
    runtime: Runtime, login: str | None, origin: str | None = OWN, portal: str = "club"
) -> httpx.Response:
    """Ask for a session as the window to log in does."""
    headers = {"origin": origin} if origin else {}
    if login is not None:
        headers["cookie"] = f"citewell={login}"
    body = {"portal": portal, "login": True}
    return client_of(runtime).post("/api/v1/sessions", json=body, headers=headers)


def user_of(runtime: Runtime, begun: httpx.Response) -> TestClient:
    """Return what the frame fetches with."""
    assert begun.status_code == 201, begun.text
    client = client_of(runtime)
    client.headers.update(
        {"authorization": f"Bearer {begun.json()['access_token']}", "origin": OWN}
    )
    return client


def code_of(reply: httpx.Response) -> str:
    """Return which problem a reply tells of."""
    return str(reply.json()["type"]).removeprefix("urn:citewell:problem:")


def test_a_login_sees_what_its_groups_see(runtime: Runtime, login: str) -> None:
    """Its groups count as a token's would; it lasts no longer than the login."""
    begun = begin(runtime, login)
    client = user_of(runtime, begun)
    told = client.get("/api/v1/collections").json()["items"]
    assert sorted(each["name"] for each in told) == ["bridge", "tunnel"]
    assert 2_900 < begun.json()["expires_in"] <= 3_000
    assert begun.json()["user"] == begin(runtime, login).json()["user"]


def test_logging_out_ends_the_frames_session(runtime: Runtime, login: str) -> None:
    """What hangs on a login ends with it."""
    client = user_of(runtime, begin(runtime, login))
    runtime.service().records.sessions.end(login)
    assert code_of(client.get("/api/v1/collections")) == "session-ended"


def test_a_portal_without_logins_ends_them(runtime: Runtime, login: str) -> None:
    """Taking --login from a portal counts at the next request."""
    client = user_of(runtime, begin(runtime, login))
    config = PortalConfig(origins=(ORIGIN,), collections=())
    runtime.service().records.portals.replace("club", config)
    assert code_of(client.get("/api/v1/collections")) == "session-ended"


@pytest.mark.parametrize(
    ("chosen", "code"),
    [
        ({"origin": ORIGIN}, "token-origin"),
        ({"portal": "hr"}, "portal-unknown"),
        ({"portal": "nope"}, "portal-unknown"),
        ({"login": None}, "session-ended"),
        ({"login": "made-up"}, "session-ended"),
    ],
)
def test_nothing_else_begins_one(
    runtime: Runtime, login: str, chosen: dict[str, Any], code: str
) -> None:
    """It takes our own page, a portal with logins, and somebody who is logged in."""
    refused = begin(runtime, **{"login": login, **chosen})
    assert (refused.status_code, code_of(refused)) == (401, code)


def test_a_request_from_nowhere_begins_none(runtime: Runtime, login: str) -> None:
    """A browser's cookie alone, without our own page behind it, is refused."""
    assert begin(runtime, login, origin=None).status_code == 403


def test_a_portals_session_is_no_login(runtime: Runtime, login: str) -> None:
    """A session begun in a frame begins no other one."""
    inner = begin(runtime, login).json()["access_token"]
    assert code_of(begin(runtime, inner)) == "session-ended"


def test_a_backend_cannot_name_who_logs_in(runtime: Runtime, portal_token: str) -> None:
    """A token whose sub is written as a login's is refused: the two never meet."""
    client = client_of(runtime)
    reply = client.post("/api/v1/sessions", json={"token": portal_token})
    assert code_of(reply) == "token-invalid"


@pytest.fixture
def portal_token(runtime: Runtime) -> str:
    """What the portal's backend signs for `login:ada`."""
    club: Portal = runtime.service().records.portals.find("club")
    token = runtime.access.portals._tokens.sign(club, "login:ada", [], ORIGIN)
    assert token is not None
    return token


@pytest.mark.parametrize(("auth", "is_public"), [("keys", False), ("oidc", True)])
def test_a_portal_has_logins_only_where_there_are_any(
    tmp_path: Path, auth: str, is_public: bool
) -> None:
    """Without a provider, or with --public, the administrator is told."""
    more = {"oidc_client_secret": "hush", **PROVIDER} if auth == "oidc" else {}
    config = {
        "origins": [ORIGIN], "collections": [], "groups": {}, "is_public": is_public,
        "has_login": True, "welcome": "", "starters": [], "limit_user": None, "limit_portal": None,
    }  # fmt: skip
    with opened(tmp_path, auth=auth, secret=SECRET, **more) as runtime:
        admin = PortalAdmin(runtime.service())
        with pytest.raises(SettingsError, match="--login"):
            admin.add("club", config, None)


def test_the_window_to_log_in_keeps_its_opener(runtime: Runtime) -> None:
    """Its page is framed by nobody, and not cut off from the frame that opened it."""
    client = client_of(runtime)
    reply = client.get("/widget/login?portal=club")
    assert reply.status_code == 200
    assert reply.headers["cross-origin-opener-policy"] == "unsafe-none"
    assert "frame-ancestors 'none'" in reply.headers["content-security-policy"]
    for unknown in ("hr", "nope", "<script>"):
        refused = client.get("/widget/login", params={"portal": unknown})
        assert refused.status_code == 404
        assert "<script>" not in refused.text
