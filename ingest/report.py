"""What a run of ingest tells, while it works and at its end."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Failure:
    """An input that was not taken in, and why."""

    source: str
    error: str


@dataclass(frozen=True, slots=True)
class IngestReport:
    """What one run did, in articles; `chunks` counts those that were embedded.

    `vanished` are the uris that the sources no longer hold and that were kept (no prune).
    """

    added: int = 0
    updated: int = 0
    unchanged: int = 0
    removed: int = 0
    failed: tuple[Failure, ...] = ()
    vanished: tuple[str, ...] = ()
    skipped: int = 0
    chunks: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run has come, in articles."""

    done: int
    total: int
    name: str
