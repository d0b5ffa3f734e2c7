"""A portal's user: from the token that its backend signs to answers in its collections."""

from __future__ import annotations

import time
from typing import Any
from uuid import uuid4

import jwt
import pytest
from starlette.testclient import TestClient

from app.portals import PortalAdmin
from app.records.portals import Portal, PortalConfig
from tests.app.api.conftest import Api, client_of

ORIGIN = "https://portal.example"
OTHER = "https://other.example"
OWN = "http://127.0.0.1"  # where the clients of these tests reach the service
AUDIENCE = "http://127.0.0.1:7860"


def add(api: Api, name: str = "intranet", **config: Any) -> Portal:  # noqa: ANN401
    """Add a portal whose users see one of the two collections, the group `build` both."""
    service = api.runtime.service()
    chosen = {
        "origins": (ORIGIN,),
        "collections": service.ids_of(["bridge"]),
        "groups": {"build": service.ids_of(["tunnel"])},
        "welcome": "Ask us.",
        "starters": ("When did it open?",),
        **config,
    }
    return service.records.portals.add(name, PortalConfig(**chosen))


@pytest.fixture
def portal(api: Api) -> Portal:
    """A portal that takes tokens."""
    return add(api)


def signed(api: Api, portal: Portal, /, **changed: Any) -> str:  # noqa: ANN401
    """Return a token as the portal's backend signs it."""
    now = time.time()
    claims = {
        "iss": portal.name,
        "aud": AUDIENCE,
        "sub": "ada",
        "portal": portal.name,
        "origin": portal.origins[0],
        "iat": now,
        "exp": now + 60,
        "jti": uuid4().hex,
        **changed,
    }
    secret = api.runtime.settings.portal_secret(portal.keys[-1].kid)
    return jwt.encode(claims, secret, algorithm="HS256")


def begin(api: Api, origin: str | None = ORIGIN, **body: Any) -> Any:  # noqa: ANN401
    """Ask for a session as a page does."""
    headers = {} if origin is None else {"origin": origin}
    return client_of(api.runtime).post("/api/v1/sessions", json=body, headers=headers)


def user_of(api: Api, reply: Any, origin: str = ORIGIN) -> TestClient:  # noqa: ANN401
    """Return a client that goes on with a session."""
    assert reply.status_code == 201, reply.text
    bearer = f"Bearer {reply.json()['access_token']}"
    return client_of(api.runtime, {"authorization": bearer, "origin": origin})


def user(api: Api, portal: Portal, /, **changed: Any) -> TestClient:  # noqa: ANN401
    """Return a client that is a user of the portal."""
    origin = portal.origins[0]
    return user_of(api, begin(api, origin, token=signed(api, portal, **changed)), origin)


def code_of(reply: Any) -> str:  # noqa: ANN401
    """Return what a refusal's type says to the widget."""
    kind: str = reply.json()["type"]
    assert reply.headers["content-type"] == "application/problem+json"
    return kind.removeprefix("urn:citewell:problem:")


def collections(client: TestClient) -> list[str]:
    """Return the names of the collections that a client sees."""
    return [each["name"] for each in client.get("/api/v1/collections").json()["items"]]


# -- beginning -----------------------------------------------------------------------------


def test_a_session_tells_the_widget_what_it_shows(api: Api, portal: Portal) -> None:
    """The reply has the token, its seconds, and the portal's texts; no cache keeps it."""
    reply = begin(api, token=signed(api, portal))
    told = reply.json()
    assert (reply.status_code, told["token_type"], told["expires_in"]) == (201, "Bearer", 900)
    assert told["portal"] == {
        "name": "intranet", "welcome": "Ask us.", "starters": ["When did it open?"],
        "is_public": False,
    }  # fmt: skip
    assert reply.headers["cache-control"] == "no-store"
    assert reply.headers["access-control-allow-origin"] == ORIGIN
    assert "set-cookie" not in reply.headers


