from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.fakes import FINGERPRINT, HashEncoder, crash, make_publication, put
from vectorstore.errors import IndexMismatchError, StoreLockedError
from vectorstore.lexical import LexicalIndex
from vectorstore.retriever import Retriever
from vectorstore.store import ATTEMPTS, Store
from vectorstore.types import Filter

OpenStore = Callable[..., Store]

OLD = ("Glaciers in the Alps lose ice.", "Shared paragraph about rivers.")
NEW = ("Volcanoes in Iceland erupt often.", "Shared paragraph about rivers.")


class _Fault(Exception):
    """What the tests raise in the middle of a publication."""


class Bomb:
    """Raises at the nth time a step is passed, once armed."""

    def __init__(self, step: str, occurrence: int) -> None:
        self.step = step
        self.left = occurrence
        self.armed = False
        self.fired = False

    def __call__(self, step: str) -> None:
        """Count a step and raise when it is the one."""
        if self.armed and step == self.step:
            self.left -= 1
            if self.left == 0:
                self.fired = True
                raise _Fault(step)


def texts(store: Store, query: str) -> list[str]:
    """Return the texts that are found for a query, best first."""
    found = Retriever(store, HashEncoder()).retrieve(query, 20)
    return [passage.chunk.text for passage in found.passages]


def check_whole(store: Store) -> None:
    """Check that every index holds the catalogue's chunks and nothing is pending.

    Chroma alone may hold more: what readers no longer see is left out of its next generation.
    """
    store.settle()
    numbers = {number for number, _ in store.catalogue.chunk_numbers()}
    assert store.vectors.dense is not None
    assert store.vectors.dense.numbers() >= numbers
    assert store.vectors.exact.numbers() == numbers
    assert store.lexical.numbers() == numbers
    assert set(store.catalogue.followers()) == {"lexical", *store.vectors.followers}
    for follower in store.catalogue.followers():
        assert store.catalogue.pending(follower, 10) == []
    assert {row.number for row in store.catalogue.placed(sorted(numbers))} == numbers


def test_publish_then_retrieve(store: Store) -> None:
    """What was published is found, with the text and the head it was published with."""
    article_id = put(store, "a", "Glaciers in the Alps lose ice every summer.", "Of rivers.")
    passages = Retriever(store, HashEncoder()).retrieve("glaciers ice", 5).passages
    assert passages[0].chunk.text == "Glaciers in the Alps lose ice every summer."
    assert passages[0].article == store.catalogue.article(article_id).head
    assert passages[0].article.authors == ("Ada Lovelace", "Émile Zola")
    check_whole(store)


def test_superseded_is_never_returned(store: Store) -> None:
    """After an update only the new version answers, and the old one's chunks are gone."""
    put(store, "a", *OLD)
    put(store, "a", *NEW)
    assert sorted(texts(store, "glaciers volcanoes rivers")) == sorted(NEW)
    check_whole(store)
    assert len(store.catalogue.chunk_numbers()) == 2


def test_staged_is_never_returned(store: Store) -> None:
    """A staged version is not seen, even when both indexes hold its chunks already."""
    article_id = put(store, "a", *OLD)
    store.catalogue.stage([make_publication(store, "a", NEW)])
    store._follow()
    assert len(store.lexical.numbers()) == 3
    assert sorted(texts(store, "glaciers volcanoes rivers")) == sorted(OLD)
    assert store.catalogue.article(article_id).text == "\n\n".join(OLD)


def test_superseded_is_not_returned_before_it_is_swept(open_store: OpenStore) -> None:
    """Between the flip and the sweep the old chunks are in the indexes and are not seen."""
    bomb = Bomb("flip: committed", 1)
    store = open_store(on_step=bomb)
    put(store, "a", *OLD)
    bomb.armed = True
    with pytest.raises(_Fault):
        put(store, "a", *NEW)
    assert len(store.lexical.numbers()) == 3
    assert sorted(texts(store, "glaciers volcanoes rivers")) == sorted(NEW)


