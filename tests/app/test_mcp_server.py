"""The SDK's own client finds the tools over HTTP and on standard input and output."""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import httpx2
import pytest
from fastapi import FastAPI
from mcp import Client, MCPError
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.types import CallToolResult
from pydantic import SecretStr

from app.answering.answer import Degraded, Started
from app.api.access import Access
from app.api.guard import Guard
from app.api.runtime import Runtime
from app.identity import LOCAL
from app.mcp_server import mount_mcp
from app.mcp_tools import IS_DATA
from app.settings import Settings
from tests.app.api.conftest import runtime  # noqa: F401 (a fixture)
from tests.app.conftest import CITEWELL, ROOT, Server, environment, run_citewell
from tests.app.live import PATIENCE, served
from vectorstore.types import Filter

QUESTION = "When was the harbour bridge opened?"
BRIDGE = "The harbour bridge opened on 19 March 1932."
MODES = ["legacy", "2026-07-28"]  # with the handshake of the protocol until 2025, and without
TREES = "How many tree species are there on Earth?"

Use = Callable[[Client], Awaitable[Any]]
Connect = Callable[..., Any]


@pytest.fixture
def url(runtime: Runtime, tmp_path: Path) -> Iterator[str]:  # noqa: F811
    """The address of the tools on a server that takes keys."""
    app = FastAPI()
    mount_mcp(app, runtime)
    settings = Settings(data_dir=tmp_path, auth="keys", secret=SecretStr("s" * 32))
    access = Access(settings, lambda: runtime.service().records)
    with served(Guard(app, settings, access.identify)) as address:
        yield f"{address}/mcp"


@pytest.fixture
def key(runtime: Runtime) -> Callable[..., str]:  # noqa: F811
    """Make a key with rights in one collection, or in all."""

    def make(*rights: str, collection: str | None = None) -> str:
        known = {each.name: each.id for each in runtime.service().collections()}
        allowed = None if collection is None else [known[collection]]
        held = rights or ("ask", "search")
        return runtime.service().records.keys.create("test", held, allowed)[1]

    return make


@pytest.fixture
def connect(url: str, key: Callable[..., str]) -> Connect:
    """Have a client with a key use the server; returns what the use returns."""

    def run(use: Use, *rights: str, mode: str = "legacy", collection: str | None = None) -> Any:  # noqa: ANN401
        headers = {"authorization": f"Bearer {key(*rights, collection=collection)}"}

        async def talk() -> Any:  # noqa: ANN401
            async with (
                httpx2.AsyncClient(headers=headers) as http,
                Client(streamable_http_client(url, http_client=http), mode=mode) as client,
            ):
                return await use(client)

        return asyncio.run(talk())

    return run


def calling(tool: str, **arguments: Any) -> Use:  # noqa: ANN401 (the tool's own)
    """Return the use of one tool."""
    return lambda client: client.call_tool(tool, arguments)


def text(result: CallToolResult) -> str:
    """Return what a result says in plain text."""
    (block,) = result.content
    assert block.type == "text"
    return block.text


@pytest.mark.parametrize("mode", MODES)
def test_the_tools_are_described(connect: Connect, mode: str) -> None:
    """The tools are there, read only, and each says that article text is data."""
    listed = connect(lambda client: client.list_tools(), mode=mode)
    assert [tool.name for tool in listed.tools] == ["ask", "search", "read_article"]
    for tool in listed.tools:
        assert IS_DATA in tool.description
        assert tool.annotations.read_only_hint
        assert tool.output_schema["type"] == "object"


@pytest.mark.parametrize("mode", MODES)
def test_an_answer_is_cited(connect: Connect, url: str, mode: str) -> None:
    """`ask` gives sentences with numbers, and each number's quote, article and link."""
    result = connect(calling("ask", question=QUESTION), mode=mode)
    assert not result.is_error
    answer = result.structured_content
    assert answer["text"].startswith(f"{BRIDGE} [1]")
    first = answer["citations"][0]
    assert (first["number"], first["quote"], first["title"]) == (1, BRIDGE, "The bridge")
    assert first["url"].startswith(f"{url.removesuffix('/mcp')}/#cite/{first['article_id']}/")
    assert text(result).startswith(answer["text"])
    assert f"[1] The bridge, 1932-03-19: “{BRIDGE}”" in text(result)
    assert first["url"] in text(result)


def test_what_the_articles_do_not_say(connect: Connect) -> None:
    """Without an answer the result says so and names the closest articles."""
    result = connect(calling("ask", question="Who baked the harbour cake?"))
    assert result.structured_content["outcome"] == "not_found"
    assert text(result).startswith("The articles do not say.\n")
    assert "- The bridge, 1932-03-19" in text(result)