def test_a_user_is_told_apart_but_not_named(api: Api, portal: Portal) -> None:
    """The same user of a portal has the same `user`, which names nobody and differs elsewhere."""
    other = add(api, "other")
    told = [
        begin(api, token=signed(api, where, sub=sub)).json()["user"]
        for where, sub in ((portal, "ada"), (portal, "ada"), (portal, "ben"), (other, "ada"))
    ]
    assert told[0] == told[1]
    assert len(set(told)) == 3
    assert not any("ada" in each for each in told)


def test_a_portals_user_asks_its_collections(api: Api, portal: Portal) -> None:
    """The session answers from the portal's collection and knows of no other."""
    client = user(api, portal)
    answer = client.post("/api/v1/answers", json={"question": "When did the harbour bridge open?"})
    assert answer.json()["outcome"] == "answered"
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert collections(client) == ["bridge"]
    assert client.get("/api/v1/me").json()["subject"] == f"portal:{portal.id}/ada"
    assert client.post("/api/v1/collections", json={"name": "x"}).status_code == 403


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"portal": "nope"}, "portal-unknown"),
        ({"iss": "nope"}, "token-invalid"),
        ({"jti": None}, "token-invalid"),
        ({"aud": "https://elsewhere.example"}, "token-audience"),
        ({"aud": "citewell"}, "token-audience"),
        ({"iat": lambda now: now - 200, "exp": lambda now: now - 140}, "token-expired"),
        ({"iat": lambda now: now + 600, "exp": lambda now: now + 660}, "token-clock"),
        ({"exp": lambda now: now + 3600}, "token-long"),
        ({"origin": "https://evil.example"}, "token-origin"),
    ],
)
def test_a_refusal_says_its_code(
    api: Api, portal: Portal, changed: dict[str, Any], code: str
) -> None:
    """Each way in which a token can be wrong has the code that the widget acts on."""
    now = time.time()
    claims = {name: value(now) if callable(value) else value for name, value in changed.items()}
    refused = begin(api, token=signed(api, portal, **claims))
    assert (refused.status_code, code_of(refused)) == (401, code)
    assert begin(api, token=signed(api, portal)).status_code == 201


def test_a_token_is_good_once(api: Api, portal: Portal) -> None:
    """The same token is refused the second time."""
    token = signed(api, portal)
    assert begin(api, token=token).status_code == 201
    assert code_of(begin(api, token=token)) == "token-used"


def test_a_token_is_used_on_the_page_it_names(api: Api, portal: Portal) -> None:
    """From another portal's page it is refused, and is not used up by that."""
    add(api, "other", origins=(OTHER,))
    token = signed(api, portal)
    refused = begin(api, OTHER, token=token)
    assert (refused.status_code, code_of(refused)) == (401, "token-origin")
    assert begin(api, token=token).status_code == 201


def test_a_page_of_no_portal_reads_nothing(api: Api, portal: Portal) -> None:
    """Even with a token another origin gets 403 without a header that lets it read why."""
    refused = begin(api, "https://evil.example", token=signed(api, portal))
    assert refused.status_code == 403
    assert "access-control-allow-origin" not in refused.headers


@pytest.mark.parametrize("body", [{}, {"token": "x", "portal": "intranet"}, {"portal": ""}])
def test_a_session_begins_in_one_way(api: Api, body: dict[str, str]) -> None:
    """A body with neither a token nor a portal's name, or with both, cannot be used."""
    assert begin(api, None, **body).status_code == 422


def test_without_authentication_there_are_no_sessions(client: TestClient) -> None:
    """A service that knows no users tells what to set, and lets no portal's page in."""
    refused = client.post("/api/v1/sessions", json={"portal": "hr"})
    assert refused.status_code == 403
    assert "CITEWELL_AUTH" in refused.text


# -- going on ------------------------------------------------------------------------------


