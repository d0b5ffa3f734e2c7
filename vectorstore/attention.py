"""What the encoder's attention heads look at: for each word of a text, the words before it.

Some heads of BERT's family look from a pronoun at what it stands for (Clark et al. 2019, "What
does BERT look at?", arXiv 1906.04341). The library's fast attention keeps no weights, so those of
one text's rows are computed from each layer's input.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

MARK = -1  # the text of a token that stands between texts


@dataclass(frozen=True, slots=True)
class Piece:
    """A token: which of the texts it is of, its offsets there, and its place in the vocabulary.

    BERT's vocabularies go from frequent pieces to rare ones.
    """

    text: int
    start: int
    end: int
    rank: int


@dataclass(frozen=True, slots=True)
class Looks:
    """What the tokens of the last text look at.

    `heads` has the shape (heads of all layers, tokens of the last text, all tokens), float32;
    each row sums to 1. `own` are the places of the last text's tokens among `pieces`.
    """

    pieces: tuple[Piece, ...]
    own: tuple[int, ...]
    heads: NDArray[np.float32]


def look(model: SentenceTransformer, texts: Sequence[Sequence[Piece]]) -> Looks:
    """Return what the last text looks at when a model of BERT's family reads all as one."""
    import torch

    tokenizer: Any = model.tokenizer
    pieces = [Piece(MARK, 0, 0, tokenizer.cls_token_id)]
    for text in texts:
        pieces += [*text, Piece(MARK, 0, 0, tokenizer.sep_token_id)]
    own = tuple(n for n, piece in enumerate(pieces) if piece.text == len(texts) - 1)
    ids = [piece.rank for piece in pieces]
    bert: Any = model[0].auto_model
    with torch.inference_mode():
        state = bert.embeddings(input_ids=torch.tensor([ids]))
        layers = list(bert.encoder.layer)
        found = [_heads(layers[0].attention.self, state[0], own)]
        for before, layer in pairwise(layers):  # the last one's outcome nobody needs
            state = before(state)
            found.append(_heads(layer.attention.self, state[0], own))
        heads = torch.cat(found).float().cpu().numpy()
    return Looks(tuple(pieces), own, heads)


def _heads(layer: Any, state: Any, own: Sequence[int]) -> Any:  # noqa: ANN401 (torch is not imported)
    shape = (-1, layer.num_attention_heads, layer.attention_head_size)
    query = layer.query(state[list(own)]).view(shape).transpose(0, 1)
    key = layer.key(state).view(shape).transpose(0, 1)
    return (query @ key.transpose(1, 2) * layer.attention_head_size**-0.5).softmax(-1)
