"""The tools of `app.mcp_tools` over the Model Context Protocol; the only file that imports mcp.

Over HTTP every request is by itself, and whoever makes it is known before the SDK sees it; on
standard input and output the tools are the terminal's own user's.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from mcp import types
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings
from mcp.shared.exceptions import MCPError
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.routing import Route

from app.control import Remote
from app.links import Json
from app.mcp_tools import INSTRUCTIONS, TOOLS, Tool
from app.session import chosen_settings, open_session
from vectorstore.errors import AccessError, CitewellError

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.requests import Request
    from starlette.types import ASGIApp, Receive, Scope, Send

    from app.api.runtime import Runtime
    from app.mcp_tools import Backend
    from app.session import Session
    from app.settings import Settings

logger = logging.getLogger(__name__)

PATH = "/mcp"
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")

Context = ServerRequestContext[Any, Any]
Serve = Callable[[Context], "Backend"]
May = Callable[[Context, Tool], bool]


def _server(serve: Serve, may: May = lambda *_: True) -> Server[Any]:
    """Return a server of the tools.

    Args:
        serve: Returns what answers a request.
        may: Whether whoever makes a request can use a tool; others are not listed.
    """

    async def list_tools(ctx: Context, _: object) -> types.ListToolsResult:
        return types.ListToolsResult(
            tools=[_described(tool) for tool in TOOLS.values() if may(ctx, tool)]
        )

    async def call_tool(ctx: Context, params: types.CallToolRequestParams) -> types.CallToolResult:
        tool = TOOLS.get(params.name)
        if tool is None:
            msg = f"There is no tool {params.name!r}. There are: {', '.join(TOOLS)}."
            raise MCPError(types.INVALID_PARAMS, msg)
        return await _called(tool, params.arguments or {}, lambda: serve(ctx))

    return Server(
        "citewell",
        title="Citewell",
        version=version("citewell"),
        instructions=INSTRUCTIONS,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
    )


def _described(tool: Tool) -> types.Tool:
    return types.Tool(
        name=tool.name,
        title=tool.title,
        description=tool.description,
        input_schema=tool.takes.model_json_schema(),
        output_schema=tool.gives.model_json_schema(),
        annotations=types.ToolAnnotations(
            read_only_hint=True,
            destructive_hint=False,
            idempotent_hint=True,
            open_world_hint=False,
        ),
    )


async def _called(tool: Tool, sent: Json, serve: Callable[[], Backend]) -> types.CallToolResult:
    """Run a tool; what goes wrong is a result too, which the model can read and mend."""
    try:
        text, given = await tool.call(serve(), tool.takes.model_validate(sent))
    except ValidationError as exc:
        wrong = [
            f"{'.'.join(str(part) for part in each['loc'])}: {each['msg']}" for each in exc.errors()
        ]
        return _failed(f"{tool.name} was not called: {'; '.join(wrong)}.")
    except CitewellError as exc:
        return _failed(str(exc))
    except Exception:  # its text may hold what is not the client's to know
        logger.exception("a tool failed")
        return _failed("The tool failed; the server's log says why.")
    return types.CallToolResult(
        content=[types.TextContent(text=text)], structured_content=given.model_dump(mode="json")
    )


def _failed(reason: str) -> types.CallToolResult:
    return types.CallToolResult(content=[types.TextContent(text=reason)], is_error=True)


# -- over HTTP ---------------------------------------------------------------------------


def mount_mcp(app: FastAPI, runtime: Runtime) -> None:
    """Serve the tools at PATH of `app`, to whoever has a right to one of them."""
    from app.api.visitor import Visitor

    def may(ctx: Context, tool: Tool) -> bool:
        return any(right in _request(ctx).state.identity.rights for right in tool.rights)

    sessions = StreamableHTTPSessionManager(
        _server(lambda ctx: Visitor(runtime, _request(ctx)), may),
        stateless=True,
        security_settings=_hosts(runtime.settings),
        max_request_body_size=runtime.settings.max_body,
    )
    door = _Door(sessions.handle_request)
    for path in (PATH, f"{PATH}/"):  # a redirect would take a client's POST elsewhere
        app.router.routes.append(Route(path, endpoint=door))
    around = app.router.lifespan_context

    @asynccontextmanager
    async def lifespan(inner: FastAPI) -> AsyncIterator[Any]:
        async with sessions.run(), around(inner) as state:
            yield state

    app.router.lifespan_context = lifespan


def _request(ctx: Context) -> Request:
    return cast("Request", ctx.request)  # over HTTP there is always one


class _Door:
    """Lets in who has a right to one of the tools, so that not even their names are told else."""

    def __init__(self, inside: ASGIApp) -> None:
        self._inside = inside
        self._rights = sorted({right for tool in TOOLS.values() for right in tool.rights})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or refuse it."""
        from app.api.problems import problem, problem_of

        try:
            scope["state"]["identity"].need(*self._rights)
        except AccessError as exc:
            await problem_of(exc)(scope, receive, send)
            return
        if scope["method"] != "POST":  # there is no session to hear of or to end
            refused = problem(405, f"{PATH} takes POST only.", {"allow": "POST"})
            await refused(scope, receive, send)
            return
        await self._inside(scope, receive, send)


