"""Whatever a client sends, the API answers as its own description says, and never with 500."""

from __future__ import annotations

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from starlette.types import Receive, Scope, Send

from app.api.guard import Guard
from app.api.rest import rest_app
from app.api.runtime import Runtime

EXAMPLES = 12  # of each operation
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


@pytest.fixture
def schema(runtime: Runtime) -> schemathesis.BaseSchema:
    """The API's own description of itself."""
    guarded = Guard(rest_app(runtime), runtime.settings)

    async def local(scope: Scope, receive: Receive, send: Send) -> None:
        if "headers" in scope:  # the client names a host of its own invention
            kept = [pair for pair in scope["headers"] if pair[0] != b"host"]
            scope["headers"] = [*kept, (b"host", b"127.0.0.1")]
        await guarded(scope, receive, send)

    return schemathesis.openapi.from_asgi("/api/v1/openapi.json", local)


def test_every_operation_keeps_its_word(schema: schemathesis.BaseSchema) -> None:
    """No server error, and every status, content type and body is one that is described."""
    failures: list[str] = []
    seen = 0
    for found in schema.get_all_operations():
        operation = found.ok()
        seen += 1

        @settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck), deadline=None)
        @given(case=operation.as_strategy())
        def keeps_its_word(case: schemathesis.Case) -> None:
            case.call_and_validate(checks=CHECKS)

        try:
            keeps_its_word()
        except (AssertionError, BaseExceptionGroup) as exc:
            failures.append(f"{operation.label}: {exc}")
    assert seen > 30
    assert not failures, "\n\n".join(failures)
