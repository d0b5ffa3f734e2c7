"""What the encoder's attention heads look at."""

from __future__ import annotations

import numpy as np
import pytest

from vectorstore.attention import MARK
from vectorstore.child import ChildEncoder
from vectorstore.encoder import SentenceTransformerEncoder

TEXTS = ("Who was Anne Bonny?", "She was a pirate.", "How did she die?")
MOST = (30, 30, 30)


def test_tokens_are_of_their_texts(real_encoder: SentenceTransformerEncoder) -> None:
    """Each token says where it stands in which text; marks stand between the texts."""
    looks = real_encoder.attend(TEXTS, MOST)
    last = [looks.pieces[place] for place in looks.own]
    assert [TEXTS[2][piece.start : piece.end] for piece in last] == [
        "How",
        "did",
        "she",
        "die",
        "?",
    ]
    marks = [n for n, piece in enumerate(looks.pieces) if piece.text == MARK]
    assert len(marks) == len(TEXTS) + 1


def test_the_weights_are_the_models_own(real_encoder: SentenceTransformerEncoder) -> None:
    """They are those that the model's plain attention gives, in all layers and heads."""
    import torch
    from transformers import AutoModel

    looks = real_encoder.attend(TEXTS, MOST)
    plain = AutoModel.from_pretrained(real_encoder._folder, attn_implementation="eager").eval()
    ids = torch.tensor([[piece.rank for piece in looks.pieces]])
    with torch.inference_mode():
        told = plain(input_ids=ids, output_attentions=True).attentions
    wanted = torch.cat([layer[0] for layer in told])[:, list(looks.own)].numpy()
    assert looks.heads.shape == (72, 5, len(looks.pieces))
    assert np.abs(looks.heads - wanted).max() < 1e-5


def test_a_text_is_cut_where_it_is_told(real_encoder: SentenceTransformerEncoder) -> None:
    """No more tokens of a text are read than asked for, and none of an empty one."""
    looks = real_encoder.attend(("one two three four", "", "Why?"), (2, 5, 5))
    assert [piece.text for piece in looks.pieces if piece.text != MARK] == [0, 0, 2, 2]


@pytest.mark.parametrize("precision", ["bf16", "int8"])
def test_every_precision_looks_about_the_same(
    real_encoder: SentenceTransformerEncoder, precision: str
) -> None:
    """Lower precisions see nearly what the full one sees."""
    low = ChildEncoder(SentenceTransformerEncoder(precision=precision)).attend(TEXTS, MOST)
    assert np.abs(low.heads - real_encoder.attend(TEXTS, MOST).heads).mean() < 0.02
