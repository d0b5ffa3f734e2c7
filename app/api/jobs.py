"""Jobs over HTTP: how far they have come, asked for or streamed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse

from app.answering.wire import utc
from app.api.desk import HEARTBEAT, frame
from app.api.models import JobOut, JobPage
from app.api.pages import OnceRoute, identity_of, paged, read_cursor, runtime_of, view_of
from app.records.jobs import Job

EVERY = 0.25  # seconds between two looks at a job's progress

jobs_router = APIRouter(prefix="/api/v1", tags=["jobs"], route_class=OnceRoute)


@jobs_router.get("/jobs", response_model=JobPage)
def list_jobs(
    request: Request, limit: int = Query(50, ge=1, le=100), cursor: str | None = None
) -> dict[str, Any]:
    """List your jobs, newest first."""
    identity = identity_of(request)
    identity.need("ingest")
    jobs = view_of(request).service.records.jobs
    found = jobs.page(identity.subject, limit + 1, read_cursor(cursor, float))
    page, more = paged(found, limit, lambda job: repr(job.created))
    return {"items": [job_json(request, job) for job in page], "next_cursor": more}


@jobs_router.get("/jobs/{job_id}", response_model=JobOut)
def read_job(request: Request, job_id: str) -> dict[str, Any]:
    """Tell how far one of your jobs has come."""
    return job_json(request, _find(request, job_id))


@jobs_router.get("/jobs/{job_id}/events", response_model=None)
async def watch_job(request: Request, job_id: str) -> StreamingResponse:
    """Stream a job's progress as server-sent events: progress …, then done."""
    await run_in_threadpool(_find, request, job_id)

    async def told() -> AsyncIterator[str]:
        number, before, silent = 0, None, 0.0
        while True:
            found = job_json(request, await run_in_threadpool(_find, request, job_id))
            if found["state"] != "running":
                yield frame(number, "done", found)
                return
            silent = 0.0 if found != before else silent + EVERY
            if found != before:
                yield frame(number, "progress", found)
                number, before = number + 1, found
            elif silent >= HEARTBEAT:
                silent = 0.0
                yield ": waiting\n\n"
            if await request.is_disconnected():
                return
            await asyncio.sleep(EVERY)

    return StreamingResponse(told(), media_type="text/event-stream", headers={
        "cache-control": "no-store", "x-accel-buffering": "no"
    })  # fmt: skip


def _find(request: Request, job_id: str) -> Job:
    identity = identity_of(request)
    identity.need("ingest")
    return view_of(request).service.records.jobs.find(identity.subject, job_id)


def job_json(request: Request, job: Job) -> dict[str, Any]:
    """Return a job as `JobOut` has it."""
    done, total = runtime_of(request).jobs.progress.get(job.id, (0, 0))
    moments = {"created": utc(job.created), "finished": job.finished and utc(job.finished)}
    return {**asdict(job), **moments, "done": done, "total": total}
