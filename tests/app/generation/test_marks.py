import random
import re
import time
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.generation.grammar import LONGEST
from app.generation.marks import CitationStream, Draft
from app.generation.reader import INLINE
from bench.replies import find_faults, make_reply, read_reply

KEYS = ("k7f", "m2x", "q0b")
NUMBERS = ("1", "2", "3", "4", "5", "10")


def read(reply: str, keys: Sequence[str] = KEYS, language: str = "en") -> list[Draft]:
    """Return the drafts of a reply that comes at once."""
    stream = CitationStream(keys, language)
    return stream.feed(reply) + stream.close()


def sentences(reply: str, language: str = "en") -> list[str]:
    """Return the texts of a reply's drafts."""
    return [draft.text for draft in read(reply, language=language)]


def joined(drafts: list[Draft]) -> str:
    """Return the reply as it should be shown."""
    return "".join(draft.before + draft.text for draft in drafts)


@pytest.mark.parametrize(
    ("mark", "keys", "invented"),
    [
        *(
            (form, ("k7f",), 0)
            for form in ("[k7f]", "【k7f】", "(k7f)", "［k7f］", "（ｋ７ｆ）", "〔k7f〕")
        ),
        *((form, ("k7f",), 0) for form in ("【k7f†source】", "[k7f†L1-L5]", "[K7F]", "[ k7f ]")),
        *(
            (form, ("k7f",), 0)
            for form in ("[Passage k7f]", "[source: k7f]", "[cite:k7f]", "[#k7f]")
        ),
        *((form, ("k7f",), 0) for form in ("(source: k7f)", "(see [k7f])", "([k7f])", "[[k7f]]")),
        *((form, ("k7f",), 0) for form in ("^[k7f]", "[^k7f]", r"\[k7f\]", r"\(k7f\)")),
        *((form, ("k7f",), 0) for form in ("**[k7f]**", "*[k7f]*", "__[k7f]__", "_[k7f]_")),
        *(
            (form, ("k7f",), 0)
            for form in ("[k7f, p. 3]", "[k7f, pp. 3-5]", "[k7f:12]", "[k7f, 12]")
        ),
        *((form, ("k7f",), 0) for form in ("[k\u200b7f]", "[k7f\u200f]", "\u200b[k7f]"[1:])),
        *(
            (form, ("k7f", "m2x"), 0)
            for form in ("[k7f, m2x]", "[k7f; m2x]", "[k7f m2x]", "(k7f,m2x)")
        ),
        *((form, ("k7f", "m2x"), 0) for form in ("[k7f][m2x]", "[k7f] [m2x]", "[k7f], [m2x]")),
        *(
            (form, ("k7f", "m2x"), 0)
            for form in ("[k7f and m2x]", "[k7f] and [m2x]", "([k7f]; [m2x])")
        ),
        ("[k7f, k7f][k7f]", ("k7f",), 0),
        ("[x9z]", (), 1),
        ("[x9z, y8w]", (), 2),
        ("[Passage x9z]", (), 1),
        ("[k7f, zzz]", ("k7f",), 1),
        ("[zzz, k7f]", ("k7f",), 1),
        ("[X9Z, k7f]", ("k7f",), 1),
    ],
)
@pytest.mark.parametrize("place", ["Rain falls {}.", "Rain falls.{} Sand", "Rain falls. {} Sand"])
def test_every_form_is_read_and_taken_out(
    mark: str, keys: Sequence[str], invented: int, place: str
) -> None:
    """A mark in any form that models write goes, and its sentence gets its keys."""
    draft = read(place.format(mark))[0]
    assert (draft.text, draft.keys, draft.invented) == ("Rain falls.", keys, invented)


