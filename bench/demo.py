"""The demo questions, asked through the `citewell` command.

(a) The articles of ../shared/articles alone, in a fresh store: three questions they answer,
two they do not, and no newsroom line in any passage or citation.
(b) The articles of examples/ with their sixty questions: how many are answered rightly by the
first sentence and by what is shown, and how many that have no answer are refused.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from corpora import ROOT, argument_parser, need, open_service, read_lines, workplace
from report import Figure, print_figures, print_table

from app.answering.engine import TOP_K
from app.answering.extractive import rank_sentences
from app.answering.refusal import probability

Json = dict[str, Any]

ANSWERED = {  # question -> what the first sentence must hold
    "How many troops has North Korea sent to Russia?": "15,000",
    "Where was the footage of the cleaning shared?": "Telegram",
    "When did Kim last visit Russia?": "2023",
}
REFUSED = (
    "Who won the 2018 World Cup?",
    "How do I reset my VPN password?",
)
# Words of lines that belong to the page, in ../shared/articles and in examples/articles.
NEWSROOM = (
    "get in touch with our",
    "check our news page",
    "webnews@",
    "newsroom@",
    "sign up for our",
    "follow us on",
    "share this article",
    "share on facebook",
    "all rights reserved",
    "subscribe for",
    "accept all",
    "publish your message",
)
NEWSROOM_QUERIES = (
    "Get in touch with our news team by email",
    "For more stories check our news page",
    "Sign up for our newsletter and follow us on social media",
)


@dataclass(frozen=True, slots=True)
class Asked:
    """A question with what it must be answered by (nothing: it must be refused) and the answer."""

    id: str
    question: str
    gold: tuple[str, ...]
    answer: Json

    @property
    def sentences(self) -> list[str]:
        """The sentences of the answer, none if it was refused."""
        return [sentence["text"] for sentence in self.answer["sentences"]]

    @property
    def refused(self) -> bool:
        """Whether the answer is that the articles do not say."""
        return bool(self.answer["outcome"] == "not_found")

    @property
    def first(self) -> bool:
        """Whether the first sentence holds a gold answer."""
        return any(gold in text for gold in self.gold for text in self.sentences[:1])

    @property
    def shown(self) -> bool:
        """Whether one of the sentences shown holds a gold answer."""
        return any(gold in text for gold in self.gold for text in self.sentences)

    @property
    def right(self) -> bool:
        """Whether the question is answered first by the right sentence, or rightly refused."""
        return self.first if self.gold else self.refused


def citewell(store: Path, *arguments: str | Path) -> list[Json]:
    """Run the command on a store and return the JSON objects it prints, one a line."""
    environment = {k: v for k, v in os.environ.items() if not k.upper().startswith("CITEWELL_")}
    command = Path(sys.executable).with_name("citewell")
    done = subprocess.run(
        [command, "--data-dir", store, *arguments, "--json"],
        env=environment,
        stdout=subprocess.PIPE,
        check=False,
        text=True,
    )
    if done.returncode:
        sys.exit(f"citewell {arguments[0]} ended with {done.returncode}.")
    return [json.loads(line) for line in done.stdout.splitlines()]


def ask(
    folder: Path, articles: Path, questions: Sequence[Mapping[str, Any]]
) -> tuple[list[Asked], list[str]]:
    """Ask the questions of a fresh store of the articles; return newsroom lines found too."""
    store = folder / "store"
    report = citewell(store, "ingest", articles)[0]
    print(f"{report['added']} articles, {report['chunks']} chunks")
    batch = folder / "questions.jsonl"
    write_batch(batch, [(entry["id"], entry["question"]) for entry in questions])
    answers = {answer["id"]: answer for answer in citewell(store, "ask", "--batch", batch)}
    asked = [
        Asked(entry["id"], entry["question"], tuple(entry["answer"]), answers[entry["id"]])
        for entry in questions
    ]
    lures = folder / "lures.jsonl"
    write_batch(lures, list(enumerate(NEWSROOM_QUERIES)))
    found = citewell(store, "search", "--top-k", "100", "--batch", lures)
    texts = [p["text"] for result in [*answers.values(), *found] for p in result["passages"]]
    texts += [c["quote"] for answer in answers.values() for c in answer["citations"]]
    lines = {text for text in texts for line in NEWSROOM if line in text.casefold()}
    return asked, sorted(lines)


def write_batch(path: Path, questions: Sequence[tuple[Any, str]]) -> None:
    """Write questions as the JSON Lines that --batch reads."""
    lines = [json.dumps({"id": key, "question": text}) for key, text in questions]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def shared_figures(asked: Sequence[Asked], newsroom: Sequence[str]) -> list[Figure]:
    """Return the figures of (a)."""
    answerable = [a for a in asked if a.gold]
    others = [a for a in asked if not a.gold]
    return [
        count("first sentence right", [a.first for a in answerable], len(answerable)),
        count("rightly refused", [a.refused for a in others], len(others)),
        Figure("passages and citations with newsroom lines", len(newsroom), ceiling=0, digits=0),
    ]


def example_figures(asked: Sequence[Asked], newsroom: Sequence[str]) -> list[Figure]:
    """Return the figures of (b)."""
    answerable = [a for a in asked if a.gold]
    return [
        count("first sentence right", [a.first for a in answerable]),
        count("shown answer right", [a.shown for a in answerable]),
        count("refused wrongly", [a.refused for a in answerable]),
        count("off-topic refused", [a.refused for a in asked if a.id.startswith("off")]),
        count("near miss refused", [a.refused for a in asked if a.id.startswith("near")]),
        Figure("passages and citations with newsroom lines", len(newsroom), ceiling=0, digits=0),
    ]


def count(name: str, hits: Sequence[bool], floor: float | None = None) -> Figure:
    """Return how many of the questions were a hit."""
    return Figure(name, sum(hits), floor, digits=0, note=f"of {len(hits)}")


def print_failures(store: Path, asked: Sequence[Asked]) -> None:
    """Print each question that went wrong, with the probability that decided on refusal."""
    wrong = [a for a in asked if not a.right]
    if not wrong:
        return
    service = open_service(store)
    rows = []
    for entry in wrong:
        retrieved = service.search(entry.question, TOP_K)
        ranked = rank_sentences(entry.question, retrieved)
        sure = probability(ranked, retrieved.searched) if ranked else 0.0
        said = " / ".join(entry.sentences) or "(refused)"
        wanted = " or ".join(entry.gold) or "(refusal)"
        verdict = "shown" if entry.shown else "no"
        rows.append([entry.id, entry.question, said, f"{sure:.2f}", wanted, verdict])
    service.close()
    print_table(["id", "question", "answered", "probability", "asked for", "right"], rows)


def main() -> int:
    """Ask both sets and print what came of it."""
    parser = argument_parser(__doc__)
    parser.add_argument(
        "--explain", action="store_true", help="list the questions that went wrong, and why"
    )
    options = parser.parse_args()
    shared = [
        {"id": f"s{n}", "question": text, "answer": [gold]}
        for n, (text, gold) in enumerate(ANSWERED.items(), start=1)
    ]
    shared += [
        {"id": f"r{n}", "question": text, "answer": []} for n, text in enumerate(REFUSED, start=1)
    ]
    examples = read_lines(need(ROOT / "examples/questions.jsonl"))
    sets = (
        ("The shared articles alone", options.data / "articles", shared, shared_figures),
        ("The example articles", ROOT / "examples/articles", examples, example_figures),
    )
    met = True
    for title, articles, questions, figures in sets:
        print(f"\n## {title}\n")
        need(articles)
        with workplace(None) as folder:  # always fresh: what is measured includes ingesting
            asked, newsroom = ask(folder, articles, questions)
            met = print_figures(figures(asked, newsroom)) and met
            for line in newsroom:
                print(f"newsroom line: {line}")
            if options.explain:
                print_failures(folder / "store", asked)
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
