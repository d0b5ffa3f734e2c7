"""The durable steps of everything that changes a store, by name.

Each is reported to a store's `on_step` as it is passed. Tests end the process, or the operation,
at every one of them and check that the next opening loses nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

Step = Callable[[str], None]

COMMITS: Final = (
    "acknowledge",
    "collection",
    "embed",
    "flip",
    "forget",
    "note",
    "orphan",
    "remember",
    "retire",
    "stage",
    "sweep",
    "switch",
)

STEPS: Final = (
    *(f"{commit}: before commit" for commit in COMMITS),
    *(f"{commit}: committed" for commit in COMMITS),
    "dense: marked dirty",
    "dense: before batch",
    "dense: added",
    "dense: applied",
    "dense: closed",
    "lexical: before commit",
    "lexical: committed",
    "rebuild: begun",
    "rebuild: batch added",
    "rebuild: whole",
    "rebuild: before switch",
    "rebuild: switched",
    "rebuild: old generation discarded",
    "backup: copied",
    "backup: synced",
    "backup: renamed",
    "restore: verified",
    "restore: copied",
    "restore: renamed",
)


def ignore(_: str) -> None:
    """Pass a step without a word."""


def sync(path: Path) -> None:
    """Return once the disk holds what a file, or the list of a folder's files, holds now."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
