"""A model's pass over questions, recorded once.

Called module by module, a pass over one question spends a third of its time between the
modules, and asks for the interpreter's lock again after each of hundreds of operations, which
beside busy threads takes longer than the operations. Recorded as TorchScript it asks once.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

logger = logging.getLogger(__name__)

EXAMPLE = ("Where is it?", "When was the observatory on the mountain opened to the public?")
CHECKED = (EXAMPLE[:1], (*EXAMPLE, "Who?", " ".join(EXAMPLE * 3)))  # of other shapes than EXAMPLE
ROUNDING = 1e-4  # between the two passes, of a vector of length 1

Features = Mapping[str, torch.Tensor]
Run = Callable[[Features], torch.Tensor]


class QueryPass:
    """Encodes questions by a model, which must stay as it is.

    A model that cannot be recorded (int8's layers cannot), or whose recording gives other vectors
    for questions of other numbers and lengths, is called as it is; the log says so.
    """

    def __init__(self, model: SentenceTransformer) -> None:
        self._model = model.eval().requires_grad_(False)  # so its weights may be constants
        self._prompt = model.prompts.get("query")
        self._run: Run = self._whole
        try:
            self._run = self._recorded()
        except (RuntimeError, ValueError, TypeError, AttributeError) as exc:
            logger.info("the encoder's pass over questions is not recorded: %s", exc)

    def __call__(self, queries: Sequence[str]) -> torch.Tensor:
        """Return the vectors, float32 of shape (queries, dimension), not of unit length."""
        return self._vectors(self._run, queries)

    def _vectors(self, run: Run, queries: Sequence[str]) -> torch.Tensor:
        # The executor that compiles for the shapes it sees would begin anew with every length.
        with torch.inference_mode(), torch.jit.optimized_execution(False):  # type: ignore[attr-defined]
            return run(self._features(queries)).float().cpu()

    def _features(self, queries: Sequence[str]) -> Features:
        made = self._model.preprocess(list(queries), prompt=self._prompt, task="query")
        return {name: value for name, value in made.items() if isinstance(value, torch.Tensor)}

    def _whole(self, features: Features) -> torch.Tensor:
        found: torch.Tensor = self._model(dict(features), task="query")["sentence_embedding"]
        return found

    def _recorded(self) -> Run:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what they warn of is checked below
            recorded: Run = torch.jit.trace(  # type: ignore[no-untyped-call]
                self._whole, (self._features(EXAMPLE),), strict=False, check_trace=False
            )
        for queries in CHECKED:
            expected = self._vectors(self._whole, queries)
            apart = (self._vectors(recorded, queries) - expected).norm(dim=1)
            if bool((apart > ROUNDING * expected.norm(dim=1)).any()):
                msg = f"a vector is {float(apart.max()):.2g} from that of the model"
                raise ValueError(msg)
        return recorded
