"""What a terminal can ask of an open service: JSON in, JSON out.

The same functions serve a command that opened the store itself and one that reached the
running server through its socket, so that both print the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from app import commands_access, commands_portals
from app.answering.answer import gather
from app.answering.wire import Json, answer_json, head_json, passage_json
from app.commands_sight import SIGHT
from app.doctor import examine
from app.identity import LOCAL
from app.scope import read_scope
from app.service import Service
from app.view import View
from ingest.report import Progress
from vectorstore.backup import check_restore, restore
from vectorstore.errors import QuestionError
from vectorstore.retriever import check_query

Emit = Callable[[Progress], None]
NEW = "new"  # the conversation that does not exist yet


def _ingest(service: Service, emit: Emit, arguments: Json) -> Json:
    report = service.ingest(arguments["sources"], arguments["collection"], arguments["prune"], emit)
    return asdict(report)


def _ask(service: Service, _: Emit, arguments: Json) -> Json:
    view, scope = View(service, LOCAL), read_scope(arguments["scope"])
    question, conversation = arguments["question"], arguments.get("conversation")
    if conversation is None:
        return answer_json(gather(view.ask(question, scope)))
    conversations = service.records.conversations
    if conversation == NEW:
        check_query(question)  # what cannot be asked begins nothing
        conversation = conversations.create(LOCAL.subject, question).id
    body = answer_json(gather(view.ask(question, scope, view.said(conversation))))
    conversations.keep(LOCAL.subject, body, conversation)
    return {**body, "conversation_id": conversation}


def _search(service: Service, _: Emit, arguments: Json) -> Json:
    scope = read_scope(arguments["scope"])
    found = service.search(arguments["query"], arguments["top_k"], scope)
    return {
        "query": arguments["query"],
        "passages": [passage_json(passage) for passage in found.passages],
        "degraded": list(found.degraded),
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


def _create_collection(service: Service, _: Emit, arguments: Json) -> Json:
    return {"id": service.create_collection(arguments["name"]), "name": arguments["name"].strip()}


def _rename_collection(service: Service, _: Emit, arguments: Json) -> Json:
    service.rename_collection(arguments["old"], arguments["new"])
    return {"old": arguments["old"], "name": arguments["new"].strip()}


def _delete_collection(service: Service, _: Emit, arguments: Json) -> Json:
    return {"name": arguments["name"], "articles": service.delete_collection(arguments["name"])}


def _check(service: Service, _: Emit, arguments: Json) -> Json:
    return asdict(service.check(arguments["sample"]))


def _repair(service: Service, emit: Emit, _: Json) -> Json:
    before, after = service.repair(emit)
    return {"before": asdict(before), "after": asdict(after)}


def _rebuild(service: Service, emit: Emit, arguments: Json) -> Json:
    return {"encoder": service.rebuild(arguments["model"], arguments["precision"], emit)}


def _compact(service: Service, emit: Emit, _: Json) -> Json:
    before, after = service.compact(emit)
    return {"bytes_before": before, "bytes_after": after}


def _erase(service: Service, emit: Emit, arguments: Json) -> Json:
    erased = service.erase(arguments["names"], arguments["collection"], emit)
    return {"erased": [head_json(head) for head in erased]}


def _backup(service: Service, _: Emit, arguments: Json) -> Json:
    return asdict(service.backup(Path(arguments["target"])))


def _doctor(service: Service, _: Emit, __: Json) -> Json:
    return examine(service)


COMMANDS: dict[str, Callable[[Service, Emit, Json], Json]] = {
    "ingest": _ingest,
    "ask": _ask,
    "search": _search,
    "articles": _articles,
    "article": _article,
    "remove": _remove,
    "collections": _collections,
    "create_collection": _create_collection,
    "rename_collection": _rename_collection,
    "delete_collection": _delete_collection,
    "check": _check,
    "repair": _repair,
    "rebuild": _rebuild,
    "compact": _compact,
    "erase": _erase,
    "backup": _backup,
    "doctor": _doctor,
    **SIGHT,
    **commands_access.COMMANDS,
    **commands_portals.COMMANDS,
}


def _restore(folder: Path, arguments: Json) -> Callable[[], Json]:
    source, replace = Path(arguments["source"]), arguments["replace"]
    check_restore(source, folder, replace)  # what is refused is so before anything is closed
    return lambda: asdict(restore(source, folder, replace))


# These work on a data folder whose store is closed: checked first, then run.
OFFLINE: dict[str, Callable[[Path, Json], Callable[[], Json]]] = {"restore": _restore}


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
