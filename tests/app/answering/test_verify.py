"""Whether sentences are borne out by the passages they cite."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.answering.evidence import Evidence
from app.answering.verify import Verifier
from vectorstore.types import Vector

TEXT = (
    "The Lyra Dome opened on 4 July 2017 in Bergen.",
    "Its roof weighs 3,200 tonnes and cost 14 million euros.",
    "Anna Vik, who drew the plans, did not attend the ceremony.",
    "“We built it for the sailors of this town,” said Mayor Olsen.",
    "About 500 people visited the dome last week.",
    "Visitor numbers increased in the second year.",
)
PASSAGE = Evidence(" ".join(TEXT), "Lyra Dome", date(2018, 5, 9), "en", TEXT)


class Counting:
    """An encoder that places every text alike, and counts how often it is asked."""

    def __init__(self) -> None:
        self.asked = 0

    def encode_query(self, text: str) -> Vector:
        """Return the one place."""
        self.asked += 1
        return np.array([1.0, 0.0], dtype=np.float32)


@pytest.mark.parametrize(
    "sentence",
    [
        "The dome in Bergen opened in July 2017.",
        "The roof cost 14 million euros and weighs 3,200 tonnes.",
        "The roof weighs 3200 tonnes.",
        "Vik did not attend the ceremony.",
        "Olsen said they “built it for the sailors of this town”.",
        "About 500 people visited in early May 2018.",
        "Visitor numbers increased in the second year of the dome.",
    ],
)
def test_what_the_passage_says_in_other_words_is_supported(sentence: str) -> None:
    """Shortened, reordered and resolved facts are no faults."""
    assert Verifier().check(sentence, [PASSAGE]).support == "supported"


@pytest.mark.parametrize(
    ("sentence", "kind", "words"),
    [
        ("The dome in Bergen opened in July 2018.", "date", "July 2018"),
        ("The Lyra Dome opened on 5 July 2017 in Bergen.", "date", "5 July 2017"),
        ("Its roof weighs 4,200 tonnes.", "number", "4,200 tonnes"),
        ("Its roof weighs 3,200 kilograms.", "number", "3,200 kilograms"),
        ("Its roof cost 14 billion euros.", "number", "14 billion euros"),
        ("The Lyra Dome opened in Oslo.", "name", "Oslo"),
        ("Anna Holm drew the plans of the dome.", "name", "Anna Holm"),
        ("Anna Vik attended the ceremony.", "negation", "not"),
        ("The Lyra Dome never opened in Bergen.", "negation", "never opened"),
        ("Visitor numbers decreased in the second year.", "negation", "decreased"),
        ("Olsen said “we built it for the children of this town”.", "quotation", "children"),
    ],
)
def test_what_the_passage_does_not_say_is_named(sentence: str, kind: str, words: str) -> None:
    """Each kind of fault makes a sentence unsupported, and the reason names the words."""
    verdict = Verifier().check(sentence, [PASSAGE])
    assert verdict.support == "unsupported"
    assert verdict.faults[0].kind == kind
    assert words in verdict.reason


@given(st.sampled_from(TEXT))
def test_a_quoted_sentence_is_verbatim(sentence: str) -> None:
    """A whole sentence of the passage is verbatim, in plain quotes or curly ones."""
    for form in (sentence, sentence.replace("“", '"').replace("”", '"'), f" {sentence}\n"):
        assert Verifier().check(form, [PASSAGE]).support == "verbatim"


@given(st.text(max_size=300), st.text(max_size=300))
def test_no_text_breaks_the_check(sentence: str, passage: str) -> None:
    """Any sentence and any passage get one verdict, the same each time."""
    first = Verifier().check(sentence, [Evidence(passage)])
    assert first == Verifier().check(sentence, [Evidence(passage)])
    assert 0.0 <= first.score <= 1.0


@given(st.integers(2, 10**6).filter(lambda n: n not in (3200, 14, 500, 2017, 2018)))
def test_no_other_number_stands_in_the_place_of_one(number: int) -> None:
    """Whatever number is put into a sentence of the passage, only its own is borne out."""
    verdict = Verifier().check(f"Its roof weighs {number:,} tonnes.", [PASSAGE])
    assert verdict.support == "unsupported"


def test_a_sentence_of_another_article_is_unsupported() -> None:
    """What shares only common words with the passage is not borne out."""
    foreign = "Hummingbirds drink nectar and beat their wings quickly."
    verdict = Verifier().check(foreign, [PASSAGE])
    assert verdict.support == "unsupported"
    assert "says little of this" in verdict.reason


def test_nothing_cited_is_unchecked() -> None:
    """Without evidence, or without a sentence, there is no verdict."""
    assert Verifier().check("The dome opened.", []).support == "unchecked"
    assert Verifier().check(" ", [PASSAGE]).support == "unchecked"


def test_other_languages_have_their_figures_checked() -> None:
    """In a language without rules numbers are checked, and the verdict says what is not."""
    german = Evidence("Das Dach wiegt 3200 Tonnen.", language="de")
    assert Verifier().check("Es wiegt 3200 Tonnen.", [german]).support == "unchecked"
    assert Verifier().check("Es wiegt 4200 Tonnen.", [german]).support == "unsupported"


def test_meaning_decides_only_in_doubt() -> None:
    """The encoder is asked where the words leave doubt and there are vectors, else never."""
    near = Evidence(PASSAGE.text, "Lyra Dome", None, "en", TEXT, np.array([[1.0, 0.0]]))
    far = Evidence(PASSAGE.text, "Lyra Dome", None, "en", TEXT, np.array([[0.0, 1.0]]))
    encoder = Counting()
    verifier = Verifier(encoder)  # type: ignore[arg-type]
    assert verifier.check("The dome in Bergen opened in July 2017.", [near]).support == "supported"
    assert encoder.asked == 0
    paraphrase = "Sailing folk got themselves a fine building."
    assert verifier.check(paraphrase, [near]).support == "supported"
    assert verifier.check(paraphrase, [far]).support == "unsupported"
    assert encoder.asked == 2
