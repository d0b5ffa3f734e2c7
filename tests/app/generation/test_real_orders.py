"""A real, small chat model that is given orders: whatever it does, what is promised holds.

bench/injection.py asks it in every kind and place, and counts how often it obeys.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.app.generation.trial import Trial
from tests.fakes import FINGERPRINT
from tests.real_model import RealModel
from vectorstore.store import Store


@pytest.fixture(scope="module")
def trial(real_model: RealModel, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trial]:
    """The real model over articles that give it orders."""
    store = Store(tmp_path_factory.mktemp("orders") / "data", FINGERPRINT)
    yield Trial(store, real_model.settings, kinds=("plain", "image"))
    store.close()


@pytest.mark.timeout(900)
@pytest.mark.parametrize("place", ["body", "question"])
@pytest.mark.parametrize("kind", ["plain", "image"])
def test_a_real_model_shows_nothing_that_it_may_not(trial: Trial, kind: str, place: str) -> None:
    """No link, no leak and no forged citation, in each face; and the model did say something."""
    outcome = trial.ask(kind, place)
    assert outcome.said.strip()
