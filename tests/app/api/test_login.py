"""People log in at a real OpenID provider over HTTP, and out again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st
from oidc_provider_mock import User, run_server_in_thread
from starlette.testclient import TestClient

from app.api.guard import Guard
from app.api.login import add_login, groups_of, name_of, next_of
from app.api.runtime import Runtime
from app.records.audit import Entry
from tests.app.runtimes import SECRET, ids, opened, whoami
from vectorstore.errors import UnauthenticatedError

HTTPS = "https://intranet.example"
ADA = User(
    sub="u1", claims={"email": "Ada@Example.org", "email_verified": True, "groups": ["press", "x"]}
)
BEN = User(sub="u2", claims={"email": "ada@example.org", "email_verified": False})


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    """A provider that knows two people, who say they have the same address."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AUTHLIB_INSECURE_TRANSPORT", "1")  # the provider's own check
        with run_server_in_thread(require_nonce=True, user_claims=[ADA, BEN]) as server:
            yield f"http://localhost:{server.server_port}"


Begin = Callable[..., tuple[Runtime, TestClient]]


@pytest.fixture
def begin(tmp_path: Path, issuer: str) -> Iterator[Begin]:
    """Open a service with the provider, and a browser that is about to use it."""
    opening: list[Any] = []

    def one(**settings: Any) -> tuple[Runtime, TestClient]:  # noqa: ANN401 (of each setting)
        chosen = {"auth": "oidc", "secret": SECRET, "oidc_issuer": issuer, "oidc_client_id": "cw",
                  "oidc_client_secret": "hush", **settings}  # fmt: skip
        context = opened(tmp_path, **chosen)
        opening.append(context)
        runtime = context.__enter__()
        app = add_login(whoami(FastAPI()), runtime)
        guarded = Guard(app, runtime.settings, runtime.access.identify, runtime.is_portal)
        base = HTTPS if runtime.settings.public_url else "http://127.0.0.1:7860"
        return runtime, TestClient(guarded, base_url=base, follow_redirects=False)

    yield one
    for context in opening:
        context.__exit__(None, None, None)


def at_provider(address: str, sub: str | None = "u1") -> str:
    """Say at the provider who one is, or refuse; return where it sends the browser."""
    data = {"action": "deny"} if sub is None else {"sub": sub}
    reply = httpx.post(address, data=data)
    assert reply.status_code == 302, reply.text
    return reply.headers["location"]


def log_in(client: TestClient, sub: str = "u1", onward: str = "/") -> httpx.Response:
    """Go the whole way; return the reply that begins the session."""
    sent = client.get("/login", params={"next": onward})
    assert sent.status_code == 302, sent.text
    back = urlsplit(at_provider(sent.headers["location"], sub))
    return client.get(f"{back.path}?{back.query}")


def who(client: TestClient) -> str:
    """Return as whom the service knows the browser."""
    subject: str = client.get("/api/whoami").json()["subject"]
    return subject


def audited(runtime: Runtime) -> list[Entry]:
    """Return the audit, oldest first."""
    return runtime.service().records.audit.page(10)[::-1]


def test_whoever_comes_back_from_the_provider_is_known(begin: Begin) -> None:
    """The way leads over the provider to where the reader wanted to go, with a session."""
    runtime, client = begin()
    assert who(client) == "nobody"
    reply = log_in(client, onward="/articles?x=1")
    assert (reply.status_code, reply.headers["location"]) == (303, "/articles?x=1")
    assert who(client) == "user:ada@example.org"
    assert "citewell-login" not in client.cookies
    (entry,) = audited(runtime)
    assert (entry.actor, entry.action, entry.allowed) == ("user:ada@example.org", "login", True)
    assert entry.address == "testclient"
    assert entry.request


def test_the_provider_is_asked_safely(begin: Begin, issuer: str) -> None:
    """The redirect has state, nonce and a PKCE challenge, and names the way back."""
    _, client = begin()
    address = client.get("/login").headers["location"]
    assert address.startswith(f"{issuer}/oauth2/authorize?")
    query = {key: value[0] for key, value in parse_qs(urlsplit(address).query).items()}
    assert len(query["state"]) >= 20
    assert len(query["nonce"]) >= 20
    assert query["code_challenge_method"] == "S256"
    assert query["redirect_uri"] == "http://127.0.0.1:7860/login/callback"
    assert query["scope"].split() == ["openid", "email", "profile"]


