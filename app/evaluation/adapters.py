"""The public data sets that have a corpus and questions: SQuAD, SciFact, MultiHop-RAG, MTRAG, RGB.

Each folder's own README says where its files come from, under which licence, and what its
figures mean. An adapter takes the part (`dev`, `heldout`) from the names of the files.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from app.evaluation.files import read_lines
from app.evaluation.sets import Answers, Question, QuestionSet, Record

PASSAGES = 5  # that RGB shows for one question
NOISE = (0.0, 0.2, 0.4, 0.6, 0.8)  # share of them that do not hold the answer
LONGEST_TITLE = 100  # characters


def parts(folder: Path, pattern: str) -> Iterator[tuple[str, Path]]:
    """Yield (part, file) for each file of a pattern whose * is the part.

    Example: questions_v1.1.*.jsonl -> ("dev", …/questions_v1.1.dev.jsonl)
    """
    before, after = pattern.split("*")
    for path in sorted(folder.glob(pattern)):
        yield path.name[len(before) : -len(after)], path


# -- SQuAD -------------------------------------------------------------------------------


def is_fitted(title: str) -> bool:
    """Whether what ships may be fitted on a SQuAD article's questions (of the dev part).

    Half of the articles, by the first hex digit of the sha256 of the title.
    """
    return int(hashlib.sha256(title.encode()).hexdigest()[0], 16) < 8


def squad_records(folder: Path) -> list[Record]:
    """Return SQuAD's paragraphs as articles; the uri is the paragraph's id."""
    return [
        Record(row["pid"], _title(row), row["text"], place=_paragraph(row))
        for row in read_lines(folder / "paragraphs.jsonl")
    ]


def squad_questions(path: Path, part: str = "dev") -> list[Question]:
    """Return a file's questions; relevant is the paragraph each was asked on."""
    return [
        Question(
            id=row["id"],
            text=row["question"],
            cluster=_title(row),
            relevant={row["pid"]: 1},
            answers=_spellings(row["answers"]),
            answerable=not row.get("is_impossible", False),
            within=(_paragraph(row),),
            reported=part != "dev" or not is_fitted(_title(row)),
        )
        for row in read_lines(path)
    ]


def squad_sets(folder: Path) -> Iterator[QuestionSet]:
    """Yield SQuAD: asked of everything, of all other articles, and of the own paragraph (2.0)."""
    records = squad_records(folder)
    places = tuple(dict.fromkeys(record.place.split("/")[0] for record in records))
    for part, path in parts(folder, "questions_v1.1.*.jsonl"):
        questions: list[Question] = []
        for asked in squad_questions(path, part):
            own = (asked.within or ("",))[0].split("/")[0]
            others = tuple(place for place in places if place != own)
            questions.append(replace(asked, within=None))
            questions.append(
                replace(
                    asked,
                    group="article removed",
                    answers=(),
                    relevant={},
                    answerable=False,
                    within=others,
                )
            )
        second = folder / f"questions_v2.0.{part}.jsonl"
        if second.exists():
            own_paragraph = squad_questions(second, part)
            questions += [replace(q, group="own paragraph", relevant={}) for q in own_paragraph]
        yield QuestionSet(
            name=f"squad/{part}",
            about="SQuAD 1.1 over all 2,067 paragraphs; the same with the question's article "
            "removed; SQuAD 2.0 with its own paragraph alone. CC BY-SA 4.0.",
            records=tuple(records),
            questions=tuple(questions),
            donates=True,
            part_name="half not fitted on" if part == "dev" else "all",
        )


def _title(row: dict[str, Any]) -> str:
    return str(row["title"]).replace("_", " ")


def _paragraph(row: dict[str, Any]) -> str:
    return f"{_title(row).replace('/', '-')}/{row['pid'].replace('/', '-')}"


def _spellings(answers: list[str]) -> Answers:
    return (tuple(dict.fromkeys(answers)),) if answers else ()


# -- SciFact -----------------------------------------------------------------------------


def scifact_records(folder: Path) -> list[Record]:
    """Return SciFact's abstracts as articles; the uri is the document's id."""
    return [
        Record(str(row["_id"]), row["title"], row["text"])
        for row in read_lines(folder / "corpus.jsonl.gz")
    ]


def scifact_questions(path: Path) -> list[Question]:
    """Return a file's claims with their judged abstracts."""
    return [
        Question(
            str(row["_id"]), row["text"], relevant={str(k): int(v) for k, v in row["qrels"].items()}
        )
        for row in read_lines(path)
    ]


def scifact_sets(folder: Path) -> Iterator[QuestionSet]:
    """Yield SciFact's claims over all abstracts."""
    records = tuple(scifact_records(folder))
    for part, path in parts(folder, "queries.*.jsonl"):
        yield QuestionSet(
            name=f"scifact/{part}",
            about="Scientific claims over 5,183 abstracts (BEIR's test set, this part of it). "
            "CC BY 4.0, abstracts ODC-By 1.0.",
            records=records,
            questions=tuple(scifact_questions(path)),
            donates=True,
        )


# -- MultiHop-RAG ------------------------------------------------------------------------


