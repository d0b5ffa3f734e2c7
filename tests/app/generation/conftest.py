"""A store of a few articles, and engines whose answers a scripted chat model writes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from typing import Any

import pytest

from app.answering.answer import Answer, gather
from app.answering.conversation import Exchange
from app.answering.engine import Engine
from app.generation.model import open_model
from app.generation.writer import ChatWriter
from app.settings import Settings
from tests.fakes import HashEncoder, put
from tests.model_server import ModelServer
from vectorstore.retriever import Retriever
from vectorstore.store import Store
from vectorstore.types import Filter

HARBOUR = "The harbour bridge opened on 3 May 1932 after eight years of work."
FERRIES = "Ferries carried 40,000 passengers a day before the harbour bridge was built."
TUNNEL = "The harbour tunnel was dug by Anna Kowalska from 1988 to 1992."
TODAY = date(2026, 11, 27)
_KEY = re.compile(r"^key: (\w+)$", re.MULTILINE)

Ask = Callable[..., Answer]


@pytest.fixture
def server() -> Iterator[ModelServer]:
    """The scripted chat model."""
    with ModelServer() as running:
        yield running


@pytest.fixture
def articles(store: Store) -> Store:
    """A store with three articles."""
    put(store, "bridge", HARBOUR, FERRIES, collection="news")
    put(store, "tunnel", TUNNEL, collection="news")
    put(store, "secret", "The vault code is changed every Monday.", collection="internal")
    return store


def engine_of(store: Store, encoder: HashEncoder, server: ModelServer, **llm: Any) -> Engine:  # noqa: ANN401 (settings)
    """Return an engine whose answers the server's scripts write."""
    options = {"llm_first_token": 20.0, "llm_seconds": 40.0, "llm_retries": 0, **llm}
    settings = Settings(llm="openai:scripted", llm_base_url=server.url, **options)
    retriever = Retriever(store, encoder)
    writer = ChatWriter(
        open_model(settings),
        encoder=lambda: encoder,
        idf=store.lexical.idf,
        budget=settings.llm_context,
        strict=settings.llm_strict,
        today=lambda: TODAY,
    )
    return Engine(store, retriever, settings.threshold, lambda: TODAY, writer=writer)


@pytest.fixture
def ask(articles: Store, encoder: HashEncoder, server: ModelServer) -> Ask:
    """Ask an engine whose model is the server; settings of the model by keyword."""

    def asking(
        question: str,
        condition: Filter | None = None,
        history: Sequence[Exchange] = (),
        **llm: Any,  # noqa: ANN401 (settings)
    ) -> Answer:
        engine = engine_of(articles, encoder, server, **llm)
        return gather(engine.stream(question, condition, history))

    return asking


def key_of(messages: list[dict[str, Any]], words: str) -> str:
    """Return the key under which a prompt gives the passage with these words."""
    told = str(messages[-1]["content"])
    at = told.index(words)
    return _KEY.findall(told[:at])[-1]


def citing(*sentences: tuple[str, str]) -> Callable[[list[dict[str, Any]]], str]:
    """Return a script that writes sentences, each citing the passage with the given words."""

    def script(messages: list[dict[str, Any]]) -> str:
        return " ".join(f"{text} [{key_of(messages, words)}]" for text, words in sentences)

    return script
