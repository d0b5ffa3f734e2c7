"""A run as one HTML page: no script, nothing from elsewhere, every text escaped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from app.evaluation.figures import ALL, OURS, REPORTED, Figure, Row
from app.evaluation.plots import plot_calibration, plot_curves, plot_systems
from app.evaluation.questions import RIGHTLY, TIME, WRONGLY
from app.evaluation.result import RunResult, SetResult
from vectorstore.errors import SettingsError

REPORT = "report.html"
WORST = 20  # questions of each kind that are listed
PLOTTED = ("nDCG@10", "recall of added words", "supported or not, area under the ROC curve")
LONGEST = 400  # characters of a question or an answer in the list


@dataclass(frozen=True, slots=True)
class Table:
    """Figures of one group, and the differences of ours to other systems or a former run."""

    group: str
    part: str
    figures: tuple[Figure, ...]
    differences: tuple[Figure, ...]
    plots: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Worst:
    """Questions that went wrong in one way, the worst first."""

    title: str
    rows: tuple[Row, ...]


def write_report(run: RunResult, folder: Path) -> Path:
    """Write the report into a folder, created if there is none; return the file.

    Raises:
        SettingsError: It cannot be written.
    """
    path = folder / REPORT
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(render(run), encoding="utf-8")
    except OSError as exc:
        msg = f"{path} cannot be written: {exc.strerror or exc}."
        raise SettingsError(msg) from exc
    return path


def render(run: RunResult) -> str:
    """Return the page."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=PackageLoader("app.evaluation"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    sections = []
    for at, found in enumerate(run.sets):
        sections.append(
            {
                "found": found,
                "tables": tables(found, f"p{at}"),
                "times": [f for f in found.figures if f.group == TIME],
                "curves": [c for c in found.curves if c.part == REPORTED],
                "curve_plots": _curve_plots(found, f"c{at}"),
                "worst": worst(found.rows),
                "has_all": any(f.part == ALL for f in found.figures),
            }
        )
    page = environment.get_template("report.html")
    return page.render(
        run=run, sections=sections, OURS=OURS, LONGEST=LONGEST, value=value_text, svg=Markup
    )


def tables(found: SetResult, name: str) -> list[Table]:
    """Return the tables of a set's parts and groups, times left out."""
    keys = dict.fromkeys((f.group, f.part) for f in found.figures if f.group != TIME)
    return [_table(found, group, part, f"{name}-{at}") for at, (group, part) in enumerate(keys)]


def _table(found: SetResult, group: str, part: str, name: str) -> Table:
    inside = [f for f in found.figures if (f.group, f.part) == (group, part)]
    plain = [f for f in inside if not f.against]
    plots = []
    for at, measure in enumerate(PLOTTED):
        shown = [f for f in plain if f.measure == measure]
        if part == REPORTED and len(shown) > 1:
            plots.append(plot_systems(shown, measure, f"{name}-{at}"))
    return Table(group, part, tuple(plain), tuple(f for f in inside if f.against), tuple(plots))


def _curve_plots(found: SetResult, name: str) -> list[str]:
    curves = [curve for curve in found.curves if curve.part == REPORTED]
    if not curves:
        return []
    return [plot_curves(curves, f"{name}-roc"), plot_calibration(curves, f"{name}-bins")]


def value_text(number: float, signed: bool = False) -> str:
    """Return a number with as many digits as a reader can use; a dash where there is none.

    Example: 0.83333 -> "0.833"; 23.46 -> "23.5"
    """
    if number != number:  # NaN
        return "–"
    digits = 3 if abs(number) < 10 else 1
    return f"{number:+.{digits}f}" if signed else f"{number:.{digits}f}"


def worst(rows: Sequence[Row]) -> list[Worst]:
    """Return the questions to look at first.

    Answered though nothing answers them, the surest first; answered by a wrong first sentence,
    the surest first; refused though they can be answered, the least sure first; and those whose
    article was found last or not at all.
    """
    held = "first sentence holds the answer"
    ours = [(row, row.scores.get(OURS, {})) for row in rows]
    answered = [(row, got) for row, got in ours if 0 in (got.get(WRONGLY), got.get(RIGHTLY))]
    kinds = (
        ("Answered, though nothing there answers it", [r for r, _ in answered if not r.right], -1),
        (
            "Answered by a wrong first sentence",
            [r for r, got in answered if r.right and got.get(held) == 0],
            -1,
        ),
        (
            "Refused, though it can be answered",
            [r for r, got in ours if got.get(WRONGLY) == 1],
            1,
        ),
    )
    found = [
        Worst(title, tuple(sorted(some, key=lambda row: sign * (row.chance or 0.0))[:WORST]))
        for title, some, sign in kinds
        if some
    ]
    missed = sorted(
        (row for row, got in ours if got.get("nDCG@10", 1.0) < 1.0),
        key=lambda row: row.scores[OURS]["nDCG@10"],
    )
    lost = sorted(
        (row for row, got in ours if got.get("recall of added words", 1.0) < 1.0),
        key=lambda row: row.scores[OURS]["recall of added words"],
    )
    for title, some in (
        ("Its article was found late or not at all", missed),
        ("Words that it needs were not added", lost),
    ):
        if some:
            found.append(Worst(title, tuple(some[:WORST])))
    return found


def text_summary(run: RunResult) -> str:
    """Return the reported figures as Markdown tables, for a terminal and for notes."""
    lines: list[str] = []
    for found in run.sets:
        lines += [f"## {found.name}", "", found.about, ""]
        for note in found.notes:
            lines += [f"Note: {note}", ""]
        for group, figures in groups_of_figures(found).items():
            lines += [f"### {group}", "", "| measure | system | n | value | 95 % interval |"]
            lines += ["| --- | --- | --- | --- | --- |", *map(_line, figures), ""]
        lines += _operating_lines(found)
    return "\n".join(lines).rstrip()


def groups_of_figures(found: SetResult) -> dict[str, list[Figure]]:
    """Return the figures by group, the part that is not reported as a group of its own."""
    groups: dict[str, list[Figure]] = {}
    for figure in found.figures:
        name = figure.group
        if any(f.part == ALL for f in found.figures) and figure.group != TIME:
            name += f" ({found.part_name if figure.part == REPORTED else 'all'})"
        groups.setdefault(name, []).append(figure)
    return groups


def _line(figure: Figure) -> str:
    found = figure.interval
    signed = bool(figure.against)
    system = f"{figure.system} − {figure.against}" if signed else figure.system
    interval = f"{value_text(found.low, signed)} … {value_text(found.high, signed)}"
    return (
        f"| {figure.measure} | {system} | {found.n} | {value_text(found.value, signed)} "
        f"| {interval} |"
    )


def _operating_lines(found: SetResult) -> list[str]:
    curves = [curve for curve in found.curves if curve.part == REPORTED]
    if not curves:
        return []
    head = "| refused of | threshold | n answerable, others | wrongly | rightly |"
    lines = ["### refusal at other thresholds", "", head, "| --- | --- | --- | --- | --- |"]
    for curve in curves:
        for each in curve.operating:
            lines.append(
                f"| {curve.name} | {each.threshold:.3f} ({each.name}) | {curve.right}, "
                f"{curve.wrong} | {each.wrongly:.3f} | {each.rightly:.3f} |"
            )
    return [*lines, ""]
