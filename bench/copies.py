"""What copies of articles take from the passages found, with and without collapsing them.

Every tenth paragraph of SQuAD 1.1 dev is put in three times more, as agencies' reports are: with
a line of the medium's before it, without its last sentence, with every fiftieth word exchanged.
Its questions are asked of several ways of telling copies, see `vectorstore.copies`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from corpora import (
    CachedQueries,
    Question,
    Record,
    argument_parser,
    fill,
    open_service,
    squad_questions,
    squad_records,
    workplace,
)
from report import Figure, print_figures, print_table

from app.answering.engine import TOP_K
from vectorstore import copies
from vectorstore.retriever import Retriever

EVERY = 10
NEVER = 2.0  # no share is so large: only the same text is a copy
CHOSEN = copies.HELD
SHARES = (0.7, 0.8, 0.9)


def syndicated(records: Sequence[Record]) -> Iterator[Record]:
    """Yield the copies of every tenth record."""
    for record in records[::EVERY]:
        text = record["text"]
        words = text.split(" ")
        words[25::50] = ["meanwhile"] * len(words[25::50])
        variants = (
            f"This report first appeared elsewhere. {text}",
            text[: max(text.rfind(". ", 0, -1) + 1, len(text) // 2)],
            " ".join(words),
        )
        for number, variant in enumerate(variants):
            yield {**record, "uri": f"{record['uri']}#{number}", "text": variant}


def measure(retriever: Retriever, questions: Sequence[Question], held: float) -> list[float]:
    """Return per question: slots that copies take, whether its text is in the top 1 and 5.

    All copies count as the text itself.
    """
    copies.HELD = held
    slots, first, fifth, others = 0, 0, 0, 0
    for question in questions:
        found = retriever.retrieve(question.text, TOP_K).passages
        uris = [passage.article.uri.partition("#")[0] for passage in found]
        slots += len(uris) - len(set(uris))
        others += len(set(uris))
        first += uris[0] in question.relevant
        fifth += any(uri in question.relevant for uri in uris[:5])
    return [count / len(questions) for count in (slots, others, first, fifth)]


def main() -> None:
    """Build, ask and print."""
    arguments = argument_parser(__doc__).parse_args()
    records = squad_records(arguments.data)
    asked = squad_questions(arguments.data)
    copied = {record["uri"] for record in records[::EVERY]}
    with workplace(arguments.keep) as folder:
        service = open_service(Path(folder) / "copies", threads=2)
        try:
            if len(service.articles()) < len(records):
                fill(service, folder, "copies", [*records, *syndicated(records)])
            queries = CachedQueries(service.encoder)
            queries.prepare([q.text for q in asked], folder / "squad-queries.npz")
            retriever = service._retriever
            retriever.encoder = queries
            touched = [q for q in asked if copied & q.relevant.keys()]
            others = [q for q in asked if not copied & q.relevant.keys()]
            rows, gained = [], []
            for held in (NEVER, *SHARES):
                name = "the same text" if held == NEVER else f"{held:.0%} of its runs"
                of_copied = measure(retriever, touched, held)
                rows.append([name, *(f"{value:.3f}" for value in of_copied)])
                rest = measure(retriever, others, held)
                rows[-1] += [f"{value:.3f}" for value in rest[2:]]
                gained.append(of_copied[0])
        finally:
            service.close()
    print(f"\n{len(touched)} questions on copied paragraphs, {len(others)} on others")
    headers = ["a copy holds", "slots of 10 that copies take", "texts among the 10", "R@1", "R@5",
               "others: R@1", "R@5"]  # fmt: skip
    print_table(headers, rows)
    chosen = gained[1 + SHARES.index(CHOSEN)]
    if not print_figures([Figure("slots that copies take", chosen, ceiling=1)]):
        sys.exit(1)


if __name__ == "__main__":
    main()
