"""Checking that a store is whole, and making it so: check, repair, compact, erase."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sqlalchemy import func, select, text

from vectorstore.reader import Reader
from vectorstore.schema import articles, placements, versions
from vectorstore.store import Store
from vectorstore.types import Filter
from vectorstore.vectors import Emit

SAMPLE = 200  # chunks whose own vectors are looked up
TOP_K = 10
LEAST_RECALL = 0.95  # of the graph against exact search, below which it is built anew
SAME = 1e-4  # cosines this near are those of copies

ERASING = "erasing"  # a fact, set while an erasure is under way

Heal = Literal["sweep", "lexical", "dense", "memory", "all", "nothing"]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it should be; `heal` is what `repair` builds anew for it."""

    what: str
    heal: Heal


@dataclass(frozen=True, slots=True)
class Checkup:
    """What a check found.

    `recall` is the graph's recall@10 against exact search, and `lost` how many of the `sampled`
    chunks the graph does not find by their own vectors; `hidden` is the share of the graph's
    records that readers do not see. Without a graph, while it is built, `sampled` is 0.
    """

    articles: int
    chunks: int
    sampled: int
    lost: int
    recall: float
    hidden: float
    findings: tuple[Finding, ...]


def check(store: Store, sample: int = SAMPLE, seed: int | None = None) -> Checkup:
    """Compare the catalogue, Chroma, tantivy and memory; change nothing.

    Args:
        store: The open store; nothing is published while it is looked at.
        sample: How many chunks to look up by their own vectors; 0 means all.
        seed: Chooses the sample; None takes another one each time.
    """
    with store.paused():
        numbers = {n for shown in store.catalogue.shown() for n in shown.numbers}
        findings = [*_catalogue(store.catalogue), *_ids(store, numbers), *_leftovers(store)]
        chosen = sorted(numbers & store.vectors.exact.numbers())
        if 0 < sample < len(chosen):
            chosen = random.Random(seed).sample(chosen, sample)  # noqa: S311 (no secret)
        sampled, lost, recall = _look_up(store, chosen)
        if lost:
            findings.append(
                Finding(f"{lost} of {sampled} chunks are not found by their own vectors", "dense")
            )
        if recall < LEAST_RECALL:
            findings.append(Finding(f"recall@{TOP_K} of the graph is {recall:.3f}", "dense"))
        return Checkup(
            articles=len(store.catalogue.shown()),
            chunks=len(numbers),
            sampled=sampled,
            lost=lost,
            recall=round(recall, 4),
            hidden=round(store.vectors.wasted, 4),
            findings=tuple(findings),
        )


def _catalogue(catalogue: Reader) -> Iterator[Finding]:
    yield from _file(catalogue)
    with catalogue.connect() as connection:
        unfinished = connection.scalar(select(func.count()).where(versions.c.state != "current"))
        outside = connection.scalar(
            select(func.count())
            .select_from(placements)
            .join(versions, versions.c.number == placements.c.version)
            .where(placements.c.end > func.length(versions.c.text))
        )
    if unfinished:
        yield Finding(f"{unfinished} versions are staged or superseded", "sweep")
    if outside:
        yield Finding(f"{outside} chunks lie outside their articles; restore a backup", "nothing")
    if orphans := catalogue.orphans():
        yield Finding(f"{orphans} chunks belong to no version", "sweep")
    if bare := catalogue.count_unembedded(catalogue.encoder):
        yield Finding(f"{bare} chunks have no embedding; restore a backup", "nothing")
    if catalogue.facts().get(ERASING):
        yield Finding("an erasure was interrupted: the files may still hold its words", "all")
    if len(catalogue.encoders()) > 1:
        yield Finding("an interrupted rebuild --model has left embeddings", "sweep")


def _file(catalogue: Reader) -> Iterator[Finding]:
    """Find what no program of ours has done to the file."""
    with catalogue.connect() as connection:
        for line in connection.execute(text("PRAGMA quick_check")).scalars():
            if line != "ok":
                yield Finding(f"the catalogue is damaged: {line}; restore a backup", "nothing")
        if broken := connection.execute(text("PRAGMA foreign_key_check")).all():
            yield Finding(f"{len(broken)} rows refer to none; restore a backup", "nothing")
        query = select(articles.c.uri, versions.c.sha256, versions.c.text).join(
            versions, versions.c.number == articles.c.current
        )
        for uri, sha256, content in connection.execution_options(yield_per=100).execute(query):
            if hashlib.sha256(content.encode()).hexdigest() != sha256:
                yield Finding(f"the text of {uri!r} was changed; restore a backup", "nothing")


