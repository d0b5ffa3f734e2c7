"""What a terminal can ask of the records: JSON in, JSON out, as in `app.commands`."""

from __future__ import annotations

from typing import Any

from app.answering.wire import Json
from app.identity import LOCAL
from app.reports import (
    MOST_ASKED,
    cases,
    dossier_json,
    entry_json,
    gap_json,
    gaps_csv,
    stats_json,
)
from app.service import Service


def _stats(service: Service, _: object, arguments: Json) -> Json:
    insight, days = service.records.insight, arguments["days"]
    return stats_json(insight.stats(days), insight.most_asked(days, MOST_ASKED))


def _gaps(service: Service, _: object, arguments: Json) -> Json:
    gaps = service.records.insight.gaps(arguments["days"])
    return {"gaps": [gap_json(gap) for gap in gaps], "csv": gaps_csv(gaps)}


def _feedback_cases(service: Service, _: object, __: Json) -> Json:
    return {"cases": list(cases(service.records))}


def _export_user(service: Service, _: object, arguments: Json) -> Json:
    return dossier_json(service.records.people.export(arguments["subject"]))


def _delete_user(service: Service, _: object, arguments: Json) -> Json:
    subject = arguments["subject"]
    gone = service.records.people.delete(subject)
    service.records.audit.note(LOCAL.subject, "delete user data", subject)
    return {"subject": subject, "answers": gone}


def _audit(service: Service, _: object, arguments: Json) -> Json:
    return {"entries": [entry_json(e) for e in service.records.audit.page(arguments["limit"])]}


SIGHT: dict[str, Any] = {
    "stats": _stats,
    "gaps": _gaps,
    "feedback_cases": _feedback_cases,
    "export_user": _export_user,
    "delete_user": _delete_user,
    "audit": _audit,
}
