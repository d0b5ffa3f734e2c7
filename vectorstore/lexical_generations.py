"""The generations of the lexical index: opened, brought up to date, and built anew."""

from __future__ import annotations

import logging
import shutil
import uuid
from collections.abc import Iterable, Sequence
from pathlib import Path

from vectorstore.catalogue import Catalogue
from vectorstore.errors import StoreError
from vectorstore.lexical import ANALYZER, LexicalIndex
from vectorstore.reader import LexicalRow
from vectorstore.steps import Step
from vectorstore.types import embedding_context

logger = logging.getLogger(__name__)

FOLLOWER = "lexical"  # the name under which the outbox keeps its place
GROUP = 2_000  # chunks that are read from the catalogue at once


def open_current(root: Path, catalogue: Catalogue, on_step: Step) -> LexicalIndex:
    """Return the generation that the catalogue names, or one that is built now."""
    name = catalogue.facts().get("lexical_generation", "")
    if name.startswith(f"{ANALYZER}-") and (root / name).is_dir():
        try:
            return LexicalIndex(root / name, on_step)
        except StoreError as exc:
            logger.warning("%s; it is built anew", exc)
    return build(root, catalogue, on_step)


def build(root: Path, catalogue: Catalogue, on_step: Step) -> LexicalIndex:
    """Return a generation built from the catalogue, beside the one that may be in use."""
    name = f"{ANALYZER}-{uuid.uuid4().hex[:8]}"
    index = LexicalIndex(root / name, on_step)
    numbers = [number for number, _ in catalogue.chunk_numbers()]
    for start in range(0, len(numbers), GROUP):
        index.apply([], _rows(catalogue, numbers[start : start + GROUP]))
    catalogue.acknowledge(FOLLOWER)
    catalogue.remember({"lexical_generation": name})
    return index


def follow(index: LexicalIndex, catalogue: Catalogue) -> None:
    """Apply what the outbox holds; applying an entry twice changes nothing."""
    while entries := catalogue.pending(FOLLOWER, GROUP):
        last = {entry.chunk: entry.action for entry in entries}
        added = [number for number, action in last.items() if action == "add"]
        removed = [number for number, action in last.items() if action == "remove"]
        index.apply(removed, _rows(catalogue, added))
        catalogue.acknowledge(FOLLOWER, entries[-1].seq)


def discard(root: Path, keep: LexicalIndex) -> None:
    """Delete the files of every generation but one."""
    for path in root.iterdir():
        if path != keep.folder:
            shutil.rmtree(path)  # a reader's open files outlive it


def _rows(catalogue: Catalogue, numbers: Sequence[int]) -> Iterable[tuple[LexicalRow, str]]:
    for row in catalogue.placed(numbers):
        yield row, embedding_context(row.article) + row.text
