"""Errors over HTTP: problem documents (RFC 9457), with the status that the error's class has."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from vectorstore.errors import (
    AccessError,
    BusyError,
    CitewellError,
    ConflictError,
    ForbiddenError,
    IngestError,
    QuestionError,
    SettingsError,
    UnauthenticatedError,
    UnknownNameError,
)

logger = logging.getLogger(__name__)

TITLES = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    409: "Conflict",
    413: "Content Too Large",
    415: "Unsupported Media Type",
    422: "Unprocessable Content",
    429: "Too Many Requests",
    500: "Internal Server Error",
    503: "Service Unavailable",
}
_STATUS: tuple[tuple[type[CitewellError], int], ...] = (
    (UnknownNameError, 404),
    (QuestionError, 422),
    (SettingsError, 422),
    (IngestError, 422),
    (ConflictError, 409),
    (UnauthenticatedError, 401),
    (ForbiddenError, 403),
)


class Problem(BaseModel):
    """Why a request was refused (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str


REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {
        "description": f"{TITLES[status]}: {why}",
        "content": {"application/problem+json": {"schema": Problem.model_json_schema()}},
    }
    for status, why in (
        (400, "the request is malformed"),
        (401, "nobody is logged in"),
        (403, "the right is missing"),
        (404, "a name is unknown"),
        (409, "it contradicts what is there"),
        (413, "the body is too large"),
        (422, "the request cannot be used"),
        (429, "too much was asked; see Retry-After"),
        (503, "the service is overloaded or starting; see Retry-After"),
    )
}
"""What every operation may answer beside what it is for, as OpenAPI describes it."""


def status_of(error: CitewellError) -> int:
    """Return the HTTP status of an error; what is none of the client's faults is 503."""
    if isinstance(error, BusyError):
        return 503 if error.overloaded else 429
    return next((status for kind, status in _STATUS if isinstance(error, kind)), 503)


def problem(
    status: int,
    detail: str,
    headers: Mapping[str, str] | None = None,
    code: str | None = None,
    **more: object,
) -> Response:
    """Return a problem document; a `code` is for programs that act on the reason."""
    kind = "about:blank" if code is None else f"urn:citewell:problem:{code}"
    return JSONResponse(
        {"type": kind, "title": TITLES.get(status, "Error"), "status": status,
         "detail": detail, **more},
        status_code=status,
        headers={"cache-control": "no-store", **(headers or {})},
        media_type="application/problem+json",
    )  # fmt: skip


def problem_of(error: CitewellError) -> Response:
    """Return the problem document of an error of ours."""
    headers = {}
    if isinstance(error, BusyError):
        headers["retry-after"] = str(max(1, round(error.retry_after)))
    if isinstance(error, UnauthenticatedError):
        headers["www-authenticate"] = 'Bearer realm="citewell"'
    code = error.code if isinstance(error, AccessError) else None
    return problem(status_of(error), str(error), headers, code)


def handle_problems(app: FastAPI) -> None:
    """Have every error of `app` answered with a problem document."""

    @app.exception_handler(CitewellError)
    def ours(_: Request, error: CitewellError) -> Response:
        return problem_of(error)

    @app.exception_handler(RequestValidationError)
    def invalid(_: Request, error: RequestValidationError) -> Response:
        found = [
            {"field": ".".join(str(part) for part in each["loc"]), "detail": each["msg"]}
            for each in error.errors()
        ]
        detail = "; ".join(f"{each['field']}: {each['detail']}" for each in found)
        return problem(422, detail, errors=found)

    @app.exception_handler(HTTPException)
    def http(_: Request, error: HTTPException) -> Response:
        return problem(error.status_code, str(error.detail), error.headers)

    @app.exception_handler(Exception)
    def unforeseen(_: Request, error: Exception) -> Response:
        logger.error("a request failed", exc_info=error)
        return problem(500, "The request failed; the server's log says why.")
