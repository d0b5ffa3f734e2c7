"""A pass over questions that is recorded gives what the model gives."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vectorstore.encoder import SentenceTransformerEncoder
from vectorstore.query_pass import QueryPass

questions = st.lists(st.text(max_size=300), min_size=1, max_size=9)


@pytest.fixture(scope="module")
def encoder() -> SentenceTransformerEncoder:
    """The default encoder, not shared with others: its model is looked into."""
    encoder = SentenceTransformerEncoder()
    encoder.load()
    return encoder


@settings(max_examples=60, deadline=None)
@given(asked=questions)
def test_the_vectors_are_the_models(encoder: SentenceTransformerEncoder, asked: list[str]) -> None:
    """Whatever is asked, in whatever company, the vectors are those of the library's own call."""
    expected = encoder._model.encode_query(asked, show_progress_bar=False)
    assert np.allclose(encoder._pass(asked).numpy(), expected, atol=1e-6)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_default_model_is_recorded(precision: str, caplog: pytest.LogCaptureFixture) -> None:
    """But for int8, whose layers cannot be, the default model's recording passes its own check."""
    caplog.set_level(logging.INFO, "vectorstore.query_pass")
    SentenceTransformerEncoder(precision=precision).load()
    assert not caplog.messages


def test_a_wrong_recording_is_not_used(
    encoder: SentenceTransformerEncoder, caplog: pytest.LogCaptureFixture
) -> None:
    """A model whose way depends on the questions is called as it is, and the log says why."""

    class Fickle(torch.nn.Module):
        def forward(self, features: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
            if features["input_ids"].shape[0] == 1:
                features["sentence_embedding"] = features["sentence_embedding"] * 2
            return features

    caplog.set_level(logging.INFO, "vectorstore.query_pass")
    model = SentenceTransformerEncoder()._model
    model.append(Fickle())
    run = QueryPass(model)
    assert any("is not recorded" in message for message in caplog.messages)
    alone = model.encode_query(["Where is it?"], show_progress_bar=False)
    assert np.allclose(run(["Where is it?"]).numpy(), alone, atol=1e-6)