@pytest.mark.parametrize(
    "own",
    [
        *("[sic]", "[…]", "[2]", "[CO2]", "[text](https://example.org)", "[ ]", "[x]", "[]", "()"),
        *("(x9z)", "(k7f, x9z)", "(k7f or not)", "[k7f】", "[k7fx]", "[see the text]", "a[0]"),
        *("[k\u03017f]", "{k7f}", "k7f", "[k7f\nm2x]", "[p. 3]", "`[k7f]`", "``a ` [k7f]``"),
    ],
)
def test_what_is_no_mark_stays(own: str) -> None:
    """Brackets that hold no key, and code, stay as they were written."""
    draft = read(f"Rain {own} falls.")[0]
    assert (draft.text, draft.keys, draft.invented) == (f"Rain {own} falls.", (), 0)


@pytest.mark.parametrize(
    ("mark", "keys", "invented"),
    [
        ("[1]", ("1",), 0),
        ("[1-3]", ("1", "2", "3"), 0),
        ("[1–3, 5]", ("1", "2", "3", "5"), 0),
        ("[4-6]", ("4", "5"), 1),
        ("[8]", (), 1),
        ("[1, p. 3]", ("1",), 0),
        ("[2, pp. 3-5]", ("2",), 0),
        ("(2)", ("2",), 0),
    ],
)
def test_numbers_may_come_as_ranges(mark: str, keys: Sequence[str], invented: int) -> None:
    """Where the keys are numbers, a range cites all keys in it."""
    draft = read(f"Rain falls {mark}.", NUMBERS)[0]
    assert (draft.text, draft.keys, draft.invented) == ("Rain falls.", keys, invented)


@pytest.mark.parametrize(
    "own", ["[2024]", "[3-1]", "[1990-1995]", "[1.5]", "[1/2]", "[1:2]", "(8)"]
)
def test_other_numbers_stay(own: str) -> None:
    """Where the keys are numbers, years, decimals and fractions in brackets are the text's own."""
    assert read(f"Rain {own} falls.", NUMBERS)[0].text == f"Rain {own} falls."


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ("One.[k7f] Two", [("", "One.", "k7f"), (" ", "Two", "")]),
        ("One. [k7f] Two", [("", "One.", "k7f"), (" ", "Two", "")]),
        ("One.[k7f]Two", [("", "One.", "k7f"), ("", "Two", "")]),
        ("One.\n[k7f]", [("", "One.", "k7f")]),
        ("One.\n\n[k7f]\n\nTwo", [("", "One.", "k7f"), ("\n\n", "Two", "")]),
        ("One.\n[k7f]\n[m2x]\nTwo", [("", "One.", "k7f m2x"), ("\n", "Two", "")]),
        ("One.\n[k7f] Two", [("", "One.", ""), ("\n", "Two", "k7f")]),
        ("One.\n\n[k7f] Two", [("", "One.", ""), ("\n\n", "Two", "k7f")]),
        ("[k7f] One. Two", [("", "One.", "k7f"), (" ", "Two", "")]),
        ("[k7f]\nOne.", [("\n", "One.", "k7f")]),
        ("One [k7f] two [m2x], three [k7f].", [("", "One two, three.", "k7f m2x")]),
        ("One [k7f]two", [("", "One two", "k7f")]),
        ('"One [k7f]" two.', [("", '"One" two.', "k7f")]),
        ("**One [k7f]** two.", [("", "**One** two.", "k7f")]),
        ("One ([k7f] two).", [("", "One (two).", "k7f")]),
        ("- [k7f] One\n- Two [m2x]", [("- ", "One", "k7f"), ("\n- ", "Two", "m2x")]),
        ("1. One. [k7f]\n2. Two", [("1. ", "One.", "k7f"), ("\n2. ", "Two", "")]),
        ("## One. Two [k7f]\nThree", [("## ", "One. Two", "k7f"), ("\n", "Three", "")]),
        ("| a. B [k7f] |\n| c |", [("", "| a. B |", "k7f"), ("\n", "| c |", "")]),
        ("一。【k7f】二【m2x】。三", [("", "一。", "k7f"), ("", "二。", "m2x"), ("", "三", "")]),
        ("One[k7f]\u0301 two.", [("", "One\u0301 two.", "k7f")]),
        (" One [k7f]  ", [(" ", "One", "k7f")]),
        ("[k7f]", []),
        ("", []),
    ],
)
def test_marks_go_to_their_sentence(reply: str, expected: list[object]) -> None:
    """Where a mark stands says whose it is, and which blank around it goes."""
    drafts = [(draft.before, draft.text, " ".join(draft.keys)) for draft in read(reply)]
    assert drafts == expected