def test_the_public_address_decides_way_back_and_cookie(begin: Begin) -> None:
    """Behind TLS the way back is the public one, and the cookies are bound to that host."""
    _, client = begin(public_url=f"{HTTPS}/wells")
    sent = client.get("/login")
    query = parse_qs(urlsplit(sent.headers["location"]).query)
    assert query["redirect_uri"] == [f"{HTTPS}/wells/login/callback"]
    assert sent.headers["set-cookie"].startswith("__Host-citewell-login=")
    assert {"httponly", "samesite=lax", "secure", "path=/"} <= flags(sent)
    back = urlsplit(at_provider(sent.headers["location"]))
    reply = client.get(f"/login/callback?{back.query}")
    assert reply.headers["location"] == f"{HTTPS}/wells/"
    assert reply.headers["set-cookie"].startswith("__Host-citewell=")
    assert {"httponly", "samesite=lax", "secure", "path=/", "max-age=43200"} <= flags(reply)


def flags(reply: httpx.Response) -> set[str]:
    """Return what the first cookie of a reply is bound to, in lower case."""
    cookie = reply.headers.get_list("set-cookie")[0]
    return {part.strip().lower() for part in cookie.split(";")[1:]}


def test_without_tls_the_cookie_is_plain_but_no_less_hidden(begin: Begin) -> None:
    """On this machine's own address the cookie is not Secure, which the browser would drop."""
    _, client = begin(session_hours=1.5)
    reply = log_in(client)
    assert reply.headers["set-cookie"].startswith("citewell=")
    assert {"httponly", "samesite=lax", "path=/", "max-age=5400"} <= flags(reply)
    assert "secure" not in flags(reply)


def test_a_token_is_never_taken_over(begin: Begin) -> None:
    """A cookie that was planted before the login is worth nothing after it, like an old one."""
    runtime, client = begin()
    client.cookies.set("citewell", "planted", "127.0.0.1")
    first = log_in(client).cookies["citewell"]
    second = log_in(client).cookies["citewell"]
    assert len({"planted", first, second}) == 3
    find = runtime.service().records.sessions.find
    assert (find("planted"), find(first)) == (None, None)
    assert find(second) is not None


@pytest.mark.parametrize("wrong", ["state", "code", "cookie", "foreign", "denied", "twice"])
def test_a_wrong_way_back_begins_no_session(begin: Begin, wrong: str) -> None:
    """A changed state or code, another browser, a refusal and a replay end in a page and a note."""
    runtime, client = begin()
    sent = client.get("/login").headers["location"]
    query = dict(
        pair.split("=", 1)
        for pair in urlsplit(at_provider(sent, None if wrong == "denied" else "u1")).query.split(
            "&"
        )
    )
    if wrong in ("state", "code"):
        query[wrong] = ("y" if query[wrong][0] == "x" else "x") + query[wrong][1:]
    elif wrong == "cookie":
        client.cookies.clear()
    elif wrong == "foreign":
        value = client.cookies["citewell-login"]
        client.cookies.clear()
        client.cookies.set("citewell-login", ("B" if value[0] == "A" else "A") + value[1:])
    elif wrong == "twice":
        client.get("/login/callback", params=query)
        client.cookies.delete("citewell")
    reply = client.get("/login/callback", params=query)
    assert reply.status_code == 401
    assert 'href="/login"' in reply.text
    assert reply.headers["cache-control"] == "no-store"
    assert who(client) == "nobody"
    entry = audited(runtime)[-1]
    assert (entry.actor, entry.action, entry.allowed) == ("nobody", "login", False)
    assert entry.target


@pytest.mark.parametrize(
    "onward",
    ["https://evil.example/", "//evil.example", "/\\evil.example", "\\\\evil.example",
     "/\t/evil.example", "javascript:alert(1)", "evil", "", "/login", "/login?next=/", "/logout",
     "/a\r\nset-cookie: x=1", "/" + "a" * 3000],
)  # fmt: skip
def test_nobody_is_sent_elsewhere(begin: Begin, onward: str) -> None:
    """A `next` that is no path of ours, or would lead in a circle, becomes the chat."""
    _, client = begin()
    assert log_in(client, onward=onward).headers["location"] == "/"


@given(st.text(alphabet=st.sampled_from("/\\.:@?#%\t\n\r aé"), max_size=12))
def test_next_stays_on_this_host(onward: str) -> None:
    """Whatever is asked for, a browser stays on the host it is on."""
    found = httpx.URL("http://here.example/").join(next_of(onward))
    assert (found.host, found.scheme) == ("here.example", "http")
    assert not next_of(onward).startswith(("//", "/\\"))


