"""Follow-ups and starters: how often there are two, what they are, and what finding them takes.

The example articles with their own answerable questions, and whole articles of SQuAD (their
paragraphs joined) with questions drawn from them. `--read` prints each suggestion with the first
sentence of its answer, to be read by a person.
"""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from corpora import (
    ROOT,
    Record,
    argument_parser,
    fill,
    open_service,
    squad_questions,
    squad_records,
    workplace,
)
from report import print_table

from app.answering.answer import gather
from app.answering.wire import answer_json
from app.service import Service
from app.view import told_in
from vectorstore.types import Filter

ARTICLES, EACH, SEED = 4, 10, 11


def squad_articles(data: Path) -> tuple[list[Record], list[str]]:
    """Return articles of SQuAD dev as wholes, and some questions on each."""
    asked = defaultdict(list)
    for question in squad_questions(data):
        asked[question.title].append(question.text)
    paragraphs = defaultdict(list)
    for record in squad_records(data):
        paragraphs[record["title"]].append(record["text"])
    draw = np.random.default_rng(SEED)
    titles = [title for title in sorted(asked) if title in paragraphs]
    titles = [str(title) for title in draw.permutation(titles)[:ARTICLES]]
    questions = [str(q) for title in titles for q in draw.permutation(asked[title])[:EACH]]
    records = [
        {"uri": title, "title": title, "text": "\n\n".join(paragraphs[title])} for title in titles
    ]
    return records, questions


def own_questions() -> list[str]:
    """Return the questions that the example articles answer."""
    lines = (ROOT / "examples/questions.jsonl").read_text(encoding="utf-8").splitlines()
    return [each["question"] for each in map(json.loads, lines) if each["answer"]]


def first_sentence(service: Service, question: str) -> str:
    """Return the first sentence of the answer to a question."""
    answer = gather(service.ask(question))
    return answer.sentences[0].text if answer.sentences else "(not answered)"


def measure(name: str, service: Service, questions: Sequence[str], read: bool) -> list[str]:
    """Return a row of the table; print every suggestion if it is to be read."""
    counts, took, used = [], [], []
    offered: dict[str, None] = {}
    for question in questions:
        answer = gather(service.ask(question))
        told = told_in(answer_json(answer), ())
        start, cpu = time.perf_counter(), time.process_time()
        found = service.follow_ups(told, Filter())
        took.append((time.perf_counter() - start) * 1e3)
        used.append((time.process_time() - cpu) * 1e3)
        counts.append(len(found))
        offered |= dict.fromkeys(found)
        if read and found:
            print(f"\n{question}")
            for each in found:
                print(f"  -> {each}\n     {first_sentence(service, each)}")
    if read:
        print(f"\nStarters of {name}:")
        for each in service.starters():
            print(f"  -> {each}\n     {first_sentence(service, each)}")
    found_two = np.mean([count >= 2 for count in counts])
    draws = np.random.default_rng(SEED).choice(counts, (2000, len(counts))) >= 2
    low, high = np.percentile(draws.mean(axis=1), [2.5, 97.5])
    return [
        name,
        str(len(questions)),
        f"{found_two:.2f} [{low:.2f}, {high:.2f}]",
        f"{np.mean(counts):.2f}",
        str(len(offered)),
        f"{np.percentile(used, 50):.0f} / {np.percentile(used, 95):.0f}",
        f"{np.percentile(took, 50):.0f} / {np.percentile(took, 95):.0f}",
    ]


def main() -> None:
    """Print the table."""
    parser = argument_parser(__doc__)
    parser.add_argument("--read", action="store_true", help="print each suggestion")
    parser.add_argument("--only", choices=("examples", "squad"), help="one of the two sets")
    options = parser.parse_args()
    rows = []
    with workplace(options.keep) as folder:
        for name in (options.only,) if options.only else ("examples", "squad"):
            service = open_service(folder / name)
            if name == "examples":
                questions = own_questions()
                if not service.articles():
                    service.ingest([str(ROOT / "examples/articles")])
            else:
                records, questions = squad_articles(options.data)
                if not service.articles():
                    fill(service, folder, name, records)
            service.warm_up()
            service.starters()
            rows.append(measure(name, service, questions, options.read))
            service.close()
    head = ["articles", "answers", "two or more", "mean", "different", "CPU ms p50 / p95", "ms"]
    print_table(head, rows)


if __name__ == "__main__":
    main()