@pytest.mark.parametrize(
    ("reply", "language", "expected"),
    [
        ("It rains. It pours! Why? So…", "en", ["It rains.", "It pours!", "Why?", "So…"]),
        ("See e.g. Kenya. Then.", "en", ["See e.g. Kenya.", "Then."]),
        ("Dr. J. R. Smith left the U.S. Army.", "en", ["Dr. J. R. Smith left the U.S. Army."]),
        ("No. 5 cost 3.5 euros. More", "en", ["No. 5 cost 3.5 euros.", "More"]),
        ("Am 3. Mai, z. B. in Bonn. Ja", "de", ["Am 3. Mai, z. B. in Bonn.", "Ja"]),
        ("Seit 3. Mai. Ja", "en", ["Seit 3. Mai.", "Ja"]),
        ("3. Mai 2020. Ja", "de", ["3. Mai 2020.", "Ja"]),
        ("Steps: 1. Foo 2) bar", "en", ["Steps: 1. Foo 2) bar"]),
        ('He said "Go. Now." Then', "en", ['He said "Go. Now."', "Then"]),
        ("(One. Two.) Three", "en", ["(One. Two.)", "Three"]),
        ("“Go!” he said. Yes", "en", ["“Go!” he said.", "Yes"]),
        ("„Los. Gut.“ Ja", "de", ["„Los. Gut.“", "Ja"]),
        ("It is […] Kenya.", "en", ["It is […] Kenya."]),
        ("Call `a.b. C` now. Then", "en", ["Call `a.b. C` now.", "Then"]),
        ("One\ntwo. Three", "en", ["One\ntwo.", "Three"]),
        ("One\n\ntwo", "en", ["One", "two"]),
        ("नमस्ते। ठीक۔ نعم؟ ok", "en", ["नमस्ते।", "ठीक۔", "نعم؟ ok"]),
        ("好！是。「好。」是", "zh", ["好！", "是。", "「好。」", "是"]),
        ("M. Dupont rit. Oui", "fr", ["M. Dupont rit.", "Oui"]),
        ("A\x00. B\ud800. C", "en", ["A\x00.", "B\ud800.", "C"]),
    ],
)
def test_sentences_are_cut_where_they_end(
    reply: str, language: str, expected: list[object]
) -> None:
    """Stops end sentences, but for those of abbreviations, numbers, asides and code."""
    assert sentences(reply, language) == expected


def test_a_list_item_is_a_draft_of_its_own() -> None:
    """What leads items, headings and quotations is in `before`, each draft ends with its line."""
    drafts = read("One:\n- two\n* three. Four\n\n> five\n• six\n1) seven\n2) eight")
    assert [draft.text for draft in drafts] == "One:,two,three.,Four,five,six,seven,eight".split(
        ","
    )
    assert [draft.before for draft in drafts][1:3] == ["\n- ", "\n* "]
    assert all(draft.whole for draft in drafts[:-1])


def test_code_blocks_are_untouched() -> None:
    """Every line of a code block is a draft as it was written, and nothing in it is a mark."""
    code = "```py\nx = a[k7f]  # [x9z]\n\n  y. Z `\n```"
    drafts = read(f"One:\n{code}\n[m2x]\nTwo [k7f].")
    lines = drafts[1:-1]
    assert joined(lines) == f"\n{code}"
    assert all(draft.code and draft.invented == 0 for draft in lines)
    assert [draft.keys for draft in lines] == [(), (), (), ("m2x",)]
    assert drafts[-1] == Draft("Two.", ("k7f",), 0, "\n", code=False, whole=True)


