"""Which articles a user asks for, in the user's words; light enough for every face."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from vectorstore.errors import QuestionError


@dataclass(frozen=True, slots=True)
class Scope:
    """What to search; every condition must hold, None lets everything through.

    `collections` are names; the rest is as in `vectorstore.types.Filter`.
    """

    collections: tuple[str, ...] | None = None
    sources: tuple[str, ...] | None = None
    languages: tuple[str, ...] | None = None
    published_from: date | None = None
    published_to: date | None = None


EVERYTHING: Final = Scope()


def read_scope(arguments: Mapping[str, Any]) -> Scope:
    """Return the scope that JSON asks for; what is left out is not filtered by.

    Raises:
        QuestionError: A date is none.
    """
    return Scope(
        _read_names(arguments.get("collections")),
        _read_names(arguments.get("sources")),
        _read_names(arguments.get("languages")),
        _read_date(arguments.get("published_from")),
        _read_date(arguments.get("published_to")),
    )


def _read_names(values: Iterable[str] | None) -> tuple[str, ...] | None:
    return None if values is None else tuple(values)


def _read_date(value: str | None) -> date | None:
    try:
        return date.fromisoformat(value) if value else None
    except ValueError as exc:
        msg = f"{value!r} is not a date. Write it as 2026-03-14."
        raise QuestionError(msg) from exc
