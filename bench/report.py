"""Figures as Markdown tables, each beside its floor; a missed floor fails the run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number; `floor` is the least it may be, `ceiling` the most."""

    name: str
    value: float
    floor: float | None = None
    ceiling: float | None = None
    digits: int = 3
    note: str = ""

    @property
    def met(self) -> bool:
        """Whether the number is within its floor and ceiling."""
        above = self.floor is None or self.value >= self.floor
        below = self.ceiling is None or self.value <= self.ceiling
        return above and below

    def row(self) -> list[str]:
        """Return the cells of the figure's line in a table."""
        bounds = []
        if self.floor is not None:
            bounds.append(f"at least {self.floor:g}")
        if self.ceiling is not None:
            bounds.append(f"at most {self.ceiling:g}")
        verdict = "" if not bounds else "met" if self.met else "**missed**"
        return [self.name, f"{self.value:.{self.digits}f}", ", ".join(bounds), verdict, self.note]


def print_table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a Markdown table; columns that are empty throughout are left out."""
    cells = [[str(cell).replace("|", "\\|").replace("\n", " ") for cell in row] for row in rows]
    kept = [n for n in range(len(headers)) if n == 0 or any(row[n] for row in cells)]
    print()
    print("| " + " | ".join(headers[n] for n in kept) + " |")
    print("|" + " --- |" * len(kept))
    for row in cells:
        print("| " + " | ".join(row[n] for n in kept) + " |")
    print(flush=True)


def print_figures(figures: Sequence[Figure]) -> bool:
    """Print the figures as one table and return whether all are within their bounds."""
    print_table(["measure", "value", "asked for", "", "note"], [f.row() for f in figures])
    return all(figure.met for figure in figures)


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value below which `share` of the values lie (nearest rank).

    Example: [1, 2, 3, 4], .5 -> 2
    """
    ordered = sorted(values)
    return ordered[max(0, -int(-share * len(ordered) // 1) - 1)]