def test_removed_articles_do_not_answer(store: Store) -> None:
    """A removed article leaves readers, both indexes and the catalogue; others stay."""
    gone = put(store, "a", *OLD)
    put(store, "b", "Glaciers are also found in Norway.")
    store.remove([gone])
    assert texts(store, "glaciers alps rivers") == ["Glaciers are also found in Norway."]
    assert store.catalogue.chunk_ids(gone) == set()
    assert [head.uri for head in store.catalogue.heads()] == ["b"]
    check_whole(store)


def test_a_removed_article_can_come_back(store: Store) -> None:
    """Publishing what was removed before makes it answer again."""
    store.remove([put(store, "a", *OLD)])
    put(store, "a", *OLD)
    assert sorted(texts(store, "glaciers alps rivers")) == sorted(OLD)
    check_whole(store)


def test_moved_chunks_keep_their_numbers(store: Store) -> None:
    """A chunk that only moved within its article is neither embedded nor indexed again."""
    put(store, "a", *OLD)
    before = dict(store.catalogue.chunk_numbers())
    encoder = HashEncoder()
    put(store, "a", "Something entirely new.", *OLD, encoder=encoder)
    assert encoder.embedded == ["Something entirely new."]
    assert before.keys() < dict(store.catalogue.chunk_numbers()).keys()
    check_whole(store)


def test_a_group_is_published_together(open_store: OpenStore) -> None:
    """A crash before the flip is resumed with every article of the group."""
    bomb = Bomb("lexical: committed", 1)
    store = open_store(on_step=bomb)
    bomb.armed = True
    group = [make_publication(store, uri, [f"Glaciers of {uri}."]) for uri in "abc"]
    with pytest.raises(_Fault):
        store.publish(group)
    assert store.catalogue.heads() == []
    crash(store)
    again = open_store()
    assert len(again.catalogue.heads()) == 3
    check_whole(again)


PUBLISHING = (
    *(
        f"{commit}: {moment}"
        for commit in ("stage", "acknowledge", "flip", "orphan", "sweep")
        for moment in ("before commit", "committed")
    ),
    "dense: before batch",
    "dense: added",
    "dense: applied",
    "lexical: before commit",
    "lexical: committed",
)
REMOVING = tuple(
    f"{commit}: {moment}"
    for commit in ("retire", "orphan", "acknowledge", "sweep")
    for moment in ("before commit", "committed")
)
CRASHES = [
    *[(change, step, 1) for change in ("new", "update") for step in PUBLISHING],
    *[("update", step, 2) for step in PUBLISHING if step[:3] in ("ack", "lex")],  # it removes too
    *[("remove", step, 1) for step in (*REMOVING, "lexical: before commit", "lexical: committed")],
]


@pytest.mark.parametrize(("change", "step", "occurrence"), CRASHES)
def test_a_crash_at_any_step_is_healed(
    open_store: OpenStore, change: str, step: str, occurrence: int
) -> None:
    """After a crash at any step the next opening finishes what was begun."""
    bomb = Bomb(step, occurrence)
    store = open_store(on_step=bomb)
    kept = "Deserts in Namibia grow."
    put(store, "kept", kept)
    article_id = put(store, "a", *OLD) if change != "new" else "news/a"
    bomb.armed = True
    act = partial(store.remove, [article_id])
    if change != "remove":
        act = partial(put, store, "a", *NEW)
    with pytest.raises(_Fault):
        act()
    crash(store)

    again = open_store()
    check_whole(again)
    before = list(OLD) if change != "new" else []
    expected = [] if change == "remove" else list(NEW)
    if step in ("stage: before commit", "retire: before commit"):
        expected = before  # nothing had been promised yet
    query = "glaciers volcanoes rivers deserts"
    assert sorted(texts(again, query)) == sorted([kept, *expected])
    assert len(again.catalogue.chunk_numbers()) == 1 + len(expected)
    assert [head.uri for head in again.catalogue.heads()] == (
        ["a", "kept"] if expected else ["kept"]
    )