def test_users_of_a_portal_are_apart(api: Api, portal: Portal) -> None:
    """One user's conversation and answers are not another's, nor a stranger's."""
    public = add(api, "lobby", is_public=True)
    ada, ben = user(api, portal), user(api, portal, sub="ben")
    stranger = user_of(api, begin(api, portal=public.name))
    made = ada.post("/api/v1/conversations", json={"title": "Mine"}).json()["id"]
    asked = {"question": "When did the harbour bridge open?", "conversation_id": made}
    answer = ada.post("/api/v1/answers", json=asked).json()["id"]
    again = user(api, portal)
    assert len(again.get(f"/api/v1/conversations/{made}").json()["answers"]) == 1
    for other in (ben, stranger):
        assert other.get(f"/api/v1/conversations/{made}").status_code == 404
        assert other.delete(f"/api/v1/conversations/{made}").status_code == 404
        assert other.post("/api/v1/answers", json=asked).status_code == 404
        assert other.get(f"/api/v1/answers/{answer}").status_code == 404
        assert other.get(f"/api/v1/answers/{answer}/events").status_code == 404
        verdict = {"answer_id": answer, "verdict": "helpful"}
        assert other.post("/api/v1/feedback", json=verdict).status_code == 404
        assert other.get("/api/v1/conversations").json()["items"] == []


def test_groups_open_further_collections_everywhere(api: Api, portal: Portal) -> None:
    """Only a user of the group finds the group's collection: asking, searching and reading."""
    both = user(api, portal, groups=["build", "other"])
    assert collections(both) == ["bridge", "tunnel"]
    heads = both.get("/api/v1/articles").json()["items"]
    hidden = next(head["article_id"] for head in heads if head["uri"] == "tunnel.md")
    asked = {"question": "When did the harbour tunnel open?"}
    assert "tunnel.md" in both.post("/api/v1/answers", json=asked).text
    for groups in ([], ["staff"], ["BUILD"], "build", None, {"build": 1}):
        one = user(api, portal, sub="ben", groups=groups)
        assert collections(one) == ["bridge"]
        assert "tunnel.md" not in one.post("/api/v1/answers", json=asked).text
        found = one.post("/api/v1/search", json={"query": "harbour tunnel"}).json()["passages"]
        assert {each["uri"] for each in found} == {"bridge.md"}
        assert one.get(f"/api/v1/articles/{hidden}").status_code == 404
        named = {"query": "harbour", "collection": "tunnel"}
        assert one.post("/api/v1/search", json=named).status_code == 404


def test_a_changed_portal_counts_at_once(api: Api, portal: Portal) -> None:
    """What a running session sees follows the portal's config, not the one it began under."""
    client = user(api, portal, groups=["build"])
    portals = api.runtime.service().records.portals
    ids = api.runtime.service().ids_of
    portals.replace("intranet", PortalConfig(origins=(ORIGIN,), collections=ids(["tunnel"])))
    assert collections(client) == ["tunnel"]
    portals.replace("intranet", PortalConfig(origins=(OTHER,), collections=ids(["tunnel"])))
    client.headers.pop("origin")
    refused = client.get("/api/v1/collections")
    assert (refused.status_code, code_of(refused)) == (401, "session-ended")


def test_a_session_stays_on_the_page_it_began_on(api: Api, portal: Portal) -> None:
    """Another origin, of another portal or of the same or our own, cannot use it."""
    add(api, "other", origins=(OTHER,))
    wide = add(api, "wide", origins=(ORIGIN, "https://second.example"))
    for client in (user(api, portal), user(api, wide)):
        for elsewhere in (OTHER, "https://second.example", OWN):
            headers = {"origin": elsewhere}
            assert client.get("/api/v1/collections", headers=headers).status_code == 403
        assert client.get("/api/v1/collections").status_code == 200