def test_the_days_that_were_asked_for_are_named(connect: Connect) -> None:
    """A filter by dates is told in the text and in the fields."""
    result = connect(calling("ask", question=f"{QUESTION} I mean news from 1931."))
    assert result.structured_content["period"] == "of 1931"
    assert text(result).startswith("Only articles of 1931:\nThe articles of 1931 do not say.")


def test_passages_lead_to_their_article(connect: Connect) -> None:
    """What `search` finds can be read with `read_article`, from the passage's start on."""

    async def look(client: Client) -> tuple[CallToolResult, CallToolResult]:
        found = await client.call_tool("search", {"query": "harbour bridge", "top_k": 1})
        (passage,) = found.structured_content["passages"]
        where = {"article_id": passage["article_id"], "start": passage["start"]}
        return found, await client.call_tool("read_article", where)

    found, read = connect(look)
    (passage,) = found.structured_content["passages"]
    assert BRIDGE in passage["text"]
    assert passage["text"] in text(found)
    assert read.structured_content["text"].startswith(passage["text"])
    assert BRIDGE in text(read)


def test_a_long_article_is_read_in_parts(
    connect: Connect,
    runtime: Runtime,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No reply holds more than AT_ONCE characters; the parts together are the article."""
    monkeypatch.setattr("app.mcp_tools.AT_ONCE", 100)
    lines = [f"Sentence number {number} of a long article." for number in range(10)]
    (tmp_path / "long.md").write_text("\n\n".join(lines))
    runtime.service().ingest([str(tmp_path / "long.md")], "long")
    (head,) = runtime.service().articles("long")

    async def read(client: Client) -> list[str]:
        parts, start = [], 0
        while True:
            where = {"article_id": head.id, "start": start}
            part = (await client.call_tool("read_article", where)).structured_content
            parts.append(part["text"])
            start = part["end"]
            if start == part["length"]:
                past = await client.call_tool("read_article", {**where, "start": start})
                assert past.is_error
                return parts

    parts = connect(read)
    assert [len(part) for part in parts[:-1]] == [100] * (len(parts) - 1) != []
    assert "".join(parts) == runtime.service().article(head.id).text


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("tool", "arguments", "said"),
    [
        ("ask", {"question": " "}, "The question is empty"),
        ("ask", {"question": QUESTION, "collection": "bridge"}, "no collection 'bridge'"),
        ("search", {"query": "harbour", "collection": "bridge"}, "no collection 'bridge'"),
        ("search", {"query": "harbour", "top_k": 0}, "top_k"),
        ("search", {"query": "harbour", "colour": "blue"}, "colour"),
        ("read_article", {"article_id": "BRIDGE"}, "There is no article"),
    ],
)
def test_what_cannot_be_done_is_told_to_the_model(
    connect: Connect,
    runtime: Runtime,  # noqa: F811
    mode: str,
    tool: str,
    arguments: dict[str, Any],
    said: str,
) -> None:
    """An error is the result of the call; other collections and their articles are not there."""
    (bridge,) = runtime.service().articles("bridge")
    sent = {**arguments, **({"article_id": bridge.id} if tool == "read_article" else {})}
    result = connect(calling(tool, **sent), mode=mode, collection="tunnel")
    assert result.is_error
    assert said in text(result)


def test_a_key_reads_its_own_collections_only(connect: Connect) -> None:
    """Neither an answer nor a search holds a word of a collection that is not the key's."""

    async def look(client: Client) -> str:
        asked = await client.call_tool("ask", {"question": QUESTION})
        found = await client.call_tool("search", {"query": QUESTION})
        assert found.structured_content["passages"]
        return asked.model_dump_json() + found.model_dump_json()

    assert BRIDGE not in connect(look, collection="tunnel")


def test_a_tool_without_its_right_is_not_there(connect: Connect) -> None:
    """Who may only search is offered no `ask`, and is refused if they call it."""

    async def look(client: Client) -> tuple[list[str], CallToolResult]:
        listed = await client.list_tools()
        return [tool.name for tool in listed.tools], await client.call_tool(
            "ask", {"question": QUESTION}
        )

    names, refused = connect(look, "search")
    assert names == ["search", "read_article"]
    assert refused.is_error
    assert "right to ask" in text(refused)


def test_an_unknown_tool_is_an_error_of_the_protocol(connect: Connect) -> None:
    """A tool that there is not is no result, but an error that names those there are."""
    with pytest.raises(BaseExceptionGroup) as raised:
        connect(calling("fly"))
    assert raised.group_contains(MCPError, match="'fly'.*ask, search, read_article", depth=None)


def test_a_crash_keeps_its_reason_to_itself(
    connect: Connect,
    runtime: Runtime,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What nobody has thought of is told without its text, which may be nobody's business."""

    def crash(*_: object) -> None:
        msg = "password hunter2"
        raise ValueError(msg)

    monkeypatch.setattr(runtime.service(), "search", crash)
    result = connect(calling("search", query="harbour"))
    assert result.is_error
    assert "hunter2" not in text(result)
    assert "log" in text(result)


LIST = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
ACCEPT = {"accept": "application/json, text/event-stream"}


@pytest.mark.parametrize("ending", ["", "/"])
def test_nobody_is_told_anything(url: str, key: Callable[..., str], ending: str) -> None:
    """Without a key even the list of the tools is 401, with one that reads nothing it is 403."""
    anonymous = httpx.post(url + ending, json=LIST, headers=ACCEPT)
    assert anonymous.status_code == 401
    assert anonymous.headers["www-authenticate"].startswith("Bearer")
    for secret, status in (("cw_wrong", 401), (key("ingest"), 403), (key("search"), 200)):
        headers = {**ACCEPT, "authorization": f"Bearer {secret}"}
        reply = httpx.post(url + ending, json=LIST, headers=headers)
        assert reply.status_code == status
        assert ("read_article" in reply.text) == (status == 200)


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_there_are_no_sessions(url: str, key: Callable[..., str], method: str) -> None:
    """A stream to hear of later events is not kept open for anybody."""
    headers = {**ACCEPT, "authorization": f"Bearer {key()}"}
    reply = httpx.request(method, url, headers=headers, timeout=PATIENCE)
    assert (reply.status_code, reply.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize(
    "headers", [{"host": "evil.example"}, {"origin": "http://evil.example"}], ids=str
)
def test_the_sdk_checks_host_and_origin_too(runtime: Runtime, headers: dict[str, str]) -> None:  # noqa: F811
    """Even if the guard let a foreign host or origin in, the SDK would not."""
    app = FastAPI()
    mount_mcp(app, runtime)

    async def unguarded(scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401
        scope.setdefault("state", {})["identity"] = LOCAL
        await app(scope, receive, send)

    with served(unguarded) as address:
        sent = {**ACCEPT, **headers}
        assert httpx.post(f"{address}/mcp", json=LIST, headers=sent).status_code in {403, 421}
        assert httpx.post(f"{address}/mcp", json=LIST, headers=ACCEPT).status_code == 200


def test_the_public_address_is_let_in(runtime: Runtime, tmp_path: Path) -> None:  # noqa: F811
    """Behind a proxy the requests of the public host, and its links, are served."""
    public = Settings(data_dir=tmp_path, public_url="https://intranet.example/citewell")
    runtime.settings = public
    app = FastAPI()
    mount_mcp(app, runtime)
    call = {"name": "ask", "arguments": {"question": QUESTION}}
    headers = {**ACCEPT, "host": "intranet.example", "origin": "https://intranet.example"}
    with served(Guard(app, public)) as address:
        body = {**LIST, "method": "tools/call", "params": call}
        reply = httpx.post(f"{address}/mcp", json=body, headers=headers)
    assert reply.status_code == 200
    assert "https://intranet.example/citewell/#cite/" in reply.text


@pytest.mark.parametrize("mode", MODES)
def test_a_client_that_leaves_stops_its_answer(
    url: str,
    key: Callable[..., str],
    runtime: Runtime,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    mode: str,
) -> None:
    """When the connection is closed the answer is given up, and its place is free again."""
    monkeypatch.setattr("app.api.desk.PATIENCE", 0.1)
    reached = threading.Event()

    def endless(*_: object) -> Iterator[Any]:
        yield Started("q1", QUESTION, QUESTION, Filter())
        while True:
            reached.set()
            time.sleep(0.01)
            yield Degraded("nothing")

    monkeypatch.setattr(runtime.service(), "ask", endless)
    body: dict[str, Any] = {
        **LIST,
        "method": "tools/call",
        "params": {"name": "ask", "arguments": {"question": QUESTION}},
    }
    headers = {**ACCEPT, "authorization": f"Bearer {key()}"}
    if mode != "legacy":
        headers |= {"mcp-protocol-version": mode, "mcp-method": "tools/call", "mcp-name": "ask"}
        body["params"]["_meta"] = {
            "io.modelcontextprotocol/protocolVersion": mode,
            "io.modelcontextprotocol/clientCapabilities": {},
        }
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(url, json=body, headers=headers, timeout=0.5)
    assert reached.wait(PATIENCE)
    deadline = time.monotonic() + PATIENCE
    while runtime.desk.load and time.monotonic() < deadline:
        time.sleep(0.02)
    assert runtime.desk.load == 0


def test_the_server_has_the_tools(server: Server) -> None:
    """`citewell serve` answers at /mcp beside the chat, and its links lead to the chat's reader."""

    async def use() -> CallToolResult:
        async with Client(f"{server.url}/mcp") as client:
            return await client.call_tool("ask", {"question": TREES})

    result = asyncio.run(use())
    assert "73,000" in text(result)
    assert httpx.get(f"{server.url}/").status_code == 200


# -- on standard input and output --------------------------------------------------------


def talk(data_dir: Path, use: Use, log: Path) -> Any:  # noqa: ANN401 (what the use returns)
    """Start `citewell mcp` on a data folder as a client does, and use it."""
    parameters = StdioServerParameters(
        command=str(CITEWELL),
        args=["--data-dir", str(data_dir), "mcp"],
        env=environment(PYTHONPATH=str(ROOT)),
    )

    async def run() -> Any:  # noqa: ANN401
        with log.open("w") as errors:
            async with Client(stdio_client(parameters, errlog=errors)) as client:
                return await use(client)

    return asyncio.run(run())


async def ask_and_read(client: Client) -> tuple[CallToolResult, CallToolResult, CallToolResult]:
    """Ask, look for the same, and read what was cited."""
    asked = await client.call_tool("ask", {"question": TREES})
    found = await client.call_tool("search", {"query": TREES, "top_k": 2})
    cited = asked.structured_content["citations"][0]
    read = await client.call_tool("read_article", {"article_id": cited["article_id"]})
    return asked, found, read


def check(results: tuple[CallToolResult, CallToolResult, CallToolResult]) -> None:
    """See that the three tell of the same."""
    asked, found, read = results
    cited = asked.structured_content["citations"][0]
    whole = read.structured_content["text"]
    assert whole[cited["start"] : cited["end"]] == cited["quote"]
    assert "73,000" in text(asked)
    assert len(found.structured_content["passages"]) == 2


def test_it_opens_the_store_itself(demo_dir: Path, tmp_path: Path) -> None:
    """Without a server the process opens the store at the first call, and closes it cleanly."""
    data_dir = tmp_path / "data"
    shutil.copytree(demo_dir, data_dir, ignore=shutil.ignore_patterns("socket", "lock"))
    check(talk(data_dir, ask_and_read, tmp_path / "log"))
    assert "Traceback" not in (tmp_path / "log").read_text()
    assert run_citewell(data_dir, "articles", "list").returncode == 0


def test_it_works_beside_the_server(server: Server, tmp_path: Path) -> None:
    """Beside a running server the same tools answer through it, and errors come as results."""

    async def use(client: Client) -> Any:  # noqa: ANN401
        unknown = {"question": TREES, "collection": "nope"}
        return await ask_and_read(client), await client.call_tool("ask", unknown)

    results, refused = talk(server.data_dir, use, tmp_path / "log")
    check(results)
    assert refused.is_error
    assert "no collection 'nope'" in text(refused)


HELLO = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    },
}


def begin(data_dir: Path, **extra: str) -> subprocess.Popen[str]:
    """Start `citewell mcp` with pipes."""
    return subprocess.Popen(
        [str(CITEWELL), "--data-dir", str(data_dir), "mcp"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(PYTHONPATH=str(ROOT), **extra),
    )


def test_nothing_but_the_protocol_is_printed(tmp_path: Path) -> None:
    """Each line on standard output is a message, and the process ends with its input."""
    messages = [HELLO, {"jsonrpc": "2.0", "method": "notifications/initialized"}]
    messages.append({**LIST, "id": 2})
    with begin(tmp_path / "data") as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for message in messages:
            process.stdin.write(json.dumps(message) + "\n")
        process.stdin.flush()
        first = [process.stdout.readline() for _ in range(2)]  # an end of input cancels the rest
        printed, _ = process.communicate(timeout=4 * PATIENCE)
    replies = [json.loads(line) for line in [*first, *printed.splitlines()]]
    assert [reply["id"] for reply in replies] == [1, 2]
    assert replies[0]["result"]["serverInfo"]["name"] == "citewell"
    assert process.returncode == 0
    assert not (tmp_path / "data").exists(), "nothing is opened before it is asked for"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it(tmp_path: Path, number: signal.Signals) -> None:
    """Ctrl-C ends it though its input stays open, without a traceback."""
    with begin(tmp_path / "data") as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdin.write(json.dumps(HELLO) + "\n")
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["id"] == 1
        process.send_signal(number)
        assert process.wait(PATIENCE) == 0
        assert process.stderr.read() == ""


def test_a_setting_that_cannot_be_used_ends_it(tmp_path: Path) -> None:
    """What is wrong with the settings is one line for the operator, before any protocol."""
    with begin(tmp_path, CITEWELL_THRESHOLD="2") as process:
        printed, errors = process.communicate(timeout=4 * PATIENCE)
    assert (process.returncode, printed) == (1, "")
    assert errors.startswith("citewell: CITEWELL_THRESHOLD is '2'")
