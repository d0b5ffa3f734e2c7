"""The demo questions, asked of the demo articles with the real model: floors that CI keeps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.app.conftest import ROOT, Server

QUESTIONS = [
    json.loads(line)
    for line in (ROOT / "examples" / "questions.jsonl").read_text(encoding="utf-8").splitlines()
]


@pytest.fixture(scope="module")
def answers(server: Server) -> dict[str, Any]:
    """The answer to every demo question, by id."""
    result = server.citewell("ask", "--batch", ROOT / "examples" / "questions.jsonl")
    assert result.returncode == 0, result.stderr
    return {answer["id"]: answer for answer in map(json.loads, result.stdout.splitlines())}


def read(server: Server, article_id: str) -> str:
    """Return an article's text as the service gives it."""
    article = httpx.get(f"{server.url}/api/v1/articles/{article_id}").json()
    return str(article["text"])


def test_every_gold_answer_stands_in_its_article(server: Server) -> None:
    """Each answerable question's gold words are in the text extracted from its article."""
    listed = server.citewell_json("articles", "list", "--json")["articles"]
    ids = {head["uri"]: head["article_id"] for head in listed}
    for question in QUESTIONS:
        if question["article"]:
            text = read(server, ids[question["article"]])
            assert any(gold in text for gold in question["answer"]), question["id"]


def test_the_shown_answers_hold_the_gold(answers: dict[str, Any]) -> None:
    """At least 24 of 44 first sentences and 32 of 44 shown answers hold the gold words."""
    asked = [question for question in QUESTIONS if question["answer"]]
    first = shown = 0
    for question in asked:
        texts = [sentence["text"] for sentence in answers[question["id"]]["sentences"]]
        hits = [any(gold in text for gold in question["answer"]) for text in texts]
        first += bool(hits and hits[0])
        shown += any(hits)
    assert len(asked) == 44
    assert first >= 24
    assert shown >= 32


def test_off_topic_questions_are_refused(answers: dict[str, Any]) -> None:
    """Every question about something else altogether gets not_found."""
    wrong = [
        question["question"]
        for question in QUESTIONS
        if question["id"].startswith("off") and answers[question["id"]]["outcome"] != "not_found"
    ]
    assert wrong == []


def test_every_citation_of_every_answer_is_verbatim(
    answers: dict[str, Any], server: Server
) -> None:
    """No quote of any answer differs from its article by a character."""
    for answer in answers.values():
        for citation in answer["citations"]:
            text = read(server, citation["article_id"])
            assert text[citation["start"] : citation["end"]] == citation["quote"]


def test_the_examples_are_what_was_promised() -> None:
    """There are at least 16 articles, in Markdown, HTML and text."""
    suffixes = [path.suffix for path in Path(ROOT / "examples" / "articles").iterdir()]
    assert len(suffixes) >= 16
    assert {".md", ".html", ".txt"} == set(suffixes)


@pytest.mark.parametrize(
    "question", ["How many tree species are there on Earth?", "How do I reset my VPN password?"]
)
def test_the_readme_shows_what_the_command_prints(server: Server, question: str) -> None:
    """The README's example answers are the command's own output."""
    shown = server.citewell("ask", question).stdout.strip()
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert f'$ citewell ask "{question}"\n{shown}\n```' in readme
