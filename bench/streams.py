"""Whether the marks of a chat model's reply are read as they were made, however it is cut.

10,000 made-up replies (replies.py), each in single characters, in random pieces and in two; every
EVERYth in the two pieces of every cut. Then the time a character takes, and the longest that a
reply of one sign takes: brackets, backticks, stops.

    python bench/streams.py
"""

from __future__ import annotations

import random
import sys
import time

from replies import find_faults, make_reply, read_reply
from report import Figure, print_figures, print_table

REPLIES = 10_000
EVERY = 20
LENGTH = 100_000  # characters of a long reply
PROSE = (
    "Rain falls on the sand of the deserts, e.g. in the north [k7f]. It runs to the rivers, "
    "as (nearly) all of it does. [m2x, q0b] "
)
NASTY = ("[", "(", "*", "`", "`a``", ". ", "[k7f, ", "([k7f], ", "(see ", "[k7f]", "。”", '"', "#")
NASTY += ("[k7f\u200b", "[k7f†aaaaaaaaaaaa", "```x ` ", "```\n", "- ", "\n", " ", "a", "[(`*_.\n1-")
CEILING = 2.0  # seconds for LENGTH characters of prose, one by one


def seconds(pattern: str) -> float:
    """Return the processor's time for a long reply that repeats a pattern, one by one."""
    text = (pattern * (LENGTH // len(pattern) + 1))[:LENGTH]
    start = time.process_time()
    read_reply(("k7f", "m2x", "q0b"), text)
    return time.process_time() - start


def main() -> int:
    """Print the figures; 1 if a reply was misread or prose takes too long."""
    faults: list[str] = []
    cuttings = characters = marks = 0
    start = time.process_time()
    for number in range(REPLIES):
        rng = random.Random(number)  # noqa: S311 - a fixed seed
        reply = make_reply(rng)
        found, cut = find_faults(reply, rng, every_cut=number % EVERY == 0)
        faults += found
        cuttings += cut
        characters += len(reply.text)
        marks += sum(len(draft[2]) for draft in reply.drafts) + reply.invented
    taken = time.process_time() - start
    for fault in faults[:10]:
        print(fault)
    print(
        f"{REPLIES} replies of {characters / REPLIES:.0f} characters on average, {marks} keys in "
        f"their marks, {cuttings} cuttings, {taken:.0f} s of processor time\n"
    )
    times = {pattern: seconds(pattern) for pattern in NASTY}
    print_table(
        [f"{LENGTH} characters, one by one", "seconds"],
        [[repr(pattern), f"{value:.2f}"] for pattern, value in times.items()],
    )
    figures = [
        Figure("replies misread", len(faults), ceiling=0),
        Figure(f"seconds for {LENGTH} characters of prose", seconds(PROSE), ceiling=CEILING),
    ]
    return 0 if print_figures(figures) else 1


if __name__ == "__main__":
    sys.exit(main())
