"""Adapters on tiny folders in the data sets' forms, and on the real ones where they are."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from app.evaluation.adapters import NOISE, is_fitted
from app.evaluation.datasets import load
from app.evaluation.sets import ClaimSet, ConversationSet, PageSet, QuestionSet
from vectorstore.errors import SettingsError

SHARED = Path(__file__).parents[4] / "shared" / "data"


def write(path: Path, *rows: dict[str, Any]) -> None:
    """Write rows as JSON Lines, gzipped where the name says so."""
    text = "".join(json.dumps(row) + "\n" for row in rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text, encoding="utf-8")


def load_questions(folder: Path) -> QuestionSet:
    """Return the one set of a folder."""
    (loaded,) = load(folder)
    assert isinstance(loaded.content, QuestionSet)
    return loaded.content


@pytest.fixture
def squad(tmp_path: Path) -> Path:
    """Two articles of SQuAD, three paragraphs, one question in 1.1 and two in 2.0."""
    write(
        tmp_path / "paragraphs.jsonl",
        {"pid": "Oil-001", "title": "Oil_crisis", "text": "It began in 1973."},
        {"pid": "Oil-002", "title": "Oil_crisis", "text": "It ended in 1974."},
        {"pid": "Tea-001", "title": "Tea", "text": "Tea is a drink."},
    )
    asked = {"title": "Oil_crisis", "pid": "Oil-001", "question": "When?"}
    write(tmp_path / "questions_v1.1.dev.jsonl", {**asked, "id": "1", "answers": ["1973", "1973"]})
    write(
        tmp_path / "questions_v2.0.dev.jsonl",
        {**asked, "id": "1", "answers": ["1973"], "is_impossible": False},
        {**asked, "id": "2", "question": "Why?", "answers": [], "is_impossible": True},
    )
    return tmp_path


def test_squad_is_asked_in_three_ways(squad: Path) -> None:
    """Of everything, without its article, and of its own paragraph alone."""
    found = load_questions(squad)
    assert [(q.group, q.id, q.answerable, q.within) for q in found.questions] == [
        ("corpus", "1", True, None),
        ("article removed", "1", False, ("Tea",)),
        ("own paragraph", "1", True, ("Oil crisis/Oil-001",)),
        ("own paragraph", "2", False, ("Oil crisis/Oil-001",)),
    ]
    first = found.questions[0]
    assert (first.relevant, first.answers) == ({"Oil-001": 1}, (("1973",),))
    assert found.records is not None
    assert [record.place for record in found.records][:2] == [
        "Oil crisis/Oil-001",
        "Oil crisis/Oil-002",
    ]


def test_squad_s_fitted_half_is_not_reported(squad: Path) -> None:
    """A question of an article that may be fitted on counts only among all; held-out ones do."""
    fitted = is_fitted("Oil crisis")
    assert {q.reported for q in load_questions(squad).questions} == {not fitted}
    (squad / "questions_v1.1.dev.jsonl").rename(squad / "questions_v1.1.heldout.jsonl")
    held = load_questions(squad)
    assert held.name == "squad/heldout"
    assert all(question.reported for question in held.questions)


def test_a_split_is_by_the_title_s_hash() -> None:
    """sha256("Tea") begins with 9, sha256("Oil crisis") with 0."""
    import hashlib

    for title in ("Tea", "Oil crisis", "Normans"):
        digit = hashlib.sha256(title.encode()).hexdigest()[0]
        assert is_fitted(title) == (digit in "01234567")


def test_scifact_s_claims_have_their_judged_abstracts(tmp_path: Path) -> None:
    """A claim's qrels become its relevant articles; the training claims are not asked."""
    write(tmp_path / "corpus.jsonl.gz", {"_id": "5", "title": "A title", "text": "A text."})
    write(tmp_path / "queries.dev.jsonl", {"_id": "9", "text": "A claim.", "qrels": {"5": 1}})
    write(tmp_path / "queries_train.jsonl", {"_id": "8", "text": "No.", "qrels": {"5": 1}})
    found = load_questions(tmp_path)
    assert [(q.id, q.relevant) for q in found.questions] == [("9", {"5": 1})]


