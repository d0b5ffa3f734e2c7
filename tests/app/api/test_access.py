"""Who makes a request: keys, portals, sessions, proxies, and everything that only looks like it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import HTTPConnection

from app.api.access import Access
from app.identity import LOCAL, NOBODY, Identity
from app.records.portals import PortalConfig
from app.records.records import Records
from app.settings import Settings
from tests.app.runtimes import SECRET
from vectorstore.errors import ForbiddenError, UnauthenticatedError

SITE = "https://portal.example"
PROXY = {"proxy_addresses": ["10.1.0.0/16", "fd00::/8"], "proxy_secret": "öffne dich"}
KNOCK = "öffne dich".encode().decode("latin-1")  # as a header's bytes are read


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Records]:
    """Empty records, which the tests of this file share."""
    opened = Records(tmp_path_factory.mktemp("records") / "catalogue.sqlite3")
    yield opened
    opened.close()


def access(records: Records, auth: str = "keys", **settings: Any) -> Access:  # noqa: ANN401
    """Return the access of a service of some kind."""
    more = {"oidc": {"oidc_issuer": "https://id.example", "oidc_client_id": "c"}, "proxy": PROXY}
    chosen = {"auth": auth, "secret": SECRET, **more.get(auth, {}), **settings}
    return Access(Settings(**chosen), lambda: records)


def request(
    headers: dict[str, str] | list[tuple[str, str]], client: str = "192.0.2.9"
) -> HTTPConnection:
    """Return a request with headers, from an address."""
    pairs = headers.items() if isinstance(headers, dict) else headers
    raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in pairs]
    return HTTPConnection(
        {"type": "http", "headers": raw, "client": (client, 5), "path": "/", "query_string": b""}
    )


def bearer(token: str, **headers: str) -> HTTPConnection:
    """Return a request that presents a token."""
    return request({"authorization": f"Bearer {token}", **headers})


# -- keys ------------------------------------------------------------------------------------


def test_a_key_gives_its_rights_in_its_collections(records: Records) -> None:
    """A key's identity has exactly what it was made with, and is a subject of its own."""
    key, secret = records.keys.create("bot", ["ask", "ingest"], ["c1", "c2"])
    found = access(records).identify(bearer(secret))
    assert found == Identity(f"key:{key.id}", {"ask": ("c1", "c2"), "ingest": ("c1", "c2")})
    with pytest.raises(ForbiddenError, match="right to search"):
        found.need("search")
    _, everywhere = records.keys.create("all", ["search"])
    assert access(records).identify(bearer(everywhere)).rights == {"search": None}


def test_a_revoked_or_expired_key_ends_at_once(records: Records) -> None:
    """From the next request on a key that was revoked, or whose time is over, is unknown."""
    who = access(records)
    key, secret = records.keys.create("short", ["ask"], expires=time.time() + 60)
    assert who.identify(bearer(secret)).subject == f"key:{key.id}"
    records.keys.revoke(key.id)
    for gone in (secret, records.keys.create("old", ["ask"], expires=time.time())[1]):
        with pytest.raises(UnauthenticatedError, match=r"revoked or has expired"):
            who.identify(bearer(gone))


@given(st.text(alphabet=st.characters(max_codepoint=255), max_size=40))
def test_no_authorization_breaks_anything(records: Records, text: str) -> None:
    """Whatever the header says, it is refused or, where it is empty, makes nobody."""
    for header in (text, f"Bearer {text}", f"bearer  cw_{text}"):
        try:
            found = access(records).identify(request({"authorization": header}))
        except UnauthenticatedError:
            continue
        assert (found, header) == (NOBODY, "")


@pytest.mark.parametrize("header", ["Bearer", "Bearer ", "Basic YTpi", "cw_x", "Bearer: cw_x"])
def test_what_is_no_bearer_token_is_told(records: Records, header: str) -> None:
    """Another scheme, or none, is refused rather than passed over."""
    with pytest.raises(UnauthenticatedError, match="Bearer TOKEN"):
        access(records).identify(request({"authorization": header}))


def test_without_authentication_everybody_is_local(records: Records) -> None:
    """Neither headers nor cookies matter then."""
    for headers in ({}, {"authorization": "Basic x"}, {"x-citewell-user": "ada"}):
        assert Access(Settings(), lambda: records).identify(request(headers)) is LOCAL


# -- sessions --------------------------------------------------------------------------------


def test_a_session_is_a_person_with_their_grants(records: Records) -> None:
    """A cookie's session gives what the person, their groups and everybody are granted."""
    who = access(records, "oidc")
    token = records.sessions.create("ada", ["press"], 60)
    cookie = request({"cookie": f"citewell={token}"})
    assert who.identify(cookie) == Identity("user:ada", {})
    records.grants.set("group:press", "reader", ["c1"])
    records.grants.set("*", "reader", ["c0"])
    records.grants.set("user:press", "admin")
    assert sorted(who.identify(cookie).need("ask") or ()) == ["c0", "c1"]
    records.grants.remove("*")
    assert who.identify(cookie).need("ask") == ("c1",)
    records.sessions.end(token)
    assert who.identify(cookie) is NOBODY
    assert who.identify(request({})) is NOBODY


