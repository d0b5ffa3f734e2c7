"""The log is JSON, one object a line, and tells nothing that it must not."""

from __future__ import annotations

import io
import json
import logging
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from app.api.guard import request_id
from app.sight import logs
from tests.kept import body

Read = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def lines() -> Iterator[Read]:
    """Begin the log into memory; returns its lines so far; all is as before afterwards."""
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    stream = io.StringIO()
    logs.begin(stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    logging.captureWarnings(False)
    root.handlers[:], root.level = before, level
    for name in logs.OURS:
        logging.getLogger(name).setLevel(logging.NOTSET)


def test_a_line_says_when_who_and_in_which_request(lines: Read) -> None:
    """A record has its moment in UTC, level, logger, message and the request it was made in."""
    token = request_id.set("r-17")
    logging.getLogger("app.answering").info("%d passages", 3)
    request_id.reset(token)
    logging.getLogger("ingest").warning("late")
    first, second = lines()
    assert first.pop("time").endswith("+00:00")
    assert first == {
        "level": "INFO",
        "logger": "app.answering",
        "message": "3 passages",
        "request_id": "r-17",
    }
    assert "request_id" not in second


def test_a_line_stays_one_line(lines: Read) -> None:
    """Line ends in a message forge no second line; an exception's traceback is in its line."""
    try:
        raise ValueError("a\nb")
    except ValueError:
        logging.getLogger("app").exception('x\n{"level": "INFO"}')
    (line,) = lines()
    assert line["message"] == 'x\n{"level": "INFO"}'
    assert "ValueError: a\nb" in line["exc_info"]


def test_of_libraries_only_warnings_are_told(lines: Read) -> None:
    """A library's INFO is not logged, its warning and Python's own are."""
    logging.getLogger("httpx").info("GET https://x.example/?token=secret")
    logging.getLogger("httpx").warning("slow")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("old", stacklevel=1)
    assert [line["logger"] for line in lines()] == ["httpx", "py.warnings"]


def test_handlers_of_libraries_are_taken_over(lines: Read) -> None:
    """What a library prints by a handler of its own becomes a line of the log."""
    theirs = logging.getLogger("somelibrary")
    own = io.StringIO()
    theirs.addHandler(logging.StreamHandler(own))
    theirs.propagate = False
    logs.adopt()
    theirs.warning("careful")
    assert own.getvalue() == ""
    assert [line["message"] for line in lines()] == ["careful"]


@pytest.mark.parametrize("wanted", [False, True])
def test_a_question_is_logged_only_if_wanted(lines: Read, wanted: bool) -> None:
    """The answer's line holds the question's text only where the operator asked for it."""
    logs.tell_answer(body("q1", "Is it secret?"), "user:ada", wanted)
    (line,) = lines()
    assert line.get("question") == ("Is it secret?" if wanted else None)
    assert ("secret" in json.dumps(line)) is wanted
    assert (line["answer_id"], line["outcome"], line["subject"]) == ("q1", "answered", "user:ada")
    assert line["timings_ms"]["total"] == 10.0
