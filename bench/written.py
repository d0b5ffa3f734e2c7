"""Answers that a chat model writes, beside quotations, over the same passages in the same run.

RGB's English questions (noise 0 and .8: of five passages, as many as that do not answer; and
negatives alone) and the last turns of MTRAG's conversations with the talk before them, through
the whole engine: retrieval, refusal, prompt, stream, check, fallback. The model is the one of the
tests, SmolLM2-135M-Instruct (Q4_1) on llama.cpp, or that of CITEWELL_LLM where it is set. So small
a model is weak: these figures tell what the engine makes of it, not what a model can do. RGB is
for evaluation only. Intervals are 95 %, over questions (RGB) or conversations (MTRAG).

    python bench/written.py --every 4
"""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from corpora import argument_parser
from report import print_table

sys.path.insert(0, str(Path(__file__).parents[1]))  # the tests' model

from app.answering.answer import Answer, gather
from app.answering.conversation import Exchange
from app.answering.engine import Engine
from app.evaluation.adapters import mtrag_sets, rgb_sets
from app.evaluation.bootstrap import Resampler
from app.evaluation.files import read_lines
from app.evaluation.metrics import holds, word_f1
from app.evaluation.sets import Question
from app.evaluation.stores import corpus_service, default_cache, place_name
from app.service import Service
from app.settings import Settings, load_settings
from vectorstore.retriever import Retriever
from vectorstore.types import Filter

GROUPS = ("noise 0.0", "noise 0.8", "negatives alone", "corpus", "unanswerable")


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, the talk before it, and the reference answer where there is one."""

    question: Question
    history: tuple[Exchange, ...] = ()
    reference: str = ""


@dataclass(frozen=True, slots=True)
class Case:
    """What one engine answered to one question."""

    asked: Asked
    answer: Answer
    seconds: float


def talks(path: Path) -> dict[str, tuple[tuple[Exchange, ...], str]]:
    """Return the talk before, and the reference answer, of MTRAG's tasks by id."""
    found = {}
    for row in read_lines(path):
        turns: list[Exchange] = []
        for said in row["history"]:
            if said["speaker"] == "user":
                turns.append(Exchange(said["text"]))
            elif turns:
                turns[-1] = replace(turns[-1], answer=said["text"])
        found[row["id"]] = (tuple(turns), row["answer"])
    return found


def ask(engine: Engine, asked: Asked) -> Case:
    """Have one engine answer one question."""
    within = asked.question.within
    places = None if within is None else tuple(place_name(place) for place in within)
    start = time.perf_counter()
    answer = gather(engine.stream(asked.question.text, Filter(sources=places), asked.history))
    return Case(asked, answer, time.perf_counter() - start)


def figure(cases: Sequence[Case], values: Sequence[float]) -> str:
    """Return a mean with its interval."""
    found = Resampler([case.asked.question.cluster or case.asked.question.id for case in cases])
    mean = found.mean(list(values))
    return f"{mean.value:.3f} [{mean.low:.3f}, {mean.high:.3f}]"


def row(name: str, group: str, cases: Sequence[Case]) -> list[str]:
    """Return one engine's figures for one group of questions."""
    told = [
        " ".join(s.text for s in case.answer.sentences if s.support not in ("service",))
        for case in cases
    ]
    right = [case.asked.question.answers for case in cases]
    held = [float(holds([text], each, True)) for text, each in zip(told, right, strict=True)]
    near = [word_f1(text, case.asked.reference) for text, case in zip(told, cases, strict=True)]
    refused = [float(case.answer.outcome == "not_found") for case in cases]
    supports = Counter(s.support for case in cases for s in case.answer.sentences)
    fallen = [case for case in cases if any("quoted instead" in d for d in case.answer.degraded)]
    seconds = sorted(case.seconds for case in cases)
    return [
        group,
        name,
        f"{len(cases)}",
        figure(cases, refused),
        figure(cases, held) if any(right) else "",
        figure(cases, near) if cases[0].asked.reference else "",
        ", ".join(f"{support} {count}" for support, count in sorted(supports.items())),
        f"{len(fallen)}",
        f"{seconds[len(seconds) // 2]:.2f}",
    ]


def reasons(cases: Sequence[Case]) -> list[list[str]]:
    """Return why quotations took over, counted."""
    told = Counter(d for case in cases for d in case.answer.degraded if d.startswith("chat model"))
    return [[reason, f"{count}"] for reason, count in told.most_common()]


def model_settings() -> dict[str, Any]:
    """Return the settings of the operator's model, else of the tests', which is started."""
    if os.environ.get("CITEWELL_LLM"):
        return {}
    from tests.real_model import start_real_model

    model = start_real_model()
    KEPT.append(model)
    return {**model.settings, "llm_context": 1_200, "llm_max_tokens": 96}


KEPT: list[Any] = []  # the server, which ends when nobody holds it


def sets(data: Path, every: int) -> Iterator[tuple[str, Any, list[Asked]]]:
    """Yield each set's name, its records and what is asked of it."""
    (rgb,) = (each for each in rgb_sets(data / "rgb") if each.name.startswith("rgb/en_fact"))
    groups = {group: [q for q in rgb.questions if q.group == group] for group in GROUPS[:3]}
    yield rgb.name, rgb.records, [Asked(q) for qs in groups.values() for q in qs[::every]]
    for mtrag in mtrag_sets(data / "mtrag"):
        part = mtrag.name.partition("/")[2]
        known = talks(data / "mtrag" / f"tasks.{part}.jsonl")
        asked = [Asked(q, *known[q.id]) for q in mtrag.questions[:: 2 * every]]
        yield mtrag.name, mtrag.records, asked


def main() -> int:
    """Run from the command line."""
    parser = argument_parser(__doc__)
    parser.add_argument("--every", type=int, default=1, help="ask every Nth question")
    parser.add_argument("--cache", type=Path, default=default_cache())
    options = parser.parse_args()
    settings = load_settings(**model_settings())
    print(f"Model: {settings.llm}")
    rows: list[list[str]] = []
    written: list[Case] = []
    for name, records, asked in sets(options.data / "data", options.every):
        quiet = settings.model_copy(update={"encoder": "all-MiniLM-L6-v2", "precision": "fp32"})
        with corpus_service(quiet, options.cache, name, records, lambda _: None) as service:
            for group in GROUPS:
                chosen = [each for each in asked if each.question.group == group]
                if not chosen:
                    continue
                for kind, engine in _engines(service, settings):
                    cases = [ask(engine, each) for each in chosen]
                    rows.append([name, *row(kind, group, cases)])
                    written += cases if kind == "written" else []
    headers = ["set", "group", "answers", "n", "refused", "hold the answer", "word F1"]
    print_table([*headers, "sentences", "fallen back", "seconds, p50"], rows)
    print_table(["why quotations took over, or what else was told", "n"], reasons(written))
    return 0


def _engines(service: Service, settings: Settings) -> list[tuple[str, Engine]]:
    retriever = Retriever(service.store, service.encoder)
    quoting = Engine(service.store, retriever, settings.threshold)
    return [("quoted", quoting), ("written", service.engine)]


if __name__ == "__main__":
    sys.exit(main())
