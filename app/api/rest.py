"""The part of the API that the reader's page needs: an article, to show a passage in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastapi import FastAPI
from starlette.responses import JSONResponse, Response
from starlette.staticfiles import StaticFiles

from app.answering.wire import head_json
from app.api.runtime import Runtime
from vectorstore.errors import UnknownNameError

STATIC = Path(__file__).parents[1] / "web" / "static"


def rest_app(runtime: Runtime) -> FastAPI:
    """Return the API over the service that `runtime` is starting."""
    app = FastAPI(title="Citewell", docs_url=None, redoc_url=None)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")

    @app.get("/api/v1/articles/{article_id}", response_model=None)
    def read_article(article_id: str) -> dict[str, Any] | Response:
        """Return an article's current version with its text."""
        try:
            article = runtime.service().store.catalogue.article(article_id)
        except UnknownNameError as exc:
            problem = {"type": "about:blank", "title": "Not Found", "status": 404}
            return JSONResponse(
                {**problem, "detail": str(exc)},  # RFC 9457
                status_code=404,
                media_type="application/problem+json",
            )
        return {**head_json(article.head), "text": article.text}

    return app
