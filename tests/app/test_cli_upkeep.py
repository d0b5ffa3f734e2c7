"""Collections, filters and upkeep by the command line, alone and beside the running server."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from tests.app.conftest import EXAMPLES, RunCitewell, Server, run_citewell

ARTICLES = {
    "bridge.md": "---\ntitle: The bridge\ndate: 1932-03-19\n---\n"
    "The harbour bridge opened after eight years of work.\n",
    "ferry.md": "---\ntitle: The ferry\ndate: 1998-07-02\n---\n"
    "The harbour ferry carried 40,000 passengers a day.\n",
    "well.md": "---\ntitle: The village well\ndate: 2024-05-06\n---\n"
    "The village well of Oberdorf was dug by Anna Kessler in 1743.\n",
}
Run = Callable[..., "CompletedProcess[str]"]


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder that the installed command has filled."""
    articles = tmp_path_factory.mktemp("texts")
    for name, text in ARTICLES.items():
        (articles / name).write_text(text)
    data_dir = tmp_path_factory.mktemp("shelf") / "data"
    result = run_citewell(data_dir, "ingest", articles)
    assert result.returncode == 0, result.stderr
    return data_dir


@pytest.fixture
def data_dir(shelf: Path, tmp_path: Path) -> Path:
    """The test's own copy of that folder."""
    return shutil.copytree(shelf, tmp_path / "data")


@pytest.fixture
def alone(data_dir: Path, citewell: RunCitewell) -> Run:
    """Run a command on the copy, without a server."""
    return lambda *arguments: citewell(data_dir, *arguments)


@pytest.fixture
def beside(server: Server, citewell: RunCitewell) -> Run:
    """Run a command beside the server."""
    return lambda *arguments: citewell(server.data_dir, *arguments)


def read(result: CompletedProcess[str]) -> Any:  # noqa: ANN401 (JSON)
    """Return what a command printed that went well."""
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def told(result: CompletedProcess[str]) -> str:
    """Return the one line in which a command told its mistake."""
    assert (result.returncode, result.stdout) == (1, "")
    assert "Traceback" not in result.stderr
    last = result.stderr.splitlines()[-1]
    assert last.startswith("citewell: ")
    return last