def _hosts(settings: Settings) -> TransportSecuritySettings:
    """Let in the hosts and origins that the guard does: the SDK checks them once more."""
    public = urlsplit(settings.public_url or "http://127.0.0.1")
    loopback = [f"{host}{port}" for host in sorted(LOOPBACK) for port in ("", ":*")]
    return TransportSecuritySettings(
        allowed_hosts=[*loopback, public.netloc],
        allowed_origins=[
            *(f"http://{host}" for host in (*loopback, public.netloc)),
            f"{public.scheme}://{public.netloc}",
        ],
    )


# -- on standard input and output --------------------------------------------------------


def serve_stdio() -> None:
    """Serve the tools to the process that has started this one, until it closes our input.

    SIGINT and SIGTERM end this process too, with the store closed.

    Raises:
        SettingsError: A setting cannot be used.
    """
    settings = chosen_settings()
    with ExitStack() as stack:
        terminal = _Terminal(settings.public_url, stack)

        def end() -> None:
            stack.close()
            os._exit(0)  # the thread that waits for our input cannot be woken

        asyncio.run(_talk(terminal, end))


async def _talk(terminal: _Terminal, end: Callable[[], None]) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, end)
    server = _server(lambda _: terminal)
    async with stdio_server() as (read, write):
        await server.run(read, write, server.create_initialization_options())


class _Terminal:
    """The tools as commands of the terminal: in the running server, or in this process.

    The store is opened by the first call, not before: many clients start every server that
    they know, and one process only can have a data folder open.

    Args:
        public_url: Where readers reach the service, if they do.
        stack: Closes the store.
    """

    def __init__(self, public_url: str | None, stack: ExitStack) -> None:
        self.base = public_url and public_url.rstrip("/")
        self._stack = stack
        self._opened: Session | None = None
        self._opening = threading.Lock()

    async def ask(self, question: str, collection: str | None) -> Json:
        """Return an answer."""
        return await self._run("ask", question=question, scope=_named(collection))

    async def search(self, query: str, top_k: int, collection: str | None) -> Json:
        """Return passages, best first."""
        return await self._run("search", query=query, top_k=top_k, scope=_named(collection))

    async def article(self, article_id: str) -> Json:
        """Return an article with its text."""
        return await self._run("article", name=article_id, collection=None)

    async def _run(self, command: str, **arguments: Any) -> Json:  # noqa: ANN401 (JSON)
        return await run_in_threadpool(self._execute, command, arguments)

    def _execute(self, command: str, arguments: Json) -> Json:
        with self._opening:
            session = self._opened or self._open()
        found: Json = session.execute(command, arguments, lambda _: None)
        return found

    def _open(self) -> Session:
        """Reach the server anew for each call, since it may end or begin; keep our own store."""
        with ExitStack() as opening:
            session = opening.enter_context(open_session())
            if not isinstance(session, Remote):
                self._opened = session
                self._stack.push(opening.pop_all())
            return session


def _named(collection: str | None) -> Json:
    return {"collections": None if collection is None else [collection]}
