"""A store that is killed again and again loses nothing: `kill -9` at random moments under load.

A process publishes, updates and removes articles, moves them to other sources, rebuilds and
searches, all at once, with a fast encoder; a journal tells what it was promised. It is killed at a
random moment. Then the store is opened three times, each in a process of its own: the first
compares every article with the journal and every index with the catalogue, the second waits for
the dense index and compares again, the third goes on working until it is killed.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from corpora import ROOT, argument_parser, workplace
from report import Figure, percentile, print_figures

sys.path.insert(0, str(ROOT))

from tests.fakes import FINGERPRINT, HashEncoder, make_publication
from vectorstore.errors import StoreError
from vectorstore.retriever import Retriever
from vectorstore.store import Store
from vectorstore.upkeep import check

LONGEST = 3.0  # seconds until the kill
URIS = 60  # articles that are changed all the time, beside those that stay
SAMPLE = 40  # articles that are looked for by their own words


def word(uri: str, version: int) -> str:
    """Return a word that only this version of this article has."""
    return f"zq{uri}x{version}qz"


def prose(seed: str) -> str:
    """Return words that are the same for the same seed, as unlike others as texts are."""
    chance = random.Random(seed)  # noqa: S311 (no secret)
    return " ".join(f"w{int(chance.triangular(0, 800, 0))}" for _ in range(20))


def paragraphs(uri: str, version: int) -> list[str]:
    """Return the text of a version: some paragraphs stay, some change, their number varies."""
    count = 1 + (version * 7 + len(uri)) % 5
    return [
        f"Paragraph {n} of {uri} says {word(uri, version) if n == 0 else 'the same'} "
        f"{prose(f'{uri} {n}')}."
        for n in range(count)
    ]


# -- the process that is killed ---------------------------------------------------------------


def work(folder: Path, journal: Path, seed: int) -> None:
    """Change the store until killed; each promise is in the journal before and after."""
    store = Store(folder, FINGERPRINT)
    retriever = Retriever(store, HashEncoder())
    chance = random.Random(seed)  # noqa: S311 (no secret)
    said = journal.open("a", encoding="utf-8")

    def say(line: dict[str, Any]) -> None:
        said.write(json.dumps(line) + "\n")
        said.flush()

    def search() -> None:
        own = random.Random(seed)  # noqa: S311
        while True:
            retriever.retrieve(f"paragraph of a{own.randrange(URIS)} says the same", 5)

    def rebuild() -> None:
        while True:
            time.sleep(chance.random())
            try:
                store.rebuild()
            except StoreError:
                continue  # one is under way

    for task in (search, rebuild):
        threading.Thread(target=task, daemon=True).start()
    print("working", flush=True)
    version = int(time.time() * 1000)
    while True:
        version += 1
        uris = [f"a{chance.randrange(URIS)}" for _ in range(chance.randint(1, 4))]
        uris = list(dict.fromkeys(uris))
        if chance.random() < 0.25:
            say({"begin": uris, "version": None})
            store.remove([f"news/{uri}" for uri in uris])
        else:
            say({"begin": uris, "version": version})
            store.publish([make_publication(store, u, paragraphs(u, version)) for u in uris])
        say({"done": True})


# -- what must be true afterwards --------------------------------------------------------------


def promised(journal: Path) -> tuple[dict[str, int | None], dict[str, int | None]]:
    """Return the version of each article that was promised, and those that were under way."""
    kept: dict[str, int | None] = {}
    open_: dict[str, int | None] = {}
    for line in journal.read_text(encoding="utf-8").splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue  # the kill cut the journal's last line
        if "begin" in entry:
            open_ = dict.fromkeys(entry["begin"], entry["version"])
        elif "settled" in entry:
            kept |= entry["settled"]
            open_ = {}
        else:
            kept |= open_
            open_ = {}
    return kept, open_


def verify(folder: Path, journal: Path, base: int, settle: bool) -> dict[str, Any]:
    """Open the store and compare it with the journal; returns what is wrong, and the times."""
    began = time.perf_counter()
    store = Store(folder, FINGERPRINT)
    retriever = Retriever(store, HashEncoder(), alpha=0)  # the words decide on the order
    first = retriever.retrieve("paragraph of base7 says", 5)
    seconds = time.perf_counter() - began
    degraded = bool(first.degraded)
    try:
        if settle:
            store.settle()
        kept, open_ = promised(journal)
        wrong = list(_wrong(store, retriever, kept, open_, base, settle))
        if open_:
            now = {uri: _version(store, uri) for uri in open_}
            with journal.open("a", encoding="utf-8") as file:
                file.write("\n" + json.dumps({"settled": now}) + "\n")
    finally:
        store.close()
    return {"wrong": wrong, "seconds": seconds, "degraded": degraded}


def _version(store: Store, uri: str) -> int | None:
    for head in store.catalogue.heads():
        if head.uri == uri:
            text = store.catalogue.article(head.id).text
            return int(text.split(f"zq{uri}x", 1)[1].split("qz", 1)[0])
    return None


def _wrong(
    store: Store,
    retriever: Retriever,
    kept: dict[str, int | None],
    open_: dict[str, int | None],
    base: int,
    settled: bool,
) -> Iterator[str]:
    uris = [head.uri for head in store.catalogue.heads()]
    if len(uris) != len(set(uris)):
        yield "an article is there twice"
    missing = {f"base{n}" for n in range(base)} - set(uris)
    if missing:
        yield f"{len(missing)} articles that nobody touched are gone"
    for uri, version in {**kept, **open_}.items():
        found = _version(store, uri)
        allowed = {kept.get(uri), *([open_[uri]] if uri in open_ else [])}
        if found not in allowed:
            yield f"{uri} has version {found}, promised was {sorted(map(str, allowed))}"
        found_texts = [
            passage.chunk.text
            for passage in retriever.retrieve(word(uri, found or version or 0), 3).passages
            if passage.signals.bm25 > 0
        ]
        has = any(word(uri, found or 0) in text for text in found_texts)
        if found is not None and not has:
            yield f"{uri} does not answer"
        if found is None and found_texts:
            yield f"{uri} was removed and answers"
    for finding in check(store, SAMPLE, seed=len(kept)).findings:
        if finding.what != "there is no dense index" or settled:
            yield finding.what


# -- the one that kills ------------------------------------------------------------------------


def main() -> None:
    """Build a store, then kill and verify round after round, and print what was found."""
    parser = argument_parser(__doc__)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--base", type=int, default=3_000, help="articles that nobody touches")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--role", choices=["work", "verify", "settle"])
    options = parser.parse_args()
    with workplace(options.keep) as keep:
        folder, journal = keep / f"kills-{options.base}", keep / f"kills-{options.base}.journal"
        if options.role == "work":
            work(folder, journal, options.seed)
        elif options.role is not None:
            settle = options.role == "settle"
            print(json.dumps(verify(folder, journal, options.base, settle)))
        elif not _kill_rounds(options, keep, folder, journal):
            sys.exit(1)


def _kill_rounds(options: Namespace, keep: Path, folder: Path, journal: Path) -> bool:
    if not folder.exists():
        _build(folder, options.base)
    journal.touch()
    chance = random.Random(options.seed)  # noqa: S311
    times: list[float] = []
    problems: list[str] = []
    operations = degraded = 0
    for round_ in range(options.rounds):
        worker = _start(options, keep, "work", options.seed + round_)
        if worker.stdout is None or worker.stdout.readline().strip() != "working":
            problems.append(f"round {round_}: opening ended with {worker.wait()}")
            continue
        time.sleep(chance.uniform(0.05, LONGEST))
        worker.send_signal(signal.SIGKILL)
        worker.wait()
        worker.stdout.close()
        for role in ("verify", "settle"):
            opened = _start(options, keep, role, 0)
            said, _ = opened.communicate()
            if opened.returncode != 0:
                problems.append(f"round {round_}: {role} ended with {opened.returncode}")
                continue
            found = json.loads(said)
            problems += [f"round {round_}: {role}: {what}" for what in found["wrong"]]
            if role == "verify":
                times.append(found["seconds"])
                degraded += found["degraded"]
        operations = journal.read_text(encoding="utf-8").count('"done"')
        if round_ % 10 == 9:
            print(f"  {round_ + 1} kills, {len(problems)} problems", file=sys.stderr, flush=True)
    for problem in problems:
        print(problem)
    return print_figures(
        [
            Figure("kills", float(options.rounds), digits=0),
            Figure("changes acknowledged in all", float(operations), digits=0),
            Figure("openings with the dense index being built", float(degraded), digits=0),
            Figure("problems", float(len(problems)), ceiling=0, digits=0),
            Figure("opening and first answer, p50 (s)", percentile(times, 0.5), digits=2),
            Figure("opening and first answer, worst (s)", max(times), ceiling=2, digits=2),
        ]
    )


def _build(folder: Path, base: int) -> None:
    store = Store(folder, FINGERPRINT)
    for start in range(0, base, 500):
        names = [f"base{n}" for n in range(start, min(start + 500, base))]
        store.publish(
            [make_publication(store, name, [f"Text of {name} {prose(name)}."]) for name in names]
        )
    store.close()


def _start(options: Namespace, keep: Path, role: str, seed: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [
            *(sys.executable, __file__, "--keep", str(keep), "--base", str(options.base)),
            *("--role", role, "--seed", str(seed)),
        ],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


if __name__ == "__main__":
    main()
