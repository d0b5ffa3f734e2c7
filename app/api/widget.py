"""What a portal's page loads: the widget's module, and a page of ours for its frames."""

from __future__ import annotations

import json
from functools import partial
from html import escape

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import FileResponse, Response

from app import widget
from app.api.notices import LINKED, page
from app.api.problems import problem
from app.api.runtime import Runtime
from app.records.portals import Portal
from app.widget import FRAME, LOGIN, MODULE, load_module

READ = ["GET", "HEAD"]
YEAR = 31_536_000  # seconds
SHORT = 300  # seconds for which a page may show an older version of the floating module
# Pages load it across origins (CORS, so that its integrity can be checked), also those that
# isolate themselves (CORP); it holds nothing of anybody's.
SHARED = {"access-control-allow-origin": "*", "cross-origin-resource-policy": "cross-origin"}
POLICY = (
    "default-src 'none'",
    "script-src 'self'",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "require-trusted-types-for 'script'",
)
PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{name} – Citewell</title>
<script type="module" src="{module}"></script>
<script type="module" src="{frame}" data-origins="{origins}" data-access="{access}"></script>
</head>
<body>
<citewell-chat portal="{name}" mode="panel" frame></citewell-chat>
</body>
</html>
"""


LOGIN_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Logging in – Citewell</title>
<script type="module" src="{script}" data-portal="{name}" data-login="{login}"></script>
</head>
<body>
<p role="status">You are being logged in …</p>
</body>
</html>
"""


def widget_router(runtime: Runtime) -> APIRouter:
    """Return the routes that a portal's pages load from; nobody has to be known for them."""
    router = APIRouter(prefix="/widget", include_in_schema=False)

    @router.api_route(f"/{{version}}/{MODULE}", methods=READ)
    def read_module(request: Request, version: str) -> Response:
        """Return the module: for ever under its version, for minutes under its first number."""
        module = load_module()
        if version not in (module.version, module.major):
            known = f"{module.version} and {module.major}"
            return problem(404, f"There is no widget {version[:20]!r} here, only {known}.")
        is_floating = version == module.major
        seconds = f"max-age={SHORT}" if is_floating else f"max-age={YEAR}, immutable"
        headers = {
            **SHARED,
            "cache-control": f"public, {seconds}",
            "etag": f'W/"{module.integrity}"',  # the same for both encodings
            "vary": "Accept-Encoding",
        }
        if request.headers.get("if-none-match") == headers["etag"]:
            return Response(status_code=304, headers=headers)
        body = module.text
        if _takes_gzip(request.headers.get("accept-encoding", "")):
            body = module.zipped
            headers["content-encoding"] = "gzip"
        return Response(body, headers=headers, media_type="text/javascript")

    @router.api_route("/frame", methods=READ)
    async def read_frame(portal: str = "") -> Response:
        """Return the page for a frame of a portal's, which only that may show."""
        records = (await run_in_threadpool(runtime.service)).records
        found = await run_in_threadpool(records.portals.named, portal)
        if found is None:
            return page(
                404,
                "There is no such portal",
                f"No portal is called {portal[:100]!r} here. Whoever set up this page finds the "
                "names with: citewell portals list",
            )
        return _frame(found)

    @router.api_route("/login", methods=READ)
    async def read_login(portal: str = "") -> Response:
        """Return the page of the window in which a frame's reader logs in."""
        records = (await run_in_threadpool(runtime.service)).records
        found = await run_in_threadpool(records.portals.named, portal)
        if found is None or not found.has_login:
            text = f"No portal {portal[:100]!r} here takes logins. See: citewell portals list"
            return page(404, "Nobody logs in here", text)
        return _login(found, f"{runtime.settings.public_path}/login")

    for name in (FRAME, LOGIN):
        router.add_api_route(f"/{name}", partial(_script, name), methods=READ)
    return router


def _frame(portal: Portal) -> Response:
    policy = "; ".join((*POLICY, f"frame-ancestors {' '.join(portal.origins)}"))
    html = PAGE.format(
        name=escape(portal.name),
        module=escape(f"{load_module().version}/{MODULE}"),
        frame=FRAME,
        origins=escape(json.dumps(portal.origins)),
        access="login" if portal.has_login else "public" if portal.is_public else "token",
    )
    headers = {
        "content-security-policy": policy,
        # Pages that isolate themselves frame only what isolates itself too.
        "cross-origin-embedder-policy": "require-corp",
        "cross-origin-resource-policy": "cross-origin",
        "cache-control": "no-store",
    }
    return Response(html, headers=headers, media_type="text/html")


def _login(portal: Portal, login: str) -> Response:
    html = LOGIN_PAGE.format(script=LOGIN, name=escape(portal.name), login=escape(login))
    policy = "; ".join((*POLICY, "frame-ancestors 'none'"))
    headers = {"content-security-policy": policy, "cache-control": "no-store", **LINKED}
    return Response(html, headers=headers, media_type="text/html")


def _script(name: str) -> Response:
    headers = {"cache-control": f"public, max-age={SHORT}"}
    return FileResponse(widget.FOLDER / name, media_type="text/javascript", headers=headers)


def _takes_gzip(accepted: str) -> bool:
    """Whether an Accept-Encoding lets us send gzip.

    Example: "br, gzip;q=0" -> False
    """
    for each in accepted.lower().split(","):
        coding, _, quality = each.partition(";")
        if coding.strip() in ("gzip", "*"):
            return quality.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False
