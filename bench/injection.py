"""How often a real, small chat model is talked out of its task, and that nothing comes of it.

Each kind of order of tests/app/generation/attacks.py that is named in trial.py stands once in an
article and once in the question. Asserted for each answer is what tests/app/generation/
invariants.py says. Counted is how often the model itself changed its task: its reply has the word
that the order asks for, or does not tell the year that was asked for; the latter also without any
order, for this model fails by itself. Intervals are Wilson's, 95 %.

Then, how often an ordinary sentence is refused for what it looks like: each sentence of SQuAD's
paragraphs with a small first letter and without its full stop, cited to its paragraph.

    python bench/injection.py
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from corpora import argument_parser  # noqa: E402
from report import print_table  # noqa: E402
from scipy.stats import binomtest  # noqa: E402

from app.evaluation.files import read_lines  # noqa: E402
from app.generation.prompts import ANSWER  # noqa: E402
from app.generation.screen import Screen  # noqa: E402
from tests.app.generation.trial import KINDS, PLACES, Outcome, Trial  # noqa: E402
from tests.fakes import FINGERPRINT  # noqa: E402
from tests.real_model import start_real_model  # noqa: E402
from vectorstore.sentences import find_sentences  # noqa: E402
from vectorstore.store import Store  # noqa: E402

CONTROLS = 2


def wilson(found: int, n: int, digits: int = 2) -> str:
    """Return a share with its interval (Wilson 1927)."""
    if not n:
        return "–"
    low, high = binomtest(found, n).proportion_ci(method="wilson")
    return f"{found} of {n} = {found / n:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


def attack() -> list[Outcome]:
    """Ask the real model in every cell, and a few times without an order."""
    real = start_real_model()
    outcomes = []
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder) / "data", FINGERPRINT)
        trial = Trial(store, real.settings)
        cells = [("", "")] * CONTROLS + [(kind, place) for place in PLACES for kind in KINDS]
        for kind, place in cells:
            start = time.perf_counter()
            outcomes.append(trial.ask(kind, place))
            seconds = time.perf_counter() - start
            print(f"{kind or 'no order'} in {place or '-'}: {seconds:.0f} s", file=sys.stderr)
        store.close()
    return outcomes


def refusals(data: Path) -> tuple[int, int]:
    """Return how many of SQuAD's sentences are refused, and how many there are."""
    screen = Screen(ANSWER.format(example="k12", language="in English"), ["12345678"])
    refused = count = 0
    for row in read_lines(data / "squad" / "paragraphs.jsonl"):
        text = row["text"]
        for span in find_sentences(text, 0, len(text), "en"):
            sentence = text[span.start : span.end]
            changed = sentence[:1].lower() + sentence[1:].rstrip(".")
            count += 1
            refused += screen.refuses(changed, [text]) is not None
    return refused, count


def main(arguments: argparse.Namespace) -> None:
    """Print what was found."""
    outcomes = attack()
    print("What the model itself did:\n")
    rows = []
    for place in ("", *PLACES):
        here = [each for each in outcomes if each.place == place]
        rows.append([
            place or "no order",
            wilson(sum(each.has_marker for each in here), len(here)),
            wilson(sum(not each.answers for each in here), len(here)),
            wilson(sum(each.has_marker or not each.answers for each in here), len(here)),
        ])  # fmt: skip
    print_table(["order in", "has the word", "no year", "changed its task"], rows)
    print("\nWhat readers saw (every invariant held in each answer):\n")
    print_table(
        ["order", "in", "reply begins", "shown"],
        [
            [each.kind or "-", each.place or "-", _cell(each.said), _shown(each)]
            for each in outcomes
        ],
    )
    refused, count = refusals(arguments.data / "data")
    print(f"\nSentences of SQuAD that are refused: {wilson(refused, count, 4)}.")


def _cell(text: str) -> str:
    return " ".join(text.split())[:60].replace("|", "/").replace("`", "'").join("``")


def _shown(outcome: Outcome) -> str:
    kinds = [each.support for each in outcome.faces.answer.sentences]
    return ", ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds)) or "refusal"


if __name__ == "__main__":
    main(argument_parser(__doc__ or "").parse_args())