@pytest.mark.parametrize(
    "half", ["[", "[k", "[k7f", "[k7f, m", "(", "(k7f", "【k7f†sou", "**[k7f", "[^", "[K"]
)
def test_a_half_written_mark_is_dropped_and_counted(half: str) -> None:
    """Where the reply ends within a mark, that mark goes, is counted, and the rest is not whole."""
    drafts, stream = read_reply(KEYS, f"Rain falls {half}")
    assert drafts == [Draft("Rain falls", (), 0, "", code=False, whole=False)]
    assert (stream.halved, stream.invented) == (1, 0)


@pytest.mark.parametrize("tail", ["[sic", "(the", "**", "\\", "[the", "`[k7f", "^", "a[x1y2"])
def test_other_ends_are_kept(tail: str) -> None:
    """Where the reply ends within what is not likely to be a mark, nothing is lost."""
    drafts, stream = read_reply((*KEYS, "a1c"), f"Rain {tail}")
    assert joined(drafts).startswith("Rain " + tail.split("[k7f")[0])
    assert stream.halved == ("[k7f" in tail)


def test_inventions_of_no_sentence_are_counted() -> None:
    """What a reply of nothing but marks invents is known to the stream."""
    drafts, stream = read_reply(KEYS, "[x9z] [y8w]")
    assert (drafts, stream.invented) == ([], 2)


def test_without_keys_nothing_is_a_mark() -> None:
    """A reply to a prompt without passages stays as it is."""
    assert [draft.text for draft in read("One [k7f]. Two (a).", keys=())] == [
        "One [k7f].",
        "Two (a).",
    ]


@pytest.mark.parametrize("keys", [("",), ("a b",), ("a]",), ("k" * 17,), ("ab1", "AB1")])
def test_keys_that_cannot_be_told_are_refused(keys: Sequence[str]) -> None:
    """A key that could not be read back raises an error that names it."""
    with pytest.raises(ValueError, match=re.escape(repr(keys[0]))):
        CitationStream(keys)


def test_a_sentence_comes_with_the_next_character() -> None:
    """A sentence is given out with the first character behind it that is of no mark."""
    stream = CitationStream(KEYS)
    for char in "Rain falls. [k7f] [m2x]\n\n":
        assert stream.feed(char) == []
    assert stream.feed("S")[0] == Draft("Rain falls.", ("k7f", "m2x"), 0, "", False, True)


@pytest.mark.parametrize(
    ("opening", "longest"),
    [
        ("(see " + "k7f, " * 50, LONGEST),
        ("`" + "a" * 500, INLINE + 1),
        ("[the sands", 9),
        ("**bold", 4),
    ],
)
def test_text_is_not_held_for_long(opening: str, longest: int) -> None:
    """What looks like a mark or code is text again after the stated number of characters."""
    stream = CitationStream(KEYS)
    stream.feed("Rain falls. ")
    released = next(at for at, char in enumerate(opening, start=1) if stream.feed(char))
    assert released <= longest


def test_a_long_sentence_is_cut() -> None:
    """A sentence without an end comes in parts that say so."""
    drafts = read("rain " * 1_000 + "x" * 5_000)
    assert max(len(draft.text) for draft in drafts) <= 2_000
    assert not any(draft.whole for draft in drafts)
    assert joined(drafts) == "rain " * 1_000 + "x" * 5_000


MARK = r"\[(?:k7f|m2x|x9z)\]"
RUN = re.compile(f"{MARK}(?: *,? *{MARK})*")
SOUP = (
    "Rain",
    "falls",
    ".",
    ",",
    " ",
    " ",
    "\n",
    "\n- ",
    "[k7f]",
    "[m2x]",
    "[x9z]",
    "?",
    '"',
    "。",
)


def without_marks(reply: str) -> str:
    """Take the marks out of a whole reply, as the module's docstring says."""
    at = 0
    while found := RUN.search(reply, at):
        left, right = reply[: found.start()], reply[found.end() :]
        body, rest = left.rstrip(), right.lstrip()
        before, behind = left[len(body) :], right[: len(right) - len(rest)]
        led = re.search(r"(?:^|\n)\s*-$", body) and before.startswith(" ")
        if "\n" in behind:
            kept = max(behind, before, key=lambda blank: blank.count("\n"))
            kept = kept if body and not led else before + behind
        elif not rest or (body and not led and "\n" not in before):
            clings = not rest or rest[0] in '.,?"。'
            kept = behind if behind or clings else before
        else:
            kept = before
        reply, at = body + kept + rest, len(body)
    return reply


