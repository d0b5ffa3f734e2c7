"""Samples: drawn with a fixed seed, so that the same limit gives the same questions."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from typing import TypeVar

from app.evaluation.bootstrap import SEED
from app.evaluation.sets import Question

Each = TypeVar("Each")


def draw(members: Sequence[Each], limit: int | None, name: str) -> list[Each]:
    """Return at most `limit` members in their order; another `name` draws others."""
    if limit is None or limit >= len(members):
        return list(members)
    drawer = random.Random(f"{SEED}/{name}")  # noqa: S311 (a sample, not a secret)
    return [members[at] for at in sorted(drawer.sample(range(len(members)), limit))]


def sample(questions: Iterable[Question], limit: int | None) -> list[Question]:
    """Return at most `limit` questions of each group, in their order."""
    groups: dict[str, list[Question]] = {}
    for question in questions:
        groups.setdefault(question.group, []).append(question)
    return [q for name, members in groups.items() for q in draw(members, limit, name)]
