"""Backups: the catalogue holds the embeddings, so it alone is kept; indexes are built from it."""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from vectorstore.database import SCHEMA
from vectorstore.errors import StoreError
from vectorstore.steps import Step, ignore, sync
from vectorstore.store import Store

CATALOGUE = "catalogue.sqlite3"
MANIFEST = "manifest.json"
FORMAT = 1


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup holds; `files` gives each file's SHA-256 and size in bytes."""

    format: int
    created: str  # ISO 8601, UTC
    schema: str
    encoder: str
    articles: int
    chunks: int
    files: Mapping[str, Mapping[str, str | int]]


def backup(store: Store, target: Path, on_step: Step = ignore) -> Manifest:
    """Write a backup of an open store while it answers and publishes.

    It is one state of the catalogue, written beside `target` and renamed when it is whole.

    Raises:
        StoreError: `target` exists already, or cannot be written.
    """
    if target.exists():
        msg = f"{target} exists already. Name a folder that does not, such as {target}-2."
        raise StoreError(msg)
    partial = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}")
    try:
        partial.mkdir(parents=True, mode=0o700)
        copy = partial / CATALOGUE
        store.catalogue.copy_to(copy)
        on_step("backup: copied")
        manifest = _describe(copy)
        (partial / MANIFEST).write_text(json.dumps(asdict(manifest), indent=2) + "\n")
        for path in (copy, partial / MANIFEST, partial):
            sync(path)
        on_step("backup: synced")
        partial.rename(target)
        on_step("backup: renamed")
        sync(target.parent)
    except OSError as exc:
        msg = f"The backup could not be written to {target}: {exc.strerror or exc}."
        raise StoreError(msg) from exc
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return manifest


def _describe(copy: Path) -> Manifest:
    connection = sqlite3.connect(f"file:{copy}?mode=ro", uri=True)
    try:
        facts = dict(connection.execute("SELECT key, value FROM facts"))
        articles, chunks = connection.execute(
            "SELECT count(DISTINCT a.id), count(*) FROM articles a "
            "JOIN placements p ON p.version = a.current"
        ).fetchone()
    finally:
        connection.close()
    return Manifest(
        format=FORMAT,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        schema=SCHEMA,
        encoder=facts.get("encoder", ""),
        articles=articles,
        chunks=chunks,
        files={CATALOGUE: {"sha256": _digest(copy), "bytes": copy.stat().st_size}},
    )


def read_manifest(source: Path) -> Manifest:
    """Return what a backup holds, every file checked against its digest.

    Raises:
        StoreError: It is no backup, is damaged, or is of a later form.
    """
    try:
        described = json.loads((source / MANIFEST).read_text(encoding="utf-8"))
        if described["format"] != FORMAT or described["schema"] > SCHEMA:
            msg = (
                f"{source} has format {described['format']} and schema {described['schema']}; this "
                f"version reads format {FORMAT} and schemas up to {SCHEMA}. Upgrade Citewell."
            )
            raise StoreError(msg)
        manifest = Manifest(**described)
        for name in {CATALOGUE, *manifest.files}:
            expected = manifest.files[name]["sha256"]
            if _digest(source / name) != expected:
                msg = f"{source / name} is damaged: its SHA-256 is not {expected}."
                raise StoreError(msg)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as exc:
        why = f"{MANIFEST}, or a file it names, is not right ({type(exc).__name__}: {exc})"
        msg = f"{source} is not a backup of Citewell: {why}."
        raise StoreError(msg) from exc
    return manifest


def check_restore(source: Path, folder: Path, replace: bool) -> Manifest:
    """Return what would be restored.

    Raises:
        StoreError: The backup is damaged, or there is a catalogue and `replace` is not set.
    """
    manifest = read_manifest(source)
    if (folder / CATALOGUE).exists() and not replace:
        msg = f"{folder} holds a store. Restore into another --data-dir, or give --replace."
        raise StoreError(msg)
    return manifest


def restore(source: Path, folder: Path, replace: bool = False, on_step: Step = ignore) -> Manifest:
    """Put a backup in place of the catalogue in `folder`, whose store must not be open.

    The indexes are built from it at the next opening. Until the last moment the former
    catalogue is in place.

    Args:
        source: A folder that `backup` has written.
        folder: The data folder, created if there is none; the caller holds its lock.
        replace: Whether a catalogue that is there may be lost.
        on_step: Called after each durable step, for tests that inject faults.

    Raises:
        StoreError: The backup is damaged, or there is a catalogue and `replace` is not set.
    """
    manifest = check_restore(source, folder, replace)
    target = folder / CATALOGUE
    on_step("restore: verified")
    fresh = folder / f"{CATALOGUE}.restoring"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for left in folder.glob(f"{fresh.name}*"):  # by a restore that was killed
            left.unlink()
        shutil.copyfile(source / CATALOGUE, fresh)
        _forget_indexes(fresh)
        sync(fresh)
        on_step("restore: copied")
        _fold_log(target)
        fresh.rename(target)
        on_step("restore: renamed")
        sync(folder)
    except (OSError, sqlite3.DatabaseError) as exc:
        msg = f"The backup could not be put into {folder}: {exc}"
        raise StoreError(msg) from exc
    finally:
        fresh.unlink(missing_ok=True)
    return manifest


def copy_catalogue(folder: Path, target: Path) -> None:
    """Copy a data folder's catalogue, whoever has it open, into a folder without a store.

    The folder is only read. The indexes are built from the copy at its first opening.

    Raises:
        StoreError: There is no catalogue, or it cannot be read.
    """
    copy = target / CATALOGUE
    try:
        source = sqlite3.connect(f"file:{folder / CATALOGUE}?mode=ro", uri=True)
        try:
            written = sqlite3.connect(copy)
            try:
                source.backup(written)
            finally:
                written.close()
        finally:
            source.close()
        copy.chmod(0o600)
        _forget_indexes(copy)
    except (OSError, sqlite3.DatabaseError) as exc:
        msg = f"The catalogue in {folder} cannot be copied: {exc}"
        raise StoreError(msg) from exc


def _forget_indexes(catalogue: Path) -> None:
    """Have every index built anew: those in the folder may use the same numbers otherwise."""
    connection = sqlite3.connect(catalogue)
    try:
        connection.execute(
            "DELETE FROM facts WHERE key IN ('dense_generation', 'lexical_generation')"
        )
        connection.execute("DELETE FROM followers")
        connection.commit()
    finally:
        connection.close()


def _fold_log(catalogue: Path) -> None:
    """Leave no write-ahead log of the former catalogue, which the new one would take for its own.

    It is folded into the former catalogue first, so that nothing is lost if we end here.
    """
    log = catalogue.with_name(f"{CATALOGUE}-wal")
    if not log.exists():
        return
    try:
        connection = sqlite3.connect(catalogue)
        try:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            connection.close()
    except sqlite3.DatabaseError:  # a damaged one is what backups are for
        pass
    log.unlink(missing_ok=True)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
