from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path

import pytest

from ingest import extract, sources
from ingest.report import IngestReport, Progress
from ingest.sync import Sync
from tests.fakes import HashEncoder, crash
from vectorstore.retriever import Retriever
from vectorstore.store import Store
from vectorstore.types import Filter

OpenStore = Callable[..., Store]


class Library:
    """An open store, a collection of it and a folder of articles."""

    def __init__(self, store: Store, encoder: HashEncoder, folder: Path) -> None:
        self.store = store
        self.encoder = encoder
        self.folder = folder
        self.collection = store.catalogue.create_collection("news")

    def write(self, name: str, content: str | bytes) -> Path:
        """Write an article's file."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def sync(self, *arguments: Path, prune: bool = False) -> IngestReport:
        """Ingest the given sources, the folder by default."""
        sync = Sync(self.store, self.encoder, self.collection)
        return sync.run([str(path) for path in arguments or (self.folder,)], prune)

    def find(self, query: str, top_k: int = 20) -> list[str]:
        """Return the texts of the passages for a query."""
        condition = Filter(collections=(self.collection,))
        found = Retriever(self.store, self.encoder).retrieve(query, top_k, condition)
        return [passage.chunk.text for passage in found.passages]

    def uris(self) -> list[str]:
        """Return the uris of the published articles."""
        return sorted(head.uri for head in self.store.catalogue.heads())


@pytest.fixture
def library(store: Store, encoder: HashEncoder, tmp_path: Path) -> Library:
    """An empty library."""
    (tmp_path / "articles").mkdir()
    return Library(store, encoder, tmp_path / "articles")


def counts(report: IngestReport) -> tuple[int, int, int, int]:
    """Return (added, updated, unchanged, removed)."""
    return report.added, report.updated, report.unchanged, report.removed


def paragraphs(count: int) -> list[str]:
    """Return paragraphs of 60 words, all different."""
    return [
        " ".join(f"word{number}x{position}" for position in range(60)) + "."
        for number in range(count)
    ]


def records(*rows: dict[str, object]) -> str:
    """Return JSON Lines."""
    return "\n".join(json.dumps(row) for row in rows) + "\n"


def test_what_was_ingested_answers(library: Library) -> None:
    """Articles of every kind are found after one run, and the report counts them."""
    library.write("a.md", "# Alps\n\nGlaciers melt in the Alps.")
    library.write("sub/b.txt", "Volcanoes erupt in Iceland.")
    library.write("c.jsonl", records({"id": "c", "text": "Deserts grow in Namibia."}))
    report = library.sync()
    assert counts(report) == (3, 0, 0, 0)
    assert report.chunks == 3
    assert report.failed == ()
    assert library.find("glaciers alps")[0] == "Glaciers melt in the Alps."
    assert library.find("volcanoes")[0] == "Volcanoes erupt in Iceland."
    assert library.uris() == ["a.md", "c", "sub/b.txt"]


def test_the_same_again_embeds_nothing(library: Library) -> None:
    """A second run finds everything unchanged, embeds nothing and changes nothing."""
    library.write("a.md", "# Alps\n\nGlaciers melt in the Alps.")
    library.write("c.jsonl", records({"id": "c", "text": "Deserts grow."}))
    library.sync()
    embedded = list(library.encoder.embedded)
    generation = library.store.state.version
    report = library.sync()
    assert counts(report) == (0, 0, 2, 0)
    assert report.chunks == 0
    assert library.encoder.embedded == embedded
    assert library.store.state.version == generation


def test_touched_files_are_unchanged(library: Library) -> None:
    """Bytes that changed without a change of the article embed nothing."""
    library.write("a.md", "# Alps\n\nGlaciers melt in the Alps.")
    library.sync()
    library.write("a.md", "\n# Alps\r\n\r\n\r\nGlaciers *melt*\nin the Alps.\n")
    assert counts(library.sync()) == (0, 0, 1, 0)
    assert len(library.encoder.embedded) == 1


GERMAN = "Die Gletscher der Alpen schmelzen. Forscher messen jedes Jahr, wie lang sie noch sind."


def languages(library: Library) -> dict[str, str | None]:
    """Return the language of each article, by its uri."""
    return {head.uri: head.language for head in library.store.catalogue.heads()}


def test_the_language_is_told_where_metadata_do_not(library: Library) -> None:
    """Metadata win, however wrong; else a text's language is told if it is sure."""
    library.write("told.txt", GERMAN)
    library.write("said.md", f"---\nlanguage: nl\n---\n# Titel\n\n{GERMAN}")
    library.write("unsure.txt", "Aletsch, Rhône.")
    library.sync()
    assert languages(library) == {"told.txt": "de", "said.md": "nl", "unsure.txt": None}
    assert library.find("Wie lang ist der Gletscher?", 1) == [GERMAN]


