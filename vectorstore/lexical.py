"""BM25 in tantivy, local to the process; the only file that imports it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path

import tantivy

from vectorstore.errors import StoreError
from vectorstore.reader import LexicalRow
from vectorstore.steps import Step, ignore
from vectorstore.types import Filter

ANALYZER = "citewell_en_3"  # a change of the analysis or the fields needs a new name
HEAP_BYTES = 64_000_000
BACKGROUND = 1_000  # chunks of other articles, imagined, when a term's weight is told

# Words that carry the form of a question or a sentence, not its subject. They are indexed,
# and left out of queries: an OR over them would score every chunk.
STOP_WORDS = frozenset(
    """
    a about after again all also am an and any are as at be because been before being between
    both but by can could did do does doing down during each few for from further had has have
    having he her here hers herself him himself his how i if in into is it its itself just let
    many me more most much my myself no nor not now of off on once only or other our ours ourselves
    out over own please same shall she should so some such tell than that the their theirs them
    themselves then there these they this those through to too under until up us very was we
    were what when where which while who whom whose why will with would you your yours yourself
    yourselves s t d ll re ve m don didn doesn isn wasn aren won couldn wouldn shouldn
    """.split()
)


def _analyzer() -> tantivy.TextAnalyzer:
    return (
        tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.simple())
        .filter(tantivy.Filter.remove_long(60))
        .filter(tantivy.Filter.lowercase())
        .filter(tantivy.Filter.ascii_fold())
        .filter(tantivy.Filter.stemmer("english"))
        .build()
    )


_ANALYZE = _analyzer()
_STOP_TERMS = frozenset(term for word in STOP_WORDS for term in _ANALYZE.analyze(word))


# Scripts that write words without blanks between them: Han, kana, Hangul is left to its blanks.
_UNSPACED = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]+")


def analyze(text: str) -> list[str]:
    """Return the index's terms of a text, in order: lower case, folded, stemmed.

    Where words are written without blanks, each pair of neighbouring characters is a term
    (Nie et al. 1999, "On the use of words and n-grams for Chinese information retrieval").

    Example: "Kim’s troops visited" -> ["kim", "s", "troop", "visit"]; "東京都" -> ["東京", "京都"]
    """
    return list(_ANALYZE.analyze(_spaced(text)))


def _spaced(text: str) -> str:
    return _UNSPACED.sub(lambda run: f" {' '.join(_pairs(run[0]))} ", text)


def _pairs(run: str) -> list[str]:
    return [run[at : at + 2] for at in range(max(1, len(run) - 1))]


def content_terms(text: str) -> list[str]:
    """Return the distinct terms of a text that carry its subject, in order.

    Example: "How many troops has North Korea sent?" -> ["mani", "troop", "north", …]
    """
    return [term for term in dict.fromkeys(analyze(text)) if term not in _STOP_TERMS]


class LexicalIndex:
    """A tantivy index of chunks in a folder, found by their numbers.

    Raises:
        StoreError: The folder holds an index that cannot be opened.
    """

    def __init__(self, folder: Path, on_step: Step = ignore) -> None:
        self.folder = folder
        self._on_step = on_step
        builder = tantivy.SchemaBuilder()
        builder.add_integer_field("number", stored=True, indexed=True, fast=True)
        for field in ("collection", "source", "language"):
            builder.add_text_field(field, tokenizer_name="raw", index_option="basic")
        builder.add_integer_field("published", indexed=True, fast=True)
        builder.add_text_field("text", tokenizer_name=ANALYZER, index_option="freq")
        self._schema = builder.build()
        folder.mkdir(parents=True, exist_ok=True)
        try:
            self._index = tantivy.Index(self._schema, path=str(folder))
            self._index.register_tokenizer(ANALYZER, _analyzer())
            self._writer = self._index.writer(HEAP_BYTES, 1)
        except (ValueError, OSError) as exc:
            msg = f"The lexical index in {folder} cannot be opened: {exc}"
            raise StoreError(msg) from exc

    def apply(
        self,
        removed: Sequence[int],
        added: Iterable[tuple[LexicalRow, str]],
    ) -> None:
        """Remove chunks by number and add others with the text to index; then commit.

        Adding a number that is there replaces it, so that applying twice changes nothing.
        """
        for number in removed:
            self._writer.delete_documents_by_term("number", number)
        for row, text in added:
            self._writer.delete_documents_by_term("number", row.number)
            document = tantivy.Document()
            document.add_integer("number", row.number)
            document.add_text("collection", row.article.collection)
            document.add_text("source", row.source)
            document.add_text("language", (row.article.language or "").lower())
            if row.article.published is not None:
                document.add_integer("published", row.article.published.toordinal())
            document.add_text("text", _spaced(text))
            self._writer.add_document(document)
        self._on_step("lexical: before commit")
        self._writer.commit()
        self._on_step("lexical: committed")
        self._index.reload()

    def search(self, query: str, top_k: int, condition: Filter) -> list[tuple[int, float]]:
        """Return (number, BM25) of the best chunks, best first; ties by number.

        Any of the query's content terms may match; if it has none, all its terms count. The
        filter's sources and languages are spelt out, as `ExactIndex.spell_out` does.
        """
        terms = content_terms(query) or list(dict.fromkeys(analyze(query)))
        if not terms or () in (condition.collections, condition.sources, condition.languages):
            return []
        wanted = self._where(condition, self._any_of("text", terms))
        searcher = self._index.searcher()
        found = searcher.search(wanted, limit=top_k, count=False).hits
        numbers = self._numbers(searcher, [address for _, address in found])
        hits = [(number, float(score)) for number, (score, _) in zip(numbers, found, strict=True)]
        return sorted(hits, key=lambda hit: (-hit[1], hit[0]))

    def _where(self, condition: Filter, query: tantivy.Query) -> tantivy.Query:
        """Join a query with the filter, which adds nothing to the score."""
        must = [(tantivy.Occur.Must, query)]
        for field, values in (
            ("collection", condition.collections),
            ("source", condition.sources),
            ("language", condition.languages),
        ):
            if values is not None:
                allowed = tantivy.Query.term_set_query(self._schema, field, list(values))
                must.append((tantivy.Occur.Must, tantivy.Query.const_score_query(allowed, 0.0)))
        if condition.dated:
            dates = tantivy.Query.range_query(
                self._schema,
                "published",
                tantivy.FieldType.Integer,
                _ordinal(condition.published_from),
                _ordinal(condition.published_to),
            )
            must.append((tantivy.Occur.Must, tantivy.Query.const_score_query(dates, 0.0)))
        return tantivy.Query.boolean_query(must)

    def _any_of(self, field: str, terms: Sequence[str]) -> tantivy.Query:
        return tantivy.Query.boolean_query(
            [
                (tantivy.Occur.Should, tantivy.Query.term_query(self._schema, field, term))
                for term in terms
            ]
        )

    def idf(self, terms: Iterable[str]) -> dict[str, float]:
        """Return each term's inverse document frequency, as BM25 defines it (at least 0).

        ln(1 + (n - df + .5) / (df + .5)) over the n chunks of the index (Robertson and
        Zaragoza 2009, The Probabilistic Relevance Framework) and BACKGROUND chunks that hold
        none of the terms: in a handful of chunks, frequencies alone would make a word that
        happens to be missing outweigh all those that are there.
        """
        searcher = self._index.searcher()
        count = searcher.num_docs + BACKGROUND
        weights = {}
        for term in terms:
            frequency = searcher.doc_freq("text", term)
            weights[term] = math.log(1 + (count - frequency + 0.5) / (frequency + 0.5))
        return weights

    def numbers(self) -> set[int]:
        """Return the number of every chunk in the index."""
        searcher = self._index.searcher()
        hits = searcher.search(
            tantivy.Query.all_query(), limit=max(searcher.num_docs, 1), count=False
        ).hits
        return set(self._numbers(searcher, [address for _, address in hits]))

    @staticmethod
    def _numbers(searcher: tantivy.Searcher, found: list[tantivy.DocAddress]) -> list[int]:
        values = searcher.fast_field_values("number", found)
        return [int(value) for value in values if value is not None]

    def close(self) -> None:
        """Wait for merges to end and give up the writer's lock."""
        self._writer.wait_merging_threads()


def _ordinal(day: date | None) -> int | None:
    return day.toordinal() if day else None
