"""The encoder reads a follow-up question together with the talk before it."""

from __future__ import annotations

import numpy as np
import pytest

from app.answering.conversation import Exchange, standalone
from app.answering.reading import Reader, model_of, reader_of
from tests.fakes import HashEncoder
from vectorstore.attention import Looks
from vectorstore.encoder import SentenceTransformerEncoder

BONNY = Exchange("Who was Anne Bonny?", "Anne Bonny was an Irish pirate in the Caribbean.")


class Counted:
    """An encoder that counts what it reads."""

    def __init__(self, encoder: SentenceTransformerEncoder) -> None:
        self._encoder = encoder
        self.fingerprint = encoder.fingerprint
        self.texts: list[tuple[str, ...]] = []

    def attend(self, texts: list[str], most: list[int]) -> Looks:
        """Look, and remember what at."""
        self.texts.append(tuple(texts))
        return self._encoder.attend(texts, most)


@pytest.fixture
def reader(real_encoder: SentenceTransformerEncoder) -> Counted:
    """The packaged encoder."""
    return Counted(real_encoder)


def test_what_a_pronoun_stands_for_is_read(reader: Counted) -> None:
    """Talk, last answer and question are read once, and what is meant is added."""
    found = standalone("How did she die?", [BONNY], reader=reader)
    assert found.added[0] == "Anne Bonny"
    assert reader.texts == [(BONNY.question, BONNY.answer, "How did she die?")]


@pytest.mark.parametrize("question", ["Who won the 2018 World Cup in Russia?", "Wie alt ist sie?"])
def test_a_question_that_stands_alone_is_not_read(reader: Counted, question: str) -> None:
    """It costs no pass of the encoder, and is left as it is."""
    assert standalone(question, [BONNY], reader=reader).question == question
    assert not reader.texts


def test_long_talks_fit_into_the_model(reader: Counted) -> None:
    """However long the turns were, what is read has no more tokens than the model has places."""
    long = Exchange("What is " + "an antidisestablishmentarian tree " * 15 + "?", "x1 y2 " * 900)
    standalone("How old is it?", [long] * 30, reader=reader)
    (texts,) = reader.texts
    assert len(texts) == 12


def test_only_the_model_that_was_fitted_on_reads(
    real_encoder: SentenceTransformerEncoder, encoder: HashEncoder
) -> None:
    """Another encoder's heads tell other things: with it the words alone tell."""
    assert reader_of(real_encoder) is real_encoder
    assert isinstance(SentenceTransformerEncoder(precision="bf16"), Reader)
    assert reader_of(encoder) is None
    other = Counted(real_encoder)
    other.fingerprint = "another/fp32/0123456789abcdef"
    assert reader_of(other) is None


def test_a_model_is_the_same_in_every_precision() -> None:
    """The precision is left out of a fingerprint."""
    assert model_of("a/b/fp32/00ff") == model_of("a/b/bf16/00ff") == "a/b/00ff"
    assert model_of("hash-256") == "hash-256"  # not one of ours


def test_nothing_to_look_from_is_no_error(reader: Counted) -> None:
    """A question of which the model reads no token is left as it is, or gets words of the talk."""
    with np.errstate(all="raise"):
        found = standalone("\u200b", [BONNY], reader=reader)
    assert found.question.startswith("\u200b")