@given(st.lists(st.sampled_from(SOUP), max_size=25).map("".join))
def test_nothing_is_lost_or_doubled(reply: str) -> None:
    """The drafts joined are the reply without its marks, as a plain substitution makes it."""
    drafts, stream = read_reply(KEYS, reply)
    assert joined(drafts).rstrip(" \n-") == without_marks(reply).rstrip(" \n-")
    assert stream.invented == reply.count("[x9z]")
    assert {key for draft in drafts for key in draft.keys} <= set(KEYS)


PIECES = (
    *"[]()【】［］{}`*_^\\#>|-~.!?。…,:; \n\t\u200b\u200f\u0301\x00\ud800\ud83dakK7",
    "k7f",
    "m2x",
)
PIECES += (
    "[k7f",
    "[x9z]",
    "```\n",
    "\n\n",
    "see ",
    "and ",
    "†",
    "“",
    "”",
    "1. ",
    "\r\n",
    "Rain",
    "é",
)


@settings(max_examples=60)
@given(st.lists(st.sampled_from(PIECES), max_size=30).map("".join), st.randoms())
def test_drafts_do_not_depend_on_the_cut(reply: str, rng: random.Random) -> None:
    """Whatever the reply, every cut in two and a cut everywhere give the same drafts."""
    drafts, whole = read_reply(KEYS, [reply])
    places = sorted(rng.choices(range(len(reply) + 1), k=4))
    many = [reply[a:b] for a, b in zip([0, *places], [*places, None], strict=True)]
    for pieces in (reply, many, *([reply[:at], reply[at:]] for at in range(len(reply) + 1))):
        again, stream = read_reply(KEYS, pieces)
        assert again == drafts
        assert (stream.invented, stream.halved) == (whole.invented, whole.halved)


@given(st.lists(st.sampled_from(PIECES), max_size=30).map("".join))
def test_nothing_is_shown_that_was_a_mark(reply: str) -> None:
    """No plain mark, known or invented, is left in a draft that is no code."""
    for draft in read(reply):
        prose = re.sub(r"`+[^`]*`+", "", draft.text)
        assert draft.code or "`" in draft.text or not re.search(r"\[(?:k7f|m2x|x9z)\]", prose)


@given(
    st.lists(
        st.sampled_from('Rain falls . ! ? 。 \n é \u0301 \u200b \x00 木 ) " 5 - | #'.split(" ")),
        max_size=40,
    )
)
def test_without_keys_no_character_changes(words: list[str]) -> None:
    """Without marks, the drafts joined are the reply but for what leads nothing at its end."""
    reply = " ".join(words)
    assert joined(read(reply, keys=())).rstrip(" -#\n") == reply.rstrip(" -#\n")


@pytest.mark.parametrize("part", range(5))
def test_made_up_replies_are_read_as_they_were_made(part: int) -> None:
    """Replies with marks of every form and place come out as put together, however cut."""
    faults = []
    for number in range(part * 100, part * 100 + 100):
        rng = random.Random(number)  # noqa: S311 - a fixed seed
        faults += find_faults(make_reply(rng), rng, every_cut=number % 20 == 0)[0]
    assert faults == []


@pytest.mark.parametrize("pattern", ["[", "(", "*", "`a``", "[k7f, ", ". ", "```\n", "\n", "[k7f]"])
def test_time_is_linear(pattern: str) -> None:
    """Four times the characters take at most ten times as long, whatever they are."""

    def seconds(length: int) -> float:
        text = (pattern * length)[:length]
        start = time.process_time()
        read_reply(KEYS, text)
        return time.process_time() - start

    assert seconds(12_000) < 10 * max(seconds(3_000), 0.02)
