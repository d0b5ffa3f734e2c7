"""Two-part questions, joined from two questions of SQuAD dev's reported half, split and whole.

`same` joins two questions of one paragraph, `across` two of different paragraphs. Intervals are
95 %, bootstrapped over the questions.
"""

from __future__ import annotations

import time
from collections import defaultdict

import numpy as np
from asked import fits
from corpora import Question, argument_parser, build, open_service, squad_questions, workplace
from report import print_table

from app.answering.answer import gather
from app.answering.engine import Engine
from app.answering.parts import split
from app.service import Service

PAIRS = 80
APART = 57  # paragraphs, in a drawn order


def pairs(by: dict[str, list[Question]], across: bool) -> list[tuple[str, Question, Question]]:
    """Return joined questions that are split in two, with those they are made of."""
    order = sorted(by)
    np.random.default_rng(7).shuffle(order)
    found = []
    for place, uri in enumerate(order):
        others = by[order[(place + APART) % len(order)]][:1] if across else by[uri][1:2]
        for other in others:
            one, two = by[uri][0].text.strip().rstrip("?"), other.text.strip()
            joined = f"{one}, and {two[0].lower()}{two[1:]}"
            if len(split(joined)) == 2:
                found.append((joined, by[uri][0], other))
    return found[:PAIRS]


def measure(service: Service, asked: list[tuple[str, Question, Question]]) -> list[list[float]]:
    """Return for each question whether both gold answers are shown, sentences, milliseconds."""
    engine = Engine(service.store, service._retriever, service.settings.threshold)
    rows = []
    for joined, *both in asked:
        start = time.perf_counter()
        texts = [sentence.text for sentence in gather(engine.stream(joined)).sentences]
        took = (time.perf_counter() - start) * 1e3
        held = all(any(a in text for a in q.answers for text in texts) for q in both)
        rows.append([float(held), float(len(texts)), took])
    return rows


def main() -> None:
    """Print both, split and whole."""
    import app.answering.parts as parts

    options = argument_parser(__doc__).parse_args()
    by: dict[str, list[Question]] = defaultdict(list)
    for question in squad_questions(options.data):
        if not fits(question.title):
            by[next(iter(question.relevant))].append(question)
    taking_apart = parts.split
    table = []
    with workplace(options.keep) as folder:
        service = open_service(build("squad", options.data, folder))
        for across in (False, True):
            asked = pairs(by, across)
            told = []
            for way in (taking_apart, lambda question: (question,)):
                parts.split = way
                told.append(np.array(measure(service, asked)))
            parts.split = taking_apart
            gain = told[0][:, 0] - told[1][:, 0]
            draws = np.random.default_rng(7).integers(0, len(gain), (2000, len(gain)))
            for name, held, rows in (
                ("split", told[0][:, 0], told[0]),
                ("whole", told[1][:, 0], told[1]),
                ("gain", gain, told[0] - told[1]),
            ):
                low, high = np.quantile(held[draws].mean(axis=1), [0.025, 0.975])
                cells = [f"{held.mean():.3f} ({low:.3f} to {high:.3f})", f"{rows[:, 1].mean():.2f}"]
                kind = "across" if across else "same"
                table.append([kind, name, str(len(asked)), *cells, f"{np.median(rows[:, 2]):.1f}"])
        service.close()
    print_table(["pairs", "asked", "n", "both held", "sentences", "ms p50"], table)


if __name__ == "__main__":
    main()
