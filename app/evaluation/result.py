"""What a run found: kept as JSON, so that a later run can be compared with it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.evaluation.curves import Bin, Point
from app.evaluation.figures import OURS, Figure, Former, Row
from vectorstore.errors import SettingsError

FORMAT = 1
RUN = "run.json"
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Operating:
    """What a threshold refuses: of those that can be answered, and of those that cannot."""

    name: str
    threshold: float
    wrongly: float
    rightly: float


@dataclass(frozen=True, slots=True)
class Curve:
    """How well our score tells what can be answered: `right` against `wrong` questions."""

    part: str
    name: str
    right: int
    wrong: int
    points: tuple[Point, ...]
    operating: tuple[Operating, ...]
    bins: tuple[Bin, ...]
    error: float


@dataclass(frozen=True, slots=True)
class SetResult:
    """All that was found for one set."""

    name: str
    about: str
    part_name: str
    notes: tuple[str, ...]
    figures: tuple[Figure, ...]
    rows: tuple[Row, ...]
    curves: tuple[Curve, ...] = ()


@dataclass(frozen=True, slots=True)
class RunResult:
    """A whole run, with the settings under which it was made."""

    version: str
    created: str  # ISO 8601, UTC
    encoder: str
    threshold: float
    limit: int | None
    seed: int
    seconds: float
    sets: tuple[SetResult, ...]
    against: str = ""


def summary(run: RunResult) -> Json:
    """Return the run as JSON, without the single questions."""
    return {
        "format": FORMAT,
        "citewell": run.version,
        "created": run.created,
        "encoder": run.encoder,
        "threshold": run.threshold,
        "limit": run.limit,
        "seed": run.seed,
        "seconds": round(run.seconds, 1),
        "against": run.against or None,
        "datasets": [_set_json(each) for each in run.sets],
    }


def whole(run: RunResult) -> Json:
    """Return the run as JSON, with what every question got."""
    told = summary(run)
    for each, found in zip(told["datasets"], run.sets, strict=True):
        each["questions"] = [_row_json(row) for row in found.rows]
    return told


def _set_json(found: SetResult) -> Json:
    return {
        "name": found.name,
        "about": found.about,
        "reported": found.part_name,
        "notes": list(found.notes),
        "figures": [_figure_json(figure) for figure in found.figures if not figure.against],
        "differences": [_figure_json(figure) for figure in found.figures if figure.against],
        "refusal": [_curve_json(curve) for curve in found.curves],
    }


def _figure_json(figure: Figure) -> Json:
    told: Json = {
        "part": figure.part,
        "group": figure.group,
        "measure": figure.measure,
        "system": figure.system,
        "n": figure.interval.n,
        "value": _number(figure.interval.value),
        "low": _number(figure.interval.low),
        "high": _number(figure.interval.high),
    }
    return {**told, "against": figure.against} if figure.against else told


def _number(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 5)


def _curve_json(curve: Curve) -> Json:
    return {
        "part": curve.part,
        "of": curve.name,
        "answerable": curve.right,
        "unanswerable": curve.wrong,
        "calibration_error": round(curve.error, 4),
        "operating_points": [
            {
                "name": each.name,
                "threshold": round(each.threshold, 4),
                "wrongly_refused": round(each.wrongly, 4),
                "rightly_refused": round(each.rightly, 4),
            }
            for each in curve.operating
        ],
        "calibration": [
            {
                "from": each.low,
                "to": each.high,
                "n": each.n,
                "mean_probability": round(each.score, 4),
                "answerable": round(each.share.value, 4),
                "low": round(each.share.low, 4),
                "high": round(each.share.high, 4),
            }
            for each in curve.bins
        ],
        "roc": [
            [round(p.threshold, 4), round(p.answered, 4), round(p.refused, 4)] for p in curve.points
        ],
    }


def _row_json(row: Row) -> Json:
    return {
        "key": row.key,
        "group": row.group,
        "cluster": row.cluster,
        "reported": row.reported,
        "question": row.question,
        "right": row.right,
        "probability": None if row.chance is None else round(row.chance, 4),
        "scores": {
            system: {measure: round(value, 5) for measure, value in values.items()}
            for system, values in row.scores.items()
        },
    }


def write_run(run: RunResult, folder: Path) -> Path:
    """Write a run into a folder, created if there is none; return the file.

    Raises:
        SettingsError: It cannot be written.
    """
    path = folder / RUN
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(whole(run), ensure_ascii=False) + "\n", encoding="utf-8")
    except OSError as exc:
        msg = f"{path} cannot be written: {exc.strerror or exc}."
        raise SettingsError(msg) from exc
    return path


def read_former(path: Path) -> Mapping[str, Mapping[str, Former]]:
    """Return what a former run found: set name -> question key -> our scores.

    Args:
        path: The run.json that --report wrote, or its folder.

    Raises:
        SettingsError: It cannot be read, or is no run.
    """
    file = path / RUN if path.is_dir() else path
    try:
        told = json.loads(file.read_text(encoding="utf-8"))
        if told["format"] != FORMAT:
            msg = f"{file} has format {told['format']!r}; this version reads {FORMAT}."
            raise SettingsError(msg)
        return {
            found["name"]: {
                row["key"]: Former(row["question"], row["scores"].get(OURS, {}))
                for row in found["questions"]
            }
            for found in told["datasets"]
        }
    except OSError as exc:
        msg = f"{file} cannot be read: {exc.strerror}. Give a run.json that --report has written."
        raise SettingsError(msg) from exc
    except (ValueError, KeyError, TypeError, AttributeError) as exc:
        msg = f"{file} is no run that --report has written ({type(exc).__name__}: {exc})."
        raise SettingsError(msg) from exc
