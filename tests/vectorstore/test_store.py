from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.fakes import FINGERPRINT, HashEncoder, crash, make_publication, put
from tests.vectorstore.faults import Bomb, Fault, OpenStore, ReversedEncoder, check_whole, texts
from vectorstore.backup import backup, restore
from vectorstore.errors import IndexMismatchError, StoreLockedError
from vectorstore.lexical import LexicalIndex
from vectorstore.reader import remembered
from vectorstore.retriever import Retriever
from vectorstore.steps import STEPS, Step
from vectorstore.store import ATTEMPTS, Store
from vectorstore.types import Filter

OLD = ("Glaciers in the Alps lose ice.", "Shared paragraph about rivers.")
NEW = ("Volcanoes in Iceland erupt often.", "Shared paragraph about rivers.")


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
    with pytest.raises(Fault):
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
    with pytest.raises(Fault):
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
    with pytest.raises(Fault):
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
    with pytest.raises(Fault):
        put(store, "a", *NEW)
    crash(store)
    second = Bomb("orphan: committed", 1)
    second.armed = True
    with pytest.raises(Fault):
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
    with pytest.raises(Fault):
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
    with pytest.raises(Fault):
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
        raise Fault

    with monkeypatch.context() as patch:
        patch.setattr(LexicalIndex, "apply", fail)
        with pytest.raises(Fault):
            open_store()
    check_whole(open_store())


Left = tuple[Path, list[str]]
MEANWHILE = "Deserts in Namibia grow."
EVERYTHING = sorted([*OLD, MEANWHILE])
QUERY = "glaciers rivers deserts"


def rebuilding(store: Store) -> None:
    """Rebuild the dense index."""
    store.rebuild()


def reencoding(store: Store) -> None:
    """Rebuild the dense index with another encoder."""
    store.rebuild(ReversedEncoder())


def moments(*commits: str) -> list[str]:
    """Return the steps before and after these commits."""
    return [f"{c}: {moment}" for c in commits for moment in ("before commit", "committed")]


REBUILDING = [
    *moments("acknowledge", "switch"),
    *(step for step in STEPS if step.startswith(("rebuild: ", "dense: "))),
]
REBUILDING.remove("dense: applied")  # the outbox's, which a rebuild does not read
REENCODING = [*REBUILDING, *moments("remember", "embed", "forget")]
REBUILDS = [
    *[(rebuilding, step) for step in REBUILDING],
    *[(reencoding, step) for step in REENCODING],
]


class Meanwhile:
    """Publishes an article once a rebuild has begun, and hands on the rebuild's own steps."""

    def __init__(self, on_step: Step) -> None:
        self.store: Store | None = None
        self.published = False
        self._on_step = on_step

    def __call__(self, step: str) -> None:
        """Publish, or hand on."""
        if self.store is not None:
            self._on_step(step)
        if self.store is not None and step == "rebuild: begun":
            store, self.store = self.store, None
            put(store, "b", MEANWHILE)
            self.store, self.published = store, True


def encoder_of(store: Store) -> HashEncoder:
    """Return the encoder that the store answers with."""
    found = {number: name for name, number in store.catalogue.encoders().items()}
    name = found[store.catalogue.encoder]
    return HashEncoder() if name == HashEncoder.fingerprint else ReversedEncoder()


@pytest.mark.parametrize(("act", "step"), REBUILDS)
def test_a_failed_rebuild_can_be_repeated(
    open_store: OpenStore, act: Callable[[Store], None], step: str
) -> None:
    """After a fault at any step of a rebuild the old answers come, and the next rebuild works."""
    bomb = Bomb(step)
    meanwhile = Meanwhile(bomb)
    store = open_store(on_step=meanwhile)
    put(store, "a", *OLD)
    meanwhile.store, bomb.armed = store, True
    with pytest.raises(Fault):
        act(store)
    meanwhile.store = None
    expected = EVERYTHING if meanwhile.published else sorted(OLD)
    assert sorted(texts(store, QUERY, encoder_of(store))) == expected
    put(store, "b", MEANWHILE, encoder=encoder_of(store))
    act(store)
    check_whole(store)
    assert sorted(texts(store, QUERY, encoder_of(store))) == EVERYTHING
    crash(store)
    fingerprint = {**FINGERPRINT, "encoder": encoder_of(store).fingerprint}
    again = open_store(fingerprint=fingerprint)
    check_whole(again)
    assert sorted(texts(again, QUERY, encoder_of(again))) == EVERYTHING


def leave_copies(act: Callable[[Store], None], root: Path) -> dict[str, list[Left]]:
    """Return, step by step, copies of the folder as it is then, and what had been published."""
    left: dict[str, list[Left]] = {}

    def copy(step: str) -> None:
        copies = left.setdefault(step, [])
        target = root / f"{step} {len(copies)}"
        shutil.copytree(root / "data", target, ignore=shutil.ignore_patterns("lock"))
        copies.append((target, EVERYTHING if meanwhile.published else sorted(OLD)))

    meanwhile = Meanwhile(copy)
    store = Store(root / "data", FINGERPRINT, on_step=meanwhile)
    put(store, "a", *OLD)
    meanwhile.store = store
    act(store)
    meanwhile.store = None
    store.close()
    return left


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, list[Left]]]:
    """What processes leave that are killed at each step of both rebuilds."""
    return {
        act.__name__: leave_copies(act, tmp_path_factory.mktemp(act.__name__))
        for act in (rebuilding, reencoding)
    }


@pytest.mark.parametrize(("act", "step"), REBUILDS)
def test_a_rebuild_killed_at_any_step_loses_nothing(
    open_store: OpenStore,
    killed: dict[str, dict[str, list[Left]]],
    act: Callable[[Store], None],
    step: str,
) -> None:
    """What a killed process leaves of a rebuild opens whole, with all that was published."""
    for folder, expected in killed[act.__name__][step]:
        encoder = HashEncoder()
        if remembered(folder)["encoder"] != encoder.fingerprint:
            encoder = ReversedEncoder()
        store = open_store(folder, fingerprint={**FINGERPRINT, "encoder": encoder.fingerprint})
        check_whole(store)
        assert sorted(texts(store, QUERY, encoder)) == expected
        put(store, "b", MEANWHILE, encoder=encoder)
        assert sorted(texts(store, QUERY, encoder)) == EVERYTHING
        store.close()


def test_every_step_is_passed_and_named(open_store: OpenStore, tmp_path: Path) -> None:
    """STEPS names each durable step of everything that changes a store, and no other."""
    passed: set[str] = set()
    meanwhile = Meanwhile(passed.add)
    store = open_store(on_step=lambda step: (passed.add(step), meanwhile(step)))
    article_id = put(store, "a", *OLD)
    put(store, "a", *NEW)
    store.note_source(article_id, "another folder", "0" * 64)
    store.catch_up()
    store.catalogue.rename_collection(store.catalogue.create_collection("empty"), "renamed")
    meanwhile.store = store
    store.rebuild()
    store.rebuild(ReversedEncoder())
    meanwhile.store = None
    store.rebuild_lexical()
    store.remove([article_id])
    store.delete_collection(store.catalogue.create_collection("news"))
    backup(store, tmp_path / "saved", passed.add)
    store.close()
    restore(tmp_path / "saved", tmp_path / "copy", on_step=passed.add)
    assert passed == set(STEPS)
    assert len(STEPS) == len(set(STEPS))


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
