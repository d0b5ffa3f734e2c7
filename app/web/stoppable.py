"""What a thread makes step by step, and whoever waits for it can leave at any moment."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Generator
from concurrent.futures import Executor, Future
from contextvars import copy_context
from typing import TypeVar

Made = TypeVar("Made")


async def stoppable(
    pool: Executor, steps: Generator[Made, None, None]
) -> AsyncGenerator[Made, None]:
    """Yield what `steps` yields, each made in a thread of the pool.

    Who is cancelled while waiting for a step leaves at once. Python cannot end a thread, so
    a step that was begun is finished by its thread, which then closes `steps`.
    """
    context = copy_context()

    def advance() -> Made | None:
        return context.run(lambda: next(steps, None))

    step: Future[Made | None] | None = None
    try:
        while True:
            step = pool.submit(advance)
            made = await asyncio.wrap_future(step)
            if made is None:
                return
            yield made
    finally:
        if step is not None:
            step.add_done_callback(lambda _: steps.close())
