"""Faults and kills at every named step of publication, removal and rebuild."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.fakes import FINGERPRINT, HashEncoder, crash, put
from tests.vectorstore.faults import (
    NEW,
    OLD,
    Bomb,
    Fault,
    OpenStore,
    ReversedEncoder,
    check_whole,
    run_python,
    texts,
)
from vectorstore.backup import backup, restore
from vectorstore.reader import remembered
from vectorstore.steps import STEPS, Step
from vectorstore.store import Store

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
from vectorstore.store import Store

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