def holding(folder: Path, words: bytes) -> list[Path]:
    """Return the files in a folder that hold some words."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return [path for path in files if words in path.read_bytes()]


# -- alone -----------------------------------------------------------------------------------


def test_a_check_tells_how_it_stands(alone: Run) -> None:
    """A check of a whole store counts and finds nothing, as text and as JSON."""
    text = alone("upkeep", "check").stdout
    assert text.startswith("3 articles, 3 chunks; 3 looked up: 0 lost, recall@10 1.000; 0% of")
    assert text.endswith("All is well.\n")
    assert read(alone("upkeep", "check", "--sample", "2", "--json")) == {
        "articles": 3,
        "chunks": 3,
        "sampled": 2,
        "lost": 0,
        "recall": 1.0,
        "hidden": 0.0,
        "findings": [],
    }


def test_a_repair_heals_what_a_check_finds(alone: Run, data_dir: Path) -> None:
    """A finding gives status 1 and the way to heal it; after the repair there is none."""
    catalogue = sqlite3.connect(data_dir / "catalogue.sqlite3")
    catalogue.execute("INSERT INTO facts (key, value) VALUES ('erasing', 'yes')")
    catalogue.commit()
    catalogue.close()
    found = alone("upkeep", "check")
    assert found.returncode == 1
    assert "an erasure was interrupted" in found.stdout
    assert "citewell upkeep repair" in found.stdout
    healed = alone("upkeep", "repair")
    assert (healed.returncode, healed.stdout.splitlines()[0]) == (0, "1 found, 1 healed.")
    again = read(alone("upkeep", "repair", "--json"))
    assert (again["before"]["findings"], again["after"]["findings"]) == ([], [])


def test_a_rebuild_names_the_encoder(alone: Run) -> None:
    """Without a model the indexes are built with the encoder there is."""
    assert "all-MiniLM-L6-v2/fp32/" in alone("upkeep", "rebuild").stdout
    assert read(alone("upkeep", "rebuild", "--json"))["encoder"].startswith("all-MiniLM-L6-v2/fp32")


def test_compacting_leaves_out_what_is_hidden(alone: Run) -> None:
    """What a removed article left in the dense index is gone after `compact`."""
    alone("articles", "remove", "well.md")
    assert read(alone("upkeep", "check", "--json"))["hidden"] == pytest.approx(1 / 3, abs=1e-4)
    sizes = read(alone("upkeep", "compact", "--json"))
    assert sizes.keys() == {"bytes_before", "bytes_after"}
    assert read(alone("upkeep", "check", "--json"))["hidden"] == 0
    assert " MB before, " in alone("upkeep", "compact").stdout


def test_an_erased_article_is_in_no_file(alone: Run, data_dir: Path) -> None:
    """`erase` leaves nothing of an article and reminds of backups; of none if one is unknown."""
    assert "'nope'" in told(alone("upkeep", "erase", "well.md", "nope"))
    assert holding(data_dir, b"Kessler")
    erased = alone("upkeep", "erase", "well.md", "--collection", "articles")
    assert erased.stdout.startswith("Erased The village well\nBackups made before")
    assert holding(data_dir, b"Kessler") == []
    (head,) = read(alone("upkeep", "erase", "ferry.md", "--json"))["erased"]
    assert head["uri"] == "ferry.md"


def test_a_backup_is_restored(
    alone: Run, citewell: RunCitewell, data_dir: Path, tmp_path: Path
) -> None:
    """A backup replaces a store only if told to, and makes one where there is none."""
    target = tmp_path / "backup"
    assert alone("upkeep", "backup", target).stdout == f"3 articles, 3 chunks in {target}\n"
    assert str(target) in told(alone("upkeep", "backup", target))
    alone("articles", "remove", "well.md")
    assert "--replace" in told(alone("upkeep", "restore", target))
    assert f"{tmp_path} is no" in told(alone("upkeep", "restore", tmp_path, "--replace"))
    assert len(read(alone("articles", "list", "--json"))["articles"]) == 2
    restored = alone("upkeep", "restore", target, "--replace")
    assert restored.stdout.startswith("3 articles, 3 chunks, as of 20")
    assert len(read(alone("articles", "list", "--json"))["articles"]) == 3

    manifest = read(citewell(tmp_path / "new", "upkeep", "restore", target, "--json"))
    assert (manifest["articles"], manifest["chunks"], manifest["format"]) == (3, 3, 1)
    assert manifest["files"].keys() == {"catalogue.sqlite3"}
    checkup = read(citewell(tmp_path / "new", "upkeep", "check", "--json"))
    assert (checkup["articles"], checkup["findings"]) == (3, [])


def test_collections_are_kept_by_command(alone: Run) -> None:
    """A collection is created, renamed and deleted; each tells so, as text or as JSON."""
    assert alone("collections", "create", "press").stdout == "Created press\n"
    assert "'press' already" in told(alone("collections", "create", "press"))
    assert alone("collections", "rename", "press", "papers").stdout == "Renamed to papers\n"
    assert "'press'" in told(alone("collections", "rename", "press", "x"))
    renamed = alone("collections", "rename", "articles", "wells", "--json")
    assert read(renamed) == {"old": "articles", "name": "wells"}
    assert alone("collections", "list").stdout.splitlines() == [
        "papers: 0 articles, 0 chunks",
        "wells: 3 articles, 3 chunks",
    ]
    assert alone("collections", "delete", "wells").stdout == "Deleted wells with 3 articles\n"
    deleted = alone("collections", "delete", "papers", "--json")
    assert read(deleted) == {"name": "papers", "articles": 0}
    assert "'papers'" in told(alone("collections", "delete", "papers"))
    assert "not 0" in told(alone("collections", "create", " "))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("upkeep", "rebuild", "--precision", "fp8"), "'fp8'"),
        (("upkeep", "rebuild", "--model", "/no/model"), "/no/model"),
        (("upkeep", "backup", "/proc/backup"), "/proc/backup"),
        (("upkeep", "restore", "/no/backup"), "/no/backup"),
    ],
)
def test_upkeeps_mistakes_are_told_in_one_line(
    alone: Run, arguments: tuple[str, ...], words: str
) -> None:
    """What cannot be done gives status 1 and one line that names the value."""
    assert words in told(alone(*arguments))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("upkeep", "check", "--sample", "-1"), "--sample"),
        (("upkeep", "erase"), "names"),
        (("search", "why", "--from", "14.3.2026"), "14.3.2026"),
        (("ask", "why?", "--to", "2026-02-30"), "2026-02-30"),
    ],
)
def test_what_is_no_command_line_is_told(
    alone: Run, arguments: tuple[str, ...], words: str
) -> None:
    """An option that cannot be read gives status 2 and names it before anything is opened."""
    result = alone(*arguments)
    assert (result.returncode, result.stdout) == (2, "")
    assert words in result.stderr


# -- beside the server -----------------------------------------------------------------------


def test_the_server_is_kept_while_it_runs(beside: Run) -> None:
    """Checking, repairing, rebuilding and compacting work on the server's own open store."""
    assert beside("upkeep", "rebuild").stdout.startswith("The indexes are built with all-MiniLM")
    assert " MB after" in beside("upkeep", "compact").stdout
    repaired = read(beside("upkeep", "repair", "--json"))
    assert (repaired["before"]["findings"], repaired["after"]["findings"]) == ([], [])
    checked = beside("upkeep", "check", "--sample", "0")
    assert checked.stdout.startswith("18 articles, ")
    assert checked.stdout.endswith("All is well.\n")
    assert "'fp8'" in told(beside("upkeep", "rebuild", "--precision", "fp8"))


