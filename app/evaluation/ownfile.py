"""A user's own questions, in JSON Lines, asked of the user's own data.

docs/evaluation.md describes the format. `citewell feedback export` writes it too, and
examples/questions.jsonl is in it: there `answer` and `article` stand for `answers` and `relevant`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from app.evaluation.files import Json, numbered_lines
from app.evaluation.sets import Question, QuestionSet
from vectorstore.errors import SettingsError

UNANSWERABLE = "unanswerable"  # the group of questions that the articles do not answer


def read_own(path: Path) -> tuple[QuestionSet, Mapping[str, int]]:
    """Return the questions of a file, and the line that each uri is first named on.

    Raises:
        SettingsError: A line cannot be used; the message names it.
    """
    questions: list[Question] = []
    seen: dict[str, int] = {}
    uris: dict[str, int] = {}
    for number, entry in numbered_lines(path):
        question = _question(f"{path}:{number}", entry, fallback=str(number))
        if question.id in seen:
            msg = f"{path}:{number} has the id {question.id!r}, which line {seen[question.id]} has."
            raise SettingsError(msg)
        seen[question.id] = number
        questions.append(question)
        for uri in question.relevant:
            uris.setdefault(uri, number)
    if not questions:
        msg = f"{path} holds no question. See docs/evaluation.md for the format."
        raise SettingsError(msg)
    about = f"{len(questions)} questions of {path.name}, asked of your own articles."
    return QuestionSet(path.stem, about, None, tuple(questions)), uris


def _question(where: str, entry: Json, fallback: str) -> Question:
    text = entry.get("question")
    if not isinstance(text, str) or not text.strip():
        msg = f'{where} has no "question", a text that is not empty.'
        raise SettingsError(msg)
    key = entry.get("id", fallback)
    if isinstance(key, bool) or not isinstance(key, str | int):
        msg = f'{where} has an "id" that is neither text nor a whole number: {key!r}.'
        raise SettingsError(msg)
    answers = _texts(where, entry, "answers", "answer")
    answerable = _answerable(where, entry, answers)
    relevant = _relevant(where, entry)
    if not answerable and answers:
        msg = f"{where} has answers, but says that the articles do not answer it."
        raise SettingsError(msg)
    return Question(
        id=str(key),
        text=text,
        group="corpus" if answerable else UNANSWERABLE,
        relevant=relevant if answerable else {},
        answers=(tuple(answers),) if answers else (),
        answerable=answerable,
        rejected=_quotes(where, entry),
    )


def _texts(where: str, entry: Json, *names: str) -> list[str] | None:
    """Return the texts under the first of the names that is there; None where nobody knows."""
    for name in names:
        value = entry.get(name)
        if value is not None:
            return _list_of_texts(where, name, value)
    return None


def _list_of_texts(where: str, name: str, value: object) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(v, str) and v.strip() for v in value):
        msg = f'{where} has "{name}" that is not a list of texts: {value!r}.'
        raise SettingsError(msg)
    return list(value)


def _answerable(where: str, entry: Json, answers: list[str] | None) -> bool:
    if "answerable" in entry:
        if not isinstance(entry["answerable"], bool):
            msg = f'{where} has "answerable" that is not true or false: {entry["answerable"]!r}.'
            raise SettingsError(msg)
        return entry["answerable"]
    if "expected" in entry:
        if entry["expected"] not in ("answered", "not_found"):
            said = entry["expected"]
            msg = f'{where} has "expected" that is not "answered" or "not_found": {said!r}.'
            raise SettingsError(msg)
        return bool(entry["expected"] == "answered")
    return answers is None or bool(answers)


def _relevant(where: str, entry: Json) -> dict[str, int]:
    value: Any = entry.get("relevant")
    if not value and entry.get("article") is not None:
        value = [entry["article"]]
    named = [_uri(each) for each in value] if isinstance(value, list) else [None]
    if value is None or value == []:
        return {}
    uris = [uri for uri in named if uri is not None]
    if len(uris) != len(named):
        msg = f'{where} has "relevant" that is not a list of article uris: {value!r}.'
        raise SettingsError(msg)
    return dict.fromkeys(uris, 1)


def _uri(value: object) -> str | None:
    """Return a uri, or that of a citation in a feedback case."""
    found = value.get("uri") if isinstance(value, dict) else value
    return found if isinstance(found, str) and found else None


def _quotes(where: str, entry: Json) -> tuple[str, ...]:
    """Return the quotes of answers that did not help, as feedback cases have them."""
    rejected = entry.get("rejected") or []
    if not isinstance(rejected, list):
        msg = f'{where} has "rejected" that is not a list: {rejected!r}.'
        raise SettingsError(msg)
    quotes = [each.get("quote") if isinstance(each, dict) else each for each in rejected]
    return tuple(_list_of_texts(where, "rejected", quotes))
