"""Long work that was asked for over HTTP: what became of it outlives the process."""

from __future__ import annotations

import json
import time
import uuid
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, insert, select, update

from app.records.database import Database
from app.records.schema import jobs
from vectorstore.errors import UnknownNameError

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Job:
    """`state` is running, done, failed or interrupted; moments are seconds since 1970, UTC."""

    id: str
    kind: str
    state: str
    result: Json | None
    error: str | None
    created: float
    finished: float | None


class Jobs:
    """The jobs of a service; those that an earlier process left running were interrupted."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def interrupt(self) -> None:
        """Mark what an earlier process left running."""
        why = "The server was stopped meanwhile. Ask again: what was done is not done twice."
        with self._database.write() as connection:
            connection.execute(
                update(jobs)
                .where(jobs.c.state == "running")
                .values(state="interrupted", error=why, finished=time.time())
            )

    def create(self, owner: str, kind: str) -> Job:
        """Note that a job runs."""
        job = Job(f"j{uuid.uuid4().hex}", kind, "running", None, None, time.time(), None)
        with self._database.write() as connection:
            connection.execute(
                insert(jobs).values(
                    id=job.id, owner=owner, kind=kind, state=job.state, created=job.created
                )
            )
        return job

    def finish(self, job: str, result: Json | None, error: str | None) -> None:
        """Note how a job ended."""
        with self._database.write() as connection:
            connection.execute(
                update(jobs)
                .where(jobs.c.id == job)
                .values(
                    state="failed" if error else "done",
                    result=None if result is None else json.dumps(result, ensure_ascii=False),
                    error=error,
                    finished=time.time(),
                )
            )

    def find(self, owner: str | None, job: str) -> Job:
        """Return one of the owner's jobs; None as owner may see everybody's.

        Raises:
            UnknownNameError: There is none.
        """
        query = select(jobs).where(jobs.c.id == job)
        if owner is not None:
            query = query.where(jobs.c.owner == owner)
        row = self._database.row(query)
        if row is None:
            msg = f"There is no job {job!r} of yours."
            raise UnknownNameError(msg)
        return _job(row)

    def page(self, owner: str | None, limit: int, before: float | None = None) -> list[Job]:
        """Return the owner's jobs (None: everybody's), newest first."""
        query = select(jobs).order_by(jobs.c.created.desc()).limit(limit)
        if owner is not None:
            query = query.where(jobs.c.owner == owner)
        if before is not None:
            query = query.where(jobs.c.created < before)
        return [_job(row) for row in self._database.rows(query)]

    def forget_before(self, moment: float) -> None:
        """Delete what ended before a moment."""
        with self._database.write() as connection:
            connection.execute(delete(jobs).where(jobs.c.finished < moment))


def _job(row: Any) -> Job:  # noqa: ANN401 (a row of jobs)
    result = json.loads(row.result) if row.result else None
    return Job(row.id, row.kind, row.state, result, row.error, row.created, row.finished)