@pytest.mark.parametrize("step", ["stage: committed", "dense: applied", "flip: committed"])
def test_a_crash_while_healing_is_healed(open_store: OpenStore, step: str) -> None:
    """A crash of the process that resumes a publication is no worse than the first."""
    bomb = Bomb(step, 1)
    store = open_store(on_step=bomb)
    put(store, "a", *OLD)
    bomb.armed = True
    with pytest.raises(_Fault):
        put(store, "a", *NEW)
    crash(store)
    second = Bomb("orphan: committed", 1)
    second.armed = True
    with pytest.raises(_Fault):
        open_store(on_step=second)
    again = open_store()
    check_whole(again)
    assert sorted(texts(again, "glaciers volcanoes rivers")) == sorted(NEW)


@pytest.mark.parametrize("step", PUBLISHING)
def test_a_failed_publication_is_finished_by_the_next(open_store: OpenStore, step: str) -> None:
    """After a fault in a process that lives on, going back to the old text loses no chunk."""
    bomb = Bomb(step, 1)
    store = open_store(on_step=bomb)
    put(store, "a", *OLD)
    bomb.armed = True
    with pytest.raises(_Fault):
        put(store, "a", *NEW)
    bomb.armed = False
    put(store, "a", *OLD)
    assert sorted(texts(store, "glaciers volcanoes rivers")) == sorted(OLD)
    check_whole(store)


@pytest.mark.parametrize("step", REMOVING)
def test_a_failed_removal_is_finished_by_the_next_change(open_store: OpenStore, step: str) -> None:
    """After a fault in a removal, publishing the article again loses no chunk."""
    bomb = Bomb(step, 1)
    store = open_store(on_step=bomb)
    article_id = put(store, "a", *OLD)
    bomb.armed = True
    with pytest.raises(_Fault):
        store.remove([article_id])
    bomb.armed = False
    put(store, "a", *OLD)
    assert sorted(texts(store, "glaciers rivers")) == sorted(OLD)
    check_whole(store)


_PUBLISHER = """
import os, signal, sys
from pathlib import Path
from tests.fakes import FINGERPRINT, put
from vectorstore.store import ATTEMPTS, Store

folder, step, how = sys.argv[1:]
armed = False

def die(passed):
    if armed and passed == step:
        if how == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        os._exit(9)

store = Store(Path(folder), FINGERPRINT, on_step=die)
put(store, "a", "Glaciers in the Alps lose ice.", "Shared paragraph about rivers.")
armed = True
put(store, "a", "Volcanoes in Iceland erupt often.", "Shared paragraph about rivers.")
"""


