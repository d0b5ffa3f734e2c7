"""What is remembered of people is forgotten when its time is over."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from app.records.records import Records
from vectorstore.errors import CitewellError

logger = logging.getLogger(__name__)

DAY = 24 * 3600.0  # seconds


def forget(records: Records, days: int, now: float | None = None) -> int:
    """Delete answers, conversations, jobs and audit entries that are older than so many days.

    0 days keep all for ever; `now` is in seconds since 1970. Returns how many answers are gone.
    """
    if days == 0:
        return 0
    moment = (time.time() if now is None else now) - days * DAY
    gone = 0
    # A day at a time: whoever else writes waits for one of them, not for all.
    while (oldest := records.insight.oldest()) is not None and oldest < moment:
        gone += records.conversations.forget_before(min(oldest + DAY, moment))
    records.conversations.forget_before(moment)  # those that have no answers
    records.jobs.forget_before(moment)
    records.audit.forget_before(moment)
    return gone


class Retention:
    """Forgets once at the start and then every day, in a thread of its own.

    Args:
        days: How long things are remembered; 0: for ever, and nothing is started.
        records: Returns the open records, which a restore replaces.
        pause: Seconds between two rounds.
    """

    def __init__(self, days: int, records: Callable[[], Records], pause: float = DAY) -> None:
        self._days = days
        self._records = records
        self._pause = pause
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin; records that cannot be reached today are tried again tomorrow."""
        if self._days and self._thread is None and not self._stopped.is_set():
            self._thread = threading.Thread(target=self._work, name="retention", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """End, after the round that is under way."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()

    def _work(self) -> None:
        while not self._stopped.is_set():
            try:
                gone = forget(self._records(), self._days)
            except CitewellError as exc:
                logger.warning("nothing could be forgotten: %s", exc)
            else:
                logger.info("%d answers older than %d days were deleted", gone, self._days)
            self._stopped.wait(self._pause)
