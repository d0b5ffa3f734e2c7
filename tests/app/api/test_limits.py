"""Limits hold for who asks, however they change what they can choose."""

from __future__ import annotations

import asyncio
import gc
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from app.api.desk import WORKERS
from app.api.limits import Limits
from app.identity import Identity
from app.records.portals import PortalConfig
from app.settings import Settings
from tests.app.api.conftest import Api, client_of, start
from tests.app.api.test_proxy import free_port, wait_for
from vectorstore.errors import BusyError, SettingsError


@pytest.fixture
def limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    """A service with authentication and small limits."""
    started = start(
        tmp_path,
        monkeypatch,
        auth="keys",
        secret="s" * 40,
        limit_user="3/minute",
        limit_address="5/minute",
        limit_public="2/minute",
        streams=2,
    )
    yield Api(started)
    started.close()


def test_a_user_has_so_many_questions(limited: Api) -> None:
    """The fourth question or search in a minute gets 429 with Retry-After; another key goes on."""
    client, other = limited.client("ask", "search"), limited.client("search")
    asked = {"question": "When was the bridge opened?"}
    statuses = [client.post("/api/v1/answers", json=asked).status_code for _ in range(2)]
    statuses += [
        client.post("/api/v1/search", json={"query": "bridge"}).status_code for _ in range(2)
    ]
    assert statuses == [200, 200, 200, 429]
    refused = client.post("/api/v1/search", json={"query": "bridge"})
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert refused.headers["content-type"] == "application/problem+json"
    assert other.post("/api/v1/search", json={"query": "bridge"}).status_code == 200


@pytest.mark.parametrize(
    "header", ["x-request-id", "x-forwarded-for", "x-citewell-user", "user-agent", "cookie"]
)
def test_new_names_do_not_evade_a_limit(limited: Api, header: str) -> None:
    """Whatever a client sends anew with each request, its key is counted."""
    client = limited.client("search")
    statuses = [
        client.post(
            "/api/v1/search", json={"query": "bridge"}, headers={header: f"10.0.0.{n}"}
        ).status_code
        for n in range(4)
    ]
    assert statuses == [200, 200, 200, 429]


async def hit(limits: Limits, address: str) -> bool:
    """Tell whether a request from an address is let in."""
    try:
        await limits.admit_address({"type": "http", "client": (address, 1)})
    except BusyError:
        return False
    return True


@pytest.mark.parametrize(
    ("addresses", "let_in"),
    [
        (["203.0.113.7"] * 6, 5),
        ([f"203.0.113.{n}" for n in range(6)], 6),
        ([f"2001:db8:1:2::{n}" for n in range(6)], 5),  # one network of 64 bits
        ([f"2001:db8:1:{n}::1" for n in range(6)], 6),
        (["127.0.0.1"] * 6, 6),
    ],
)
def test_an_address_has_so_many_requests(addresses: list[str], let_in: int) -> None:
    """Addresses are counted apart, IPv6 by its network, and this machine's own not at all."""

    async def let_in_of() -> int:
        limits = Limits(Settings(limit_address="5/minute"))
        return sum([await hit(limits, address) for address in addresses])

    assert asyncio.run(let_in_of()) == let_in


@pytest.mark.parametrize(
    "wrong",
    [
        {"limit_user": "often"},
        {"limits_storage": "nowhere://"},
        {"limit_portal": ""},
        {"limit_public": "x"},
    ],
)
def test_a_limit_that_cannot_be_used_is_named(wrong: dict[str, str]) -> None:
    """A limit that is none is an error at the start."""
    with pytest.raises(SettingsError, match="60/minute"):
        Limits(Settings(**wrong))


async def ask(limits: Limits, identity: Identity) -> bool:
    """Tell whether a question is let in."""
    try:
        await limits.admit_question(identity)
    except BusyError:
        return False
    return True


def let_in(identities: list[Identity], **settings: str) -> list[bool]:
    """Tell of each question in turn whether it is let in."""

    async def all_of_them() -> list[bool]:
        limits = Limits(Settings(**settings))
        return [await ask(limits, identity) for identity in identities]

    return asyncio.run(all_of_them())


def test_a_portal_has_limits_of_its_own() -> None:
    """They stand in place of the settings, for its users and for all of them together."""
    strict = [
        Identity(f"portal:p1/{name}", {}, "p1", limit_user="2/minute", limit_portal="3/minute")
        for name in ("ada", "ada", "ada", "ben", "cleo")
    ]
    assert let_in(strict) == [True, True, False, True, False]
    wide = [Identity("portal:p1/ada", {}, "p1", limit_user="9/minute")] * 5
    assert let_in(wide, limit_user="1/minute") == [True] * 5
    other = [Identity("portal:p2/ada", {}, "p2")] * 2
    assert let_in(other, limit_user="1/minute") == [True, False]


