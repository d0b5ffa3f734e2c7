"""What can go wrong with a chat model, in words for people and in kinds for programs.

Providers' own errors quote the prompt, the reply or a part of the key: nothing of their text is
kept, only their type and HTTP status.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Literal

from vectorstore.errors import ModelError

Kind = Literal[
    "no_place", "no_first_token", "silent", "too_slow",  # a deadline has passed
    "rate_limited", "key", "unknown", "too_long", "refused", "server",  # the provider says no
    "unreachable", "broken", "malformed",  # the connection, or what came through it
    "empty", "filtered", "repetition",  # the model itself
]  # fmt: skip

PASSING: frozenset[str] = frozenset({"rate_limited", "server", "unreachable", "broken"})

ADVICE: dict[Kind, str] = {
    "no_place": "Raise it if the provider allows more.",
    "no_first_token": "Raise CITEWELL_LLM_FIRST_TOKEN, or take a faster model.",
    "silent": "Ask again, or raise CITEWELL_LLM_FIRST_TOKEN.",
    "too_slow": "Raise CITEWELL_LLM_SECONDS, or lower CITEWELL_LLM_MAX_TOKENS.",
    "rate_limited": "Ask again later, or lower CITEWELL_LLM_CONCURRENCY.",
    "key": "Check CITEWELL_LLM_API_KEY, or the provider's own variable.",
    "unknown": "Check CITEWELL_LLM and CITEWELL_LLM_BASE_URL.",
    "too_long": "Lower CITEWELL_LLM_CONTEXT.",
    "refused": "Check CITEWELL_LLM, and CITEWELL_LLM_TEMPERATURE=default for models that "
    "take none.",
    "server": "Ask again later.",
    "unreachable": "Check that it runs, and CITEWELL_LLM_BASE_URL.",
    "broken": "Ask again.",
    "malformed": "Check that CITEWELL_LLM_BASE_URL speaks the provider's API.",
    "empty": "Ask again, or take another model.",
    "filtered": "Ask otherwise.",
    "repetition": "Ask again, or take another model.",
}

TOO_LONG = ("exceed", "maximum", "too long")  # beside "context", as llama.cpp and vLLM put it
CUT = frozenset({"length", "max_tokens", "max_output_tokens", "model_context_window_exceeded"})
FILTERED = frozenset(
    {"content_filter", "content_filtered", "refusal", "safety", "recitation", "blocklist",
     "prohibited_content", "spii", "guardrail_intervened"}
)  # fmt: skip


def failure(name: str, kind: Kind, said: str, retry_after: float | None = None) -> ModelError:
    """Return the error of a kind; `said` goes on from "the chat model …"."""
    message = f"The chat model {name} did not answer: {said}. {ADVICE[kind]}"
    return ModelError(message, kind, f"chat model: {said}", retry_after)


def translate(name: str, exc: Exception, has_spoken: bool) -> ModelError:
    """Return our error for one of LangChain's, of a provider's SDK or of its HTTP client.

    They are told apart by the names of their classes: no provider need be installed.
    """
    if isinstance(exc, ModelError):
        return exc
    names = {base.__name__ for base in type(exc).__mro__}
    status = _status(exc)
    if "ContextOverflowError" in names:
        return failure(name, "too_long", "the prompt is too long for it")
    if status is not None and status >= 400:
        return _of_status(name, exc, status)
    if names & {"ModelConnectionError", "ModelTimeoutError", "TransportError", "OSError"}:
        if has_spoken:
            return failure(name, "broken", "it broke off")
        return failure(name, "unreachable", "it cannot be reached")
    if "No generation" in str(exc):  # LangChain's, of a stream without an event
        return failure(name, "empty", "an empty reply")
    if status is not None or names & {"APIError", "ResponseError"}:  # told within the stream
        return failure(name, "server", "its server failed in the middle of the reply")
    return failure(name, "malformed", f"its reply cannot be read ({type(exc).__name__})")


def types_of(exc: BaseException) -> str:
    """Return the type of an error and those of what caused it, without their texts.

    Example: "APIConnectionError from ConnectError from ConnectionRefusedError 111"
    """
    told, names = exc.__cause__ or exc.__context__, [_type_of(exc)]
    while told is not None:
        names.append(_type_of(told))
        told = told.__cause__ or told.__context__
    return " from ".join(names)


def _type_of(exc: BaseException) -> str:
    number = f" {exc.errno}" if isinstance(exc, OSError) and exc.errno is not None else ""
    return type(exc).__name__ + number


def _status(exc: Exception) -> int | None:
    response = getattr(exc, "response", None)
    for found in (getattr(exc, "status_code", None), getattr(response, "status_code", None)):
        if isinstance(found, int):
            return found
    return None


def _of_status(name: str, exc: Exception, status: int) -> ModelError:
    if status in {401, 403}:
        return failure(name, "key", f"its key was refused ({status})")
    if status == 404:
        return failure(name, "unknown", "no such model, or no such address (404)")
    if status == 429:
        return failure(name, "rate_limited", "too many requests (429)", _retry_after(exc))
    if status >= 500:
        return failure(name, "server", f"its server failed ({status})", _retry_after(exc))
    told = json.dumps(getattr(exc, "body", None), default=str).casefold() + str(exc).casefold()
    if status == 413 or ("context" in told and any(word in told for word in TOO_LONG)):
        return failure(name, "too_long", f"the prompt is too long for it ({status})")
    if "content_filter" in told or "content management policy" in told:  # Azure's
        return failure(name, "filtered", "its content filter refused")
    return failure(name, "refused", f"the request was refused ({status})")


def _retry_after(exc: Exception) -> float | None:
    """Return the seconds of a Retry-After header; its other form, a date, is not used by these."""
    headers: Mapping[str, str] = getattr(getattr(exc, "response", None), "headers", {})
    with suppress(ValueError, TypeError):
        return max(float(headers.get("retry-after", "")), 0.0)
    return None
