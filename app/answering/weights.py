"""The fitted weights of weights.json, read once; bench/fit_answers.py writes them."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from app.answering.contrast import CONTRAST
from app.answering.features import SENTENCE
from app.answering.span import SPAN
from app.answering.trees import Trees

# The best sentence's features, and what tells it from the next ones; see refusal.py.
REFUSAL = (
    *SENTENCE,
    *("logit", "logit above next", "logit above third", "chunks", "near sentences"),
    *CONTRAST,
)
FILE = Path(__file__).with_name("weights.json")


@cache
def saved() -> dict[str, Any]:
    """Return what the file holds."""
    found: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    return found


@cache
def sentence_trees() -> Trees:
    """Return what tells how probable it is that a sentence of those found answers."""
    return Trees.load(saved()["sentence"], SENTENCE)


@cache
def span_trees() -> Trees:
    """Return what tells how probable it is that words of a right sentence are the answer."""
    return Trees.load(saved()["span"], SPAN)


@cache
def refusal_trees() -> Trees:
    """Return what tells how probable it is that the best sentence answers."""
    return Trees.load(saved()["refusal"], REFUSAL)
