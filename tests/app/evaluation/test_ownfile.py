from __future__ import annotations

import json
from pathlib import Path

import pytest

from app.evaluation.ownfile import read_own
from app.evaluation.sets import Question
from app.records.feedback import Feedback
from app.reports import case_json
from tests.kept import body
from vectorstore.errors import SettingsError

ROOT = Path(__file__).parents[3]


def write(folder: Path, *lines: object) -> Path:
    """Write lines as they are, or as JSON if they are no text."""
    path = folder / "own.jsonl"
    said = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    path.write_text("\n".join(said) + "\n", encoding="utf-8")
    return path


def read_one(folder: Path, line: object) -> Question:
    """Return the question of a file of one line."""
    return read_own(write(folder, line))[0].questions[0]


def test_the_documented_form(tmp_path: Path) -> None:
    """Every documented field is read, and a uri is known by its line."""
    path = write(
        tmp_path,
        "",
        {"id": 7, "question": "Who?", "relevant": ["a.md", "b.md"], "answers": ["Ann", "Anna"]},
        {"id": "n", "question": "Why?", "answerable": False},
    )
    content, uris = read_own(path)
    first, second = content.questions
    assert (first.id, first.text, first.group) == ("7", "Who?", "corpus")
    assert first.relevant == {"a.md": 1, "b.md": 1}
    assert first.answers == (("Ann", "Anna"),)
    assert (second.answerable, second.group, second.answers) == (False, "unanswerable", ())
    assert content.records is None
    assert uris == {"a.md": 2, "b.md": 2}


def test_only_the_question_is_required(tmp_path: Path) -> None:
    """A line of nothing but a question is asked, and taken to have an answer."""
    found = read_one(tmp_path, {"question": "Who?"})
    assert (found.id, found.answerable, found.relevant, found.answers) == ("1", True, {}, ())


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "own.jsonl:2 is not JSON"),
        ('"text"', "own.jsonl:2 is not a JSON object"),
        ({"id": "2"}, 'own.jsonl:2 has no "question"'),
        ({"question": "  "}, 'own.jsonl:2 has no "question"'),
        ({"id": [], "question": "?"}, 'own.jsonl:2 has an "id"'),
        ({"id": "1", "question": "?"}, "own.jsonl:2 has the id '1', which line 1 has."),
        ({"question": "?", "answers": "Ann"}, 'own.jsonl:2 has "answers"'),
        ({"question": "?", "answers": [""]}, 'own.jsonl:2 has "answers"'),
        ({"question": "?", "relevant": "a.md"}, 'own.jsonl:2 has "relevant"'),
        ({"question": "?", "relevant": [{"quote": "x"}]}, 'own.jsonl:2 has "relevant"'),
        ({"question": "?", "answerable": "no"}, 'own.jsonl:2 has "answerable"'),
        ({"question": "?", "answerable": False, "answers": ["x"]}, "own.jsonl:2 has answers, but"),
        ({"question": "?", "expected": "maybe"}, 'own.jsonl:2 has "expected"'),
        ({"question": "?", "rejected": "x"}, 'own.jsonl:2 has "rejected"'),
    ],
)
def test_an_error_names_the_line(tmp_path: Path, line: object, said: str) -> None:
    """What is wrong with a line is told with the file and the line's number."""
    path = write(tmp_path, {"id": "1", "question": "Who?"}, line)
    with pytest.raises(SettingsError) as caught:
        read_own(path)
    assert said in str(caught.value)


def test_a_file_without_questions_is_refused(tmp_path: Path) -> None:
    """An empty file is an error, not an evaluation of nothing."""
    with pytest.raises(SettingsError, match="holds no question"):
        read_own(write(tmp_path, ""))


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    """Bytes that are not UTF-8 are an error that names the file."""
    path = tmp_path / "own.jsonl"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match=r"own\.jsonl cannot be read"):
        read_own(path)


def feedback(verdict: str, reason: str | None, outcome: str) -> Feedback:
    """Return feedback on an answer, as the records keep it."""
    return Feedback(
        answer="q1",
        verdict=verdict,
        reason=reason,
        comment=None,
        given=1.0,
        question="Is it so?",
        body=body("q1", "Is it so?", outcome),
    )


@pytest.mark.parametrize(
    ("verdict", "reason", "outcome", "expected"),
    [
        ("helpful", None, "answered", (True, {"c1.md": 1}, (("It is so.",),), ())),
        ("helpful", None, "not_found", (False, {}, (), ())),
        ("unhelpful", "off_topic", "answered", (False, {}, (), ("It is so.",))),
        ("unhelpful", "wrong", "answered", (True, {}, (), ("It is so.",))),
        ("unhelpful", None, "not_found", (True, {}, (), ())),
    ],
)
def test_exported_feedback_is_such_a_file(
    tmp_path: Path, verdict: str, reason: str | None, outcome: str, expected: object
) -> None:
    """What `citewell feedback export` writes is read, whatever the verdict."""
    case = case_json(feedback(verdict, reason, outcome))
    found = read_one(tmp_path, case)
    assert (found.answerable, found.relevant, found.answers, found.rejected) == expected


def test_the_example_questions_are_such_a_file() -> None:
    """examples/questions.jsonl: 44 questions with an article and an answer, 16 without."""
    content, uris = read_own(ROOT / "examples" / "questions.jsonl")
    answerable = [question for question in content.questions if question.answerable]
    assert (len(answerable), len(content.questions)) == (44, 60)
    assert all(question.answers and question.relevant for question in answerable)
    assert set(uris) <= {path.name for path in (ROOT / "examples" / "articles").iterdir()}
