"""The plots of a report, as SVG that follows the page's colours; the only file with matplotlib.

matplotlib draws with stand-in colours, which become CSS variables of the page: so one drawing
serves light and dark. Every plot's numbers stand in a table beside it.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from app.evaluation.figures import OURS, Figure
from app.evaluation.result import Curve

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

# Stand-ins -> variables that the page's style sheet sets for light and for dark.
INK, FAINT, OWN, OTHER = "#010101", "#020202", "#030303", "#040404"
SERIES = ("#030303", "#050505", "#060606", "#070707", "#080808", "#090909")
VARIABLES = {
    INK: "--ink",
    FAINT: "--faint",
    OWN: "--s0",
    OTHER: "--other",
    **{color: f"--s{at}" for at, color in enumerate(SERIES)},
}
DASHES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (1, 1)))  # told apart without colours too
STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "citewell",
    "font.family": "sans-serif",
    "font.size": 11,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": FAINT,
    "xtick.color": INK,
    "ytick.color": INK,
    "grid.color": FAINT,
    "grid.alpha": 0.4,
    "axes.grid": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
}


def _axes(width: float, height: float) -> tuple[Drawing, Axes]:
    from matplotlib import rc_context
    from matplotlib.figure import Figure as Drawing

    with rc_context(STYLE):
        drawing = Drawing(figsize=(width, height), layout="constrained")
        axes = drawing.add_subplot()
    return drawing, axes


def _svg(drawing: Drawing, name: str, label: str) -> str:
    """Return the drawing as an <svg> element with a name for those who do not see it."""
    from html import escape

    from matplotlib import rc_context

    written = io.StringIO()
    with rc_context(STYLE):
        drawing.savefig(
            written, format="svg", transparent=True, metadata={"Date": None, "Creator": None}
        )
    svg = written.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    # Several drawings on one page must not share names.
    svg = re.sub(r'\bid="', f'id="{name}-', svg)
    svg = re.sub(r'(href="#|url\(#)', rf"\g<1>{name}-", svg)
    for color, variable in VARIABLES.items():
        svg = svg.replace(color, f"var({variable})")
    return svg.replace("<svg", f'<svg role="img" aria-label="{escape(label, quote=True)}"', 1)


def plot_systems(figures: Sequence[Figure], measure: str, name: str) -> str:
    """Draw one measure of every system, each with its interval."""
    drawing, axes = _axes(6.4, 0.6 + 0.36 * len(figures))
    for at, figure in enumerate(reversed(figures)):
        found = figure.interval
        color = OWN if figure.system == OURS else OTHER
        axes.plot([found.low, found.high], [at, at], color=color, linewidth=2)
        axes.plot([found.value], [at], "o", color=color)
    axes.set_yticks(range(len(figures)), [figure.system for figure in reversed(figures)])
    axes.set_ylim(-0.6, len(figures) - 0.4)
    axes.set_xlabel(f"{measure}, with 95 % interval")
    return _svg(drawing, name, f"{measure} of {len(figures)} systems; the values are in the table.")


def plot_curves(curves: Sequence[Curve], name: str) -> str:
    """Draw what is refused rightly against what is refused wrongly, for every threshold."""
    drawing, axes = _axes(6.4, 4.2)
    for at, curve in enumerate(curves):
        color, dash = SERIES[at % len(SERIES)], DASHES[at % len(DASHES)]
        wrongly = [1 - point.answered for point in curve.points]
        rightly = [point.refused for point in curve.points]
        axes.plot(wrongly, rightly, color=color, linestyle=dash, label=curve.name)
        setting = curve.operating[0]
        axes.plot([setting.wrongly], [setting.rightly], "o", color=color)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1.02)
    axes.set_xlabel("refused, of those that can be answered")
    axes.set_ylabel("refused, of the others")
    axes.legend(title="dot: the setting", loc="lower right")
    return _svg(drawing, name, "Refusal curves; the points in use are in the table.")


def plot_calibration(curves: Sequence[Curve], name: str) -> str:
    """Draw, for each bin of probability, which share can be answered."""
    drawing, axes = _axes(6.4, 4.2)
    axes.plot([0, 1], [0, 1], color=FAINT, linewidth=1)
    for at, curve in enumerate(curves):
        color, dash = SERIES[at % len(SERIES)], DASHES[at % len(DASHES)]
        axes.plot(
            [each.score for each in curve.bins],
            [each.share.value for each in curve.bins],
            color=color,
            linestyle=dash,
            marker="o",
            label=curve.name,
        )
        for each in curve.bins:
            ends = [each.share.low, each.share.high]
            axes.plot([each.score] * 2, ends, color=color, linewidth=1)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1.02)
    axes.set_xlabel("mean probability")
    axes.set_ylabel("share that can be answered")
    axes.legend(loc="upper left")
    return _svg(drawing, name, "Calibration; the bins are in the table.")
