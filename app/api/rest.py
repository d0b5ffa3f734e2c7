"""The HTTP API, assembled and described by OpenAPI."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

from fastapi import FastAPI
from starlette.staticfiles import StaticFiles

from app.api.admin import admin_router
from app.api.answers import answers_router
from app.api.articles import articles_router
from app.api.conversations import conversations_router
from app.api.insight import insight_router
from app.api.jobs import jobs_router
from app.api.openai import openai_router
from app.api.operator import operator_router
from app.api.problems import REFUSALS, handle_problems
from app.api.runtime import Runtime
from app.api.sessions import sessions_router
from app.api.widget import widget_router

STATIC = Path(__file__).parents[1] / "web" / "static"


def rest_app(runtime: Runtime) -> FastAPI:
    """Return the API over the service that `runtime` is starting."""
    app = FastAPI(
        title="Citewell",
        version=version("citewell"),
        summary="Ask your articles; every sentence of the answer is cited.",
        docs_url=None,
        redoc_url=None,
        responses=REFUSALS,
        openapi_url="/api/v1/openapi.json",
    )
    app.state.runtime = runtime
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    for router in (
        answers_router,
        conversations_router,
        articles_router,
        jobs_router,
        sessions_router,
        admin_router,
        insight_router(runtime),
        operator_router(runtime),
        openai_router(runtime),
        widget_router(runtime),
    ):
        app.include_router(router)
    handle_problems(app)
    return app