def run_python(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run code in another process, from the repository's root."""
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize(
    ("step", "how", "code"),
    [
        ("stage: committed", "exit", 9),
        ("dense: before batch", "kill", -signal.SIGKILL),
        ("dense: applied", "kill", -signal.SIGKILL),
        ("flip: before commit", "exit", 9),
        ("flip: committed", "kill", -signal.SIGKILL),
        ("orphan: committed", "exit", 9),
    ],
)
def test_a_killed_process_leaves_a_store_that_opens(
    open_store: OpenStore, tmp_path: Path, step: str, how: str, code: int
) -> None:
    """A process killed while it publishes leaves a store that heals in another process."""
    folder = tmp_path / "data"
    run = run_python(_PUBLISHER, str(folder), step, how)
    assert run.returncode == code, run.stderr
    marks = list((folder / "chroma").glob("*.dirty"))
    assert len(marks) == 1
    again = open_store()
    check_whole(again)
    assert sorted(texts(again, "glaciers volcanoes rivers")) == sorted(NEW)
    assert again.catalogue.facts()["dense_generation"] != marks[0].stem


_HALF_CREATED = """
import os, sys
from pathlib import Path
from sqlalchemy import Engine, event
from tests.fakes import FINGERPRINT
from vectorstore.store import ATTEMPTS, Store

tables = 0

@event.listens_for(Engine, "after_cursor_execute")
def count(connection, cursor, statement, *_):
    global tables
    tables += "CREATE TABLE" in statement
    if tables == 5:
        os._exit(9)

Store(Path(sys.argv[1]), FINGERPRINT)
"""


def test_a_process_killed_while_it_creates_the_catalogue(
    open_store: OpenStore, tmp_path: Path
) -> None:
    """A first opening killed between two tables leaves a folder that can be opened."""
    assert run_python(_HALF_CREATED, str(tmp_path / "data")).returncode == 9
    store = open_store()
    put(store, "a", *OLD)
    check_whole(store)


def test_the_dirty_mark_lives_from_a_write_to_the_close(
    open_store: OpenStore, tmp_path: Path
) -> None:
    """The mark is absent in a new store, present after a write, and gone after the close."""
    store = open_store()
    chroma = tmp_path / "data" / "chroma"
    assert not list(chroma.glob("*.dirty"))
    put(store, "a", *OLD)
    generation = store.catalogue.facts()["dense_generation"]
    assert [path.name for path in chroma.glob("*.dirty")] == [f"{generation}.dirty"]
    store.close()
    assert not list(chroma.glob("*.dirty"))


def test_a_clean_store_is_reopened_as_it_is(open_store: OpenStore) -> None:
    """After a clean close the same generation of the dense index is opened again."""
    store = open_store()
    put(store, "a", *OLD)
    generation = store.catalogue.facts()["dense_generation"]
    store.close()
    again = open_store()
    assert again.catalogue.facts()["dense_generation"] == generation
    assert sorted(texts(again, "glaciers rivers")) == sorted(OLD)
    check_whole(again)


def test_a_dirty_index_is_rebuilt_beside_and_the_old_one_deleted(
    open_store: OpenStore, tmp_path: Path
) -> None:
    """A mark found at opening makes a new generation from the catalogue's embeddings."""
    store = open_store()
    put(store, "a", *OLD)
    put(store, "b", "Deserts in Namibia grow.", collection="other")
    generation = store.catalogue.facts()["dense_generation"]
    store.close()
    chroma = tmp_path / "data" / "chroma"
    (chroma / f"{generation}.dirty").touch()
    (chroma / generation / "chroma.sqlite3").write_bytes(b"torn")  # must not even be looked at
    again = open_store()
    fresh = again.catalogue.facts()["dense_generation"]
    assert fresh != generation
    assert [path.name for path in chroma.iterdir() if path.is_dir()] == [fresh]
    check_whole(again)
    vector = HashEncoder().encode_query("Deserts in Namibia grow.")
    exact = dict(again.vectors.exact.search(vector, 10, Filter()))
    assert again.vectors.dense is not None
    assert dict(again.vectors.dense.search(vector, 10, None)) == pytest.approx(exact, abs=1e-5)
    again.close()
    assert not list(chroma.glob("*.dirty"))


def test_a_lost_dense_index_is_rebuilt(open_store: OpenStore, tmp_path: Path) -> None:
    """Without its folder the dense index is built again from the catalogue."""
    store = open_store()
    put(store, "a", *OLD)
    generation = store.catalogue.facts()["dense_generation"]
    store.close()
    (tmp_path / "data" / "chroma" / generation).rename(tmp_path / "lost")
    check_whole(open_store())


def test_a_lost_lexical_index_is_rebuilt(open_store: OpenStore, tmp_path: Path) -> None:
    """Without its folder the lexical index is built again from the catalogue."""
    store = open_store()
    put(store, "a", *OLD)
    store.close()
    (tmp_path / "data" / "tantivy").rename(tmp_path / "lost")
    check_whole(open_store())


def test_an_interrupted_rebuild_of_the_lexical_index_starts_over(
    open_store: OpenStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lexical index whose rebuild a fault ended is not taken for a whole one."""
    store = open_store()
    put(store, "a", *OLD)
    store.close()
    (tmp_path / "data" / "tantivy").rename(tmp_path / "lost")

    def fail(*_: object) -> None:
        raise _Fault

    with monkeypatch.context() as patch:
        patch.setattr(LexicalIndex, "apply", fail)
        with pytest.raises(_Fault):
            open_store()
    check_whole(open_store())


def test_a_second_store_in_the_process_is_refused(open_store: OpenStore) -> None:
    """A folder that this process has open cannot be opened a second time."""
    open_store()
    with pytest.raises(StoreLockedError, match="Another citewell process is using"):
        open_store()


def test_a_second_process_is_refused(store: Store) -> None:
    """A folder that is open cannot be opened by another process, whose error says why."""
    code = """
import sys
from pathlib import Path
from tests.fakes import FINGERPRINT
from vectorstore.errors import StoreLockedError
from vectorstore.store import ATTEMPTS, Store
try:
    Store(Path(sys.argv[1]), FINGERPRINT)
except StoreLockedError as exc:
    sys.exit(str(exc))
"""
    run = run_python(code, str(store.folder))
    assert run.returncode == 1
    assert f"Another citewell process is using {store.folder}" in run.stderr
    assert "Traceback" not in run.stderr


def test_a_store_may_be_closed_by_another_thread(open_store: OpenStore) -> None:
    """The lock is the process's: whichever thread closes the store frees the folder."""
    store = open_store()
    thread = threading.Thread(target=store.close)
    thread.start()
    thread.join()
    open_store()


def test_another_fingerprint_is_refused_with_both_values(open_store: OpenStore) -> None:
    """Opening with another encoder names the value of the index and that of the settings."""
    open_store().close()
    with pytest.raises(IndexMismatchError) as refused:
        open_store(fingerprint={**FINGERPRINT, "encoder": "other-384"})
    assert "'hash-256'" in str(refused.value)
    assert "'other-384'" in str(refused.value)
    open_store()  # and the refusal left nothing open


def test_the_folder_is_the_owners_alone(store: Store) -> None:
    """A new data folder cannot be read by other users."""
    assert store.folder.stat().st_mode & 0o077 == 0


def test_readers_never_miss_an_article_that_is_updated(store: Store) -> None:
    """While one thread publishes versions of an article, every retrieval finds one of them."""
    put(store, "a", "Glaciers version 0 melt.", "Rivers version 0 rise.")
    put(store, "b", "Glaciers in Norway.")
    done = threading.Event()
    misses: list[list[str]] = []
    errors: list[BaseException] = []
    rounds = [0]

    def read() -> None:
        retriever = Retriever(store, HashEncoder())
        try:
            while not done.is_set():
                found = retriever.retrieve("glaciers version rivers", 10).passages
                rounds[0] += 1
                of_a = [p.chunk.text for p in found if p.article.uri == "a"]
                versions = {text.split()[2] for text in of_a}
                if len(of_a) != 2 or len(versions) != 1:
                    misses.append(of_a)
        except BaseException as exc:
            errors.append(exc)

    readers = [threading.Thread(target=read) for _ in range(4)]
    for reader in readers:
        reader.start()
    for number in range(1, 21):
        put(store, "a", f"Glaciers version {number} melt.", f"Rivers version {number} rise.")
    done.set()
    for reader in readers:
        reader.join()
    assert errors == []
    assert misses == []
    assert rounds[0] > 10
    check_whole(store)


@pytest.mark.parametrize("stage", ["search", "locate"])
def test_a_flip_in_the_middle_of_a_retrieval_hides_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    """A version that is published between the search and the join is found by the same call."""
    put(store, "a", *OLD)
    flipped = []
    where = store.lexical if stage == "search" else store.catalogue
    original = getattr(where, stage)

    def after_a_flip(*arguments: object) -> object:
        if not flipped:
            flipped.append(True)
            put(store, "a", "Glaciers: all new text.")
        return original(*arguments)

    monkeypatch.setattr(where, stage, after_a_flip)
    assert texts(store, "glaciers") == ["Glaciers: all new text."]


def test_a_reader_waits_for_a_store_that_never_rests(store: Store) -> None:
    """When every look meets a change, the last one keeps changes out until it is done."""
    looks = []

    def read() -> str:
        looks.append(store._flipping.locked())
        if len(looks) <= ATTEMPTS:
            put(store, "a", f"Glaciers number {len(looks)}.")
        return f"look {len(looks)}"

    assert store.consistently(read) == f"look {ATTEMPTS + 1}"
    assert looks == [False] * ATTEMPTS + [True]
