"""The log of a server: one JSON object a line on standard error, whoever has logged it.

No line of ours holds a query string, a header or, unless the settings say so, a question.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, TextIO

from pythonjsonlogger.json import JsonFormatter

from app.api.guard import request_id

OURS = ("app", "ingest", "vectorstore")
LONGEST_PATH = 200  # characters of a path that has no route

access = logging.getLogger("app.access")
answers = logging.getLogger("app.answers")


class Lines(JsonFormatter):
    """A record as one line of JSON: time, level, logger, message, request_id, what it adds."""

    def __init__(self) -> None:
        super().__init__(
            ("levelname", "name", "message"),
            rename_fields={"levelname": "level", "name": "logger"},
            json_ensure_ascii=False,
        )

    def add_fields(
        self, log_data: dict[str, Any], record: logging.LogRecord, message_dict: dict[str, Any]
    ) -> None:
        """Put the moment first, and the request in which the record was made."""
        moment = datetime.fromtimestamp(record.created, tz=UTC)
        log_data["time"] = moment.isoformat(timespec="milliseconds")
        super().add_fields(log_data, record, message_dict)
        if number := request_id.get():
            log_data.setdefault("request_id", number)


def begin(stream: TextIO | None = None) -> logging.Handler:
    """Send every log of this process to a stream (standard error) as lines of JSON.

    What our own modules note is told, of libraries only warnings: some log whole addresses.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(Lines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    for name in OURS:
        logging.getLogger(name).setLevel(logging.INFO)
    logging.captureWarnings(True)
    adopt()
    return handler


def adopt() -> None:
    """Take away the handlers that libraries gave themselves, so that all goes one way.

    Some do so when they are imported: this is called again once all are.
    """
    for name in list(logging.root.manager.loggerDict):
        logger = logging.getLogger(name)
        logger.handlers[:] = [each for each in logger.handlers if type(each) is logging.NullHandler]
        logger.propagate = True


def tell_request(seen: Mapping[str, Any]) -> None:
    """Log a request that was served or refused."""
    access.info("request", extra=dict(seen))


def tell_answer(answer: Mapping[str, Any], owner: str, with_question: bool) -> None:
    """Log a finished answer by its JSON; the question only if the operator wants it."""
    told = {
        "answer_id": answer["id"],
        "subject": owner,
        "outcome": answer["outcome"],
        "sentences": len(answer["sentences"]),
        "passages": len(answer["passages"]),
        "degraded": len(answer["degraded"]),
        "generation": answer.get("generation"),
        "timings_ms": answer["timings_ms"],
    }
    if with_question:
        told["question"] = answer["question"]
    answers.info("answer", extra=told)
