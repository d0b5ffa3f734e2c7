"""One state for readers, who never wait for each other and hardly ever for a change."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

ATTEMPTS = 3  # looks at what changes meanwhile, before the change has to wait

Found = TypeVar("Found")


class Seqlock:
    """Tells readers whether anything changed while they read.

    `version` is odd during a change and has grown by 2 after it (a sequence lock, as the Linux
    kernel documents it in Documentation/locking/seqlock.rst).
    """

    def __init__(self) -> None:
        self.version = 0
        self._changing = threading.Lock()

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Change what readers see; one thread at a time."""
        with self._changing:
            self.version += 1
            try:
                yield
            finally:
                self.version += 1

    def consistently(self, read: Callable[[], Found]) -> Found:
        """Return what `read` finds in one state, which no change has touched."""
        for _ in range(ATTEMPTS):
            before = self.version
            if before % 2 == 0:
                found = read()
                if before == self.version:
                    return found
            else:
                time.sleep(0.001)
        with self._changing:
            return read()
