"""Encoding in bulk, in a process of its own that gives way to everything else.

Within one process a batch competes with the questions for Python's lock and for torch's
threads. A child process shares neither, and being nice it takes only the time that
answering leaves.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Sequence
from multiprocessing import get_context, parent_process, resource_tracker, set_start_method
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess

from vectorstore.attention import Looks
from vectorstore.encoder import SentenceTransformerEncoder
from vectorstore.errors import EncoderError
from vectorstore.types import Embedding, EncoderInput, Vector

FEW = 8  # inputs; fewer are not worth the ten seconds in which a child starts
IDLE = 60.0  # seconds without work after which the child ends: it holds 0.6 GB
NICENESS = 10
GRACE = 1.0  # seconds in which a closed child may end by itself


class ChildEncoder:
    """An encoder whose batches are encoded by a nice child process, at most one at a time.

    Questions, and small batches while there is no child, are encoded in this process. The
    child starts at the first batch of FEW inputs and ends when it is closed, idle or
    orphaned; one that was killed is replaced. May be shared by threads.

    Args:
        encoder: Encodes in this process; the child loads the same model and precision.
        threads: How many CPU threads the child may use; by default one for each core.
        idle: Seconds without work after which the child ends.
    """

    def __init__(
        self, encoder: SentenceTransformerEncoder, threads: int | None = None, idle: float = IDLE
    ) -> None:
        self._encoder = encoder
        self._options = (encoder.model, threads or os.cpu_count() or 1, encoder.precision)
        self._idle = idle
        self._lock = threading.Lock()
        self._child: tuple[SpawnProcess, Connection] | None = None

    @property
    def fingerprint(self) -> str:
        """Model, weights and precision, the same in both processes."""
        return self._encoder.fingerprint

    @property
    def max_tokens(self) -> int:
        """How many tokens of one input are read, special ones included."""
        return self._encoder.max_tokens

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Return the number of tokens of each text, special ones left out."""
        return self._encoder.count_tokens(texts)

    def encode_query(self, query: str) -> Vector:
        """Return the query's vector; what is past `max_tokens` is not read."""
        return self._encoder.encode_query(query)

    def encode_queries(self, queries: Sequence[str]) -> list[Vector]:
        """Return the queries' vectors, from one forward pass."""
        return self._encoder.encode_queries(queries)

    def attend(self, texts: Sequence[str], most: Sequence[int]) -> Looks:
        """Return what the last text's tokens look at in all texts, read as one."""
        return self._encoder.attend(texts, most)

    def encode_chunks(self, inputs: Sequence[EncoderInput]) -> list[Embedding]:
        """Return one embedding for each input, in order.

        Raises:
            EncoderError: The model cannot be loaded, or the child ended twice.
        """
        with self._lock:
            if len(inputs) < FEW and self.pid is None:
                return self._encoder.encode_chunks(inputs)
            try:
                return self._ask(inputs)
            except (EOFError, OSError):  # killed, or idle just now: a new one may do it
                self._end()
            try:
                return self._ask(inputs)
            except (EOFError, OSError) as exc:
                msg = (
                    f"The embedding process ended twice ({self._end()}) on {len(inputs)} chunks. "
                    "It needs about 1 GB of memory: free some, then run the command again."
                )
                raise EncoderError(msg) from exc

    @property
    def pid(self) -> int | None:
        """The child's process id, None while there is no child."""
        child = self._child
        return child[0].pid if child and child[0].is_alive() else None

    def close(self) -> None:
        """End the child, after its batch if it has one; a later batch starts a new one."""
        with self._lock:
            self._end()

    def _ask(self, inputs: Sequence[EncoderInput]) -> list[Embedding]:
        child = self._child
        if child is None or not child[0].is_alive():
            self._end()
            child = self._child = _start(self._options, self._idle)
        _, connection = child
        try:
            connection.send(list(inputs))
            reply: list[Embedding] | EncoderError = connection.recv()
        except (EOFError, OSError):
            raise
        except BaseException:  # Ctrl-C, say: this reply, still to come, would answer the next batch
            self._end()
            raise
        if isinstance(reply, EncoderError):
            raise reply
        return reply

    def _end(self) -> str:
        """End the child, if there is one, and tell how it ended."""
        child, self._child = self._child, None
        if child is None:
            return "it could not be started"
        process, connection = child
        connection.close()
        process.join(GRACE)
        process.kill()
        process.join()
        return f"exit code {process.exitcode}"


def _start(options: tuple[str, int, str], idle: float) -> tuple[SpawnProcess, Connection]:
    """Start a child that is safe from Ctrl-C, which reaches every process of a terminal."""
    context = get_context("spawn")  # a fork of a process with threads may hang
    ours, theirs = context.Pipe()
    process = context.Process(
        target=_serve, args=(theirs, options, idle), name="citewell-embedding", daemon=True
    )
    resource_tracker.ensure_running()  # else `start` does it, and unblocks SIGINT
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # the child inherits it
    try:
        process.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        theirs.close()  # the child's copy is the only one, so its end is noticed here
    return process, ours


def _serve(connection: Connection, options: tuple[str, int, str], idle: float) -> None:
    """Encode batches until there has been none for `idle` seconds; runs in the child."""
    os.nice(NICENESS)
    set_start_method("fork", force=True)  # else tqdm's lock outlives a child that is killed
    threading.Thread(target=_end_with_parent, daemon=True).start()
    encoder = SentenceTransformerEncoder(*options)
    try:
        while connection.poll(idle):
            inputs = connection.recv()
            reply: list[Embedding] | EncoderError
            try:
                reply = encoder.encode_chunks(inputs)
            except EncoderError as exc:
                reply = exc
            connection.send(reply)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return  # closed, or the parent is gone


def _end_with_parent() -> None:
    """End this process with its parent, even one killed, and even in the middle of a batch."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(0)
