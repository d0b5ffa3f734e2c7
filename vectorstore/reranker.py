"""A cross-encoder reads the query and a passage together, and reorders what retrieval found.

That is much slower than comparing vectors, so it reads the head of the list only, from the best
on, one after the other until a deadline. What it has read comes first, by its scores; what it has
not read stays behind, in the order of retrieval. No pass is interrupted: one that may not end
in time, as those before it tell, is not begun.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vectorstore.encoder import local_folder
from vectorstore.errors import EncoderError
from vectorstore.types import Passage, embedding_context

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder

HEAD = 20  # passages; for more, retrieval would take more candidates, which changes all its scores
BATCH = 1  # passages of a pass; on one thread more take longer, being padded to the longest
MAX_TOKENS = 512  # of query and passage, whatever the model can read: bounds a pass's time


@dataclass(frozen=True, slots=True)
class Reranked:
    """Passages, best first; `missing` says what there was no time for, if anything.

    `rank` counts anew, all else of a passage is as retrieval found it: scores of a cross-encoder
    compare with nothing that answering decides by.
    """

    passages: tuple[Passage, ...]
    missing: tuple[str, ...] = ()


class Reranker:
    """A sentence-transformers cross-encoder on the CPU, loaded at the first use.

    Any number of threads may use it; half as many as there are cores do so at once, the others
    wait within their deadline.

    Args:
        model: An id in the local model cache, or a folder.
        deadline: Milliseconds that reordering one list may take, waiting included. The last
            pass overruns it if it takes longer than each before it.
        threads: How many CPU threads one call may use; the same as the encoder, since torch has
            one number for all.

    Raises:
        EncoderError: The model is not on this machine, or is no cross-encoder.
    """

    def __init__(self, model: str, deadline: float, threads: int = 1) -> None:
        self.model = model
        self.deadline = deadline
        self.threads = threads
        self._folder = local_folder(model, "Reranker")
        if not _says_cross_encoder(self._folder):
            msg = (
                f"Reranker {model!r} is not a cross-encoder: {self._folder} holds a model of "
                "another kind. Give one that scores pairs of texts."
            )
            raise EncoderError(msg)
        self._lock = threading.Lock()
        self._turns = threading.BoundedSemaphore(max(1, (os.cpu_count() or 1) // 2))

    def load(self) -> None:
        """Load the model and run it once, so that the first query does not wait.

        Raises:
            EncoderError: The model cannot be loaded, or gives another number of scores than one.
        """
        with self._lock:
            _ = self._loaded

    @cached_property
    def _loaded(self) -> CrossEncoder:
        import torch
        from safetensors import SafetensorError
        from sentence_transformers import CrossEncoder
        from transformers.utils import logging as transformers_logging

        transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
        torch.set_num_threads(self.threads)
        try:
            model: CrossEncoder = CrossEncoder(
                str(self._folder),
                device="cpu",
                local_files_only=True,
                model_kwargs={"dtype": torch.float32, "use_safetensors": True},
                activation_fn=torch.nn.Identity(),  # a sigmoid in float32 makes good scores equal
            )
        except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as exc:
            msg = f"Reranker {self.model!r} cannot be loaded from {self._folder}: {exc}"
            raise EncoderError(msg) from exc
        if model.num_labels != 1:
            msg = (
                f"Reranker {self.model!r} gives {model.num_labels} scores for a pair of texts. "
                "Give a cross-encoder with one label."
            )
            raise EncoderError(msg)
        model.max_seq_length = min(model.max_seq_length or MAX_TOKENS, MAX_TOKENS)
        _predict(model, "warm up", ["warm up"])
        return model

    def score(self, query: str, texts: Sequence[str]) -> list[float]:
        """Return how well each text fits the query: logits, the higher the better."""
        self.load()
        return _predict(self._loaded, query, texts)

    def rerank(self, query: str, passages: Sequence[Passage]) -> Reranked:
        """Return the passages with the first HEAD in the order of their scores.

        Args:
            query: What the passages were retrieved for.
            passages: Best first.
        """
        self.load()
        head = [embedding_context(each.article) + each.chunk.text for each in passages[:HEAD]]
        scores = self._scores(query, head)
        order = sorted(range(len(scores)), key=lambda place: -scores[place])
        ordered = [passages[place] for place in order] + list(passages[len(scores) :])
        ranked = tuple(replace(each, rank=rank) for rank, each in enumerate(ordered, start=1))
        if len(scores) == len(head):
            return Reranked(ranked)
        missing = (
            f"reranker: {len(scores)} of {len(head)} passages were scored "
            f"within {self.deadline:g} ms"
        )
        return Reranked(ranked, (missing,))

    def _scores(self, query: str, texts: Sequence[str]) -> list[float]:
        """Return the scores of as many texts, from the first on, as there is time for."""
        scores: list[float] = []
        end = time.perf_counter() + self.deadline / 1e3
        if not self._turns.acquire(timeout=self.deadline / 1e3):
            return scores
        try:
            longest = 0.0  # seconds of a pass
            while len(scores) < len(texts):
                begun = time.perf_counter()
                if begun + longest >= end:
                    break
                scores += self.score(query, texts[len(scores) : len(scores) + BATCH])
                longest = max(longest, time.perf_counter() - begun)
        finally:
            self._turns.release()
        return scores


def _predict(model: CrossEncoder, query: str, texts: Sequence[str]) -> list[float]:
    pairs = [(query, text) for text in texts]
    scores: list[float] = model.predict(pairs, batch_size=BATCH, show_progress_bar=False).tolist()
    return scores


def _says_cross_encoder(folder: Path) -> bool:
    """Whether a model's own files say so.

    The library loads any other model too, and puts a head of random weights on it.
    """
    if _read(folder / "config_sentence_transformers.json").get("model_type") == "CrossEncoder":
        return True
    named = _read(folder / "config.json").get("architectures") or [""]
    return not (folder / "modules.json").exists() and str(named[0]).endswith(
        "ForSequenceClassification"
    )


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
