"""Any chat model that LangChain knows, by one setting; the only file that imports LangChain's.

`open_model(settings).stream([Message("user", "Is the sea salt?")])` begins a call; the Reply is
iterated for its text and asked for its `usage` at the end.
"""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from app.generation.reply import Limits, Piece, Places, Reply, Usage
from vectorstore.errors import SettingsError

if TYPE_CHECKING:
    from langchain_core.callbacks import BaseCallbackHandler
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import AIMessageChunk
    from langchain_core.runnables import RunnableConfig

    from app.settings import Settings

__all__ = ["ChatModel", "Message", "Reply", "Usage", "key_source", "open_model"]

EXTRAS = ("anthropic", "ollama", "openai")  # of pyproject.toml
KEYS = {"anthropic": "ANTHROPIC_API_KEY", "openai": "OPENAI_API_KEY"}
NO_KEY = "none"  # sent to an address of one's own, in place of the key meant for the provider
ELSEWHERE = "LANGSMITH_GATEWAY"  # LangChain's: sends all calls to a gateway of its maker


@dataclass(frozen=True, slots=True)
class Message:
    """One message of the prompt."""

    role: Literal["system", "user", "assistant"]
    text: str


class ChatModel:
    """A chat model that is called over and over; any number of threads may use it.

    Attributes:
        name: PROVIDER:MODEL, as it was set.
    """

    def __init__(self, settings: Settings) -> None:
        self.name: str = settings.llm or ""
        self._settings = settings
        self._places = Places(settings.llm_concurrency)
        self._models = {settings.llm_max_tokens: _langchain_model(settings)}

    def stream(
        self,
        messages: Sequence[Message],
        *,
        max_tokens: int | None = None,
        seconds: float | None = None,
        callbacks: Sequence[BaseCallbackHandler] | None = None,
    ) -> Reply:
        """Begin a call; its text is streamed.

        Args:
            messages: The prompt, in order.
            max_tokens: Of the reply; CITEWELL_LLM_MAX_TOKENS if it is None.
            seconds: For the whole reply; CITEWELL_LLM_SECONDS if it is None.
            callbacks: LangChain's, which trace the call.
        """
        limit = max_tokens or self._settings.llm_max_tokens
        return self._begin(messages, limit, seconds or self._settings.llm_seconds, callbacks)

    def complete(
        self,
        messages: Sequence[Message],
        *,
        max_tokens: int,
        seconds: float,
        callbacks: Sequence[BaseCallbackHandler] | None = None,
    ) -> tuple[str, Usage]:
        """Return the whole text of a short reply, and what it took.

        Raises:
            ModelError: The model failed, or did not say all of it within `seconds`.
        """
        reply = self._begin(messages, max_tokens, seconds, callbacks)
        text = "".join(piece for piece in reply if piece)
        return text, reply.usage

    def _begin(
        self,
        messages: Sequence[Message],
        max_tokens: int,
        seconds: float,
        callbacks: Sequence[BaseCallbackHandler] | None,
    ) -> Reply:
        settings = self._settings
        limits = Limits(
            silence=settings.llm_first_token,
            seconds=seconds,
            max_tokens=max_tokens,
            retries=settings.llm_retries,
            concurrency=settings.llm_concurrency,
            prices=settings.llm_prices,
            must_finish=self.name.partition(":")[0] in EXTRAS,
        )
        model = self._model(max_tokens)
        told: list[tuple[str, str]] = [(message.role, message.text) for message in messages]
        handlers = list(callbacks or ())
        return Reply(self.name, lambda: _pieces(model, told, handlers), limits, self._places)

    def _model(self, max_tokens: int) -> BaseChatModel:
        """Return the model that writes so many tokens; providers name that option differently."""
        if max_tokens not in self._models:
            limited = self._settings.model_copy(update={"llm_max_tokens": max_tokens})
            self._models[max_tokens] = _langchain_model(limited)
        return self._models[max_tokens]


async def _pieces(
    model: BaseChatModel, messages: list[tuple[str, str]], callbacks: list[BaseCallbackHandler]
) -> AsyncGenerator[Piece, None]:
    """Yield what a model streams; reasoning and calls of tools are no text."""
    config: RunnableConfig = {"callbacks": callbacks} if callbacks else {}  # else those around
    async for chunk in model.astream(messages, config=config):
        counted = chunk.usage_metadata
        tokens = (counted["input_tokens"], counted["output_tokens"]) if counted else None
        yield Piece(str(chunk.text), _finish(chunk), tokens)


def _finish(chunk: AIMessageChunk) -> str | None:
    """Return why a provider's stream ended, where a chunk says so."""
    told = chunk.response_metadata
    incomplete = told.get("incomplete_details") or {}  # of OpenAI's other API
    named = (
        incomplete.get("reason"),
        *(told.get(name) for name in ("finish_reason", "stop_reason", "done_reason", "status")),
    )
    return next((str(reason) for reason in named if reason), None)