def test_a_session_is_ended_by_its_user(api: Api, portal: Portal) -> None:
    """After DELETE its token is worth nothing; another session of the same user goes on."""
    client, other = user(api, portal), user(api, portal)
    assert client.delete("/api/v1/sessions").status_code == 204
    refused = client.get("/api/v1/collections")
    assert (refused.status_code, code_of(refused)) == (401, "session-ended")
    assert refused.headers["access-control-allow-origin"] == ORIGIN
    assert other.get("/api/v1/collections").status_code == 200
    assert api.client("ask").delete("/api/v1/sessions").status_code == 403
    assert api.client().delete("/api/v1/sessions").status_code == 401


def test_a_removed_portal_ends_its_sessions(api: Api, portal: Portal) -> None:
    """After its removal neither the session nor a new token is let in."""
    client = user(api, portal)
    assert api.client("admin").delete(f"/api/v1/portals/{portal.id}").status_code == 204
    client.headers.pop("origin")
    assert code_of(client.get("/api/v1/collections")) == "session-ended"
    assert code_of(begin(api, None, token=signed(api, portal))) == "portal-unknown"


def test_a_new_key_ends_the_old_one_after_the_overlap(api: Api, portal: Portal) -> None:
    """With overlap both keys count and sessions go on; without, the old key and they end."""
    admin = PortalAdmin(api.runtime.service())
    client = user(api, portal)
    new = admin.rotate("intranet", None, 3600)
    rotated = api.runtime.service().records.portals.find("intranet")
    assert [key.expires is None for key in rotated.keys] == [False, True]
    assert client.get("/api/v1/collections").status_code == 200
    for each in (portal, rotated):  # the token names no key: each living one is tried
        assert begin(api, token=signed(api, each)).status_code == 201
    assert new["secret"] == api.runtime.settings.portal_secret(rotated.keys[-1].kid)
    admin.rotate("intranet", None, 0)
    assert code_of(client.get("/api/v1/collections")) == "session-ended"
    for each in (portal, rotated):
        assert code_of(begin(api, token=signed(api, each))) == "token-invalid"


# -- public portals --------------------------------------------------------------------------


def test_a_public_portal_takes_whoever_opens_its_page(api: Api) -> None:
    """A stranger asks the portal's collections; each session is a subject of its own."""
    add(api, "lobby", is_public=True)
    first, second = begin(api, portal="lobby"), begin(api, portal="lobby")
    assert first.json()["user"] is None
    assert first.json()["portal"]["is_public"]
    strangers = [user_of(api, reply) for reply in (first, second)]
    assert collections(strangers[0]) == ["bridge"]
    assert len({each.get("/api/v1/me").json()["subject"] for each in strangers}) == 2


@pytest.mark.parametrize(
    ("body", "origin", "code"),
    [
        ({"portal": "intranet"}, ORIGIN, "portal-private"),
        ({"portal": "nope"}, ORIGIN, "portal-unknown"),
        ({"portal": "lobby"}, None, "token-origin"),
        ({"portal": "lobby"}, OTHER, "token-origin"),
        ({"portal": "lobby"}, OWN, "token-origin"),
        ({"portal": "lobby", "frame": True}, ORIGIN, "token-origin"),
        ({"portal": "intranet", "frame": True}, OWN, "portal-private"),
    ],
)
def test_a_stranger_is_let_in_nowhere_else(
    api: Api, portal: Portal, body: dict[str, Any], origin: str | None, code: str
) -> None:
    """Without a token only a public portal's own page begins a session."""
    add(api, "lobby", is_public=True)
    add(api, "other", origins=(OTHER,))
    refused = begin(api, origin, **body)
    assert (refused.status_code, code_of(refused)) == (401, code)


def test_a_portal_that_is_public_no_more_ends_its_strangers(api: Api) -> None:
    """They are out with their next request."""
    add(api, "lobby", is_public=True)
    client = user_of(api, begin(api, portal="lobby"))
    config = PortalConfig(origins=(ORIGIN,), collections=())
    api.runtime.service().records.portals.replace("lobby", config)
    assert code_of(client.get("/api/v1/collections")) == "session-ended"


