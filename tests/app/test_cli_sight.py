"""What an operator learns by the command line, alone and beside the running server."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import httpx
import pytest

from app.records.records import Records
from tests.app.conftest import RunCitewell, Server
from tests.kept import body, clear

Run = Callable[..., "CompletedProcess[str]"]
OWNER = "user:ada"


def fill(records: Records) -> None:
    """Keep three answers of one person, feedback and an audit entry."""
    records.conversations.keep(OWNER, body("qc1", "How many trees?"))
    records.conversations.keep(OWNER, body("qc2", "=Parking?", "not_found"))
    records.conversations.keep(OWNER, body("qc3", "=parking", "not_found"))
    records.feedback.give("qc1", "helpful", None, None)
    records.audit.note(OWNER, "ingest", "c1", "10.0.0.7", None, False)


@pytest.fixture(params=["alone", "beside"])
def run(
    request: pytest.FixtureRequest, citewell: RunCitewell, tmp_path: Path
) -> Iterator[tuple[Run, Path]]:
    """Run a command on filled records, in this process and beside the server."""
    is_beside = request.param == "beside"
    server: Server | None = request.getfixturevalue("server") if is_beside else None
    data_dir = server.data_dir if server else tmp_path / "data"
    data_dir.mkdir(exist_ok=True)
    records = Records(data_dir / "catalogue.sqlite3")
    clear(records)
    fill(records)
    yield (lambda *arguments: citewell(data_dir, *arguments)), tmp_path
    clear(records)
    records.close()


def read(result: CompletedProcess[str]) -> Any:  # noqa: ANN401 (JSON)
    """Return what a command printed that went well."""
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def test_what_is_kept_is_told_and_deleted(run: tuple[Run, Path]) -> None:
    """Every command works beside a server and without one, and prints text and JSON."""
    citewell, folder = run
    text = citewell("stats", "--days", "7")
    assert text.stdout.splitlines() == [
        "3 answers to 1 people in 7 days.",
        "Outcomes: answered 1 (33%), partial 0 (0%), not found 2 (67%)",
        "Feedback: 1 helpful, 0 unhelpful",
        "Total: 10 ms (median), 10 ms (95 %)",
        "Most asked:",
        "     2  =parking",
        "     1  How many trees?",
    ]
    found = read(citewell("stats", "--json"))
    assert (found["days"], found["answers"], len(found["by_day"])) == (30, 3, 31)

    assert re.fullmatch(
        r" {5}2  20\d\d-\d\d-\d\d  =parking\n {20}closest: The title of c1\n",
        citewell("stats", "gaps").stdout,
    )
    (gap,) = read(citewell("stats", "gaps", "--json"))["gaps"]
    assert (gap["question"], gap["count"]) == ("=parking", 2)
    table = folder / "gaps.csv"
    assert citewell("stats", "gaps", "--csv", table).stdout == ""
    printed = citewell("stats", "gaps", "--csv", "-").stdout
    written = table.read_text(encoding="utf-8")
    assert list(csv.reader(io.StringIO(written))) == list(csv.reader(io.StringIO(printed)))
    assert printed.splitlines()[1].startswith("'=parking,2,2,0,")

    cases = folder / "cases.jsonl"
    assert citewell("feedback", "export", cases).returncode == 0
    case = json.loads(cases.read_text())
    assert (case["id"], case["expected"], case["answer"]) == ("qc1", "answered", ["It is so."])
    assert json.loads(citewell("feedback", "export", "-").stdout) == case

    audit = citewell("audit", "--limit", "1").stdout
    assert re.fullmatch(r"\S+Z  user:ada  ingest  c1  10\.0\.0\.7  REFUSED\n", audit)
    assert read(citewell("audit", "--json"))["entries"][0]["allowed"] is False

    theirs = read(citewell("users", "export", OWNER))
    assert [each["id"] for each in theirs["answers"]] == ["qc1", "qc2", "qc3"]
    assert citewell("users", "delete", OWNER).stdout.startswith(f"Deleted 3 answers of {OWNER}.")
    assert read(citewell("users", "delete", OWNER, "--json")) == {"subject": OWNER, "answers": 0}
    assert read(citewell("stats", "--json"))["answers"] == 0
    assert citewell("stats", "gaps").stdout == "Every question was answered.\n"
    entry = read(citewell("audit", "--limit", "1", "--json"))["entries"][0]
    assert (entry["actor"], entry["action"]) == ("local", "delete user data")
    assert entry["target"] == OWNER


@pytest.mark.parametrize("arguments", [("feedback", "export"), ("stats", "gaps", "--csv")])
def test_a_file_that_cannot_be_written_is_told(
    citewell: RunCitewell, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    """It gives status 1 and one line that names the file."""
    result = citewell(tmp_path / "data", *arguments, "/no/such/file")
    assert result.returncode == 1
    assert "/no/such/file cannot be written" in result.stderr.splitlines()[-1]


def test_the_server_logs_lines_of_json(server: Server) -> None:
    """Each request is one JSON line, below what the server says to people on a terminal."""
    reply = httpx.get(f"{server.url}/healthz?secret=1", headers={"x-request-id": "mine-1"})
    assert reply.headers["x-request-id"] == "mine-1"
    for _ in range(100):
        found = [line for line in server.said if "mine-1" in line]
        if found:
            break
        httpx.get(f"{server.url}/healthz")
    (line,) = found
    told = json.loads(line)
    assert (told["route"], told["status"], told["subject"]) == ("/healthz", 200, "local")
    assert "secret" not in line
    spoken = [line for line in server.said if not line.startswith("{")]
    assert spoken[:2] == ["Starting Citewell …\n", f"Citewell is at {server.url}\n"]


def test_the_server_gives_its_metrics(server: Server) -> None:
    """The counts of the open store are in the metrics."""
    text = httpx.get(f"{server.url}/metrics").text
    assert "citewell_articles 18.0" in text
    assert "citewell_index_degraded 0.0" in text
    assert 'citewell_requests_total{method="GET",route="/readyz",status="2xx"}' in text
