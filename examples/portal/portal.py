"""The internal portal of Halden Ferries, which do not exist: a login, some pages, the assistant."""

from __future__ import annotations

import json
import secrets
from collections.abc import Awaitable, Callable
from pathlib import Path
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.templating import Jinja2Templates

from examples.portal.mint import Assistant, mint
from examples.portal.people import LIFETIME, People, Person

HERE = Path(__file__).parent
COOKIE = "halden"
PAGES = json.loads((HERE / "pages.json").read_text(encoding="utf-8"))
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
templates = Jinja2Templates(HERE / "templates")


class Portal:
    """The portal's pages; `assistant` is what they know of Citewell."""

    def __init__(self, assistant: Assistant) -> None:
        self._assistant = assistant
        self._people = People(HERE / "people.json")

    def application(self) -> Starlette:
        """Return the portal to be served at `assistant.origin`."""
        routes = [
            *(Route(path, self.page) for path in PAGES),
            Route("/login", self.login, methods=["GET", "POST"]),
            Route("/logout", self.logout, methods=["POST"]),
            Route("/api/pages", self.content),
            Route("/api/assistant-token", self.token, methods=["POST"]),
            Mount("/static", StaticFiles(directory=HERE / "static")),
        ]
        host = urlsplit(self._assistant.origin).hostname or ""
        middleware = [
            Middleware(TrustedHostMiddleware, allowed_hosts=[host]),
            Middleware(BaseHTTPMiddleware, dispatch=self._protect),
        ]
        return Starlette(routes=routes, middleware=middleware)

    def token(self, request: Request) -> Response:
        """Give the page a token for whoever is logged in here."""
        person = self._person(request)
        if person is None:
            return JSONResponse({"detail": "Nobody is logged in."}, status_code=401)
        return JSONResponse({"token": mint(self._assistant, person.name, person.groups)})

    def page(self, request: Request) -> Response:
        """Show a page whole, as at the first visit or after a reload."""
        person = self._person(request)
        if person is None:
            return RedirectResponse("/login", 303)
        here = request.url.path
        shown = {
            "page": PAGES[here],
            "pages": PAGES,
            "here": here,
            "person": person,
            "assistant": self._assistant,
            "nonce": request.state.nonce,
        }
        return templates.TemplateResponse(request, "layout.html", shown)

    def content(self, request: Request) -> Response:
        """Give a page's content to the navigation in the page."""
        if self._person(request) is None:
            return JSONResponse({"detail": "Nobody is logged in."}, status_code=401)
        page = PAGES.get(request.query_params.get("path"))
        if page is None:
            return JSONResponse({"detail": "There is no such page."}, status_code=404)
        return JSONResponse(page)

    async def login(self, request: Request) -> Response:
        """Ask for a name and a password, and check them."""
        if request.method != "POST":
            return templates.TemplateResponse(request, "login.html", {"failed": False})
        form = await request.form(max_files=0, max_fields=2)
        # scrypt takes its time, in which others are served
        person = await run_in_threadpool(
            self._people.check, str(form.get("name", "")), str(form.get("password", ""))
        )
        if person is None:
            return templates.TemplateResponse(request, "login.html", {"failed": True}, 403)
        self._people.end(request.cookies.get(COOKIE, ""))
        reply = RedirectResponse("/", 303)
        # Over HTTPS add secure=True and name it __Host-halden.
        reply.set_cookie(
            COOKIE, self._people.begin(person), max_age=LIFETIME, httponly=True, samesite="lax"
        )
        return reply

    def logout(self, request: Request) -> Response:
        """End the session."""
        self._people.end(request.cookies.get(COOKIE, ""))
        reply = RedirectResponse("/login", 303)
        reply.delete_cookie(COOKIE)
        return reply

    def _person(self, request: Request) -> Person | None:
        return self._people.of(request.cookies.get(COOKIE, ""))

    async def _protect(
        self, request: Request, call_next: Callable[[Request], Awaitable[Response]]
    ) -> Response:
        """Refuse writes that come from other sites' pages; set the headers of every reply."""
        request.state.nonce = secrets.token_urlsafe(16)
        if request.method in SAFE or request.headers.get("origin") == self._assistant.origin:
            reply = await call_next(request)
        else:
            reply = PlainTextResponse(f"Only pages of {self._assistant.origin} may do this.", 403)
        reply.headers["content-security-policy"] = self._policy(request.state.nonce)
        reply.headers["x-content-type-options"] = "nosniff"
        reply.headers["referrer-policy"] = "same-origin"
        if not request.url.path.startswith("/static/"):
            reply.headers["cache-control"] = "no-store"
        return reply

    def _policy(self, nonce: str) -> str:
        """Return the Content-Security-Policy: the widget needs the first two lines."""
        return "; ".join(
            (
                f"script-src 'nonce-{nonce}'",
                f"connect-src 'self' {self._assistant.service}",
                "default-src 'none'",
                "style-src 'self'",
                "img-src 'self'",
                "form-action 'self'",
                "base-uri 'none'",
                "frame-ancestors 'none'",
                "require-trusted-types-for 'script'",
                "trusted-types 'none'",
            )
        )
