"""What a terminal can ask of an open service: JSON in, JSON out.

The same functions serve a command that opened the store itself and one that reached the
running server through its socket, so that both print the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from app.answering.answer import gather
from app.answering.wire import Json, answer_json, head_json, passage_json
from app.service import Service
from ingest.report import Progress
from vectorstore.errors import QuestionError

Emit = Callable[[Progress], None]


def _ingest(service: Service, emit: Emit, arguments: Json) -> Json:
    report = service.ingest(arguments["sources"], arguments["collection"], arguments["prune"], emit)
    return asdict(report)


def _ask(service: Service, _: Emit, arguments: Json) -> Json:
    return answer_json(gather(service.ask(arguments["question"], arguments["collection"])))


def _search(service: Service, _: Emit, arguments: Json) -> Json:
    found = service.search(arguments["query"], arguments["top_k"], arguments["collection"])
    return {
        "query": arguments["query"],
        "passages": [passage_json(passage) for passage in found.passages],
    }


def _articles(service: Service, _: Emit, arguments: Json) -> Json:
    return {"articles": [head_json(head) for head in service.articles(arguments["collection"])]}


def _article(service: Service, _: Emit, arguments: Json) -> Json:
    article = service.article(arguments["name"], arguments["collection"])
    return {**head_json(article.head), "text": article.text}


def _remove(service: Service, _: Emit, arguments: Json) -> Json:
    removed = service.remove(arguments["names"], arguments["collection"])
    return {"removed": [head_json(head) for head in removed]}


def _collections(service: Service, _: Emit, __: Json) -> Json:
    return {"collections": [asdict(collection) for collection in service.collections()]}


COMMANDS: dict[str, Callable[[Service, Emit, Json], Json]] = {
    "ingest": _ingest,
    "ask": _ask,
    "search": _search,
    "articles": _articles,
    "article": _article,
    "remove": _remove,
    "collections": _collections,
}


def execute(service: Service, name: str, arguments: Json, emit: Emit) -> Any:  # noqa: ANN401
    """Run one of COMMANDS and return its JSON result; progress goes to `emit`.

    Raises:
        QuestionError: There is no such command.
        CitewellError: What the command itself raises.
    """
    if name not in COMMANDS:
        msg = f"The server knows no command {name!r}. Is it an older version? Restart it."
        raise QuestionError(msg)
    return COMMANDS[name](service, emit, arguments)
