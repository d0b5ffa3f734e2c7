"""The command over the demo articles, beside a running server: floors that CI keeps."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from app.evaluation.run import Options, run_evaluation
from app.settings import Settings
from ingest.report import Progress
from tests.app.conftest import ROOT, RunCitewell, Server
from vectorstore.errors import SettingsError

QUESTIONS = ROOT / "examples" / "questions.jsonl"
FLOORS = {  # of 44 questions that can be answered, and of 16 that cannot
    ("corpus", "nDCG@10"): 0.93,
    ("corpus", "R@1"): 0.86,
    ("corpus", "R@5"): 0.97,
    ("corpus", "first sentence holds the answer"): 24 / 44,
    ("corpus", "shown answer holds it"): 32 / 44,
    ("unanswerable", "refused, unanswerable"): 9 / 16,
    ("unanswerable", "refusal, area under the ROC curve"): 0.80,
    ("corpus", "quotes verbatim in the cited version"): 1.0,
    ("unanswerable", "quotes verbatim in the cited version"): 1.0,
}
CEILINGS = {("corpus", "refused though answerable"): 4 / 44}


@pytest.fixture(scope="module")
def evaluated(
    server: Server, tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, Any], Path]:
    """The summary of an evaluation of the demo articles, and the folder of its report."""
    folder = tmp_path_factory.mktemp("evaluation")
    result = server.citewell(
        "eval", QUESTIONS, "--cache", folder / "cache", "--report", folder / "report", "--json"
    )
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout), folder / "report"


def ours(told: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    """Return our figures by group and measure."""
    (found,) = told["datasets"]
    return {(f["group"], f["measure"]): f for f in found["figures"] if f["system"] == "citewell"}


def test_the_floors_are_kept(evaluated: tuple[dict[str, Any], Path]) -> None:
    """Passages, answers and refusals over the demo articles are as good as they were."""
    found = ours(evaluated[0])
    missed = {
        key: found[key]["value"] for key in FLOORS if found[key]["value"] < FLOORS[key] - 1e-5
    }
    missed |= {k: found[k]["value"] for k in CEILINGS if found[k]["value"] > CEILINGS[k] + 1e-5}
    assert missed == {}


def test_every_figure_has_n_and_interval(evaluated: tuple[dict[str, Any], Path]) -> None:
    """No value is told without its sample and its interval."""
    (found,) = evaluated[0]["datasets"]
    for figure in [*found["figures"], *found["differences"]]:
        assert figure["n"] > 0
        assert figure["low"] <= figure["value"] + 1e-4
        assert figure["value"] <= figure["high"] + 1e-4


def test_the_plain_pipelines_ran_too(evaluated: tuple[dict[str, Any], Path]) -> None:
    """Dense, BM25 and both fusions have figures, and ours is compared with each."""
    (found,) = evaluated[0]["datasets"]
    others = {figure["against"] for figure in found["differences"]}
    assert others >= {"dense", "bm25", "rrf", "convex"}
    for measure in ("nDCG@10", "R@1", "R@5", "R@10", "MRR"):
        systems = {f["system"] for f in found["figures"] if f["measure"] == measure}
        assert systems == {"citewell", *others}


def test_time_is_told_by_stage(evaluated: tuple[dict[str, Any], Path]) -> None:
    """Each stage has p50 and p95 on the clock and of the CPUs."""
    found = ours(evaluated[0])
    for stage in ("encode", "retrieve", "answer", "total"):
        for unit in ("ms", "CPU ms"):
            median = found["time", f"{stage}, {unit}, p50"]["value"]
            assert 0 <= median <= found["time", f"{stage}, {unit}, p95"]["value"]


def test_the_report_and_the_run_are_written(evaluated: tuple[dict[str, Any], Path]) -> None:
    """--report leaves a page, and a run with every question."""
    folder = evaluated[1]
    assert "Citewell evaluation" in (folder / "report.html").read_text(encoding="utf-8")
    (found,) = json.loads((folder / "run.json").read_text())["datasets"]
    assert len(found["questions"]) == 60


@contextmanager
def silent(_: str) -> Iterator[Callable[[Progress], None]]:
    """Tell nobody what is being done."""
    yield lambda _: None


def test_a_run_against_itself_differs_in_nothing(
    evaluated: tuple[dict[str, Any], Path], demo_dir: Path, tmp_path: Path
) -> None:
    """The same code over the same questions gives the same values: every difference is 0."""
    options = Options((QUESTIONS,), tmp_path, against=evaluated[1])
    again = run_evaluation(options, Settings(data_dir=demo_dir), silent)
    told = [f for f in again.sets[0].figures if f.against == str(evaluated[1])]
    assert {figure.measure for figure in told} >= {"nDCG@10", "shown answer holds it"}
    rounding = 1e-5  # of the values that the run's file holds
    assert max(abs(figure.interval.value) for figure in told) < rounding


def test_an_article_that_is_not_there_is_told(demo_dir: Path, tmp_path: Path) -> None:
    """A uri that the data folder does not hold is named with its line; the rest is evaluated."""
    own = tmp_path / "own.jsonl"
    own.write_text('{"question": "How tall is Everest?", "relevant": ["everest-height.htm"]}\n')
    found = run_evaluation(Options((own,), tmp_path), Settings(data_dir=demo_dir), silent).sets[0]
    assert "(line 1: everest-height.htm)" in found.notes[0]
    assert next(f.interval.value for f in found.figures if f.measure == "R@10") == 0


def test_a_set_given_twice_is_refused(tmp_path: Path) -> None:
    """Two sets of one name could not be told apart in the report."""
    with pytest.raises(SettingsError, match="are both 'questions'"):
        run_evaluation(Options((QUESTIONS, QUESTIONS), tmp_path), Settings(), silent)


def test_a_missing_library_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the extra the command says what to install."""
    monkeypatch.setattr("app.evaluation.run.NEEDED", ("json", "no_such_library"))
    with pytest.raises(SettingsError, match=r"no_such_library.*\[eval\]"):
        run_evaluation(Options((QUESTIONS,), tmp_path), Settings(), silent)


def test_an_error_is_one_line(citewell: RunCitewell, tmp_path: Path) -> None:
    """A bad line of a user's file ends the command with its number and no traceback."""
    own = tmp_path / "own.jsonl"
    own.write_text('{"id": 1}\n')
    result: subprocess.CompletedProcess[str] = citewell(tmp_path, "eval", own)
    assert result.returncode == 1
    assert result.stderr.startswith(f'citewell: {own}:1 has no "question"')
