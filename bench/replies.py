"""Made-up replies of a chat model, with what should be read from them.

A reply is put together from sentences and marks, so what should come out is known from how it was
made, and not from reading it. Marks come in every form, known, invented or mixed, at every place
that models put them; sentences hold what is easily taken for a mark or for an end.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from app.generation.marks import CitationStream, Draft

MIXED = ("k7f", "m2x", "q0b", "a1c", "z99")
NUMBERS = ("1", "2", "3", "4", "5")
PLAIN = tuple(
    "trees forests grow in the north and south of Kenya since café na\u0308ive नमस्ते עצים أشجار 木 "
    "🌳 👩\u200d🌾 3.5 1,200 snow_fall 5*3 e.g. Dr. Smith's U.S. (about) \x00 \ud83d #tag".split(
        " "
    )
)
TRAPS = (
    "[sic]",
    "[…]",
    "[CO2]",
    "[text](https://example.org/a.b)",
    "(sic)",
    "**bold**",
    "(x)",
)
TRAPS += ("`x[k7f]. Y`", "``[k7f] ` b``", "a[0]", "No. 7", "f(x)", "[ ]", "[k7fx]", "(x9z)", "5 *")
SAFE = ("rain", "falls", "rivers", "run", "deep", "sand")  # after which a stop is an end
STOPS = tuple(".!?…؟।")


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply, and what should be read from it: text, keys, inventions and white space."""

    text: str
    keys: tuple[str, ...]
    drafts: tuple[tuple[str, str, tuple[str, ...], int, bool], ...]
    invented: int
    halved: int


@dataclass(slots=True)
class _Sentence:
    """A sentence in the making: as the model writes it, and as it should be read."""

    written: str = ""
    read: str = ""
    keys: dict[str, None] = field(default_factory=dict)
    invented: int = 0

    def word(self, word: str, blank: str = " ") -> None:
        blank = blank if self.read else ""
        self.written += blank + word
        self.read += blank + word

    def mark(self, mark: tuple[str, Sequence[str], int], before: str = "", after: str = "") -> None:
        self.written += before + mark[0] + after
        self.keys.update(dict.fromkeys(mark[1]))
        self.invented += mark[2]


def make_reply(rng: random.Random) -> Reply:
    """Return a reply of one to four blocks."""
    keys = MIXED if rng.random() < 0.8 else NUMBERS
    text, before = "", ""
    drafts: list[tuple[str, str, tuple[str, ...], int, bool]] = []
    for _ in range(rng.randint(1, 3)):
        for lead, sentence, gap, code in _make_block(rng, keys):
            text += before + lead + sentence.written
            said = tuple(sentence.keys)
            drafts.append((before + lead, sentence.read, said, sentence.invented, code))
            before = gap
        before = "\n\n"
    invented = sum(draft[3] for draft in drafts)
    halved = rng.random() < 0.2 and not drafts[-1][4]
    if halved:
        mark = make_mark(rng, keys)[0].lstrip("*_\\^")
        closing = min(at for at, char in enumerate(mark) if char in "])】］）")
        text += " " + mark[: rng.randint(1, closing)]
    return Reply(text, keys, tuple(drafts), invented, int(halved))


def _make_block(
    rng: random.Random, keys: Sequence[str]
) -> Iterator[tuple[str, _Sentence, str, bool]]:
    """Yield what leads a draft, the draft, the white space behind it and whether it is code."""
    kind = rng.choice(("prose", "prose", "prose", "list", "numbers", "heading", "table", "fence"))
    lines = rng.randint(1, 3)
    if kind == "prose":
        for at in range(lines):
            sentence = make_sentence(rng, keys, first=at == 0, last=at == lines - 1)
            yield "", sentence, rng.choice((" ", "  ")), False
    elif kind in ("list", "numbers"):
        for at in range(lines):
            lead = rng.choice(("- ", "* ", "• ")) if kind == "list" else f"{at + 1}. "
            sentence = make_sentence(rng, keys, True, True, stop=rng.random() < 0.5)
            yield lead, sentence, "\n", False
    elif kind == "heading":
        yield "#" * rng.randint(1, 3) + " ", make_sentence(rng, keys, False, True), "\n", False
    elif kind == "table":
        for _ in range(lines):
            row = _Sentence()
            row.word("| Rain. Sand")
            row.mark(make_mark(rng, keys), " ")
            row.word("| deep |")
            yield "", row, "\n", False
    else:
        for line in ("```py", "x[k7f] = 'A. B'", "(k7f) [x9z] `", "```"):
            yield "", _Sentence(line, line), "\n", True