def test_multihop_s_null_queries_cannot_be_answered(tmp_path: Path) -> None:
    """A query without evidence must be refused; only inference queries have a gold answer."""
    write(
        tmp_path / "evidence_pool.jsonl",
        {"fact_id": "f1", "title": "T", "fact": "A fact.", "published_at": "2023-11-09T10:00"},
        {"fact_id": "f2", "title": "T", "fact": "Another.", "published_at": None},
    )
    fact = {"fact_id": "f1", "title": "T", "fact": "A fact."}
    write(
        tmp_path / "queries.dev.jsonl",
        {
            "id": "1",
            "query": "Who?",
            "answer": "Valve",
            "question_type": "inference_query",
            "evidence": [fact],
        },
        {
            "id": "2",
            "query": "Is it?",
            "answer": "Yes",
            "question_type": "comparison_query",
            "evidence": [fact],
        },
        {
            "id": "3",
            "query": "What?",
            "answer": "Insufficient information.",
            "question_type": "null_query",
            "evidence": [],
        },
    )
    found = load_questions(tmp_path)
    assert [(q.group, q.answers, q.answerable) for q in found.questions] == [
        ("corpus", (("Valve",),), True),
        ("corpus", (), True),
        ("null queries", (), False),
    ]
    assert found.records is not None
    assert [record.published for record in found.records] == ["2023-11-09", ""]


def test_mtrag_leaves_out_what_no_passage_decides(tmp_path: Path) -> None:
    """Underspecified and conversational turns are not asked."""
    write(tmp_path / "passages.jsonl.gz", {"pid": "p", "domain": "d", "text": "First line\nmore"})
    kinds = ("ANSWERABLE", "PARTIAL", "UNANSWERABLE", "UNDERSPECIFIED", "CONVERSATIONAL")
    write(
        tmp_path / "tasks.dev.jsonl",
        *(
            {
                "id": kind,
                "conversation": "c",
                "question": "?",
                "passages": ["p"],
                "answerability": kind,
            }
            for kind in kinds
        ),
    )
    found = load_questions(tmp_path)
    assert [(q.id, q.group) for q in found.questions] == [
        ("ANSWERABLE", "corpus"),
        ("PARTIAL", "corpus"),
        ("UNANSWERABLE", "unanswerable"),
    ]
    assert found.records is not None
    assert found.records[0].title == "First line"


def test_rgb_shows_five_passages_of_which_some_are_noise(tmp_path: Path) -> None:
    """At noise .4 two of five are negative; three positives fill up with negatives; then alone."""
    write(
        tmp_path / "en_fact.dev.jsonl",
        {
            "set": "en_fact",
            "id": 1,
            "query": "When?",
            "answer": [["June 2020", "Jun 2020"], "GPT-3"],
            "positive": ["good a", ["good b", "good c"]],
            "negative": [f"bad {at}" for at in range(6)],
        },
    )
    found = load_questions(tmp_path)
    groups = {question.group: question for question in found.questions}
    assert list(groups) == ["corpus", *(f"noise {n}" for n in NOISE), "negatives alone"]

    def kinds(group: str) -> Counter[str]:
        return Counter(place.split("/")[1] for place in groups[group].within or ())

    assert kinds("noise 0.4") == {"negative": 2, "positive": 3}
    assert kinds("noise 0.0") == {"negative": 2, "positive": 3}
    assert kinds("noise 0.8") == {"negative": 4, "positive": 1}
    assert kinds("negatives alone") == {"negative": 5}
    assert groups["corpus"].answers == (("June 2020", "Jun 2020"), ("GPT-3",))
    assert len(groups["corpus"].relevant) == 3


