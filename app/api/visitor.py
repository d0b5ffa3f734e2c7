"""The tools for language models as one identity may use the running service."""

from __future__ import annotations

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from app.answering.wire import Json, head_json, passage_json
from app.api.asking import base_of, begin, whole
from app.api.runtime import Runtime
from app.identity import Identity
from app.scope import EVERYTHING, Scope
from app.view import View


class Visitor:
    """A backend of `app.mcp_tools` for the client that made a request."""

    def __init__(self, runtime: Runtime, request: Request) -> None:
        self.base: str | None = base_of(request, runtime.settings.public_url)
        self._runtime = runtime
        self._identity: Identity = request.state.identity

    async def ask(self, question: str, collection: str | None) -> Json:
        """Return an answer; when nobody waits for it any more it is given up."""
        scope = _scope(collection)
        return await whole(await begin(self._runtime, self._identity, question, scope))

    async def search(self, query: str, top_k: int, collection: str | None) -> Json:
        """Return passages, best first."""
        self._identity.need("search")  # before a thread is taken
        await self._runtime.limits.admit_question(self._identity)

        def search() -> Json:
            found = self._view().search(query, top_k, _scope(collection))
            passages = [passage_json(passage) for passage in found.passages]
            return {"passages": passages, "degraded": list(found.degraded)}

        return await run_in_threadpool(search)

    async def article(self, article_id: str) -> Json:
        """Return an article with its text."""

        def read() -> Json:
            article = self._view().article(article_id)
            return {**head_json(article.head), "text": article.text}

        return await run_in_threadpool(read)

    def _view(self) -> View:
        return View(self._runtime.service(), self._identity)


def _scope(collection: str | None) -> Scope:
    return EVERYTHING if collection is None else Scope((collection,))