def make_sentence(
    rng: random.Random, keys: Sequence[str], first: bool, last: bool, stop: bool = True
) -> _Sentence:
    """Return a sentence with up to three marks."""
    made = _Sentence()
    if first and rng.random() < 0.15:
        made.mark(make_mark(rng, keys), "", rng.choice((" ", "  ")))
    made.word(rng.choice(("Rain", "Sand", "Äste", "Rivers")))
    for _ in range(rng.randint(1, 6)):
        made.word(rng.choice(PLAIN if keys is NUMBERS or rng.random() < 0.7 else TRAPS))
        if rng.random() < 0.1:
            made.word("rain")
            made.mark(make_mark(rng, keys), rng.choice(("", " ")))
            made.word("or")
    made.word(rng.choice(SAFE))
    if rng.random() < 0.4:
        made.mark(make_mark(rng, keys), rng.choice(("", " ", "  ")))
    if stop:
        made.word(rng.choice(STOPS), "")
        if rng.random() < 0.4:
            made.mark(make_mark(rng, keys), rng.choice(("", " ", "\n") if last else ("", " ")))
    return made


def make_mark(rng: random.Random, keys: Sequence[str]) -> tuple[str, tuple[str, ...], int]:
    """Return a mark as written, its keys and how many are invented."""
    first, second = rng.sample(keys, 2)
    lie = "x9z" if keys is MIXED else "8"
    forms: list[tuple[str, tuple[str, ...], int]] = [
        *((form.format(first), (first,), 0) for form in SINGLE),
        *((form.format(first, second), (first, second), 0) for form in DOUBLE),
        *((form.format(first, lie), (first,), 1) for form in (*DOUBLE[:4], "[{1}, {0}]")),
        *((form.format(lie), (), 1) for form in LYING),
    ]
    if keys is NUMBERS:
        forms += [("[2-4]", ("2", "3", "4"), 0), ("[1–2, 5]", ("1", "2", "5"), 0)]
        forms += [("[4-6]", ("4", "5"), 1)]
    else:
        forms += [(f"[{first.upper()}]", (first,), 0), (f"[{first}, zzz]", (first,), 1)]
        forms += [(f"[{first[0]}\u200b{first[1:]}]", (first,), 0), (f"[{first}:12]", (first,), 0)]
    return rng.choice(forms)


SINGLE = (
    *("[{}]", "【{}】", "【{}†source】", "({})", "[{}, p. 3]", "[Passage {}]", "[source: {}]"),
    *("^[{}]", "[^{}]", "\\[{}\\]", "**[{}]**", "*[{}]*", "__[{}]__", "([{}])", "(see [{}])"),
    *("[[{}]]", "［{}］", "（{}）", "[ {} ]", "[cite:{}]", "[#{}]", "[{}†L1-L5]", "[{}, pp. 3-5]"),
)
DOUBLE = (
    *("[{}, {}]", "[{}; {}]", "[{}][{}]", "[{}] [{}]", "[{}], [{}]", "([{}], [{}])"),
    *("[{} and {}]", "[{}] and [{}]", "【{}】【{}】", "[{}、{}]", "[{},{}]", "[{}] \u00a0[{}]"),
)
LYING = ("[{}]", "【{}】", "[Passage {}]", "**[{}]**", "[^{}]", "\\[{}\\]", "([{}])", "［{}］")


def read_reply(keys: Iterable[str], pieces: Iterable[str]) -> tuple[list[Draft], CitationStream]:
    """Return the drafts of a reply that comes in pieces."""
    stream = CitationStream(tuple(keys))
    drafts = [draft for piece in pieces for draft in stream.feed(piece)]
    return drafts + stream.close(), stream


def cut_anywhere(rng: random.Random, text: str) -> list[str]:
    """Return the text in pieces of 0 to 9 characters."""
    pieces, at = [], 0
    while at < len(text):
        size = rng.choice((0, 1, 1, 2, 3, 5, 9))
        pieces.append(text[at : at + size])
        at += size
    return pieces


def find_faults(reply: Reply, rng: random.Random, every_cut: bool) -> tuple[list[str], int]:
    """Return what is wrong with how a reply is read, and in how many cuttings it was read.

    It is read in single characters, which cuts everywhere at once, in pieces of random sizes, and
    in the two pieces of one cut, or of every cut.
    """
    drafts, stream = read_reply(reply.keys, reply.text)
    faults = []
    read = tuple((d.before, d.text, d.keys, d.invented, d.code) for d in drafts)
    if read != reply.drafts:
        pairs = list(zip(read, reply.drafts, strict=False))
        faults.append(f"{reply.text!r}: {[p for p in pairs if p[0] != p[1]] or read}")
    if (stream.invented, stream.halved) != (reply.invented, reply.halved):
        faults.append(f"{reply.text!r}: {stream.invented} invented, {stream.halved} halved")
    text = reply.text
    cuts = range(len(text) + 1) if every_cut else [rng.randrange(len(text) + 1)]
    cuttings = [[text[:cut], text[cut:]] for cut in cuts] + [cut_anywhere(rng, text)]
    for pieces in cuttings:
        if read_reply(reply.keys, pieces)[0] != drafts:
            faults.append(f"read otherwise in the pieces {pieces!r}")
    return faults, len(cuttings) + 1
