from __future__ import annotations

import json
from pathlib import Path

import pytest

from app.evaluation.bootstrap import Interval
from app.evaluation.curves import Bin, Point
from app.evaluation.figures import OURS, REPORTED, Figure, Former, Row
from app.evaluation.result import (
    Curve,
    Operating,
    RunResult,
    SetResult,
    read_former,
    summary,
    write_run,
)
from vectorstore.errors import SettingsError


def make_run(question: str = "Who?", note: str = "") -> RunResult:
    """Return a run of one question with everything that a report shows."""
    row = Row(
        key="corpus/1",
        group="corpus",
        cluster="",
        reported=True,
        question=question,
        scores={
            OURS: {
                "nDCG@10": 0.5,
                "first sentence holds the answer": 0.0,
                "refused though answerable": 0.0,
            },
            "bm25": {"nDCG@10": 0.25},
        },
        chance=0.75,
        wanted="Ann",
        said=question,
    )
    half = Interval(1, 0.5, 0.25, 0.75)
    plain = tuple(Figure(REPORTED, "corpus", "nDCG@10", system, half) for system in (OURS, "bm25"))
    more = Figure(REPORTED, "corpus", "nDCG@10", OURS, half, against="bm25")
    time = Figure(REPORTED, "time", "total, ms, p50", OURS, half)
    curve = Curve(
        part=REPORTED,
        name="foreign",
        right=1,
        wrong=1,
        points=(Point(0.1, 1.0, 0.0), Point(0.9, 0.0, 1.0)),
        operating=(Operating("the setting", 0.5, 0.1, 0.9),),
        bins=(Bin(0.7, 0.8, 1, 0.75, half),),
        error=0.25,
    )
    found = SetResult(
        name="own",
        about="One question.",
        part_name="all",
        notes=(note,) if note else (),
        figures=(*plain, more, time),
        rows=(row,),
        curves=(curve,),
    )
    return RunResult("0.1.0", "2026-11-23T00:00:00+00:00", "model", 0.5, 10, 20, 1.5, (found,))


def test_a_run_is_read_again(tmp_path: Path) -> None:
    """What --report wrote is what --against reads, as a file or as its folder."""
    path = write_run(make_run(), tmp_path / "new")
    expected = {
        "own": {
            "corpus/1": Former(
                "Who?",
                {
                    "nDCG@10": 0.5,
                    "first sentence holds the answer": 0.0,
                    "refused though answerable": 0.0,
                },
            )
        }
    }
    assert read_former(path) == expected
    assert read_former(path.parent) == expected


def test_every_figure_has_its_n_and_interval() -> None:
    """The summary gives n, low and high with every value and difference."""
    told = summary(make_run())
    assert (told["limit"], told["seed"]) == (10, 20)
    (found,) = told["datasets"]
    assert "questions" not in found
    for figure in [*found["figures"], *found["differences"]]:
        assert figure["n"] == 1
        assert figure["low"] <= figure["value"] <= figure["high"]
    assert [figure["against"] for figure in found["differences"]] == ["bm25"]


@pytest.mark.parametrize(
    "text",
    ["{", "[]", '{"format": 1}', '{"format": 9, "datasets": []}', '{"format": 1, "datasets": [1]}'],
)
def test_what_is_no_run_is_refused(tmp_path: Path, text: str) -> None:
    """A file of another form or a later format is told as one line."""
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(SettingsError, match=r"run\.json"):
        read_former(tmp_path)


def test_a_missing_run_is_told(tmp_path: Path) -> None:
    """--against with nothing there says what to give."""
    with pytest.raises(SettingsError, match=r"Give a run\.json"):
        read_former(tmp_path)


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """--report below a file is an error of one line."""
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="cannot be written"):
        write_run(make_run(), tmp_path / "file")


def test_a_run_is_plain_json(tmp_path: Path) -> None:
    """No NaN is written, which is no JSON."""
    path = write_run(make_run(), tmp_path)
    json.loads(path.read_text(), parse_constant=lambda name: pytest.fail(name))
