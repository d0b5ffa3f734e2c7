"""citewell stats, feedback, users and audit: what is asked, what is missing, what is kept."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from app.options import DataDirOption, JsonOption
from app.session import run
from vectorstore.errors import SettingsError

stats_app = typer.Typer(
    invoke_without_command=True, help="Tell what is asked and how it is answered."
)
feedback_app = typer.Typer(no_args_is_help=True, help="Use what readers thought of answers.")
users_app = typer.Typer(no_args_is_help=True, help="Give out or delete what is kept of a person.")

DaysOption = Annotated[int, typer.Option("--days", help="Look back so many days.", min=1)]
SubjectArgument = Annotated[
    str, typer.Argument(help="Who: user:NAME, portal:ID/NAME, key:ID, or local.")
]
FileArgument = Annotated[Path, typer.Argument(help="The file to write; - is standard output.")]


@stats_app.callback()
def stats(
    context: typer.Context,
    days: DaysOption = 30,
    as_json: JsonOption = False,
    data_dir: DataDirOption = None,
) -> None:
    """Tell what is asked and how it is answered."""
    if context.invoked_subcommand is not None:
        return
    result = run("stats", days=days)
    typer.echo(json.dumps(result, ensure_ascii=False) if as_json else _stats_text(result))


def _stats_text(found: dict[str, Any]) -> str:
    shares = ", ".join(
        f"{name.replace('_', ' ')} {told['count']} ({told['share']:.0%})"
        for name, told in found["outcomes"].items()
    )
    lines = [
        f"{found['answers']} answers to {found['people']} people in {found['days']} days.",
        f"Outcomes: {shares}",
        f"Feedback: {found['verdicts']['helpful']} helpful, "
        f"{found['verdicts']['unhelpful']} unhelpful",
    ]
    for stage, told in found["latency_ms"].items():
        if told["count"]:
            name = stage.replace("_", " ").capitalize()
            lines.append(f"{name}: {told['p50']:.0f} ms (median), {told['p95']:.0f} ms (95 %)")
    if found["most_asked"]:
        lines.append("Most asked:")
        lines += [f"{each['count']:>6}  {each['question']}" for each in found["most_asked"]]
    return "\n".join(lines)


@stats_app.command()
def gaps(
    days: DaysOption = 30,
    csv: Annotated[
        Path | None,
        typer.Option("--csv", help="Write a table for spreadsheets; - is standard output."),
    ] = None,
    as_json: JsonOption = False,
    data_dir: DataDirOption = None,
) -> None:
    """List what is asked and not in the articles, most asked first."""
    found = run("gaps", days=days)
    if csv is not None:
        _write(csv, [found["csv"]])
    elif as_json:
        typer.echo(json.dumps({"gaps": found["gaps"]}, ensure_ascii=False))
    else:
        typer.echo(_gaps_text(found["gaps"]))


def _gaps_text(found: list[dict[str, Any]]) -> str:
    lines: list[str] = []
    for gap in found:
        lines.append(f"{gap['count']:>6}  {gap['last'][:10]}  {gap['question']}")
        if gap["closest"]:
            lines.append(f"{'':20}closest: {'; '.join(gap['closest'])}")
    return "\n".join(lines) or "Every question was answered."


@feedback_app.command()
def export(target: FileArgument, data_dir: DataDirOption = None) -> None:
    """Write feedback as cases for an evaluation, in JSON Lines."""
    found = run("feedback_cases")["cases"]
    _write(target, (json.dumps(case, ensure_ascii=False) + "\n" for case in found))


@users_app.command("export")
def users_export(subject: SubjectArgument, data_dir: DataDirOption = None) -> None:
    """Print a person's questions, conversations and feedback as JSON."""
    typer.echo(json.dumps(run("export_user", subject=subject), ensure_ascii=False))


@users_app.command("delete")
def users_delete(
    subject: SubjectArgument, as_json: JsonOption = False, data_dir: DataDirOption = None
) -> None:
    """Delete a person's questions, conversations and feedback, and end their sessions."""
    result = run("delete_user", subject=subject)
    text = f"Deleted {result['answers']} answers of {subject}. Backups made before still hold them."
    typer.echo(json.dumps(result, ensure_ascii=False) if as_json else text)


def audit(
    limit: Annotated[int, typer.Option("--limit", help="How many entries.", min=1)] = 50,
    as_json: JsonOption = False,
    data_dir: DataDirOption = None,
) -> None:
    """List who wrote, logged in or was refused, newest first."""
    result = run("audit", limit=limit)
    if as_json:
        typer.echo(json.dumps(result, ensure_ascii=False))
        return
    for entry in result["entries"]:
        refused = "" if entry["allowed"] else "  REFUSED"
        about = "  ".join(entry[key] for key in ("target", "address") if entry[key])
        typer.echo(f"{entry['at']}  {entry['actor']}  {entry['action']}  {about}{refused}")


def _write(target: Path, parts: Iterable[str]) -> None:
    """Write text to a file, or to standard output for `-`.

    Raises:
        SettingsError: The file cannot be written.
    """
    if str(target) == "-":
        sys.stdout.writelines(parts)
        return
    try:
        with target.open("w", encoding="utf-8", newline="") as file:
            file.writelines(parts)
    except OSError as exc:
        msg = f"{target} cannot be written: {exc.strerror}."
        raise SettingsError(msg) from exc