def test_articles_from_before_languages_were_told_are_left(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is stored without a language stays so until its file changes; nothing is embedded."""
    library.write("a.txt", GERMAN)
    with monkeypatch.context() as patch:
        patch.setattr("ingest.sync.detect", lambda text: None)
        library.sync()
    embedded = list(library.encoder.embedded)
    assert counts(library.sync()) == (0, 0, 1, 0)
    assert languages(library) == {"a.txt": None}
    library.write("a.txt", f"{GERMAN}\n")
    report = library.sync()
    assert (counts(report), report.chunks) == ((0, 1, 0, 0), 0)
    assert languages(library) == {"a.txt": "de"}
    assert library.encoder.embedded == embedded
    assert library.find("Wie lang ist der Gletscher?", 1) == [GERMAN]


def test_an_edit_embeds_only_what_changed(library: Library) -> None:
    """Of an edited article the chunks beside the edit are embedded, the others keep theirs."""
    body = paragraphs(40)
    library.write("a.txt", "\n\n".join(body))
    before = library.sync().chunks
    library.encoder.embedded.clear()
    library.write("a.txt", "\n\n".join(["A new first paragraph about penguins.", *body]))
    report = library.sync()
    assert counts(report) == (0, 1, 0, 0)
    assert before >= 10
    assert 1 <= report.chunks == len(library.encoder.embedded) <= 3
    assert library.find("penguins")[0].startswith("A new first paragraph")


def test_an_edited_articles_old_text_is_gone(library: Library) -> None:
    """What an article no longer says is not found, and leaves catalogue and indexes."""
    library.write("a.txt", "Glaciers melt in the Alps.")
    library.sync()
    library.write("a.txt", "Volcanoes erupt in Iceland.")
    library.sync()
    assert library.find("glaciers alps volcanoes") == ["Volcanoes erupt in Iceland."]
    numbers = {number for number, _ in library.store.catalogue.chunk_numbers()}
    assert len(numbers) == 1
    assert library.store.vectors.exact.numbers() == library.store.lexical.numbers() == numbers


@pytest.mark.parametrize(
    "front",
    ["title: Other", "title: T\ndate: 2026-03-14", "title: T\nauthor: Ada", "url: http://x.org"],
)
def test_a_change_of_the_head_is_an_update(library: Library, front: str) -> None:
    """New title, date, author or address make a new version, though the text is the same."""
    library.write("a.md", "---\ntitle: T\n---\nGlaciers melt.")
    library.sync()
    library.write("a.md", f"---\n{front}\n---\nGlaciers melt.")
    assert counts(library.sync()) == (0, 1, 0, 0)
    (head,) = library.store.catalogue.heads()
    assert head.published == (date(2026, 3, 14) if "date" in front else None)
    assert head.authors == (("Ada",) if "author" in front else ())
    assert library.find("glaciers") == ["Glaciers melt."]


def test_a_heading_that_becomes_a_paragraph(library: Library) -> None:
    """Where a chunk's sentences change and its text does not, it still answers, with them."""
    parting = "Follow us on X and Instagram."
    library.write("a.md", f"# T\n\n## Heading\n\nGlaciers melt.\n\n{parting}\n\nOne.")
    library.sync()
    library.write("a.md", f"# T\n\nHeading\n\nGlaciers melt.\n\n{parting}\n\nTwo.")
    library.sync()
    found = Retriever(library.store, library.encoder).retrieve("glaciers heading", 1).passages[0]
    assert found.chunk.text == "Heading\n\nGlaciers melt."
    assert found.sentence_vectors is not None
    assert found.sentence_vectors.shape == (len(found.chunk.sentences), 256) == (2, 256)


def test_an_article_of_headings_answers(library: Library) -> None:
    """An article with more headings than sentences does not break retrieval."""
    heads = "\n\n".join(f"## Heading number {n} about glaciers" for n in range(400))
    library.write("a.md", f"# T\n\n{heads}\n\nGlaciers melt.")
    library.sync()
    assert any("Glaciers melt." in text for text in library.find("glaciers melt"))


# -- what cannot be taken in -------------------------------------------------------------


def test_bad_inputs_are_named_and_stop_nothing(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each bad file gives one failure that names it, and the good ones are ingested."""
    for module in (extract, sources):
        monkeypatch.setattr(module, "MAX_BYTES", 1_000)
    library.write("a-good.txt", "Glaciers melt in the Alps.")
    bad = {
        "empty.txt": (b"", "no article text"),
        "binary.txt": (b"\x00\x01\x02", "binary"),
        "latin.txt": ("café".encode("latin-1"), "UTF-8"),
        "gigantic.txt": (b"x" * 1_001, "1,001 bytes"),
        "report.pdf": (b"%PDF", ".pdf"),
        "front.md": (b"---\ntitle: [\n---\nText.", "front matter"),
        "page.html": (b"<html></html>", ""),
        "only.txt": (b"Follow us on X and Instagram.", "could be cited"),
    }
    for name, (data, _) in bad.items():
        library.write(name, data)
    library.write("z-good.txt", "Volcanoes erupt in Iceland.")
    report = library.sync()
    assert counts(report) == (2, 0, 0, 0)
    failed = {Path(failure.source).name: failure.error for failure in report.failed}
    assert len(report.failed) == len(bad)
    for name, (_, reason) in bad.items():
        assert reason in failed[name]
    assert library.uris() == ["a-good.txt", "z-good.txt"]


@pytest.mark.parametrize("name", ["locked.txt", "locked.jsonl"])
def test_an_unreadable_file_is_a_failure(library: Library, name: str) -> None:
    """A file without permission is named, and the rest is ingested."""
    library.write("good.txt", "Glaciers melt.")
    locked = library.write(name, "Text.")
    locked.chmod(0)
    if os.access(locked, os.R_OK):
        pytest.skip("permissions do not hold here")
    report = library.sync()
    assert [Path(failure.source).name for failure in report.failed] == [name]
    assert "Permission denied" in report.failed[0].error
    assert report.added == 1


def test_bad_lines_are_named_by_their_number(library: Library) -> None:
    """Of a JSON Lines file the bad lines are reported and the good ones taken."""
    good = json.dumps({"id": "a", "text": "Glaciers melt."})
    lines = [good, "{torn", '{"text": "no id"}', '{"id": "b"}', '{"id": "c", "text": "Good."}']
    path = library.write("a.jsonl", "\n".join(lines))
    report = library.sync(path)
    assert report.added == 2
    numbers = [failure.source.rsplit(":", 1)[1] for failure in report.failed]
    assert numbers == ["2", "3", "4"]


def test_a_uri_given_twice_is_taken_once(library: Library) -> None:
    """Of two records with one uri the first is published and the second reported."""
    rows: Sequence[dict[str, object]] = (
        {"id": "a", "text": "Glaciers melt."},
        {"id": "a", "text": "Volcanoes erupt."},
    )
    path = library.write("a.jsonl", records(*rows))
    report = library.sync(path)
    assert report.added == 1
    (failure,) = report.failed
    assert failure.source == f"{path.resolve()}:2"
    assert "'a'" in failure.error
    assert f"{path.resolve()}:1" in failure.error
    assert library.find("glaciers volcanoes") == ["Glaciers melt."]


def test_a_source_that_is_not_there_is_a_failure(library: Library) -> None:
    """A mistyped source is reported, and the others are ingested."""
    library.write("a.txt", "Glaciers melt.")
    report = library.sync(library.folder / "nowhere", library.folder)
    assert report.added == 1
    assert len(report.failed) == 1
    assert report.failed[0].source.endswith("nowhere")
    assert "does not exist" in report.failed[0].error


def test_broken_characters_stop_nothing(library: Library) -> None:
    """A name or a record that no database takes is no reason to lose the rest."""
    with open(os.fsencode(library.folder) + b"/caf\xe9.txt", "wb") as file:
        file.write(b"Text.")
    library.write(
        "a.jsonl",
        '{"id": "a\\ud800", "text": "Lost."}\n'
        '{"id": "b", "text": "Glaciers \\ud83d melt.", "author": "A\\ud800", "title": "\\udfff"}\n',
    )
    report = library.sync()
    assert report.added == 1
    assert len(report.failed) == 2
    assert library.find("glaciers") == ["Glaciers melt."]
    for failure in report.failed:
        f"{failure.source} {failure.error}".encode()


def test_images_are_skipped(library: Library) -> None:
    """Images beside articles are counted, not reported as failures."""
    library.write("a.txt", "Glaciers melt.")
    library.write("a.png", b"\x89PNG\x00")
    report = library.sync()
    assert (report.added, report.skipped, report.failed) == (1, 1, ())


# -- what is gone ------------------------------------------------------------------------


def test_without_prune_what_vanished_still_answers(library: Library) -> None:
    """A file that is gone is listed in the report, and its article stays."""
    library.write("a.txt", "Glaciers melt.")
    library.write("c.txt", "Deserts grow.")
    library.sync()
    (library.folder / "a.txt").unlink()
    report = library.sync()
    assert report.vanished == ("a.txt",)
    assert counts(report) == (0, 0, 1, 0)
    assert "Glaciers melt." in library.find("glaciers")


def test_prune_removes_what_vanished(library: Library) -> None:
    """With prune the articles of files that are gone no longer answer."""
    library.write("a.txt", "Glaciers melt.")
    library.write("c.txt", "Deserts grow.")
    library.sync()
    (library.folder / "a.txt").unlink()
    report = library.sync(prune=True)
    assert (report.removed, report.vanished) == (1, ())
    assert library.find("glaciers") == ["Deserts grow."]
    assert library.uris() == ["c.txt"]


def test_prune_works_on_records(library: Library) -> None:
    """A record that left its JSON Lines file is gone."""
    rows: list[dict[str, object]] = [{"id": n, "text": f"Glacier {n}."} for n in range(3)]
    path = library.write("a.jsonl", records(*rows))
    library.sync(path)
    library.write("a.jsonl", records(*rows[1:]))
    assert library.sync(path, prune=True).removed == 1
    assert library.uris() == ["1", "2"]


@pytest.mark.parametrize("content", [b"", b"\x00", "café".encode("latin-1")])
def test_a_failed_file_did_not_vanish(library: Library, content: bytes) -> None:
    """A file that cannot be read any more keeps its former article, prune or not."""
    library.write("a.txt", "Glaciers melt.")
    library.sync()
    library.write("a.txt", content)
    report = library.sync(prune=True)
    assert (report.removed, report.vanished, len(report.failed)) == (0, (), 1)
    assert library.find("glaciers") == ["Glaciers melt."]


def test_a_torn_record_prunes_nothing(library: Library) -> None:
    """Where a line cannot be told to be a known record, none counts as vanished."""
    good: dict[str, object] = {"id": "a", "text": "Glaciers melt."}
    path = library.write("a.jsonl", records(good, {"id": "b", "text": "Volcanoes erupt."}))
    library.sync(path)
    library.write("a.jsonl", records(good) + '{"id": "b", "te')
    report = library.sync(path, prune=True)
    assert (report.removed, len(report.failed)) == (0, 1)
    assert "Volcanoes erupt." in library.find("volcanoes")


def test_a_single_file_prunes_nothing(library: Library) -> None:
    """Ingesting one file says nothing about the others of its folder."""
    library.write("a.txt", "Glaciers melt.")
    path = library.write("b.txt", "Volcanoes erupt.")
    library.sync()
    report = library.sync(path, prune=True)
    assert counts(report) == (0, 0, 1, 0)
    assert library.uris() == ["a.txt", "b.txt"]


def test_prune_leaves_other_sources_and_collections_alone(library: Library, tmp_path: Path) -> None:
    """Only what came from the same source into the same collection is pruned."""
    library.write("a.txt", "Glaciers melt.")
    library.sync()
    other = tmp_path / "other"
    other.mkdir()
    (other / "b.txt").write_text("Volcanoes erupt.", encoding="utf-8")
    report = library.sync(other, prune=True)
    assert counts(report) == (1, 0, 0, 0)
    elsewhere = library.store.catalogue.create_collection("elsewhere")
    (other / "b.txt").unlink()
    report = Sync(library.store, library.encoder, elsewhere).run([str(other)], prune=True)
    assert report.removed == 0
    assert library.uris() == ["a.txt", "b.txt"]


# -- folders that move and meet ----------------------------------------------------------


def test_a_folder_that_moved_duplicates_nothing(library: Library, tmp_path: Path) -> None:
    """After a move every article is unchanged, and prune watches the new place."""
    library.write("a.txt", "Glaciers melt.")
    library.write("sub/b.txt", "Volcanoes erupt.")
    library.sync()
    moved = tmp_path / "moved"
    library.folder.rename(moved)
    report = library.sync(moved)
    assert counts(report) == (0, 0, 2, 0)
    assert report.chunks == 0
    assert library.uris() == ["a.txt", "sub/b.txt"]
    (moved / "a.txt").unlink()
    assert library.sync(moved, prune=True).removed == 1


def test_another_folders_file_of_the_same_name_is_refused(library: Library, tmp_path: Path) -> None:
    """Two folders with the same relative name do not overwrite each other."""
    library.write("a.txt", "Glaciers melt.")
    library.sync()
    other = tmp_path / "other"
    other.mkdir()
    (other / "a.txt").write_text("Volcanoes erupt.", encoding="utf-8")
    report = library.sync(other, prune=True)
    assert counts(report) == (0, 0, 0, 0)
    (failure,) = report.failed
    assert "would replace 'a.txt'" in failure.error
    assert str(library.folder.resolve()) in failure.error
    assert library.find("glaciers volcanoes") == ["Glaciers melt."]
    assert counts(library.sync(prune=True)) == (0, 0, 1, 0)


def test_collections_may_hold_the_same_article(library: Library) -> None:
    """One folder in two collections is two sets of articles."""
    library.write("a.txt", "Glaciers melt.")
    library.sync()
    other = library.store.catalogue.create_collection("other")
    report = Sync(library.store, library.encoder, other).run([str(library.folder)])
    assert report.added == 1
    assert library.uris() == ["a.txt", "a.txt"]
    assert library.find("glaciers") == ["Glaciers melt."]


# -- the run itself ----------------------------------------------------------------------


def test_progress_counts_every_item(library: Library) -> None:
    """Progress is told for each item, counts it when it is done, and ends at the total."""
    for name in "abc":
        library.write(f"{name}.txt", f"Glaciers of {name}.")
    library.write("d.txt", b"")
    library.write("e.jsonl", records({"id": "e", "text": "E."}, {"id": "f", "text": "F."}))
    told: list[Progress] = []
    Sync(library.store, library.encoder, library.collection, told.append).run([str(library.folder)])
    counted = [progress.done for progress in told]
    assert counted == sorted(counted)
    assert (len(counted), counted[-1]) == (7, 6)
    assert {progress.total for progress in told} == {6}
    assert told[0].name == str((library.folder / "a.txt").resolve())


def test_many_chunks_are_published_in_groups(library: Library) -> None:
    """More chunks than one group holds are all published and found."""
    rows: list[dict[str, object]] = [
        {"id": n, "text": f"Glacier number{n} melts."} for n in range(300)
    ]
    path = library.write("a.jsonl", records(*rows))
    report = library.sync(path)
    assert (report.added, report.chunks) == (300, 300)
    assert library.find("number299", 1) == ["Glacier number299 melts."]
    assert counts(library.sync(path)) == (0, 0, 300, 0)


def test_a_run_that_was_cut_off_is_completed_by_the_next(
    library: Library, open_store: OpenStore
) -> None:
    """After a crash between groups the same command takes in what is missing, nothing twice."""
    rows: list[dict[str, object]] = [
        {"id": n, "text": f"Glacier number{n} melts."} for n in range(300)
    ]
    path = library.write("a.jsonl", records(*rows))

    class Stop(Exception):
        pass

    def stop(progress: Progress) -> None:
        if progress.done >= 128:
            raise Stop

    with pytest.raises(Stop):
        Sync(library.store, library.encoder, library.collection, stop).run([str(path)])
    crash(library.store)
    library.store = open_store()
    library.encoder.embedded.clear()
    report = library.sync(path)
    assert report.added + report.unchanged == 300
    assert report.unchanged >= 128
    assert len(library.encoder.embedded) == report.chunks == report.added
    assert library.store.vectors.dense is not None
    assert len(library.store.vectors.dense.numbers()) == len(library.store.lexical.numbers()) == 300


def test_the_store_survives_a_restart(library: Library, open_store: OpenStore) -> None:
    """After a close and an opening nothing is embedded again and everything answers."""
    library.write("a.txt", "Glaciers melt.")
    library.sync()
    library.store.close()
    library.store = open_store()
    assert counts(library.sync()) == (0, 0, 1, 0)
    assert library.find("glaciers") == ["Glaciers melt."]


def test_no_article_is_an_empty_report(library: Library) -> None:
    """An empty folder is no error."""
    report = library.sync(prune=True)
    assert counts(report) == (0, 0, 0, 0)
    assert (report.failed, report.vanished, report.chunks) == ((), (), 0)


def test_records_of_two_files_with_the_same_ids_do_not_replace_each_other(
    store: Store, encoder: HashEncoder, tmp_path: Path
) -> None:
    """A bare id is its file's own: a second file that uses it too is told, and loses nothing."""
    for name, word in (("a", "apples"), ("b", "pears")):
        (tmp_path / f"{name}.jsonl").write_text(f'{{"id": 1, "text": "There were {word} here."}}\n')
    collection = store.catalogue.create_collection("c")
    sync = Sync(store, encoder, collection)
    assert sync.run([str(tmp_path / "a.jsonl")]).added == 1
    report = sync.run([str(tmp_path / "b.jsonl")])
    assert "would replace '1'" in report.failed[0].error
    assert store.catalogue.article(store.catalogue.heads()[0].id).text == "There were apples here."


def test_a_copy_of_a_folder_changes_nothing(
    store: Store, encoder: HashEncoder, tmp_path: Path
) -> None:
    """The same files in another folder are unchanged, not rivals."""
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.txt").write_text("There were apples here.")
    sync = Sync(store, encoder, store.catalogue.create_collection("c"))
    assert sync.run([str(tmp_path / "one")]).added == 1
    report = sync.run([str(tmp_path / "two")])
    assert (report.unchanged, report.failed) == (1, ())


def test_progress_is_full_when_the_work_is_done(
    store: Store, encoder: HashEncoder, tmp_path: Path
) -> None:
    """The last report of progress comes after the last article is published."""
    folder = tmp_path / "articles"
    folder.mkdir()
    for number in range(5):
        (folder / f"{number}.txt").write_text(f"There were {number} apples here.")
    seen: list[tuple[int, int]] = []

    def note(progress: Progress) -> None:
        seen.append((progress.done, len(store.catalogue.heads())))

    Sync(store, encoder, store.catalogue.create_collection("c"), note).run([str(folder)])
    assert seen[-1] == (5, 5)
    assert all(done <= published for done, published in seen)


def test_a_data_folder_within_the_source_is_passed_over(
    store: Store, encoder: HashEncoder, tmp_path: Path
) -> None:
    """Ingesting a folder that holds the data folder takes in the articles, not the indexes."""
    (tmp_path / "a.txt").write_text("There were apples here.")
    report = Sync(store, encoder, store.catalogue.create_collection("c")).run([str(tmp_path)])
    assert (report.added, report.failed) == (1, ())
