"""Whether everything that an answer needs is there, tried for real."""

from __future__ import annotations

import os
import shutil
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.generation.model import ChatModel, Message, key_source, open_model
from vectorstore.errors import CitewellError
from vectorstore.reranker import Reranker

if TYPE_CHECKING:
    from app.service import Service
    from app.settings import Settings

LEAST_FREE = 200_000_000  # bytes
QUESTION = "Reply with the one word: ready"
# What LangSmith's package obeys, as its `tracing_is_enabled` reads them: the first that is set.
TRACING = ("LANGSMITH_TRACING_V2", "LANGCHAIN_TRACING_V2", "LANGSMITH_TRACING", "LANGCHAIN_TRACING")


@dataclass(frozen=True, slots=True)
class Check:
    """What was looked at, how it stands, and what to do where it is wrong."""

    name: str
    ok: bool
    said: str


def examine(service: Service) -> dict[str, Any]:
    """Check an open service: its folder, store, encoder and models."""
    settings = service.settings
    return _whole([*_opened(service), *_reranker(settings, service.reranker), *_model(settings)])


def examine_closed(settings: Settings, error: CitewellError) -> dict[str, Any]:
    """Check what can be checked where the service could not be opened.

    Where that may be for a chat model or a reranker, it is opened without them.
    """
    models = [*_reranker(settings), *_model(settings)]
    if all(check.ok for check in models):
        return _whole([*_unopened(settings, error), *models])
    return _whole([*_opened_without_models(settings), *models])


def _whole(checks: list[Check]) -> dict[str, Any]:
    return report([Check("settings", True, "they can be used, and fit together"), *checks])


def _opened(service: Service) -> list[Check]:
    return [_folder(service.settings.data_dir), _store(service), _encoder(service)]


def _opened_without_models(settings: Settings) -> list[Check]:
    from app.service import Service

    without = settings.model_copy(update={"llm": None, "reranker": None})
    try:
        service = Service(without, threads=os.cpu_count() or 1)
    except CitewellError as exc:
        return _unopened(settings, exc)
    try:
        return _opened(service)
    finally:
        service.close()


def _unopened(settings: Settings, error: CitewellError) -> list[Check]:
    folder = [_folder(settings.data_dir)] if settings.data_dir.is_dir() else []
    return [*folder, Check("store", False, str(error))]


def report(checks: list[Check]) -> dict[str, Any]:
    """Return checks as JSON."""
    return {"ok": all(check.ok for check in checks), "checks": [asdict(each) for each in checks]}


def _folder(folder: Path) -> Check:
    """An index is rebuilt beside the old one: there has to be room for both."""
    held = _held(folder)
    free = shutil.disk_usage(folder).free
    said = f"{folder.resolve()}: {_size(held)}, {_size(free)} free"
    if free < max(LEAST_FREE, held):
        needed = _size(max(LEAST_FREE, held))
        return Check("data folder", False, f"{said}. Make room: a rebuild may need {needed}.")
    return Check("data folder", True, said)


def _held(folder: Path) -> int:
    """Return the bytes in a folder; its indexes may drop files meanwhile."""
    count = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):
                count += Path(place, name).stat().st_size
    return count


def _size(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"


def _store(service: Service) -> Check:
    found = service.collections()
    articles, chunks = sum(one.articles for one in found), sum(one.chunks for one in found)
    said = f"{articles} articles, {chunks} chunks in {len(found)} collections"
    if not articles:
        return Check("store", False, f"{said}. Take some in: citewell ingest FOLDER")
    building = "; the dense index is being built" if service.store.is_rebuilding else ""
    return Check("store", True, f"{said}{building}")


def _encoder(service: Service) -> Check:
    try:
        service.encoder.encode_query("warm up")
        begun = time.perf_counter()
        service.encoder.encode_query(QUESTION)
    except CitewellError as exc:
        return Check("encoder", False, str(exc))
    took = 1000 * (time.perf_counter() - begun)
    return Check("encoder", True, f"{service.encoder.fingerprint}; a query in {took:.0f} ms")


def _reranker(settings: Settings, opened: Reranker | None = None) -> list[Check]:
    if settings.reranker is None:
        return []
    try:
        reranker = opened or Reranker(
            settings.reranker, settings.rerank_ms, threads=os.cpu_count() or 1
        )
        reranker.load()
        begun = time.perf_counter()
        reranker.score(QUESTION, [QUESTION])
    except CitewellError as exc:
        return [Check("reranker", False, str(exc))]
    took = 1000 * (time.perf_counter() - begun)
    return [Check("reranker", True, f"{reranker.model}; a passage of few words in {took:.0f} ms")]


def _model(settings: Settings) -> list[Check]:
    if settings.llm is None:
        said = "none is set (CITEWELL_LLM): answers are the articles' own sentences"
        return [Check("chat model", True, said)]
    try:
        model = open_model(settings)
    except CitewellError as exc:
        return [Check("chat model", False, str(exc))]
    place = settings.llm_base_url or "its provider's address"
    said = f"{model.name} at {place}; key: {key_source(settings)}"
    return [Check("chat model", True, said), *_tracing(), _reply(model)]


def _tracing() -> list[Check]:
    """LangChain sends what it is told to its maker's service, if a variable of its own says so."""
    name = next((name for name in TRACING if os.environ.get(name, "").strip()), None)
    if name is None or os.environ[name] != "true":
        return []
    return [Check("tracing", True, f"{name} sends prompts and replies to LangSmith")]


def _reply(model: ChatModel) -> Check:
    """Call the model with a tiny prompt."""
    reply = model.stream([Message("user", QUESTION)])
    begun, first = time.perf_counter(), 0.0
    try:
        for piece in reply:
            if piece and not first:
                first = time.perf_counter() - begun
    except CitewellError as exc:
        return Check("reply", False, str(exc))
    whole, usage = time.perf_counter() - begun, reply.usage
    said = f"first token after {first:.2f} s, all after {whole:.2f} s"
    if usage.counted:
        said += f"; {usage.input_tokens} tokens read, {usage.output_tokens} written"
    return Check("reply", True, said)