def test_logging_out_ends_the_session(begin: Begin) -> None:
    """The token is worth nothing afterwards, the cookie is taken back, and a page says so."""
    runtime, client = begin()
    log_in(client)
    token = client.cookies["citewell"]
    own = {"origin": "http://127.0.0.1:7860"}
    reply = client.post("/logout", headers=own)
    assert (reply.status_code, reply.headers["location"]) == (303, "/logout/done")
    assert "citewell" not in client.cookies
    assert "Logged out" in client.get("/logout/done").text
    client.cookies.set("citewell", token)
    assert who(client) == "nobody"
    assert [entry.action for entry in audited(runtime)] == ["login", "logout"]
    assert client.post("/logout", headers=own).status_code == 303
    assert len(audited(runtime)) == 2


def test_nobody_is_logged_out_by_a_foreign_page(begin: Begin) -> None:
    """A link does not end a session, nor does a form of another site."""
    _, client = begin()
    log_in(client)
    assert client.get("/logout").status_code == 405
    for headers in ({}, {"origin": "https://evil.example"}, {"origin": "null"}):
        assert client.post("/logout", headers=headers).status_code == 403
    assert who(client) == "user:ada@example.org"


def test_grants_of_groups_decide_the_collections(begin: Begin) -> None:
    """What the provider calls a person's groups decides what they may see, at once."""
    runtime, client = begin()
    log_in(client)
    assert client.get("/api/whoami").json()["rights"] == {}
    bridge, tunnel = ids(runtime, "bridge", "tunnel")
    grants = runtime.service().records.grants
    grants.set("group:press", "reader", [bridge])
    grants.set("group:other", "admin")
    assert client.get("/api/whoami").json()["rights"] == {"ask": [bridge], "search": [bridge]}
    grants.set("user:ada@example.org", "reader", [tunnel])
    assert sorted(client.get("/api/whoami").json()["rights"]["ask"]) == sorted([bridge, tunnel])


def test_an_address_that_is_not_verified_names_nobody(begin: Begin) -> None:
    """Who only says to have somebody's address is known by the provider's own name for them."""
    _, client = begin()
    log_in(client, "u2")
    assert who(client) == "user:u2"
    log_in(client, "ada@example.org")
    assert who(client) == "user:sub:ada@example.org"


def test_a_provider_that_is_not_there_is_told(begin: Begin) -> None:
    """A reader gets a page, the operator the reason in the audit."""
    runtime, client = begin(oidc_issuer="http://127.0.0.1:9")
    reply = client.get("/login")
    assert reply.status_code == 503
    assert "http://127.0.0.1:9" in str(audited(runtime)[-1].target)


def test_a_provider_that_calls_itself_otherwise_is_refused(begin: Begin, issuer: str) -> None:
    """The issuer must be the one that was set: others' tokens are worth nothing here."""
    runtime, client = begin(oidc_issuer=f"{issuer}/oauth2/..")
    assert client.get("/login").status_code == 503
    assert "calls itself" in str(audited(runtime)[-1].target)


@pytest.mark.parametrize("auth", ["none", "keys"])
def test_there_is_no_login_where_nobody_logs_in(begin: Begin, auth: str) -> None:
    """Without an OpenID provider the routes do not exist."""
    _, client = begin(auth=auth)
    assert client.get("/login").status_code == 404
    assert client.get("/login/callback").status_code == 404


@pytest.mark.parametrize(
    ("claims", "name"),
    [
        ({"sub": "1", "email": "A@b.c", "email_verified": "true"}, "a@b.c"),
        ({"sub": "1", "email": "A@b.c", "email_verified": "false"}, "1"),
        ({"sub": "1", "email": "A@b.c", "email_verified": 1.5}, "1"),
        ({"sub": "1", "email": "A@b.c"}, "1"),
        ({"sub": "1", "email": "no address", "email_verified": True}, "1"),
        ({"sub": "sub:a@b.c"}, "sub:sub:a@b.c"),
    ],
)
def test_names_are_unmistakable(claims: dict[str, Any], name: str) -> None:
    """A verified address, else the provider's own name, marked where it looks like one."""
    assert name_of(claims) == name


@pytest.mark.parametrize("claims", [{}, {"sub": " "}, {"sub": 7}, {"sub": "x" * 201}])
def test_whoever_has_no_name_is_refused(claims: dict[str, Any]) -> None:
    """A person whom the provider does not name, or at too great length, is not let in."""
    with pytest.raises(UnauthenticatedError):
        name_of(claims)


def test_groups_are_read_in_every_form() -> None:
    """A list, one name, or nothing that can be used."""
    assert groups_of({"g": ["a", 1, None, "b"]}, "g") == ["a", "b"]
    assert groups_of({"g": "a"}, "g") == ["a"]
    assert groups_of({"g": {"a": 1}}, "g") == []
    assert groups_of({}, "g") == []