def test_the_server_erases(beside: Run, server: Server, tmp_path: Path) -> None:
    """An article that came and went while the server runs is in no file of its folder."""
    (tmp_path / "well.md").write_text(ARTICLES["well.md"].replace("Kessler", "Kesslerova"))
    assert beside("ingest", tmp_path, "--collection", "xyz").returncode == 0
    assert holding(server.data_dir, b"Kesslerova")
    erased = beside("upkeep", "erase", "well.md", "--collection", "xyz")
    assert erased.stdout.startswith("Erased The village well\n")
    assert holding(server.data_dir, b"Kesslerova") == []
    assert "'well.md'" in told(beside("upkeep", "erase", "well.md", "--collection", "xyz"))
    assert read(beside("collections", "delete", "xyz", "--json"))["articles"] == 0


def test_the_server_gives_up_its_store_for_a_backup(
    beside: Run, server: Server, tmp_path: Path
) -> None:
    """A restore brings back the collections of the backup, and the server answers again."""
    target = tmp_path / "backup"
    assert read(beside("upkeep", "backup", target, "--json"))["articles"] == 18
    assert str(target) in told(beside("upkeep", "backup", target))
    assert read(beside("collections", "create", "later", "--json"))["name"] == "later"
    assert "'later' already" in told(beside("collections", "create", "later"))
    assert f"{tmp_path} is no" in told(beside("upkeep", "restore", tmp_path, "--replace"))
    assert "--replace" in told(beside("upkeep", "restore", target))
    assert "later: 0 articles" in beside("collections", "list").stdout

    restored = server.citewell("upkeep", "restore", target, "--replace")
    assert restored.stdout.startswith("18 articles, "), restored.stderr
    assert "later" not in beside("collections", "list").stdout
    answer = read(beside("ask", "How many tree species are there on Earth?", "--json"))
    assert "73,000" in answer["text"]
    assert beside("upkeep", "check").stdout.endswith("All is well.\n")


def test_filters_are_exact(beside: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """`search` shows only what its dates, source, language and collections let through."""

    def found(*filters: str) -> dict[str, str]:
        result = read(beside("search", "water", "--top-k", "100", "--json", *filters))
        return {passage["chunk_id"]: passage["published"] for passage in result["passages"]}

    everything = found()
    dated = found("--from", "2022-01-01", "--to", "2022-12-31")
    assert {published[:4] for published in dated.values()} == {"2022"}
    assert dated.items() < everything.items()
    monkeypatch.chdir(EXAMPLES / "..")
    assert found("--source", "../examples/articles") == everything
    assert found("--source", "../tests") == {}
    english = found("--language", "en")
    assert {}.items() < english.items() <= everything.items()  # their language is told
    assert found("--language", "EN", "--language", "fr", "--collection", "articles") == english
    assert found("--language", "fr") == {}
    assert found("--collection", "articles", "--collection", "articles") == everything
    assert "'nope'" in told(
        beside("search", "x", "--collection", "articles", "--collection", "nope")
    )
    shown = beside("ask", "How many tree species are there on Earth?", "--to", "1990-01-01")
    assert "The articles until 1 January 1990 do not say." in shown.stdout