def test_strangers_are_counted_by_their_address() -> None:
    """A new session evades nothing; another address, or another portal, is counted apart."""

    def stranger(number: int, address: str, portal: str = "p1") -> Identity:
        subject = f"portal:{portal}/anonymous-{number}"
        return Identity(subject, {}, portal, stranger_at=address)

    same = [stranger(number, "203.0.113.7") for number in range(3)]
    others = [stranger(3, "203.0.113.8"), stranger(4, "203.0.113.7", "p2")]
    mapped = [stranger(5, "::ffff:203.0.113.8"), stranger(6, "::ffff:203.0.113.8")]
    counted = let_in([*same, *others, *mapped], limit_public="2/minute")
    assert counted == [True, True, False, True, True, True, False]
    one_network = [stranger(number, f"2001:db8:1:2::{number}") for number in range(3)]
    assert let_in(one_network, limit_public="2/minute") == [True, True, False]
    here = [stranger(number, "127.0.0.1") for number in range(3)]
    assert let_in(here, limit_public="2/minute") == [True, True, False]


def test_a_stranger_comes_back_as_nobody_else(limited: Api) -> None:
    """Over HTTP too, sessions in a public portal share what their address has left."""
    service = limited.runtime.service()
    config = PortalConfig(origins=("https://a.example",), collections=(), is_public=True)
    service.records.portals.add("lobby", config)
    headers = {"origin": "https://a.example"}
    statuses = []
    for _ in range(3):
        page = client_of(limited.runtime, headers)
        token = page.post("/api/v1/sessions", json={"portal": "lobby"}).json()["access_token"]
        page.headers["authorization"] = f"Bearer {token}"
        statuses.append(page.post("/api/v1/search", json={"query": "bridge"}).status_code)
    assert statuses == [200, 200, 429]


def test_so_many_answers_at_once(limited: Api) -> None:
    """A user with all answers open is refused at once, another one is not."""
    desk = limited.runtime.desk
    client, other = limited.client("ask"), limited.client("ask")
    subject = f"key:{limited.runtime.service().records.keys.all()[0].id}"
    for _ in range(2):
        desk.admit(subject)
    asked = {"question": "When was the bridge opened?"}
    assert client.post("/api/v1/answers", json=asked).status_code == 429
    assert other.post("/api/v1/answers", json=asked).status_code == 200
    desk.leave(subject)
    assert client.post("/api/v1/answers", json=asked).status_code == 200


def test_too_many_questions_are_refused_at_once(limited: Api) -> None:
    """When as many wait as may, later ones get 503 with Retry-After, and health still answers."""
    desk = limited.runtime.desk
    room = limited.runtime.settings.waiting + WORKERS
    for number in range(room):
        desk.admit(f"user {number}")
    with pytest.raises(BusyError) as full:
        desk.admit("one more")
    assert full.value.overloaded
    refused = limited.client("ask").post("/api/v1/answers", json={"question": "When?"})
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
    unread = limited.client("ask").post("/api/v1/answers", content=b"not even JSON")
    assert unread.status_code == 503, "it is refused before it is read"
    for number in range(room):
        desk.leave(f"user {number}")
    assert client_of(limited.runtime).get("/api/v1/openapi.json").status_code == 200
    assert desk.load == 0


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[str]:
    """The address of a Redis server of the test's own."""
    server = shutil.which("redis-server")
    if server is None:
        pytest.skip("redis-server is not installed: apt install redis-server")
    port = free_port()
    quiet = ["--save", "", "--dir", str(tmp_path), "--loglevel", "warning"]
    process = subprocess.Popen([server, "--port", str(port), "--bind", "127.0.0.1", *quiet])
    wait_for(port)
    yield f"redis://127.0.0.1:{port}"
    process.terminate()
    process.wait(20)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # open to the end
def test_processes_count_together_in_redis(redis: str) -> None:
    """What one process has counted, another one knows."""

    async def let_in_of() -> list[bool]:
        settings = Settings(limit_address="5/minute", limits_storage=redis)
        both = Limits(settings), Limits(settings)
        return [await hit(both[number % 2], "203.0.113.7") for number in range(6)]

    assert asyncio.run(let_in_of()) == [True] * 5 + [False]
    gc.collect()


def test_limits_that_cannot_be_counted_let_nobody_in() -> None:
    """Without its storage the service refuses politely: no error, and no way around the limits."""

    async def refused() -> BusyError:
        limits = Limits(Settings(limits_storage=f"redis://127.0.0.1:{free_port()}"))
        with pytest.raises(BusyError) as error:
            await limits.admit_address({"type": "http", "client": ("203.0.113.7", 1)})
        return error.value

    error = asyncio.run(refused())
    assert error.overloaded
    assert "cannot be counted" in str(error)


def test_without_authentication_nobody_is_limited_but_all_together(client: TestClient) -> None:
    """Everybody on this machine is one user then, whose share says nothing."""
    statuses = {
        client.post("/api/v1/search", json={"query": "bridge"}).status_code for _ in range(70)
    }
    assert statuses == {200}
