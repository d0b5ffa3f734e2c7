"""Questions that are asked at the same time, encoded together.

Encoding sixteen questions in one pass takes two fifths of the time that it takes one by one.
There is no thread for it, and so none to wake or to end: whoever asks while nobody encodes
encodes at once, and for all who ask meanwhile the next one of them does.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from vectorstore.types import Encoder, Vector

MOST = 16  # questions of one pass; more gain nothing
ROOM = 2_400  # characters of one pass, each question as long as its longest: a long one goes alone
KEPT = 2_048  # vectors of recent questions, 1.5 KB each


@dataclass(frozen=True, slots=True)
class Encoded:
    """A question's vector, and the seconds for which it waited before it was encoded.

    The vector is shared by all who asked the same, and cannot be written to.
    """

    vector: Vector
    waited: float = 0.0


@dataclass(eq=False, slots=True)
class _Asked:
    """A question that is being encoded, or waits for it; several callers may wait for one."""

    query: str
    since: float = field(default_factory=time.perf_counter)
    found: Encoded | None = None
    error: BaseException | None = None

    @property
    def is_done(self) -> bool:
        return self.found is not None or self.error is not None


class QueryBatcher:
    """Encodes questions for any number of threads, and remembers the last ones.

    Args:
        encoder: The one encoder whose vectors these are.
        most: Questions of one pass; with 1 each is encoded alone, by the thread that asks.
        kept: Vectors of recent questions that are remembered.
        passes: Passes that may run at the same time.
    """

    def __init__(
        self, encoder: Encoder, most: int = MOST, kept: int = KEPT, passes: int = 1
    ) -> None:
        self.encoder = encoder
        self._most = most
        self._kept = kept
        self._free = passes
        self._changed = threading.Condition()
        self._waiting: deque[_Asked] = deque()
        self._underway: dict[str, _Asked] = {}
        self._vectors: OrderedDict[str, Vector] = OrderedDict()

    def encode(self, query: str) -> Encoded:
        """Return the question's vector.

        Raises:
            EncoderError: This question could not be encoded, or one of those beside it.
        """
        return self.encode_all([query])[query]

    def encode_all(self, queries: Sequence[str]) -> dict[str, Encoded]:
        """Return the vector of each question; those not remembered are encoded together.

        Raises:
            EncoderError: One of them could not be encoded.
        """
        found: dict[str, Encoded] = {}
        mine: list[_Asked] = []
        with self._changed:
            for query in dict.fromkeys(queries):
                known = self._vectors.get(query)
                if known is None:
                    mine.append(self._ask(query))
                else:
                    self._vectors.move_to_end(query)
                    found[query] = Encoded(known)
            while not all(asked.is_done for asked in mine):
                if self._free and self._waiting:
                    self._lead()
                else:
                    self._changed.wait()
        for asked in mine:
            if asked.found is None:
                raise asked.error or RuntimeError  # one of the two is there
            found[asked.query] = asked.found
        return found

    def _ask(self, query: str) -> _Asked:
        """Return what is under way for a question, which waits from now on if nothing was."""
        asked = self._underway.get(query)
        if asked is None:
            asked = self._underway[query] = _Asked(query)
            self._waiting.append(asked)
        return asked

    def _lead(self) -> None:
        """Encode what waits, while others may ask; called with the lock held, as it returns."""
        batch = self._take()
        began = time.perf_counter()
        self._free -= 1
        self._changed.release()
        vectors: Sequence[Vector] = ()
        error: BaseException | None = None
        try:
            vectors = self._encode([asked.query for asked in batch])
        except BaseException as exc:
            error = exc
            if not isinstance(exc, Exception):  # Ctrl-C, say, is for this thread, not for others
                error = RuntimeError("the thread that encoded this question was interrupted")
                raise
        finally:
            self._changed.acquire()
            self._free += 1
            for number, asked in enumerate(batch):
                del self._underway[asked.query]
                if error is None:
                    asked.found = Encoded(vectors[number], max(0.0, began - asked.since))
                    self._remember(asked.query, vectors[number])
                else:
                    asked.error = error
            self._changed.notify_all()

    def _take(self) -> list[_Asked]:
        """Take the oldest questions, as many as one pass has room for and at least one."""
        batch = [self._waiting.popleft()]
        longest = len(batch[0].query)
        while self._waiting and len(batch) < self._most:
            longest = max(longest, len(self._waiting[0].query))
            if longest * (len(batch) + 1) > ROOM:
                break
            batch.append(self._waiting.popleft())
        return batch

    def _encode(self, queries: Sequence[str]) -> Sequence[Vector]:
        if len(queries) == 1:
            vectors = [self.encoder.encode_query(queries[0])]
        else:
            vectors = self.encoder.encode_queries(queries)
        for vector in vectors:
            vector.flags.writeable = False
        return vectors

    def _remember(self, query: str, vector: Vector) -> None:
        self._vectors[query] = vector
        while len(self._vectors) > self._kept:
            self._vectors.popitem(last=False)