def open_model(settings: Settings) -> ChatModel:
    """Return the chat model of the settings; nothing is sent yet.

    Raises:
        SettingsError: None is set, its package is not installed, or its key is missing.
    """
    if settings.llm is None:
        msg = "There is no chat model. Set CITEWELL_LLM, such as openai:gpt-5-mini."
        raise SettingsError(msg)
    if settings.llm_base_url is None and _is_on(os.environ.get(ELSEWHERE, "")):
        msg = f"{ELSEWHERE} would send the passages to another service. Unset it."
        raise SettingsError(msg)
    return ChatModel(settings)


def _is_on(value: str) -> bool:
    return value.casefold() not in {"", "false", "0", "no"}


def _langchain_model(settings: Settings) -> BaseChatModel:
    name = settings.llm or ""
    provider, _, model = name.partition(":")
    options = _options(provider, settings)
    try:
        from langchain.chat_models import init_chat_model

        found: BaseChatModel = init_chat_model(model, model_provider=provider, **options)
    except ImportError as exc:
        raise SettingsError(_uninstalled(name, provider, exc)) from exc
    except Exception as exc:  # whatever a provider's class raises; its text may hold the key
        unfit = _unfit(name, exc)
    else:
        return found
    raise SettingsError(unfit)  # out here it has no context that could be shown


def _unfit(name: str, exc: Exception) -> str:
    if "Unsupported provider" in str(exc):
        return f"CITEWELL_LLM is {name!r}, and LangChain knows no such provider. Check its name."
    return (
        f"CITEWELL_LLM is {name!r}, which cannot be set up ({type(exc).__name__}). Check the name, "
        "and CITEWELL_LLM_API_KEY or the provider's own variables."
    )


def _uninstalled(name: str, provider: str, exc: ImportError) -> str:
    lacking = exc.name or getattr(exc.__cause__, "name", None) or f"langchain_{provider}"
    package = lacking.partition(".")[0].replace("_", "-")
    install = f"pip install langchain {package}"
    if provider in EXTRAS:
        install = f"pip install -c requirements-dev.lock -e '.[{provider}]' (in Citewell's folder)"
    return f"CITEWELL_LLM is {name!r}, and {package} is not installed. Run: {install}"


def _key(provider: str, settings: Settings) -> str | None:
    """Return the key to send; None leaves it to the provider's package.

    The provider's own variable is meant for the provider: it is not sent anywhere else.

    Raises:
        SettingsError: The provider takes a key and there is none.
    """
    if settings.llm_api_key is not None:
        return settings.llm_api_key.get_secret_value()
    if settings.llm_base_url is not None:
        return NO_KEY
    variable = KEYS.get(provider)
    if variable and not os.environ.get(variable):
        msg = f"CITEWELL_LLM is {settings.llm!r}, which takes a key: set {variable}."
        raise SettingsError(msg)
    return None


def key_source(settings: Settings) -> str:
    """Return where the key comes from that is sent, in words; never the key."""
    if settings.llm_api_key is not None:
        return "CITEWELL_LLM_API_KEY"
    if settings.llm_base_url is not None:
        return "none is sent there"
    provider = (settings.llm or "").partition(":")[0]
    return KEYS.get(provider, "what the provider's package finds")


def _options(provider: str, settings: Settings) -> dict[str, Any]:
    """Return how LangChain's class for a provider is told our settings."""
    key = _key(provider, settings)
    wanted: dict[str, Any] = {
        "base_url": settings.llm_base_url,
        "temperature": None if settings.llm_temperature == "default" else settings.llm_temperature,
    }
    if provider == "ollama":
        headers = {"authorization": f"Bearer {key}"} if key else {}
        wanted |= {
            "num_predict": settings.llm_max_tokens,
            # without it Ollama reads a short window and drops the beginning of longer prompts
            "num_ctx": settings.llm_context + settings.llm_max_tokens,
            "client_kwargs": {"timeout": settings.llm_seconds, "headers": headers},
        }
    else:
        wanted |= {
            "api_key": key,
            "max_tokens": settings.llm_max_tokens,
            "max_retries": 0,  # Reply repeats calls, within its deadlines
            "timeout": settings.llm_seconds,
        }
    if provider == "openai":
        # what waits for each chunk is ours: LangChain's own can swallow a cancellation
        wanted |= {"stream_usage": True, "stream_chunk_timeout": 0}
        if settings.llm_base_url is not None:
            wanted |= {"use_responses_api": False}  # other servers speak the older API
    return {name: value for name, value in wanted.items() if value is not None}
