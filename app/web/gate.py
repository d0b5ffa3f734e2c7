"""What stands before Gradio: only what our page needs, and only for who may ask.

Gradio serves far more than a page needs (files, a proxy, its API, monitoring), several of these
without asking who it is. Here a path that is not listed does not exist. A session of the chat
is named by its page (`session_hash`) and an event by Gradio; both belong to whoever asked in
them first, else knowing the name would be enough to read another's answer or to end it.
"""

from __future__ import annotations

import json
import re
from collections import OrderedDict
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, quote, urlencode

from starlette.datastructures import MutableHeaders
from starlette.responses import JSONResponse, RedirectResponse, Response

from app.api.notices import page
from app.api.problems import problem, problem_of
from app.identity import NOBODY, Identity
from vectorstore.errors import AccessError

if TYPE_CHECKING:
    import gradio as gr
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from app.settings import Settings

GRADIO = "/gradio_api"
PAGE, DATA, JOIN, CANCEL = "/", f"{GRADIO}/queue/data", f"{GRADIO}/queue/join", f"{GRADIO}/cancel"
INFO, RESET = f"{GRADIO}/info", f"{GRADIO}/reset"
READ = frozenset({PAGE, "/config", "/theme.css", "/favicon.ico", f"{GRADIO}/app_id", INFO, DATA})
ASSET = re.compile(r"/assets/(?!.*\.\.)[\w.@+/-]+", re.ASCII)
NAME = re.compile(r"[A-Za-z0-9]{1,64}")  # of a session; `_` joins it with a number in Gradio

# The page asks for what Gradio says of its API, and sends nothing without; there is none.
NO_API: dict[str, dict[str, object]] = {"named_endpoints": {}, "unnamed_endpoints": {}}

# The page asks for this after each cancelling; Gradio itself does nothing there any more.
DONE = {"success": True}

# What of a body is handed on, so that Gradio reads nothing that was not looked at here.
FIELDS = {
    JOIN: ("session_hash", "data", "event_data", "fn_index", "trigger_id"),
    CANCEL: ("session_hash", "event_id", "fn_index"),
}
HELD = 50  # names that one subject may hold; the oldest is given up for another
HOLDERS = 2_000  # subjects that may hold names


class Owners:
    """Whose a name is: the first subject's that claims it, as long as it is remembered.

    Nobody can crowd out another's names by claiming many.
    """

    def __init__(self, held: int = HELD, holders: int = HOLDERS) -> None:
        self._most_held, self._most_holders = held, holders
        self._owner: dict[str, str] = {}
        self._names: OrderedDict[str, OrderedDict[str, None]] = OrderedDict()

    def claim(self, name: str, subject: str) -> bool:
        """Tell whether a name is the subject's, which it becomes if it is nobody's."""
        if self._owner.setdefault(name, subject) != subject:
            return False
        names = self._names.setdefault(subject, OrderedDict())
        names[name] = None
        names.move_to_end(name)
        self._names.move_to_end(subject)
        if len(names) > self._most_held:
            del self._owner[names.popitem(last=False)[0]]
        if len(self._names) > self._most_holders:
            for forgotten in self._names.popitem(last=False)[1]:
                del self._owner[forgotten]
        return True

    def has(self, name: str, subject: str) -> bool:
        """Tell whether a name is the subject's already."""
        return self._owner.get(name) == subject

    def __len__(self) -> int:
        return len(self._owner)