# -- frames ----------------------------------------------------------------------------------


def test_a_framed_session_is_our_own_pages(api: Api, portal: Portal) -> None:
    """In a frame the session begins and stays on our own origin, for a token of the portal's."""
    reply = begin(api, OWN, token=signed(api, portal), frame=True)
    client = user_of(api, reply, OWN)
    assert collections(client) == ["bridge"]
    assert client.get("/api/v1/collections", headers={"origin": ORIGIN}).status_code == 403


def test_a_framed_session_needs_both_origins(api: Api, portal: Portal) -> None:
    """The request comes from our page, the claim names the portal's; neither is left out."""
    for origin in (ORIGIN, None):
        refused = begin(api, origin, token=signed(api, portal), frame=True)
        assert code_of(refused) == "token-origin"
    for claimed in (OWN, "https://evil.example"):
        token = signed(api, portal, origin=claimed)
        assert code_of(begin(api, OWN, token=token, frame=True)) == "token-origin"
    assert code_of(begin(api, OWN, token=signed(api, portal))) == "token-origin"


def test_a_public_portal_in_a_frame(api: Api) -> None:
    """A stranger in the frame of a public portal asks like one on its page."""
    add(api, "lobby", is_public=True)
    client = user_of(api, begin(api, OWN, portal="lobby", frame=True), OWN)
    assert collections(client) == ["bridge"]


# -- context ---------------------------------------------------------------------------------

PAGE = {"origin": ORIGIN, "path": "/leave", "title": "Leave", "selection": "tunnel tunnel"}


def test_the_page_of_a_question_is_kept_and_changes_nothing(api: Api, portal: Portal) -> None:
    """It stands beside the answer for its user's export, and the same passages are found."""
    client = user(api, portal)
    asked = {"question": "When did the harbour bridge open?"}
    plain = client.post("/api/v1/answers", json=asked).json()
    told = client.post("/api/v1/answers", json={**asked, "context": PAGE}).json()
    assert told["passages"] == plain["passages"]
    assert told["text"] == plain["text"]
    subject = f"portal:{portal.id}/ada"
    kept = api.client("admin").get(f"/api/v1/admin/users/{subject}/data").json()["answers"]
    assert [each["context"] for each in kept] == [None, PAGE]


def test_no_log_holds_the_page_or_a_token(
    api: Api, portal: Portal, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever is logged of a session and its questions, neither tokens nor the page are in it."""
    caplog.set_level("DEBUG")
    token = signed(api, portal)
    reply = begin(api, token=token)
    client = user_of(api, reply)
    asked = {"question": "When did the harbour bridge open?", "context": PAGE}
    assert client.post("/api/v1/answers", json=asked).status_code == 200
    begin(api, token=token)  # refused
    assert "app.answers" in {record.name for record in caplog.records}, "answers are logged"
    told = "\n".join(str(vars(record)) for record in caplog.records)
    for secret in (token, reply.json()["access_token"], "/leave", "tunnel tunnel", "harbour"):
        assert secret not in told


@pytest.mark.parametrize(
    "wrong",
    [
        {"path": "/a?b=c"}, {"path": "/a#b"}, {"path": "a"}, {"path": "/" + "x" * 1_000},
        {"title": "x" * 301}, {"selection": "x" * 2_001}, {"origin": "x" * 301}, {"query": "b=c"},
    ],
)  # fmt: skip
def test_a_page_says_no_more_than_it_may(api: Api, portal: Portal, wrong: dict[str, str]) -> None:
    """A query, or a part that is too long, is refused rather than kept."""
    asked = {"question": "When?", "context": {**PAGE, **wrong}}
    assert user(api, portal).post("/api/v1/answers", json=asked).status_code == 422
