"""Where a command runs: in the server that has the data folder open, or in this process."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from app.settings import Settings
    from ingest.report import Progress

_chosen: dict[str, Path | None] = {"data_dir": None}


def choose_data_dir(data_dir: Path | None) -> Path | None:
    """Note the data folder that the command line names, if it does."""
    if data_dir is not None:
        _chosen["data_dir"] = data_dir
    return data_dir


def chosen_settings(**overrides: Any) -> Settings:  # noqa: ANN401 (each has its own type)
    """Return the settings with what the command line says."""
    from app.settings import load_settings

    return load_settings(data_dir=_chosen["data_dir"], **overrides)


class Session(Protocol):
    """Runs commands of `app.commands`, here or in the running server."""

    def execute(
        self, name: str, arguments: dict[str, Any], emit: Callable[[Progress], None]
    ) -> Any:  # noqa: ANN401 (JSON)
        """Run a command and return its JSON result."""


@contextmanager
def open_session(settle: bool = False) -> Iterator[Session]:
    """Reach the running server, or open the store in this process.

    With `settle` a rebuild that goes on in this process is waited for at the end.
    """
    from app.control import Remote, is_running

    settings = chosen_settings()
    if is_running(settings.data_dir):
        yield Remote(settings.data_dir)
        return
    with status("Opening the store"):
        be_quiet()
        from app import commands
        from app.service import Service

        service = Service(settings, threads=os.cpu_count() or 1)

    class Local:
        def execute(
            self, name: str, arguments: dict[str, Any], emit: Callable[[Progress], None]
        ) -> Any:  # noqa: ANN401 (JSON)
            return commands.execute(service, name, arguments, emit)

    try:
        yield Local()
        if settle and service.store.is_rebuilding:
            with status("Building the dense index"):
                service.store.settle()
    finally:
        service.close()


def replace_store(name: str, arguments: dict[str, Any]) -> Any:  # noqa: ANN401 (JSON)
    """Run a command that needs the store closed, and open what it leaves."""
    from app.control import Remote, is_running
    from vectorstore.lock import acquire_lock

    settings = chosen_settings()
    if is_running(settings.data_dir):
        return Remote(settings.data_dir).execute(name, arguments, lambda _: None)
    be_quiet()
    from app.commands import OFFLINE

    lock = acquire_lock(settings.data_dir)
    try:
        result = OFFLINE[name](settings.data_dir, arguments)()
    finally:
        lock.release()
    with open_session(settle=True):
        return result


def be_quiet() -> None:
    """Keep the libraries from talking to hubs and to the terminal, and from spinning.

    Threads that wait actively for each other stand still for seconds on a machine that has
    other work; comparing vectors is bound by memory, and no faster on several threads.
    """
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


@contextmanager
def status(text: str) -> Iterator[None]:
    """Say on the terminal what is being done."""
    from rich.console import Console

    with Console(stderr=True).status(text):
        yield


@contextmanager
def progress_bar(title: str) -> Iterator[Callable[[Progress], None]]:
    """Show how far a command has come; yields what is to be told of its progress."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn(title), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Bar(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(title, total=None)
        yield lambda progress: bar.update(task, completed=progress.done, total=progress.total)


def run(command: str, /, **arguments: Any) -> Any:  # noqa: ANN401 (JSON in, JSON out)
    """Run one command that takes a moment."""
    with open_session() as session, status("Reading the articles"):
        return session.execute(command, arguments, lambda _: None)


def run_long(command: str, title: str, /, **arguments: Any) -> Any:  # noqa: ANN401 (JSON in, JSON out)
    """Run one command that may take long, with a progress bar."""
    with open_session(settle=True) as session, progress_bar(title) as emit:
        return session.execute(command, arguments, emit)