class Gate:
    """Lets through to Gradio what our page needs; used on one event loop.

    Args:
        app: Gradio, mounted at the root.
        settings: How people log in, and where.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._is_oidc = settings.auth == "oidc"
        self._base = (settings.public_url or "").rstrip("/")
        self._sessions = Owners()
        self._events = Owners()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or refuse it."""
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        path, method = _path(scope), scope["method"]
        if not _is_listed(path, method):
            await problem(404, "There is nothing here.")(scope, receive, send)
            return
        identity = scope.get("state", {}).get("identity", NOBODY)
        refusal = self._refusal(path, identity)
        if refusal is None and method == "POST":
            refusal = await self._post(path, identity.subject, scope, receive, send)
            if refusal is None:
                return
        answer = refusal or self._get(path, identity.subject, scope)
        await (answer or self._app)(scope, receive, _marking(send, path))

    def _refusal(self, path: str, identity: Identity) -> Response | None:
        try:
            identity.need("ask")
        except AccessError as exc:
            return self._page_refusal(identity) if path == PAGE else problem_of(exc)
        return None

    def _page_refusal(self, identity: Identity) -> Response:
        if identity.subject != NOBODY.subject:
            text = (
                f"You are known here as {identity.subject.partition(':')[2]}, but have not been "
                "given access to any articles yet. Ask whoever runs Citewell for it."
            )
            return page(403, "No access yet", text, logout=self._to("/logout", self._is_oidc))
        if self._is_oidc:
            to = f"{self._base}/login?next={quote(PAGE)}"
            return RedirectResponse(to, 303, {"cache-control": "no-store"})
        refused = page(
            401,
            "Not logged in",
            "This page is for people who are known here. Open it the way your organisation "
            "has set up; programs use the API with a key.",
        )
        refused.headers["www-authenticate"] = 'Bearer realm="citewell"'
        return refused

    def _to(self, path: str, is_there: bool) -> str | None:
        return f"{self._base}{path}" if is_there else None

    def _get(self, path: str, subject: str, scope: Scope) -> Response | None:
        """Return what is answered here; leave of the query the session whose events are read."""
        if path == INFO:
            return JSONResponse(NO_API)
        query = parse_qs(scope["query_string"].decode("latin-1"))
        scope["query_string"] = b""
        if path != DATA:
            return None
        names = query.get("session_hash", [])
        if len(names) != 1 or not NAME.fullmatch(names[0]):
            return problem(422, "The request names no session of the chat.")
        if not self._sessions.has(names[0], subject):
            return _anothers()  # nothing was asked in it, or by somebody else
        scope["query_string"] = urlencode({"session_hash": names[0]}).encode()
        return None

    async def _post(
        self, path: str, subject: str, scope: Scope, receive: Receive, send: Send
    ) -> Response | None:
        if path == RESET:
            return JSONResponse(DONE)
        body = await _json(receive)
        name = body.get("session_hash") if isinstance(body, dict) else None
        if not isinstance(body, dict) or not isinstance(name, str) or not NAME.fullmatch(name):
            return problem(422, "The request is no JSON object that names a session of the chat.")
        if not self._sessions.claim(name, subject):
            return _anothers()
        if path == CANCEL and not self._events.has(str(body.get("event_id")), subject):
            return _anothers()
        kept = {field: body[field] for field in FIELDS[path] if field in body}
        await self._hand_on(path, subject, kept, scope, receive, send)
        return None

    async def _hand_on(
        self,
        path: str,
        subject: str,
        body: dict[str, Any],
        scope: Scope,
        receive: Receive,
        send: Send,
    ) -> None:
        data = json.dumps(body).encode()
        headers = MutableHeaders(scope=scope)
        headers["content-length"] = str(len(data))
        headers["content-type"] = "application/json"
        del headers["accept-encoding"]  # the reply is read here
        del headers["transfer-encoding"]
        scope["query_string"] = b""
        messages: list[Message] = [{"type": "http.request", "body": data}]

        async def replay() -> Message:
            return messages.pop() if messages else await receive()

        told = b""

        async def note(message: Message) -> None:
            nonlocal told
            if path == JOIN and message["type"] == "http.response.body":
                told += message.get("body", b"")
                if not message.get("more_body"):
                    self._note_event(told, subject)
            await send(message)

        await self._app(scope, replay, note)

    def _note_event(self, reply: bytes, subject: str) -> None:
        try:
            event = json.loads(reply)["event_id"]
        except (ValueError, KeyError, TypeError):
            return  # it was refused
        self._events.claim(str(event), subject)


def _is_listed(path: str, method: str) -> bool:
    if method == "POST":
        return path in FIELDS or path == RESET
    is_read = path in READ or ASSET.fullmatch(path) is not None
    return method in ("GET", "HEAD") and is_read


def _path(scope: Scope) -> str:
    """Return the path below where the application is mounted, as routes see it."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "")
    return path[len(root) :] if root and path.startswith(f"{root}/") else path


async def _json(receive: Receive) -> Any:  # noqa: ANN401 (JSON)
    """Return a body's JSON, None if it is none; the guard has limited its size."""
    parts, is_more = [], True
    while is_more:
        message = await receive()
        if message["type"] != "http.request":
            return None
        parts.append(message.get("body", b""))
        is_more = message.get("more_body", False)
    try:
        return json.loads(b"".join(parts))
    except (ValueError, RecursionError):
        return None


def _anothers() -> Response:
    return problem(403, "This session of the chat is not yours. Load the page again.")


def _marking(send: Send, path: str) -> Send:
    """Keep pages out of caches, and events out of proxies' buffers."""

    async def marked(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            if not path.startswith("/assets/"):
                headers["cache-control"] = "no-store"
            if path == DATA:
                headers["x-accel-buffering"] = "no"
        await send(message)

    return marked


def identity_of(request: gr.Request) -> Identity:
    """Return who asked; NOBODY where the request does not say, who may do nothing.

    The queue hands on the very request that put the question into it, with the state in which
    the guard noted who that is.
    """
    asked = request.request
    found = None if asked is None else asked.scope.get("state", {}).get("identity")
    return found if isinstance(found, Identity) else NOBODY