def test_wice_s_claims_share_their_article(tmp_path: Path) -> None:
    """Two claims that cite the same text have one article between them."""
    row = {"claim": "It is so.", "claim_title": "Page", "sentences": ["One. ", "Two."]}
    write(
        tmp_path / "claims.dev.jsonl.gz",
        {**row, "id": "a", "label": "supported"},
        {**row, "id": "b", "label": "partially_supported"},
    )
    content = load(tmp_path)[0].content
    assert isinstance(content, ClaimSet)
    assert [record.text for record in content.records] == ["One.\n\nTwo."]
    assert [(claim.supported, claim.place) for claim in content.claims] == [
        (True, "a"),
        (False, "a"),
    ]


def test_cast_s_turns_have_their_history(tmp_path: Path) -> None:
    """A turn's topic is its cluster, within its year."""
    write(
        tmp_path / "turns.dev.jsonl",
        {
            "id": "1",
            "year": 2020,
            "topic": 7,
            "history": [{"user": "What is tea?", "system": None}],
            "utterance": "Who drinks it?",
            "manual_rewrite": "Who drinks tea?",
            "automatic_rewrite": None,
        },
    )
    content = load(tmp_path)[0].content
    assert isinstance(content, ConversationSet)
    assert content.turns[0].history == (("What is tea?", None),)
    assert content.turns[0].conversation == "2020_7"


def test_pages_are_unzipped(tmp_path: Path) -> None:
    """A page is its bytes, known by its site."""
    write(
        tmp_path / "pages.dev.jsonl",
        {"id": "1", "url": "https://a.example/x", "html": "1.html.gz", "article_body": "Text."},
    )
    (tmp_path / "1.html.gz").write_bytes(gzip.compress(b"<p>Text."))
    content = load(tmp_path)[0].content
    assert isinstance(content, PageSet)
    assert (content.pages[0].site, content.pages[0].html) == ("a.example", b"<p>Text.")


@pytest.mark.parametrize(
    ("name", "said"), [("absent", "does not exist"), ("", "is no data set known here")]
)
def test_an_unknown_path_is_an_error(tmp_path: Path, name: str, said: str) -> None:
    """A path that is nothing, or nothing known, is told with what is known."""
    with pytest.raises(SettingsError, match=said):
        load(tmp_path / name)


def test_a_line_of_another_form_is_an_error(squad: Path) -> None:
    """A known file with an unknown line is told as one line, not as a traceback."""
    write(squad / "paragraphs.jsonl", {"name": "no pid"})
    with pytest.raises(SettingsError, match="looks like squad, but"):
        load(squad)


@pytest.mark.parametrize(
    ("folder", "counts"),
    [
        ("squad", {"squad/dev": 5889 + 5889 + 6071}),
        ("scifact", {"scifact/dev": 150}),
        ("multihop_rag", {"multihop_rag/dev": 1278}),
        ("mtrag", {"mtrag/dev": 247 + 50}),
        (
            "rgb",
            {
                "rgb/en_fact/dev": 51 * 7,
                "rgb/zh_fact/dev": 50 * 7 - 2,  # two have no negative passages
                "rgb/zh_int/dev": 50 * 7,
                "rgb/zh_refine/dev": 150 * 7,
            },
        ),
        ("cast", {"cast/dev": 588}),
        ("wice", {"wice/dev": 357}),
        ("article_extraction", {"article_extraction/dev": 90}),
    ],
)
def test_the_real_folders_are_read(folder: str, counts: dict[str, int]) -> None:
    """Every folder beside the checkout gives as many questions as its README says."""
    path = SHARED / folder
    if not path.is_dir():
        pytest.skip(f"../shared/data/{folder}, public data beside the checkout, is absent")
    found = {}
    for loaded in load(path):
        match loaded.content:
            case QuestionSet(questions=asked):
                found[loaded.content.name] = len(asked)
                uris = {record.uri for record in loaded.content.records or ()}
                assert all(question.relevant.keys() <= uris for question in asked)
                assert len({question.key for question in asked}) == len(asked)
            case ConversationSet(turns=turns):
                found[loaded.content.name] = len(turns)
            case ClaimSet(claims=claims):
                found[loaded.content.name] = len(claims)
            case PageSet(pages=pages):
                found[loaded.content.name] = len(pages)
    assert found == counts
