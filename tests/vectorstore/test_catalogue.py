from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pytest

from tests.fakes import make_publication, put
from vectorstore.catalogue import Catalogue
from vectorstore.errors import StoreError, UnknownNameError
from vectorstore.store import Store
from vectorstore.types import Filter


def test_an_article_comes_back_as_it_was_published(store: Store) -> None:
    """Head and text survive the catalogue, with characters from beyond the first plane."""
    publication = make_publication(
        store, "a", ["Ünïcode 👩‍👩‍👧 and 你好.", "Second 𝕏."], published=date(2026, 3, 14)
    )
    store.publish([publication])
    assert store.catalogue.article(publication.article.head.id) == publication.article


def test_a_located_chunk_is_cut_by_characters(store: Store) -> None:
    """A chunk's text is cut out in SQL by characters, as Python counts them."""
    publication = make_publication(store, "a", ["Ünïcode 👩‍👩‍👧 and 你好.", "Second 𝕏."])
    store.publish([publication])
    numbers = [number for number, _ in store.catalogue.chunk_numbers()]
    located = store.catalogue.locate(numbers)
    chunks = sorted((found.chunk for found in located.values()), key=lambda chunk: chunk.ordinal)
    assert tuple(chunks) == publication.chunks
    for found in located.values():
        kept = publication.embeddings[found.chunk.id].sentences
        assert np.array_equal(found.sentence_vectors, kept)


def test_an_unknown_article_is_named(store: Store) -> None:
    """Asking for an article that does not exist names it and the command that lists them."""
    with pytest.raises(UnknownNameError, match=r"'nowhere'.*citewell articles list"):
        store.catalogue.article("nowhere")


def test_a_collection_is_created_once(store: Store) -> None:
    """The same name gives the same id, and the id does not contain the name."""
    first = store.catalogue.create_collection("Press releases")
    assert store.catalogue.create_collection("Press releases") == first
    assert "Press" not in first
    assert store.catalogue.create_collection("News") != first


def test_collections_are_counted(store: Store) -> None:
    """Each collection is listed with its current articles and chunks, by name."""
    store.catalogue.create_collection("empty")
    put(store, "a", "One paragraph.", "Two paragraphs.", collection="b")
    put(store, "b", "Three paragraphs.", collection="b")
    put(store, "b", "Four paragraphs.", "Five paragraphs.", collection="b")
    store.remove([put(store, "c", "Six paragraphs.", collection="c")])
    found = [(c.name, c.articles, c.chunks) for c in store.catalogue.collections()]
    assert found == [("b", 2, 4), ("c", 0, 0), ("empty", 0, 0)]


def test_heads_are_newest_first(store: Store) -> None:
    """Articles are listed by falling publication date, undated ones last, and filtered."""
    put(store, "undated", "No date here.")
    put(store, "old", "Old words.", published=date(2020, 1, 1))
    put(store, "new", "New words.", published=date(2026, 1, 1))
    put(store, "other", "Other words.", collection="other", published=date(2023, 1, 1))
    catalogue = store.catalogue
    assert [h.uri for h in catalogue.heads()] == ["new", "other", "old", "undated"]
    only = Filter(collections=(catalogue.create_collection("other"),))
    assert [h.uri for h in catalogue.heads(only)] == ["other"]
    assert catalogue.heads(Filter(collections=())) == []
    dated = Filter(published_from=date(2020, 1, 1), published_to=date(2023, 1, 1))
    assert [h.uri for h in catalogue.heads(dated)] == ["other", "old"]


def test_known_knows_only_what_is_current(store: Store) -> None:
    """What a source is compared with is the current version, not a staged or removed one."""
    put(store, "a", "First version.")
    store.remove([put(store, "b", "Gone again.")])
    store.catalogue.stage([make_publication(store, "a", ["Second version."])])
    known = store.catalogue.known(store.catalogue.create_collection("news"))
    assert list(known) == ["a"]
    assert known["a"].head == store.catalogue.article("news/a").head


def test_a_noted_source_changes_nothing_else(store: Store) -> None:
    """Noting a new place and digest leaves the head alone."""
    article_id = put(store, "a", "First version.")
    store.note_source(article_id, "elsewhere", "0" * 64)
    known = store.catalogue.known(store.catalogue.create_collection("news"))["a"]
    assert (known.source, known.source_sha256) == ("elsewhere", "0" * 64)
    assert known.head == store.catalogue.article(article_id).head


def test_two_staged_versions_leave_the_newer_one(store: Store) -> None:
    """When two versions of an article were staged, the later one becomes the current."""
    store.catalogue.stage([make_publication(store, "a", ["First version."])])
    store.catalogue.stage([make_publication(store, "a", ["Second version."])])
    store.catalogue.flip()
    assert store.catalogue.article("news/a").text == "Second version."


def test_chunk_numbers_are_never_reused(store: Store) -> None:
    """A new chunk gets a number that no earlier chunk had, even if that one is gone."""
    article_id = put(store, "a", "First version.")
    (first,) = dict(store.catalogue.chunk_numbers())
    store.remove([article_id])
    put(store, "b", "Another article.")
    assert min(dict(store.catalogue.chunk_numbers())) > first


def test_the_outbox_is_emptied_when_both_indexes_have_it(store: Store) -> None:
    """What both indexes have applied does not stay in the outbox."""
    put(store, "a", "First version.")
    put(store, "a", "Second version.")
    for follower in ("dense", "lexical", "a new one"):
        assert store.catalogue.pending(follower, 100) == []


def test_facts_are_replaced(store: Store) -> None:
    """A fact that is remembered again has the new value, others stay."""
    store.catalogue.remember({"colour": "red", "shape": "round"})
    store.catalogue.remember({"colour": "blue"})
    facts = store.catalogue.facts()
    assert (facts["colour"], facts["shape"]) == ("blue", "round")


@pytest.mark.parametrize("content", [b"not a database at all" * 100, b"SQLite format 3\0torn"])
def test_a_file_that_is_no_catalogue_is_refused(tmp_path: Path, content: bytes) -> None:
    """A damaged or foreign file gives an error that names it and says what to do."""
    path = tmp_path / "catalogue.sqlite3"
    path.write_bytes(content)
    with pytest.raises(StoreError, match=r"catalogue\.sqlite3.*backup"):
        Catalogue(path)
