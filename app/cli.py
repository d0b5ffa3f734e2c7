"""citewell: ingest, ask, search, list and serve from a terminal.

Nothing heavy is imported here: a command imports what it runs with. Results go to standard
output, progress and errors to standard error.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Protocol

import typer

from vectorstore.errors import CitewellError, QuestionError

if TYPE_CHECKING:
    from ingest.report import Progress

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help needs a third of the time
    help="Ask your articles; every sentence of the answer is cited.",
)
articles_app = typer.Typer(no_args_is_help=True, help="List, show and remove articles.")
collections_app = typer.Typer(no_args_is_help=True, help="List collections.")
app.add_typer(articles_app, name="articles")
app.add_typer(collections_app, name="collections")

CollectionOption = Annotated[
    str | None, typer.Option("--collection", help="Only this collection.", show_default=False)
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
BatchOption = Annotated[
    Path | None,
    typer.Option("--batch", help='Read JSON Lines {"id", "question"}, print one line each.'),
]

_chosen: dict[str, Path | None] = {"data_dir": None}


def _choose(data_dir: Path | None) -> Path | None:
    if data_dir is not None:
        _chosen["data_dir"] = data_dir
    return data_dir


# Taken before the command and after it: people write both.
DataDirOption = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        help="The data folder [CITEWELL_DATA_DIR, else ./data].",
        callback=_choose,
        show_default=False,
    ),
]


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"citewell {version('citewell')}")
        raise typer.Exit


@app.callback()
def common(
    data_dir: DataDirOption = None,
    show_version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version)
    ] = False,
) -> None:
    """Ask your articles; every sentence of the answer is cited."""


class Session(Protocol):
    """Runs commands of `app.commands`, here or in the running server."""

    def execute(
        self, name: str, arguments: dict[str, Any], emit: Callable[[Progress], None]
    ) -> Any:  # noqa: ANN401 (JSON)
        """Run a command and return its JSON result."""


@contextmanager
def _session() -> Iterator[Session]:
    """Reach the running server, or open the store in this process."""
    from app.control import Remote, is_running
    from app.settings import load_settings

    settings = load_settings(data_dir=_chosen["data_dir"])
    if is_running(settings.data_dir):
        yield Remote(settings.data_dir)
        return
    with _status("Opening the store"):
        _be_quiet()
        from app import commands
        from app.service import Service

        service = Service(settings, threads=os.cpu_count() or 1)

    class Local:
        def execute(
            self, name: str, arguments: dict[str, Any], emit: Callable[[Progress], None]
        ) -> Any:  # noqa: ANN401 (JSON)
            return commands.execute(service, name, arguments, emit)

    try:
        yield Local()
    finally:
        service.close()


def _be_quiet() -> None:
    """Keep the libraries from talking to hubs and to the terminal."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")


@contextmanager
def _status(text: str) -> Iterator[None]:
    from rich.console import Console

    with Console(stderr=True).status(text):
        yield


def _run(command: str, **arguments: Any) -> Any:  # noqa: ANN401 (JSON in, JSON out)
    with _session() as session, _status("Reading the articles"):
        return session.execute(command, arguments, lambda _: None)