def _ids(store: Store, numbers: set[int]) -> Iterator[Finding]:
    for follower in store.catalogue.followers():
        if store.catalogue.pending(follower, 1):
            yield Finding(f"{follower} has not applied all changes", "sweep")
    yield from _differences("the lexical index", numbers, store.lexical.numbers(), "lexical")
    yield from _differences("memory", numbers, store.vectors.exact.numbers(), "memory")
    if store.vectors.dense is None:
        yield Finding("there is no dense index", "dense")
    else:
        held = store.vectors.dense.numbers()
        yield from _differences("the dense index", numbers, held & numbers, "dense")


def _differences(name: str, wanted: set[int], held: set[int], heal: Heal) -> Iterator[Finding]:
    for verb, numbers in (("lacks", wanted - held), ("holds", held - wanted)):
        if numbers:
            first = ", ".join(str(number) for number in sorted(numbers)[:5])
            which = "that readers see" if verb == "lacks" else "that readers do not see"
            yield Finding(f"{name} {verb} {len(numbers)} chunks {which}: {first} …", heal)


def _leftovers(store: Store) -> Iterator[Finding]:
    if store.is_rebuilding:
        return
    used = {store.lexical.folder}
    if store.vectors.dense is not None:
        used.add(store.vectors.dense.folder)
    for root in ("chroma", "tantivy"):
        for path in (store.folder / root).iterdir():
            if path.is_dir() and path not in used:
                yield Finding(f"{root}/{path.name} belongs to no index", "sweep")


def _look_up(store: Store, numbers: list[int]) -> tuple[int, int, float]:
    """Return how many were looked up in the graph, how many were not found, and the recall."""
    exact, dense = store.vectors.exact, store.vectors.dense
    if dense is None or not numbers:
        return 0, 0, 1.0
    lost = 0
    recall = 0.0
    collections = [found.id for found in store.catalogue.collections()]
    for number in numbers:
        vector = exact.vector(number)
        nearest = exact.search(vector, TOP_K, Filter())
        reach = TOP_K + int(100 * store.vectors.wasted) + 10
        hits = dense.search(vector, reach, collections)
        seen = set(exact.seen([hit for hit, _ in hits], Filter()))
        best = [hit for hit in hits if hit[0] in seen][:TOP_K]
        found = {hit for hit, _ in best}
        copies = bool(best) and best[-1][1] > 1 - SAME  # it may be behind so many equals
        lost += number not in found and not copies
        # an equal cosine is as good: copies of a text have one
        worst = nearest[-1][1] - SAME
        good = sum(cosine >= worst for _, cosine in best)
        recall += min(good, len(nearest)) / len(nearest)
    return len(numbers), lost, recall / len(numbers)


def repair(store: Store, emit: Emit, sample: int = SAMPLE) -> tuple[Checkup, Checkup]:
    """Heal what a check finds; return that check and the one after."""
    store.settle()
    before = check(store, sample)
    heals = {finding.heal for finding in before.findings}
    if "all" in heals:
        _write_anew(store, emit)
        return before, check(store, sample)
    if "sweep" in heals:
        store.sweep()
    if "lexical" in heals:
        store.rebuild_lexical()
    if "dense" in heals:
        store.settle()
        store.rebuild(emit=emit)
    elif "memory" in heals:
        store.reload()
    return before, check(store, sample)


def compact(store: Store, emit: Emit) -> tuple[int, int]:
    """Leave out of every file what readers do not see; return the bytes before and after."""
    before = _bytes(store.folder)
    _write_anew(store, emit)
    return before, _bytes(store.folder)


def _write_anew(store: Store, emit: Emit) -> None:
    """Write every file anew from what readers see."""
    store.settle()  # a rebuild that began before may have read more
    store.sweep()
    store.settle()  # a sweep starts the rebuild of a wasteful index
    store.rebuild(emit=emit)
    store.rebuild_lexical()
    store.catalogue.vacuum()
    store.catalogue.remember({ERASING: ""})


def erase(store: Store, article_ids: Iterable[str], emit: Emit) -> None:
    """Remove articles so that nothing of them is left in any file of the data folder.

    Every index is built anew without them and the catalogue's file is written anew. Backups
    made before still hold them; so may the file system, in blocks it has not used again. Where
    this is interrupted, `check` says so and `repair` ends it.
    """
    store.catalogue.remember({ERASING: "yes"})
    store.remove(list(article_ids))
    _write_anew(store, emit)


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