def multihop_sets(folder: Path) -> Iterator[QuestionSet]:
    """Yield MultiHop-RAG over its pool of evidence sentences, null queries included."""
    records = tuple(
        Record(
            row["fact_id"], row["title"], row["fact"], published=(row["published_at"] or "")[:10]
        )
        for row in read_lines(folder / "evidence_pool.jsonl")
    )
    for part, path in parts(folder, "queries.*.jsonl"):
        yield QuestionSet(
            name=f"multihop_rag/{part}",
            about="Questions over English news of 2023; the corpus is the pool of evidence "
            "sentences, not the articles, so figures are not the paper's. Gold answers count "
            "for inference queries only: the others are yes or no. ODC-By 1.0.",
            records=records,
            questions=tuple(_multihop_question(row) for row in read_lines(path)),
            donates=True,
        )


def _multihop_question(row: dict[str, Any]) -> Question:
    null = not row["evidence"]
    return Question(
        id=row["id"],
        text=row["query"],
        group="null queries" if null else "corpus",
        relevant={fact["fact_id"]: 1 for fact in row["evidence"]},
        answers=((row["answer"],),) if row["question_type"] == "inference_query" else (),
        answerable=not null,
        any_case=True,
    )


# -- MTRAG -------------------------------------------------------------------------------


def mtrag_sets(folder: Path) -> Iterator[QuestionSet]:
    """Yield MTRAG's last turns, asked as they stand over the pool of passages."""
    records = tuple(
        Record(row["pid"], _first_line(row["text"]), row["text"])
        for row in read_lines(folder / "passages.jsonl.gz")
    )
    for part, path in parts(folder, "tasks.*.jsonl"):
        questions = []
        for row in read_lines(path):
            if row["answerability"] in ("ANSWERABLE", "PARTIAL", "UNANSWERABLE"):
                unanswerable = row["answerability"] == "UNANSWERABLE"
                questions.append(
                    Question(
                        id=row["id"],
                        text=row["question"],
                        group="unanswerable" if unanswerable else "corpus",
                        cluster=row["conversation"],
                        relevant={} if unanswerable else dict.fromkeys(row["passages"], 1),
                        answerable=not unanswerable,
                    )
                )
        yield QuestionSet(
            name=f"mtrag/{part}",
            about="The last turn of conversations, asked without the turns before, over a pool "
            "of 1,488 passages: far smaller than the benchmark's corpora. Apache-2.0.",
            records=records,
            questions=tuple(questions),
        )


def _first_line(text: str) -> str:
    return text.strip().splitlines()[0][:LONGEST_TITLE]


# -- RGB ---------------------------------------------------------------------------------


def rgb_sets(folder: Path) -> Iterator[QuestionSet]:
    """Yield RGB's sets: all passages of a set at once, and five at a time as the source does."""
    for path in sorted(folder.glob("*.jsonl")):
        name, part, _ = path.name.split(".")
        records: list[Record] = []
        questions: list[Question] = []
        for number, row in enumerate(read_lines(path)):
            place = f"{number}"
            good = _rgb_passages(row["positive"], f"{place}/positive")
            bad = _rgb_passages(row["negative"], f"{place}/negative")
            records += good + bad
            questions += _rgb_questions(row, place, good, bad)
        yield QuestionSet(
            name=f"rgb/{name}/{part}",
            about="Questions from news with passages that hold the answer and others that do not. "
            "CC BY-NC-SA 4.0: for evaluation only, nothing that ships is fitted on it.",
            records=tuple(records),
            questions=tuple(questions),
        )


def _rgb_passages(passages: list[Any], place: str) -> list[Record]:
    flat = [text for each in passages for text in (each if isinstance(each, list) else [each])]
    texts = [text for text in dict.fromkeys(flat) if text.strip()]
    return [
        Record(f"{place}/{at}", "Search result", text, place=f"{place}/{at}")
        for at, text in enumerate(texts)
    ]


def _rgb_questions(
    row: dict[str, Any], place: str, good: list[Record], bad: list[Record]
) -> Iterator[Question]:
    answers = row["answer"] if isinstance(row["answer"], list) else [row["answer"]]
    asked = Question(
        id=f"{row['set']}-{place}",
        text=row["query"],
        relevant={record.uri: 1 for record in good},
        answers=tuple(tuple(part) if isinstance(part, list) else (part,) for part in answers),
        any_case=True,
    )
    yield asked
    for noise in NOISE:
        shown = _mix(good, bad, math.ceil(PASSAGES * noise))
        yield replace(asked, group=f"noise {noise}", relevant={}, within=shown)
    negative = _mix(good, bad, PASSAGES) if len(bad) >= PASSAGES else tuple(r.place for r in bad)
    if negative:
        yield replace(
            asked,
            group="negatives alone",
            relevant={},
            answers=(),
            answerable=False,
            within=negative,
        )


def _mix(good: list[Record], bad: list[Record], negatives: int) -> tuple[str, ...]:
    """Return the places of PASSAGES passages; where one kind is too few the other fills up."""
    negatives = max(min(negatives, len(bad)), min(PASSAGES - len(good), len(bad)))
    return tuple(r.place for r in bad[:negatives] + good[: PASSAGES - negatives])
