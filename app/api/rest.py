"""The part of the API that readers' pages need: answers, and articles to show passages in."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.staticfiles import StaticFiles

from app.answering.answer import Event
from app.answering.citations import link_to_quote
from app.answering.wire import Json, event_json, head_json
from app.api.runtime import Runtime
from app.scope import Scope
from vectorstore.errors import CitewellError, UnknownNameError

STATIC = Path(__file__).parents[1] / "web" / "static"


class Question(BaseModel):
    """What to answer, and from which articles; null means from all."""

    model_config = ConfigDict(extra="forbid")

    question: str
    collection: str | None = None
    collections: tuple[str, ...] | None = None
    sources: tuple[str, ...] | None = None
    languages: tuple[str, ...] | None = None
    published_from: date | None = None
    published_to: date | None = None

    @property
    def scope(self) -> Scope:
        """The articles that may answer."""
        named = (self.collection,) if self.collection is not None else None
        return Scope(
            named if self.collections is None else (*self.collections, *(named or ())),
            self.sources,
            self.languages,
            self.published_from,
            self.published_to,
        )


def rest_app(runtime: Runtime) -> FastAPI:
    """Return the API over the service that `runtime` is starting."""
    app = FastAPI(title="Citewell", docs_url=None, redoc_url=None)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")

    @app.post("/api/v1/answers", response_model=None)
    def answer(question: Question) -> Response:
        """Stream an answer as server-sent events: start, passages, sentence …, done or error."""
        try:
            events = runtime.service().ask(question.question, question.scope)
        except UnknownNameError as exc:
            return _problem(404, "Not Found", exc)
        except CitewellError as exc:
            return _problem(422, "Unprocessable Content", exc)
        return StreamingResponse(
            _server_sent(events),
            media_type="text/event-stream",
            headers={"cache-control": "no-store", "x-accel-buffering": "no"},
        )

    @app.get("/api/v1/articles/{article_id}", response_model=None)
    def read_article(article_id: str, start: int = 0, end: int = 0) -> dict[str, Any] | Response:
        """Return an article's current version with its text.

        `link` opens the original, at the words between `start` and `end` if these are given;
        it is null where the article is not on the web.
        """
        try:
            article = runtime.service().store.catalogue.article(article_id)
        except UnknownNameError as exc:
            return _problem(404, "Not Found", exc)
        link = link_to_quote(article.head, article.text[max(start, 0) : max(end, 0)])
        return {**head_json(article.head), "text": article.text, "link": link}

    return app


def _server_sent(events: Iterator[Event]) -> Iterator[str]:
    """Yield events in the form of the HTML standard, section 9.2, numbered from 0."""
    number = -1
    try:
        for number, event in enumerate(events):
            yield _frame(number, *event_json(event))
    except CitewellError as exc:
        problem = {"type": type(exc).__name__, "title": "The answer failed", "detail": str(exc)}
        yield _frame(number + 1, "error", problem)


def _frame(number: int, name: str, data: Json) -> str:
    return f"id: {number}\nevent: {name}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n"


def _problem(status: int, title: str, error: CitewellError) -> Response:
    """Return a problem document (RFC 9457)."""
    return JSONResponse(
        {"type": "about:blank", "title": title, "status": status, "detail": str(error)},
        status_code=status,
        media_type="application/problem+json",
    )
