"""citewell upkeep …: keep the store whole, small, backed up, and free of what must go."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from app.options import CollectionOption, DataDirOption, JsonOption
from app.session import replace_store, run, run_long

upkeep_app = typer.Typer(
    no_args_is_help=True, help="Check, repair, rebuild, compact, erase, back up and restore."
)


def _print(result: dict[str, Any], as_json: bool, to_text: Callable[[dict[str, Any]], str]) -> None:
    typer.echo(json.dumps(result, ensure_ascii=False) if as_json else to_text(result))


@upkeep_app.command()
def check(
    sample: Annotated[
        int, typer.Option("--sample", help="Chunks to look up by their vectors; 0: all.", min=0)
    ] = 200,
    as_json: JsonOption = False,
    data_dir: DataDirOption = None,
) -> None:
    """Compare the catalogue with every index; exit status 1 if something is wrong."""
    result = run("check", sample=sample)
    _print(result, as_json, _checkup_text)
    if result["findings"]:
        raise typer.Exit(1)


def _checkup_text(checkup: dict[str, Any]) -> str:
    lines = [
        f"{checkup['articles']} articles, {checkup['chunks']} chunks; {checkup['sampled']} looked "
        f"up: {checkup['lost']} lost, recall@10 {checkup['recall']:.3f}; "
        f"{checkup['hidden']:.0%} of the dense index is hidden."
    ]
    lines += [f"  {finding['what']}" for finding in checkup["findings"]]
    lines.append("To heal: citewell upkeep repair" if checkup["findings"] else "All is well.")
    return "\n".join(lines)


@upkeep_app.command()
def repair(as_json: JsonOption = False, data_dir: DataDirOption = None) -> None:
    """Heal what a check finds; exit status 1 if something is left."""
    result = run_long("repair", "Repairing")
    _print(result, as_json, _repair_text)
    if result["after"]["findings"]:
        raise typer.Exit(1)


def _repair_text(result: dict[str, Any]) -> str:
    found, left = result["before"]["findings"], result["after"]["findings"]
    lines = [f"{len(found)} found, {len(found) - len(left)} healed."]
    lines += [f"  {finding['what']}" for finding in found]
    if left:
        lines += ["Left:", *(f"  {finding['what']}" for finding in left)]
    return "\n".join(lines)


@upkeep_app.command()
def rebuild(
    model: Annotated[
        str | None,
        typer.Option("--model", help="Embed anew with this model: an id, or a folder."),
    ] = None,
    precision: Annotated[
        str | None, typer.Option("--precision", help="Embed anew in fp32, bf16 or int8.")
    ] = None,
    as_json: JsonOption = False,
    data_dir: DataDirOption = None,
) -> None:
    """Build the indexes anew; the old ones answer until the new ones are whole."""
    if model is not None and Path(model).is_dir():
        model = str(Path(model).absolute())
    result = run_long("rebuild", "Rebuilding", model=model, precision=precision)
    _print(result, as_json, lambda found: f"The indexes are built with {found['encoder']}")


@upkeep_app.command()
def compact(as_json: JsonOption = False, data_dir: DataDirOption = None) -> None:
    """Leave out of every file what readers no longer see."""
    _print(run_long("compact", "Compacting"), as_json, _compact_text)


def _compact_text(result: dict[str, Any]) -> str:
    before, after = result["bytes_before"] / 1e6, result["bytes_after"] / 1e6
    return f"{before:.1f} MB before, {after:.1f} MB after"


@upkeep_app.command()
def erase(
    names: Annotated[list[str], typer.Argument(help="Ids or uris.")],
    collection: CollectionOption = None,
    as_json: JsonOption = False,
    data_dir: DataDirOption = None,
) -> None:
    """Remove articles so that no file of the data folder holds anything of them."""
    result = run_long("erase", "Erasing", names=names, collection=collection)
    _print(result, as_json, _erase_text)


def _erase_text(result: dict[str, Any]) -> str:
    lines = [f"Erased {head['title']}" for head in result["erased"]]
    lines.append("Backups made before still hold them: delete those, or make new ones.")
    return "\n".join(lines)


@upkeep_app.command()
def backup(
    target: Annotated[Path, typer.Argument(help="A folder that does not exist yet.")],
    as_json: JsonOption = False,
    data_dir: DataDirOption = None,
) -> None:
    """Write a backup while the server answers and ingests."""
    result = run("backup", target=str(target.absolute()))
    _print(
        result,
        as_json,
        lambda found: f"{found['articles']} articles, {found['chunks']} chunks in {target}",
    )


@upkeep_app.command()
def restore(
    source: Annotated[Path, typer.Argument(help="A folder that backup has written.")],
    replace: Annotated[
        bool, typer.Option("--replace", help="Lose what the data folder holds now.")
    ] = False,
    as_json: JsonOption = False,
    data_dir: DataDirOption = None,
) -> None:
    """Put a backup in place of what the data folder holds."""
    result = replace_store("restore", {"source": str(source.absolute()), "replace": replace})
    _print(
        result,
        as_json,
        lambda found: (
            f"{found['articles']} articles, {found['chunks']} chunks, as of {found['created']}"
        ),
    )