def test_a_session_ends_with_its_time(records: Records) -> None:
    """A session whose hours are over is nobody's."""
    token = records.sessions.create("ada", [], -1)
    assert access(records, "oidc").identify(request({"cookie": f"citewell={token}"})) is NOBODY


def test_a_cookie_counts_only_where_people_log_in(records: Records) -> None:
    """A session left from another time, or under the other cookie's name, opens nothing."""
    token = records.sessions.create("ada", [], 60)
    cookie = request({"cookie": f"citewell={token}; __Host-citewell=x"})
    assert access(records, "oidc").identify(cookie).subject == "user:ada"
    assert access(records, "oidc", public_url="https://a.example").identify(cookie) is NOBODY
    for auth in ("keys", "proxy"):
        assert access(records, auth).identify(cookie) is NOBODY


def test_sessions_do_not_change_their_kind(records: Records) -> None:
    """A portal's token is no cookie of the chat, and the chat's cookie is no Bearer token."""
    portal = records.portals.add("kinds", PortalConfig(origins=(SITE,), collections=("c1",)))
    who = access(records, "oidc")
    in_portal = records.sessions.create("ada", [], 60, portal.id, SITE)
    assert who.identify(bearer(in_portal)).subject == f"portal:{portal.id}/ada"
    assert who.identify(request({"cookie": f"citewell={in_portal}"})) is NOBODY
    with pytest.raises(UnauthenticatedError):
        who.identify(bearer(records.sessions.create("ada", [], 60)))


# -- proxies ---------------------------------------------------------------------------------


def by_proxy(records: Records, client: str = "10.1.2.3", **headers: str) -> Identity:
    """Identify a request with a proxy's headers."""
    named = {"x-citewell-" + name.replace("_", "-"): value for name, value in headers.items()}
    return access(records, "proxy").identify(request(named, client))


@pytest.mark.parametrize("client", ["10.1.2.3", "fd00::7", "::ffff:10.1.2.3"])
def test_a_proxy_names_people_and_groups(records: Records, client: str) -> None:
    """From a listed address, with the secret, the headers say who asks, percent-encoded."""
    records.grants.set("group:a, b", "editor", ["c7"])
    found = by_proxy(records, client, user="J%C3%B6rg", groups="x ,a%2C%20b,,", proxy_secret=KNOCK)
    assert found.subject == "user:Jörg"
    assert found.rights["ingest"] == ("c7",)
    assert by_proxy(records, user="Ada@B.c", proxy_secret=KNOCK).subject == "user:ada@b.c"
    assert by_proxy(records, groups="a%2C%20b", proxy_secret=KNOCK) is NOBODY


@pytest.mark.parametrize(
    ("client", "headers"),
    [
        ("10.2.0.1", {"user": "ada", "proxy_secret": KNOCK}),
        ("127.0.0.1", {"user": "ada", "proxy_secret": KNOCK}),
        ("testclient", {"user": "ada", "proxy_secret": KNOCK}),
        ("10.1.2.3", {"user": "ada"}),
        ("10.1.2.3", {"user": "ada", "proxy_secret": ""}),
        ("10.1.2.3", {"user": "ada", "proxy_secret": KNOCK + "x"}),
        ("10.1.2.3", {"user": "", "proxy_secret": KNOCK}),
        ("10.1.2.3", {"user": "%20", "proxy_secret": KNOCK}),
        ("10.1.2.3", {"user": "x" * 201, "proxy_secret": KNOCK}),
    ],
)
def test_who_is_not_the_proxy_names_nobody(
    records: Records, client: str, headers: dict[str, str]
) -> None:
    """Another address, another secret, or no whole name is refused."""
    with pytest.raises(UnauthenticatedError, match="X-Citewell-User"):
        by_proxy(records, client, **headers)


def test_a_name_beside_the_proxys_is_refused(records: Records) -> None:
    """A proxy that adds its header to a reader's own instead of replacing it is not believed."""
    twice = [("x-citewell-user", "admin"), ("x-citewell-user", "ada"),
             ("x-citewell-proxy-secret", KNOCK)]  # fmt: skip
    with pytest.raises(UnauthenticatedError, match="once"):
        access(records, "proxy").identify(request(twice, "10.1.2.3"))


def test_a_proxys_headers_are_nothing_elsewhere(records: Records) -> None:
    """In every other mode the headers are not even looked at."""
    headers = {"x-citewell-user": "ada", "x-citewell-proxy-secret": KNOCK}
    for auth in ("keys", "oidc"):
        found = access(records, auth, **PROXY).identify(request(headers, "10.1.2.3"))
        assert found is NOBODY


def test_keys_work_beside_a_proxy(records: Records) -> None:
    """A Bearer token goes before the proxy's word; its own Basic login does not disturb."""
    key, secret = records.keys.create("beside", ["ask"])
    headers = {"x-citewell-user": "ada", "x-citewell-proxy-secret": KNOCK}
    who = access(records, "proxy")
    found = who.identify(request({**headers, "authorization": f"Bearer {secret}"}, "10.1.2.3"))
    assert found.subject == f"key:{key.id}"
    basic = request({**headers, "authorization": "Basic YTpi"}, "10.1.2.3")
    assert who.identify(basic).subject == "user:ada"
