"""Long work that HTTP asks for, done one after the other."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from app.records.jobs import Job
from app.records.records import Records
from ingest.report import Progress
from vectorstore.errors import CitewellError

logger = logging.getLogger(__name__)

Emit = Callable[[Progress], None]


class JobRunner:
    """Runs jobs in a thread; `progress` holds (done, total) of those that run."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="job")
        self.progress: dict[str, tuple[int, int]] = {}

    def start(
        self, records: Records, owner: str, kind: str, work: Callable[[Emit], dict[str, Any]]
    ) -> Job:
        """Note a job and have it done."""
        job = records.jobs.create(owner, kind)
        self.progress[job.id] = (0, 0)
        self._pool.submit(self._run, records, job, work)
        return job

    def _run(self, records: Records, job: Job, work: Callable[[Emit], dict[str, Any]]) -> None:
        def emit(progress: Progress) -> None:
            self.progress[job.id] = (progress.done, progress.total)

        result: dict[str, Any] | None = None
        error: str | None = None
        try:
            result = work(emit)
        except CitewellError as exc:
            error = str(exc)
        except Exception:
            logger.exception("job %s failed", job.id)
            error = "The job failed; the server's log says why."
        try:
            records.jobs.finish(job.id, result, error)
        except CitewellError as exc:
            logger.error("the end of job %s could not be kept: %s", job.id, exc)
        finally:
            self.progress.pop(job.id, None)

    def close(self) -> None:
        """Let the job that runs end, and begin no other."""
        self._pool.shutdown(wait=False, cancel_futures=True)
