"""A cross-encoder of a few thousand weights, which learns in a moment what it is to prefer."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from sentence_transformers import CrossEncoder
from transformers import BertConfig, BertForSequenceClassification, BertTokenizerFast

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
STEPS = 400  # at most; a hundred do for six pairs
NEAR = 0.03  # mean squared error of scores that are 1 apart


def make_cross_encoder(
    folder: Path, wanted: Mapping[tuple[str, str], float], labels: int = 1
) -> Path:
    """Train a cross-encoder on scores of pairs (query, text), and return the folder it is in.

    With other than one label it is left as it began.
    """
    words = sorted({word for pair in wanted for text in pair for word in _words(text)})
    vocabulary = {token: number for number, token in enumerate((*SPECIAL, *words))}
    tokenizer = BertTokenizerFast(vocab=vocabulary, model_max_length=64)
    torch.manual_seed(0)
    torch.set_num_threads(1)  # more stand still for each other on a busy machine
    network = BertForSequenceClassification(
        BertConfig(
            vocab_size=len(vocabulary),
            hidden_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=32,
            max_position_embeddings=64,
            num_labels=labels,
            initializer_range=0.2,  # by the default it begins to learn late
        )
    )
    if labels == 1:
        _train(network, tokenizer, wanted)
    network.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    CrossEncoder(str(folder), device="cpu", local_files_only=True).save_pretrained(str(folder))
    return folder


def _train(
    network: BertForSequenceClassification,
    tokenizer: BertTokenizerFast,
    wanted: Mapping[tuple[str, str], float],
) -> None:
    pairs = tokenizer([*wanted], padding=True, truncation=True, return_tensors="pt")
    targets = torch.tensor([*wanted.values()])
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    network.eval()  # no dropout: each run is the same
    for _ in range(STEPS):
        optimizer.zero_grad()
        scores = network(**pairs).logits.squeeze(-1)
        loss = torch.nn.functional.mse_loss(scores, targets)
        if loss < NEAR:
            return
        loss.backward()
        optimizer.step()
    msg = f"the cross-encoder has not learnt its {len(wanted)} scores: {loss.item()}"
    raise RuntimeError(msg)


def _words(text: str) -> list[str]:
    return "".join(c if c.isalnum() else " " for c in text.lower()).split()
