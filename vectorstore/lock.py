"""One process owns a data folder; light enough to be asked for before anything is loaded."""

from __future__ import annotations

from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout

from vectorstore.errors import StoreError, StoreLockedError


def acquire_lock(folder: Path) -> BaseFileLock:
    """Take the data folder, created if there is none, for this process.

    The system frees it when the process ends, however it ends.

    Raises:
        StoreLockedError: Another process has it.
        StoreError: There cannot be a data folder there.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        # not of the thread: any may close the store
        lock = FileLock(folder / "lock", mode=0o600, thread_local=False)
        lock.acquire(timeout=0)
    except Timeout as exc:
        msg = (
            f"Another citewell process is using {folder}. Wait until it ends, or start the "
            "server (citewell serve), which then takes commands from every terminal."
        )
        raise StoreLockedError(msg) from exc
    except OSError as exc:
        why = exc.strerror or exc
        msg = f"The data folder {folder} cannot be used: {why}. Choose another with --data-dir."
        raise StoreError(msg) from exc
    return lock
