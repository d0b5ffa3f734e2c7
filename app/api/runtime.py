"""What is ready: the page first, then the store, then the encoder."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING

from vectorstore.errors import CitewellError

if TYPE_CHECKING:
    from app.service import Service
    from app.settings import Settings

STAGES = ("page", "store", "encoder")


class Runtime:
    """Starts the service step by step in a thread of its own, while the port answers already."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.done: dict[str, bool] = dict.fromkeys(STAGES, False)
        self.failure: str | None = None
        self._service: Future[Service] = Future()

    @property
    def ready(self) -> bool:
        """Whether a question would be answered at once."""
        return all(self.done.values())

    def service(self) -> Service:
        """Return the open service, waiting until its encoder is warm.

        Raises:
            CitewellError: The store or the encoder could not be opened.
        """
        return self._service.result()

    def start(self, build_page: Callable[[], None], on_failure: Callable[[], None]) -> None:
        """Build the page, then open the store, then load the encoder."""

        def work() -> None:
            service = None
            try:
                build_page()
                self.done["page"] = True
                from app.service import Service

                service = Service(self.settings)
                self.done["store"] = True
                service.encoder.load()
                self.done["encoder"] = True
                self._service.set_result(service)
            except CitewellError as exc:
                self.failure = str(exc)
                self._service.set_exception(exc)
                if service is not None:
                    service.close()
                on_failure()

        threading.Thread(target=work, name="start", daemon=True).start()

    def close(self) -> None:
        """Close the service if it was opened."""
        if self._service.done() and self._service.exception() is None:
            self._service.result().close()
