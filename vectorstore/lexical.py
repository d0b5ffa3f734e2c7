"""BM25 in tantivy, local to the process.

Chunks are indexed by the terms of their article's language, which carry the name of its analyser: a
query is looked for in each language there is, by the terms that its words have there.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path

import tantivy

from vectorstore.analysis import ANALYZERS, aliases, analyze, analyzer_of, content_terms
from vectorstore.errors import StoreError
from vectorstore.language import ENGLISH
from vectorstore.reader import LexicalRow
from vectorstore.steps import Step, ignore
from vectorstore.types import Filter

ANALYZER = "citewell_4"  # a change of the analysis or the fields needs a new name
HEAP_BYTES = 64_000_000
SOME = 50  # chunks that have given terms: of so many one is no longer hidden
BACKGROUND = 1_000  # chunks of other articles, imagined, when a term's weight is told


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
        for field in ("collection", "source", "language", "analyzer"):
            builder.add_text_field(field, tokenizer_name="raw", index_option="basic")
        builder.add_integer_field("published", indexed=True, fast=True)
        builder.add_text_field("text", tokenizer_name="whitespace", index_option="freq")
        self._schema = builder.build()
        folder.mkdir(parents=True, exist_ok=True)
        try:
            self._index = tantivy.Index(self._schema, path=str(folder))
            self._writer = self._index.writer(HEAP_BYTES, 1)
        except (ValueError, OSError) as exc:
            msg = f"The lexical index in {folder} cannot be opened: {exc}"
            raise StoreError(msg) from exc
        self._present = self._analyzers()

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
            name = analyzer_of(row.article.language)
            document.add_text("analyzer", name)
            terms = (_marked(term, name) for term in analyze(text, row.article.language))
            document.add_text("text", " ".join(terms))
            self._writer.add_document(document)
        self._on_step("lexical: before commit")
        self._writer.commit()
        self._on_step("lexical: committed")
        self._index.reload()
        self._present = self._analyzers()

    def _analyzers(self) -> tuple[str, ...]:
        """Return the analysers that chunks of the index were read by."""
        searcher = self._index.searcher()
        return tuple(name for name in ANALYZERS if searcher.doc_freq("analyzer", name))

    def search(
        self, query: str, top_k: int, condition: Filter, language: str | None = None
    ) -> list[tuple[int, float]]:
        """Return (number, BM25) of the best chunks, best first; ties by number.

        Any of the query's content terms may match; if it has none, all its terms count. The
        filter's sources and languages are spelt out, as `ExactIndex.spell_out` does.

        Args:
            query: What is looked for.
            top_k: At least 1.
            condition: Which articles may be seen.
            language: The query's.
        """
        terms = content_terms(query, language) or list(dict.fromkeys(analyze(query, language)))
        spelt = self._spelt(terms, query, language)
        terms = [each for spellings in spelt.values() for each in spellings]
        if not terms or () in (condition.collections, condition.sources, condition.languages):
            return []
        wanted = self._where(condition, self._any_of("text", terms))
        searcher = self._index.searcher()
        found = searcher.search(wanted, limit=top_k, count=False).hits
        numbers = self._numbers(searcher, [address for _, address in found])
        hits = [(number, float(score)) for number, (score, _) in zip(numbers, found, strict=True)]
        return sorted(hits, key=lambda hit: (-hit[1], hit[0]))

    def having(self, groups: Iterable[Sequence[str]], condition: Filter) -> list[int]:
        """Return the numbers of some chunks that have an English term of each group.

        The filter is spelt out, as for `search`.
        """
        if () in (condition.collections, condition.sources, condition.languages):
            return []
        every = [(tantivy.Occur.Must, self._any_of("text", terms)) for terms in groups]
        wanted = self._where(condition, tantivy.Query.boolean_query(every))
        searcher = self._index.searcher()
        found = searcher.search(wanted, limit=SOME, count=False).hits
        return self._numbers(searcher, [address for _, address in found])

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

    def _spelt(
        self, terms: Iterable[str], query: str, language: str | None
    ) -> dict[str, list[str]]:
        """Return the terms of a query, each with those that stand for it in the index."""
        own = analyzer_of(language)
        spelt = {term: [_marked(term, own)] for term in terms}
        for name in self._present:
            for theirs, ours in aliases(query, language, name).items():
                if ours in spelt:
                    spelt[ours].append(_marked(theirs, name))
        return spelt

    def weights(self, query: str, language: str | None = None) -> dict[str, float]:
        """Return the inverse document frequency of each content term of a query, as `idf` does.

        A chunk has the term where it has its word, in whatever language.
        """
        spelt = self._spelt(content_terms(query, language), query, language)
        return self._idf(spelt)

    def idf(self, terms: Iterable[str]) -> dict[str, float]:
        """Return each English term's inverse document frequency, as BM25 defines it (at least 0).

        ln(1 + (n - df + .5) / (df + .5)) over the n chunks of the index (Robertson and
        Zaragoza 2009, The Probabilistic Relevance Framework) and BACKGROUND chunks that hold
        none of the terms: in a handful of chunks, frequencies alone would make a word that
        happens to be missing outweigh all those that are there.
        """
        return self._idf({term: [term] for term in terms})

    def _idf(self, spelt: Mapping[str, Sequence[str]]) -> dict[str, float]:
        searcher = self._index.searcher()
        count = searcher.num_docs + BACKGROUND
        weights = {}
        for term, spellings in spelt.items():
            frequency = sum(searcher.doc_freq("text", each) for each in spellings)
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


def _marked(term: str, analyzer: str) -> str:
    """Return a term as it stands in the index; English ones stand as they are.

    Example: "gletsch", "de" -> "de:gletsch"
    """
    return term if analyzer == ENGLISH else f"{analyzer}:{term}"
