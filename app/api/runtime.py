"""What is ready: the page first, then the store, then the encoder."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from app.api.access import Access
from app.api.desk import WORKERS, Desk
from app.api.guard import path_of
from app.api.limits import Limits
from app.api.runner import JobRunner
from app.retention import Retention
from app.sight.sight import Sight, condition_of
from vectorstore.errors import CitewellError, ServerError
from vectorstore.lock import acquire_lock

if TYPE_CHECKING:
    from filelock import BaseFileLock
    from starlette.types import Scope

    from app.service import Service
    from app.settings import Settings

logger = logging.getLogger(__name__)

ANSWERS = "/api/v1/answers"
STAGES = ("page", "store", "encoder")

Replaced = TypeVar("Replaced")


class Runtime:
    """Starts the service step by step in a thread of its own, while the port answers already."""

    def __init__(self, settings: Settings, lock: BaseFileLock) -> None:
        self.settings = settings
        self.done: dict[str, bool] = dict.fromkeys(STAGES, False)
        self.failure: str | None = None
        self.sight = Sight(settings, lambda: condition_of(self))
        # A thread waits with its answer for the chat model. As long as no more do than the model
        # may be called by at once, WORKERS are left to answers that need none.
        self.calls = settings.llm_concurrency if settings.llm else 0
        self.workers = WORKERS + self.calls
        self.desk = Desk(settings.waiting, settings.streams, self.sight.answered, self.workers)
        self.limits = Limits(settings)
        self.jobs = JobRunner()
        self.access = Access(settings, lambda: self.service().records)
        self.retention = Retention(settings.retention_days, lambda: self.service().records)
        self._lock = lock
        self._opened: Service | None = None
        self._warm: Future[Service] = Future()
        self._replacing = threading.Lock()

    @property
    def ready(self) -> bool:
        """Whether a question would be answered at once."""
        return all(self.done.values())

    def service(self) -> Service:
        """Return the open service, waiting until its encoder is warm.

        Raises:
            CitewellError: The store or the encoder could not be opened.
        """
        return self._warm.result()

    async def admit(self, scope: Scope) -> None:
        """Let a request in before anything is known of it but its address.

        A question that would be refused for overload is refused here, where that costs little.

        Raises:
            BusyError: The address has asked too much, or everybody together has.
        """
        if path_of(scope) == ANSWERS and scope.get("method") == "POST":
            self.desk.refuse_if_full()
        await self.limits.admit_address(scope)

    def is_portal(self, origin: str) -> bool:
        """Whether an origin belongs to one of the portals."""
        return origin in self.service().records.portals.origins()

    def _open(self, lock: BaseFileLock) -> None:
        from app.service import Service

        self._opened = Service(self.settings, lock=lock, serving=True)
        self._opened.records.jobs.interrupt()
        self.done["store"] = True
        self._opened.warm_up()
        self.done["encoder"] = True
        self._warm.set_result(self._opened)

    def replace_store(self, change: Callable[[], Replaced]) -> Replaced:
        """Close the service, let `change` work on its folder, and open it again.

        Questions that come meanwhile wait. If `change` raises, the service is opened as it was.

        Raises:
            CitewellError: The store could not be opened again; the server has to be restarted.
        """
        self.service()  # `close` waits for whoever replaces, so that one waits for nothing
        with self._replacing:
            service = self.service()
            self._warm = Future()
            self.done |= {"store": False, "encoder": False}
            with self._telling():
                service.close()
                lock = acquire_lock(self.settings.data_dir)
            try:
                return change()
            finally:
                with self._telling():
                    self._open(lock)

    def start(self, build_page: Callable[[], None], on_failure: Callable[[], None]) -> None:
        """Build the page, then open the store, then load the encoder."""

        def work() -> None:
            try:
                with self._telling():
                    build_page()
                    self.done["page"] = True
                    self._open(self._lock)
            except CitewellError:
                on_failure()
                return
            self.sight.opened()
            self.retention.start()

        threading.Thread(target=work, name="start", daemon=True).start()

    @contextmanager
    def _telling(self) -> Iterator[None]:
        """Whatever goes wrong, tell those who wait for the service, who would wait for ever."""
        try:
            yield
        except CitewellError as exc:
            self._fail(exc)
            raise
        except Exception as exc:
            logger.exception("the service could not be opened")
            error = ServerError(f"Starting failed: {exc!r}. Report it with the log.")
            self._fail(error)
            raise error from exc

    def _fail(self, error: CitewellError) -> None:
        self.failure = str(error)
        self._warm.set_exception(error)

    def close(self) -> None:
        """Close the store if it was opened; what still waits for the service is told so."""
        self.desk.close()
        self.jobs.close()
        self.retention.stop()
        with self._replacing:
            if not self._warm.done():
                self._fail(ServerError("The server is shutting down."))
                self.failure = None  # that is no failure
            if self._opened is not None:
                self._opened.close()
        self.sight.close()
