"""Whether the support check catches what is not borne out, and leaves alone what is.

Faults of each kind are planted, with a fixed seed (faults.py), in the claims of WiCE that people
judged supported by the article they cite, up to VARIANTS in each, and in sentences of SQuAD's
paragraphs as an extractive answer quotes them; the untouched claims tell the false alarms. How
well the score separates WiCE's labels, beside the plain cosine, is what `citewell eval` prints.
Intervals are 95 %, over Wikipedia pages. Nothing is fitted here, but LITTLE in verify.py and the
figures at the top of facts.py were chosen on these claims of WiCE.

    python bench/support.py
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from corpora import argument_parser
from faults import KINDS, Fault, Kind, names, plant
from report import Figure, percentile, print_figures, print_table

from app.answering.evidence import Evidence
from app.answering.verify import Verdict, Verifier
from app.evaluation.bootstrap import Interval, Resampler
from app.evaluation.files import read_lines
from vectorstore.sentences import find_sentences

NEEDED: tuple[Kind, ...] = ("number", "unit", "date", "name", "negation", "foreign")
VARIANTS = 4  # faults of one kind in one sentence, at most, all different
EVERY = 20  # of SQuAD's paragraphs
SHORTEST = 40  # characters of a sentence of theirs
CEILING = 0.10  # of false alarms
FLOOR = 0.90  # of each kind caught


@dataclass(frozen=True, slots=True)
class Case:
    """A sentence that is borne out, what it cites, and the page that it is of."""

    text: str
    about: str
    evidence: Evidence
    page: str


Check = Callable[[Case, str], Verdict]


def wice(data: Path) -> list[Case]:
    """Return the claims that people judged supported."""
    return [
        Case(
            row["claim"],
            row["claim_title"],
            Evidence(" ".join(row["sentences"]), sentences=tuple(filter(None, row["sentences"]))),
            row["claim_title"],
        )
        for row in read_lines(data / "wice" / "claims.dev.jsonl.gz")
        if row["label"] == "supported"
    ]


def squad(data: Path) -> list[Case]:
    """Return the longest sentence of every EVERYth paragraph."""
    cases = []
    for row in list(read_lines(data / "squad" / "paragraphs.jsonl"))[::EVERY]:
        text = row["text"]
        spans = find_sentences(text, 0, len(text), "en")
        sentences = tuple(text[span.start : span.end] for span in spans)
        title = row["title"].replace("_", " ")
        longest = max(sentences, key=len)
        if len(longest) >= SHORTEST:
            cases.append(Case(longest, title, Evidence(text, title, None, "en", sentences), title))
    return cases


def faults(kind: Kind, cases: Sequence[Case]) -> list[tuple[Case, Fault]]:
    """Return the sentences with a fault of a kind, those in which none can be planted left out."""
    planted = []
    for case in cases:
        others = [other for other in cases if other.page != case.page]
        if kind == "name":
            pool = [name for other in others for name in names(other.text)]
            pool = [name for name in dict.fromkeys(pool) if name not in case.evidence.text]
        else:
            pool = [other.text for other in others]
        seen = set()
        for variant in range(1 if kind == "foreign" else VARIANTS):
            rng = random.Random(f"{case.text} {kind} {variant}")  # noqa: S311 - a sample
            fault = plant(kind, case.text, pool, rng)
            if fault is not None and fault.text not in seen:
                seen.add(fault.text)
                planted.append((case, fault))
    return planted


def caught(verdict: Verdict) -> bool:
    """Whether a sentence would be shown as unsupported."""
    return verdict.support == "unsupported"


def share(cases: Sequence[Case], found: Sequence[bool]) -> Interval:
    """Return the share found, with its interval over pages."""
    return Resampler([case.page for case in cases]).mean([float(each) for each in found])


def measure(
    name: str, cases: Sequence[Case], check: Callable[[Case, str], Verdict]
) -> list[Figure]:
    """Print what is caught in one set and return the figures that have bounds."""
    clean = [check(case, case.text) for case in cases]
    alarms = share(cases, [caught(verdict) for verdict in clean])
    figures = [_figure(f"{name}: false alarms", alarms, ceiling=CEILING)]
    missed = []
    for kind in KINDS:
        planted = faults(kind, cases)
        if not planted:
            continue
        found = [caught(check(case, fault.text)) for case, fault in planted]
        interval = share([case for case, _ in planted], found)
        floor = FLOOR if kind in NEEDED else None
        figures.append(_figure(f"{name}: {kind} caught", interval, floor=floor))
        missed += [fault for (_, fault), hit in zip(planted, found, strict=True) if not hit][:3]
    print_table(
        ["missed", "was", "is", "sentence"],
        [[fault.kind, fault.was[:60], fault.now[:60], fault.text[:160]] for fault in missed],
    )
    return figures


def _figure(
    name: str, value: Interval, floor: float | None = None, ceiling: float | None = None
) -> Figure:
    note = f"n={value.n}, [{value.low:.3f}, {value.high:.3f}]"
    return Figure(name, value.value, floor=floor, ceiling=ceiling, note=note)


def speed(cases: Sequence[Case]) -> list[Figure]:
    """Time a second sentence about evidence that was read for a first one, and the first."""
    again = Verifier()
    first, further = [], []
    for case in cases:
        for taken in (first, further):
            start = time.perf_counter()
            again.check(case.text + " ", [case.evidence], case.about)
            taken.append((time.perf_counter() - start) * 1e3)
    lines = sum(len(case.evidence.sentences) for case in cases) / len(cases)
    note = f"milliseconds; {lines:.0f} sentences of evidence on average"
    return [
        Figure("first sentence that cites an article, p50", percentile(first, 0.5), note=note),
        Figure("a further one, p50", percentile(further, 0.5), note="milliseconds"),
        Figure("a further one, p95", percentile(further, 0.95), ceiling=10, note="milliseconds"),
    ]


def main() -> int:
    """Run from the command line."""
    parser = argument_parser(__doc__)
    data = parser.parse_args().data / "data"
    verifier = Verifier()

    def check(case: Case, sentence: str) -> Verdict:
        return verifier.check(sentence, [case.evidence], case.about)

    claims = wice(data)
    figures = speed(claims)
    figures += measure("WiCE", claims, check)
    figures += measure("SQuAD", squad(data), check)
    return 0 if print_figures(figures) else 1


if __name__ == "__main__":
    sys.exit(main())
