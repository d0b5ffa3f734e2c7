"""Who makes a request: keys, portals, sessions, proxies, and everything that only looks like it."""

from __future__ import annotations

import json
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import HTTPConnection

from app.api.access import SESSION_LIFETIME, Access
from app.identity import LOCAL, NOBODY, Identity
from app.records.portals import Portal
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
    portal = records.portals.create("kinds", [SITE], ["c1"])
    who = access(records, "oidc")
    in_portal = records.sessions.create("ada", [], 60, portal.id)
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


# -- portals ---------------------------------------------------------------------------------

PRIVATE = ec.generate_private_key(ec.SECP256R1())
PUBLIC = PRIVATE.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


@pytest.fixture(params=["HS256", "ES256"])
def portal(request: pytest.FixtureRequest, records: Records) -> Iterator[Portal]:
    """A portal whose backend signs with the derived secret, or with a key of its own."""
    key = PUBLIC if request.param == "ES256" else None
    made = records.portals.create(f"intranet {request.param}", [SITE], ["c1"], key)
    yield made
    if any(each.id == made.id for each in records.portals.all()):
        records.portals.remove(made.id)


def claims(portal: Portal, /, **other: Any) -> dict[str, Any]:  # noqa: ANN401 (of each claim)
    """Return what a backend states of a user; a claim that is None is left out."""
    now = time.time()
    stated = {
        "iss": portal.name, "aud": "citewell", "sub": "ada", "groups": ["x"], "portal": portal.id,
        "origin": SITE, "iat": now, "exp": now + 60, "jti": f"{time.perf_counter_ns()}", **other,
    }  # fmt: skip
    return {name: value for name, value in stated.items() if value is not None}


def signed(who: Access, portal: Portal, /, **other: Any) -> str:  # noqa: ANN401 (of each claim)
    """Return the token that the portal's backend would sign."""
    if portal.public_key:
        return jwt.encode(claims(portal, **other), PRIVATE, "ES256")
    return jwt.encode(claims(portal, **other), who.portal_secret(portal), "HS256")


def test_a_portals_token_begins_a_session(records: Records, portal: Portal) -> None:
    """The user may ask and search in the portal's collections, from the portal's pages."""
    who = access(records)
    token, seconds = who.exchange(signed(who, portal), SITE)
    assert seconds == SESSION_LIFETIME
    found = who.identify(bearer(token, origin=SITE))
    rights = {"ask": ("c1",), "search": ("c1",)}
    assert found == Identity(f"portal:{portal.id}/ada", rights, portal.id)
    with pytest.raises(ForbiddenError, match="not used from"):
        who.identify(bearer(token, origin="https://evil.example"))
    by_name, _ = who.exchange(signed(who, portal, portal=portal.name), None)
    assert who.identify(bearer(by_name)).portal == portal.id


def test_a_token_is_used_once(records: Records, portal: Portal) -> None:
    """The second exchange of a token is refused; another portal may use the same jti."""
    who = access(records)
    token = signed(who, portal, jti="1")
    who.exchange(token, SITE)
    with pytest.raises(UnauthenticatedError, match="used already"):
        who.exchange(token, SITE)
    with pytest.raises(UnauthenticatedError, match="used already"):
        who.exchange(signed(who, portal, jti="1", sub="ben"), SITE)


NOW = time.time()


@pytest.mark.parametrize(
    "other",
    [
        {"aud": "other"}, {"aud": None}, {"iss": "other"}, {"iss": None}, {"portal": "other"},
        {"portal": None}, {"origin": "https://evil.example"}, {"origin": None}, {"origin": [SITE]},
        {"exp": NOW - 60, "iat": NOW - 100}, {"exp": NOW + 3600}, {"iat": NOW + 600}, {"iat": None},
        {"iat": NOW + 3600, "exp": NOW + 3630}, {"exp": None}, {"jti": None}, {"jti": ""},
        {"jti": 7}, {"jti": "\ud800"}, {"sub": None}, {"sub": ""}, {"sub": 7}, {"sub": "x" * 201},
        {"sub": "\udfff"}, {"exp": str(int(NOW + 30))}, {"iat": str(int(NOW))},
        {"exp": float("inf")}, {"exp": float("nan")}, {"iat": float("-inf")}, {"iat": True},
        {"nbf": NOW + 600}, {"groups": ["x" * 9000]},
    ],
    ids=lambda other: str(other)[:40],
)  # fmt: skip
def test_a_wrong_token_begins_no_session(
    records: Records, portal: Portal, other: dict[str, Any]
) -> None:
    """A claim that is missing, wrong, of another type or too long refuses the token."""
    who = access(records)
    with pytest.raises(UnauthenticatedError):
        who.exchange(signed(who, portal, **other), SITE)


