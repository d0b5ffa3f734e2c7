"""The operator's own addresses: the metrics, and the page that shows how the service does."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter, Request
from starlette.responses import FileResponse, Response

from app.api.insight import administrator
from app.api.runtime import Runtime
from app.identity import NOBODY
from app.sight.metrics import CONTENT_TYPE

PAGE = Path(__file__).parents[1] / "web" / "static" / "admin.html"
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "connect-src 'self'",
        "img-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)


def operator_router(runtime: Runtime) -> APIRouter:
    """Return the routes over the service that `runtime` has."""
    router = APIRouter(include_in_schema=False)

    @router.get("/metrics")
    def read_metrics(request: Request) -> Response:
        """Return the measures in Prometheus' text format."""
        administrator(request)
        return Response(
            runtime.sight.metrics.exposition(),
            headers={"content-type": CONTENT_TYPE, "cache-control": "no-store"},
        )

    @router.get("/admin")
    def read_page(request: Request) -> Response:
        """Return the page for administrators, which holds nothing itself.

        Whoever is not known may load it and give it an API key; whoever is known needs the right.
        """
        if getattr(request.state, "identity", NOBODY).subject != NOBODY.subject:
            administrator(request)
        headers = {"content-security-policy": POLICY, "cache-control": "no-store"}
        return FileResponse(PAGE, media_type="text/html", headers=headers)

    return router
