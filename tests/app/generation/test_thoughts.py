"""Reasoning at the beginning of a text is left out, however the text is cut."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.generation.thoughts import Thoughts


def shown(pieces: list[str]) -> str:
    """Return what is left of pieces."""
    thoughts = Thoughts()
    return "".join([thoughts.without(piece) for piece in pieces]) + thoughts.rest()


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("Yes.", "Yes."),
        ("<think>Salt is NaCl.</think>Yes.", "Yes."),
        ("\n<think>\n</think>\n\nYes.", "\n\nYes."),
        ("<think>without an end", ""),
        ("<thin ice", "<thin ice"),
        ("<thi", "<thi"),
        ("Yes. <think>no</think>", "Yes. <think>no</think>"),
        ("", ""),
    ],
)
@given(data=st.data())
def test_only_what_stands_first_is_left_out(text: str, left: str, data: st.DataObject) -> None:
    """A text that begins otherwise is left as it is; how it is cut makes no difference."""
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
    bounds = [0, *cuts, len(text)]
    pieces = [text[begin:end] for begin, end in pairwise(bounds)]
    assert shown(pieces) == left


@given(st.lists(st.text(alphabet="<>think/ a")))
def test_text_is_kept_whole(pieces: list[str]) -> None:
    """Nothing is lost of a text that does not begin with the tag."""
    text = "".join(pieces)
    if not text.lstrip().startswith("<think>"):
        assert shown(pieces).strip() == text.strip()