@given(
    st.dictionaries(
        st.sampled_from(["iss", "aud", "sub", "groups", "portal", "origin", "iat", "exp", "jti"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
            lambda deeper: st.lists(deeper, max_size=3) | st.dictionaries(st.text(), deeper),
            max_leaves=3,
        ),
        min_size=1,
    )
)
def test_no_signed_claim_breaks_the_exchange(records: Records, other: dict[str, Any]) -> None:
    """Whatever a backend signs, it begins a session or is refused, and never fails otherwise."""
    who = access(records)
    portals = [each for each in records.portals.all() if each.name == "fuzzed"]
    portal = portals[0] if portals else records.portals.create("fuzzed", [SITE], ["c1"])
    token = raw_token(claims(portal, **other), who.portal_secret(portal))
    try:
        made, _ = who.exchange(token, SITE)
    except UnauthenticatedError:
        return
    assert who.identify(bearer(made)).portal == portal.id


def raw_token(body: Any, secret: str) -> str:  # noqa: ANN401 (any JSON)
    """Sign any JSON, which the library refuses to for most."""
    from hashlib import sha256
    from hmac import new

    head = b".".join(_part(each) for each in ({"alg": "HS256", "typ": "JWT"}, body))
    mac = new(secret.encode(), head, sha256).digest()
    return (head + b"." + urlsafe_b64encode(mac).rstrip(b"=")).decode()


def _part(value: Any) -> bytes:  # noqa: ANN401 (any JSON)
    return urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=")


@pytest.mark.parametrize("body", [[], 1, "x", None, {}])
def test_what_is_no_set_of_claims_is_refused(records: Records, body: object) -> None:
    """A signed token must be an object."""
    with pytest.raises(UnauthenticatedError):
        access(records).exchange(raw_token(body, SECRET), None)


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "é.é.é", "." * 9000, "e30.e30."])
def test_what_is_no_token_is_refused(records: Records, token: str) -> None:
    """Anything else is told to be unusable."""
    with pytest.raises(UnauthenticatedError):
        access(records).exchange(token, None)


def test_only_the_portals_own_way_of_signing_counts(records: Records, portal: Portal) -> None:
    """No signature, another algorithm, or the public key taken for a secret are all refused."""
    who = access(records)
    other = ec.generate_private_key(ec.SECP256R1())
    rsa_key = rsa.generate_private_key(65537, 2048)
    stated = claims(portal)
    forged = [
        jwt.encode(stated, None, "none"),
        jwt.encode(stated, other, "ES256"),
        jwt.encode(stated, rsa_key, "RS256"),
        jwt.encode(stated, "w" * 32, "HS256"),
        jwt.encode(stated, other, "ES256", {"jwk": json.loads(
            jwt.algorithms.ECAlgorithm.to_jwk(other.public_key()))}),
        raw_token(stated, PUBLIC),
        raw_token(stated, PUBLIC.strip()),
    ]  # fmt: skip
    if portal.public_key:
        forged.append(jwt.encode(stated, who.portal_secret(portal), "HS256"))
    else:
        forged.append(jwt.encode(stated, PRIVATE, "ES256"))
        forged.append(jwt.encode(stated, who.portal_secret(portal) + "x" * 32, "HS512"))
    for token in forged:
        with pytest.raises(UnauthenticatedError, match="cannot be used"):
            who.exchange(token, SITE)
    who.exchange(signed(who, portal), SITE)


def test_portals_do_not_sign_for_each_other(records: Records) -> None:
    """A portal's secret is its own, also for one that is called by the other's id."""
    who = access(records)
    one = records.portals.create("one", [SITE], ["c1"])
    two = records.portals.create(one.id, [SITE], ["c2"])
    assert who.portal_secret(one) != who.portal_secret(two)
    with pytest.raises(UnauthenticatedError):
        who.exchange(jwt.encode(claims(one), who.portal_secret(two), "HS256"), SITE)
    token, _ = who.exchange(signed(who, one), SITE)
    assert who.identify(bearer(token)).rights["ask"] == ("c1",)
    elsewhere = access(records, secret="t" * 32)
    with pytest.raises(UnauthenticatedError):
        elsewhere.exchange(signed(who, one), SITE)


def test_a_token_is_used_from_its_own_page(records: Records, portal: Portal) -> None:
    """A token for one page is refused when it is exchanged from another."""
    who = access(records)
    with pytest.raises(UnauthenticatedError, match="not used from"):
        who.exchange(signed(who, portal), "https://evil.example")


def test_a_removed_portal_ends_at_once(records: Records, portal: Portal) -> None:
    """Neither its sessions nor its tokens are worth anything from then on."""
    who = access(records)
    token, _ = who.exchange(signed(who, portal), SITE)
    late = signed(who, portal)
    records.portals.remove(portal.id)
    assert records.sessions.find(token) is None
    with pytest.raises(UnauthenticatedError):
        who.identify(bearer(token))
    with pytest.raises(UnauthenticatedError, match="names no portal"):
        who.exchange(late, SITE)
    left = records.sessions.create("ada", [], 60, portal.id)  # begun at the same moment
    with pytest.raises(UnauthenticatedError, match="removed"):
        who.identify(bearer(left))


def test_a_portal_that_changed_counts_as_it_is(records: Records) -> None:
    """Who made the portal anew under its name did not take over the old one's sessions."""
    who = access(records)
    old = records.portals.create("again", [SITE], ["c1"])
    token, _ = who.exchange(signed(who, old), SITE)
    records.portals.remove("again")
    records.portals.create("again", [SITE], ["c2"])
    with pytest.raises(UnauthenticatedError):
        who.identify(bearer(token))
