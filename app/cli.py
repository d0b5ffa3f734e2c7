"""citewell: ingest, ask, search, list and serve from a terminal.

Nothing heavy is imported here: a command imports what it runs with. Results go to standard
output, progress and errors to standard error.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from datetime import datetime
from importlib.metadata import version
from itertools import groupby
from pathlib import Path
from typing import Annotated, Any

import typer

from app.cli_access import grants_app, keys_app
from app.cli_doctor import doctor
from app.cli_eval import evaluate
from app.cli_portals import portals_app, widget_app
from app.cli_sight import audit, feedback_app, stats_app, users_app
from app.cli_upkeep import upkeep_app
from app.options import (
    BatchOption,
    CollectionOption,
    CollectionsOption,
    DataDirOption,
    FromOption,
    JsonOption,
    LanguageOption,
    SourceOption,
    ToOption,
)
from app.session import be_quiet, chosen_settings, open_session, run, run_long
from vectorstore.errors import CitewellError, QuestionError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help needs a third of the time
    help="Ask your articles; every sentence of the answer is cited.",
)
articles_app = typer.Typer(no_args_is_help=True, help="List, show and remove articles.")
collections_app = typer.Typer(
    no_args_is_help=True, help="List, create, rename and delete collections."
)
app.add_typer(articles_app, name="articles")
app.add_typer(collections_app, name="collections")
app.add_typer(keys_app, name="keys")
app.add_typer(grants_app, name="grants")
app.add_typer(portals_app, name="portals")
app.add_typer(widget_app, name="widget")
app.add_typer(upkeep_app, name="upkeep")
app.add_typer(stats_app, name="stats")
app.add_typer(feedback_app, name="feedback")
app.add_typer(users_app, name="users")
app.command()(audit)
app.command()(doctor)
app.command("eval")(evaluate)


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
    report = run_long(
        "ingest", "Ingesting", sources=_absolute(sources), collection=collection, prune=prune
    )
    if as_json:
        typer.echo(json.dumps(report, ensure_ascii=False))
    else:
        typer.echo(_report_text(report))
    if report["failed"]:
        raise typer.Exit(1)


def _absolute(places: list[str]) -> list[str]:
    """Return places as the server names them, which may run in another folder."""
    return [place if "://" in place else str(Path(place).absolute()) for place in places]


def _resolved(places: list[str]) -> list[str]:
    """Return places as articles remember them: without links and `..`."""
    return [place if "://" in place else str(Path(place).resolve()) for place in places]


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
    collections: CollectionsOption = None,
    sources: SourceOption = None,
    languages: LanguageOption = None,
    published_from: FromOption = None,
    published_to: ToOption = None,
    conversation: Annotated[
        str | None,
        typer.Option(
            "--conversation", help="Go on with the conversation of this ID; 'new' begins one."
        ),
    ] = None,
    batch: BatchOption = None,
    as_json: JsonOption = False,
    data_dir: DataDirOption = None,
) -> None:
    """Answer a question, with a citation for every sentence."""
    if conversation is not None and batch is not None:
        msg = "Questions of a --batch stand alone: leave --conversation out."
        raise QuestionError(msg)
    scope = _scope(collections, sources, languages, published_from, published_to)
    asked = {"scope": scope, "conversation": conversation}
    _ask_or_search("ask", "question", question, batch, as_json, _answer_text, **asked)


@app.command()
def search(
    query: Annotated[str | None, typer.Argument(help="What to look for.")] = None,
    top_k: Annotated[int, typer.Option("--top-k", help="How many passages.", min=1, max=100)] = 10,
    collections: CollectionsOption = None,
    sources: SourceOption = None,
    languages: LanguageOption = None,
    published_from: FromOption = None,
    published_to: ToOption = None,
    batch: BatchOption = None,
    as_json: JsonOption = False,
    data_dir: DataDirOption = None,
) -> None:
    """Find the passages for a query, best first."""
    scope = _scope(collections, sources, languages, published_from, published_to)
    _ask_or_search(
        "search", "query", query, batch, as_json, _passages_text, scope=scope, top_k=top_k
    )


def _scope(
    collections: list[str] | None,
    sources: list[str] | None,
    languages: list[str] | None,
    published_from: datetime | None,
    published_to: datetime | None,
) -> dict[str, Any]:
    return {
        "collections": collections or None,
        "sources": _resolved(sources) if sources else None,
        "languages": languages or None,
        "published_from": published_from and published_from.date().isoformat(),
        "published_to": published_to and published_to.date().isoformat(),
    }


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
        result = run(name, **{key: question}, **arguments)
        typer.echo(json.dumps(result, ensure_ascii=False) if as_json else to_text(result))
        return
    failed = False
    with open_session() as session:
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
    if answer["question_used"] != answer["question"]:
        lines.append(f"Understood as: {answer['question_used']}\n")
    period = answer["filters"].get("period")  # answers kept by earlier versions have none
    if period:
        lines.append(f"Only articles {period}:\n")
    lines += _refused(answer) if answer["outcome"] == "not_found" else _said(answer)
    if answer["citations"]:
        lines.append("")
    for citation in answer["citations"]:
        lines.append(f"[{citation['number']}] {_named(citation)}")
        lines.append(f"    {citation['url'] or citation['uri']}")
    lines += [f"Degraded: {reason}" for reason in answer["degraded"]]
    if "conversation_id" in answer:
        lines.append(f"\nGo on with: --conversation {answer['conversation_id']}")
    return "\n".join(lines)


def _refused(answer: dict[str, Any]) -> list[str]:
    lines = [answer["text"]]
    if answer["closest"]:
        lines.append("\nThe closest articles:")
        lines += [f"  {_named(head)}" for head in answer["closest"]]
    elif not answer["passages"] and not answer["filters"].get("period"):
        lines.append("There are none yet: citewell ingest FOLDER")
    return lines


def _said(answer: dict[str, Any]) -> list[str]:
    from app.answering.answer import NOT_SUPPORTED, lacking

    lines: list[str] = []
    for part, sentences in groupby(answer["sentences"], key=lambda each: each["part"]):
        lines += [part] if part else []
        lines += [
            sentence["text"]
            + "".join(f" [{number}]" for number in sentence["citations"])
            + (f" ({NOT_SUPPORTED})" if sentence["support"] == "unsupported" else "")
            for sentence in sentences
        ]
    if answer["unanswered"]:
        lines.append(lacking(answer["unanswered"]))
    return lines


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
    result = run("articles", collection=collection)
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
    article = run("article", name=name, collection=collection)
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
    result = run("remove", names=names, collection=collection)
    if as_json:
        typer.echo(json.dumps(result, ensure_ascii=False))
        return
    for head in result["removed"]:
        typer.echo(f"Removed {_named(head)}")


@collections_app.command("list")
def collections_list(as_json: JsonOption = False, data_dir: DataDirOption = None) -> None:
    """List the collections with their counts."""
    result = run("collections")
    if as_json:
        typer.echo(json.dumps(result, ensure_ascii=False))
        return
    for found in result["collections"]:
        typer.echo(f"{found['name']}: {found['articles']} articles, {found['chunks']} chunks")


@collections_app.command("create")
def collections_create(
    name: Annotated[str, typer.Argument(help="Its name.")],
    as_json: JsonOption = False,
    data_dir: DataDirOption = None,
) -> None:
    """Create an empty collection."""
    result = run("create_collection", name=name)
    text = f"Created {result['name']}"
    typer.echo(json.dumps(result, ensure_ascii=False) if as_json else text)


@collections_app.command("rename")
def collections_rename(
    old: Annotated[str, typer.Argument(help="Its name now.")],
    new: Annotated[str, typer.Argument(help="Its new name.")],
    as_json: JsonOption = False,
    data_dir: DataDirOption = None,
) -> None:
    """Give a collection another name; its articles stay as they are."""
    result = run("rename_collection", old=old, new=new)
    typer.echo(
        json.dumps(result, ensure_ascii=False) if as_json else f"Renamed to {result['name']}"
    )


@collections_app.command("delete")
def collections_delete(
    name: Annotated[str, typer.Argument(help="Its name.")],
    as_json: JsonOption = False,
    data_dir: DataDirOption = None,
) -> None:
    """Delete a collection with all its articles."""
    result = run("delete_collection", name=name)
    if as_json:
        typer.echo(json.dumps(result, ensure_ascii=False))
        return
    typer.echo(f"Deleted {result['name']} with {result['articles']} articles")


@app.command()
def serve(
    port: Annotated[
        int | None,
        typer.Option("--port", help="The port [CITEWELL_PORT, else 7860].", min=0, max=65535),
    ] = None,
    data_dir: DataDirOption = None,
) -> None:
    """Serve the chat on 127.0.0.1 until it is interrupted."""
    settings = chosen_settings(port=port)
    be_quiet()
    from app.api.server import run

    run(settings)


@app.command()
def mcp(data_dir: DataDirOption = None) -> None:
    """Serve ask, search and read_article on standard input and output to an MCP client."""
    from app.mcp_server import serve_stdio

    serve_stdio()


def main() -> None:
    """Run the command line; an error of ours is one line, not a traceback."""
    try:
        app()
    except CitewellError as exc:
        typer.echo(f"citewell: {exc}", err=True)
        sys.exit(1)
