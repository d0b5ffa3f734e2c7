"""citewell eval: how good the passages, answers, refusals and follow-ups are."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.options import DataDirOption, JsonOption
from app.session import be_quiet, chosen_settings, progress_bar

if TYPE_CHECKING:
    from ingest.report import Progress


def evaluate(
    datasets: Annotated[
        list[Path],
        typer.Argument(help="Folders of public data, or JSON Lines files of your own questions."),
    ],
    report: Annotated[
        Path | None, typer.Option("--report", help="Write report.html and run.json there.")
    ] = None,
    against: Annotated[
        Path | None, typer.Option("--against", help="Compare with this former run, by question.")
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option("--limit", help="Ask a sample: at most so many of each group.", min=1),
    ] = None,
    cache: Annotated[
        Path | None,
        typer.Option(
            "--cache", help="Where corpora are kept [~/.cache/citewell/eval].", show_default=False
        ),
    ] = None,
    as_json: JsonOption = False,
    data_dir: DataDirOption = None,
) -> None:
    """Measure passages, answers, refusals and follow-ups, with intervals."""
    settings = chosen_settings()
    be_quiet()
    from app.evaluation.report import text_summary, write_report
    from app.evaluation.result import summary, write_run
    from app.evaluation.run import Options, run_evaluation
    from app.evaluation.stores import default_cache

    options = Options(tuple(datasets), cache or default_cache(), limit, against)
    found = run_evaluation(options, settings, _stage)
    if report is not None:
        typer.echo(f"Wrote {write_run(found, report)}", err=True)
        typer.echo(f"Wrote {write_report(found, report)}", err=True)
    if as_json:
        typer.echo(json.dumps(summary(found), ensure_ascii=False))
    else:
        typer.echo(text_summary(found))


@contextmanager
def _stage(title: str) -> Iterator[Callable[[Progress], None]]:
    with progress_bar(title) as emit:
        yield emit