@app.command()
def ingest(
    sources: Annotated[list[str], typer.Argument(help="Files, folders or JSON Lines.")],
    collection: Annotated[
        str | None,
        typer.Option("--collection", help="The collection to put them in [articles]."),
    ] = None,
    prune: Annotated[
        bool, typer.Option("--prune", help="Remove articles that the sources no longer hold.")
    ] = False,
    as_json: JsonOption = False,
    data_dir: DataDirOption = None,
) -> None:
    """Take in articles: add the new, update the changed."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    # The server may run in another folder than this terminal.
    absolute = [source if "://" in source else str(Path(source).absolute()) for source in sources]
    columns = (TextColumn("Ingesting"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with _session() as session, Bar(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("ingest", total=None)

        def show(progress: Progress) -> None:
            bar.update(task, completed=progress.done, total=progress.total)

        arguments = {"sources": absolute, "collection": collection, "prune": prune}
        report = session.execute("ingest", arguments, show)
    if as_json:
        typer.echo(json.dumps(report, ensure_ascii=False))
    else:
        typer.echo(_report_text(report))
    if report["failed"]:
        raise typer.Exit(1)


def _report_text(report: dict[str, Any]) -> str:
    counts = ", ".join(
        f"{report[key]} {key}" for key in ("added", "updated", "unchanged", "removed")
    )
    lines = [f"{counts}; {report['chunks']} chunks embedded in {report['seconds']:.1f} s."]
    if report["skipped"]:
        lines.append(f"{report['skipped']} images and other files beside the articles passed over.")
    if report["vanished"]:
        lines.append(f"{len(report['vanished'])} are gone from the source; --prune removes them:")
        lines += [f"  {uri}" for uri in report["vanished"]]
    if report["failed"]:
        lines.append(f"{len(report['failed'])} could not be taken in:")
        lines += [f"  {failure['source']} {failure['error']}" for failure in report["failed"]]
    return "\n".join(lines)


@app.command()
def ask(
    question: Annotated[str | None, typer.Argument(help="What to answer.")] = None,
    collection: CollectionOption = None,
    batch: BatchOption = None,
    as_json: JsonOption = False,
    data_dir: DataDirOption = None,
) -> None:
    """Answer a question, with a citation for every sentence."""
    _ask_or_search("ask", "question", question, batch, as_json, _answer_text, collection=collection)


@app.command()
def search(
    query: Annotated[str | None, typer.Argument(help="What to look for.")] = None,
    top_k: Annotated[int, typer.Option("--top-k", help="How many passages.", min=1, max=100)] = 10,
    collection: CollectionOption = None,
    batch: BatchOption = None,
    as_json: JsonOption = False,
    data_dir: DataDirOption = None,
) -> None:
    """Find the passages for a query, best first."""
    _ask_or_search(
        "search", "query", query, batch, as_json, _passages_text, collection=collection, top_k=top_k
    )


def _ask_or_search(
    name: str,
    key: str,
    question: str | None,
    batch: Path | None,
    as_json: bool,
    to_text: Callable[[dict[str, Any]], str],
    **arguments: Any,  # noqa: ANN401 (the command's own)
) -> None:
    if (question is None) == (batch is None):
        msg = f"Give either a {key} or --batch FILE."
        raise QuestionError(msg)
    if batch is None:
        result = _run(name, **{key: question}, **arguments)
        typer.echo(json.dumps(result, ensure_ascii=False) if as_json else to_text(result))
        return
    failed = False
    with _session() as session:
        for number, line in _batch_lines(batch):
            try:
                entry = _batch_entry(batch, number, line)
                asked = {key: entry["question"], **arguments}
                result = {**session.execute(name, asked, lambda _: None), "id": entry["id"]}
            except CitewellError as exc:
                failed = True
                result = {"id": _batch_id(line), "error": str(exc)}
            typer.echo(json.dumps(result, ensure_ascii=False))
    if failed:
        raise typer.Exit(1)


def _batch_lines(path: Path) -> Iterator[tuple[int, str]]:
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield number, line
    except (OSError, UnicodeDecodeError) as exc:
        msg = f"{path} cannot be read: {exc}"
        raise QuestionError(msg) from exc


def _batch_entry(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        entry = json.loads(line)
    except ValueError as exc:
        msg = f"{path}:{number} is not JSON: {exc}"
        raise QuestionError(msg) from exc
    question = entry.get("question") if isinstance(entry, dict) else None
    if not isinstance(question, str) or "id" not in entry:
        msg = f'{path}:{number} is not an object with an "id" and a "question".'
        raise QuestionError(msg)
    return {"id": entry["id"], "question": question}


def _batch_id(line: str) -> Any:  # noqa: ANN401 (whatever the line has)
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    return entry.get("id") if isinstance(entry, dict) else None


def _answer_text(answer: dict[str, Any]) -> str:
    lines: list[str] = []
    if answer["outcome"] == "not_found":
        lines.append(answer["text"])
        if answer["closest"]:
            lines.append("\nThe closest articles:")
            lines += [f"  {_named(head)}" for head in answer["closest"]]
        elif not answer["passages"]:
            lines.append("There are none yet: citewell ingest FOLDER")
    else:
        lines += [
            sentence["text"] + "".join(f" [{number}]" for number in sentence["citations"])
            for sentence in answer["sentences"]
        ]
    if answer["citations"]:
        lines.append("")
    for citation in answer["citations"]:
        lines.append(f"[{citation['number']}] {_named(citation)}")
        lines.append(f"    {citation['url'] or citation['uri']}")
    lines += [f"Degraded: {reason}" for reason in answer["degraded"]]
    return "\n".join(lines)


def _passages_text(result: dict[str, Any]) -> str:
    lines: list[str] = []
    for passage in result["passages"]:
        lines.append(f"{passage['rank']}. {_named(passage)}  score {passage['score']:.3f}")
        lines.append(f"   {passage['text']}\n")
    return "\n".join(lines).rstrip() or "Nothing was found."


def _named(head: dict[str, Any]) -> str:
    return f"{head['title']}, {head['published']}" if head["published"] else str(head["title"])


@articles_app.command("list")
def articles_list(
    collection: CollectionOption = None, as_json: JsonOption = False, data_dir: DataDirOption = None
) -> None:
    """List the articles, newest first."""
    result = _run("articles", collection=collection)
    if as_json:
        typer.echo(json.dumps(result, ensure_ascii=False))
        return
    for head in result["articles"]:
        typer.echo(f"{head['article_id']}  {head['published'] or '          '}  {head['title']}")
        typer.echo(f"{'':39}{head['uri']}")


@articles_app.command("show")
def articles_show(
    name: Annotated[str, typer.Argument(help="The article's id or uri.")],
    collection: CollectionOption = None,
    as_json: JsonOption = False,
    data_dir: DataDirOption = None,
) -> None:
    """Print an article as Citewell reads it."""
    article = _run("article", name=name, collection=collection)
    if as_json:
        typer.echo(json.dumps(article, ensure_ascii=False))
        return
    about = [", ".join(article["authors"]), article["published"], article["url"], article["uri"]]
    typer.echo("\n".join([article["title"], *(line for line in about if line), ""]))
    typer.echo(article["text"])


@articles_app.command("remove")
def articles_remove(
    names: Annotated[list[str], typer.Argument(help="Ids or uris.")],
    collection: CollectionOption = None,
    as_json: JsonOption = False,
    data_dir: DataDirOption = None,
) -> None:
    """Remove articles: all of those named, or none if one of them does not exist."""
    result = _run("remove", names=names, collection=collection)
    if as_json:
        typer.echo(json.dumps(result, ensure_ascii=False))
        return
    for head in result["removed"]:
        typer.echo(f"Removed {_named(head)}")


@collections_app.command("list")
def collections_list(as_json: JsonOption = False, data_dir: DataDirOption = None) -> None:
    """List the collections with their counts."""
    result = _run("collections")
    if as_json:
        typer.echo(json.dumps(result, ensure_ascii=False))
        return
    for found in result["collections"]:
        typer.echo(f"{found['name']}: {found['articles']} articles, {found['chunks']} chunks")


@app.command()
def serve(
    port: Annotated[
        int | None,
        typer.Option("--port", help="The port [CITEWELL_PORT, else 7860].", min=0, max=65535),
    ] = None,
    data_dir: DataDirOption = None,
) -> None:
    """Serve the chat on 127.0.0.1 until it is interrupted."""
    from app.settings import load_settings

    settings = load_settings(data_dir=_chosen["data_dir"], port=port)
    _be_quiet()
    from app.api.server import run

    run(settings)


def main() -> None:
    """Run the command line; an error of ours is one line, not a traceback."""
    try:
        app()
    except CitewellError as exc:
        typer.echo(f"citewell: {exc}", err=True)
        sys.exit(1)
