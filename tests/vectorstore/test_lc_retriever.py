from __future__ import annotations

from datetime import date

import pytest

from tests.fakes import HashEncoder, put
from vectorstore.errors import QuestionError
from vectorstore.lc_retriever import CitewellRetriever
from vectorstore.retriever import Retriever
from vectorstore.store import Store
from vectorstore.types import Filter


def test_documents_carry_what_a_citation_needs(store: Store, encoder: HashEncoder) -> None:
    """A document's content is the chunk's text; its metadata lead back to the article."""
    put(store, "a", "Deserts are dry.", "Penguins eat krill.", published=date(2026, 3, 14))
    retriever = Retriever(store, encoder)
    document = CitewellRetriever(retriever=retriever).invoke("penguins krill")[0]
    passage = retriever.retrieve("penguins krill", 1).passages[0]
    assert document.page_content == "Penguins eat krill."
    assert document.id == passage.chunk.id
    assert document.metadata == {
        "article_id": "news/a",
        "uri": "a",
        "url": "https://example.org/a",
        "title": "A title",
        "published": "2026-03-14",
        "start": 18,
        "end": 37,
        "score": passage.score,
        "rank": 1,
    }
    text = store.catalogue.article("news/a").text
    assert text[18:37] == document.page_content


def test_top_k_and_the_filter_are_obeyed(store: Store, encoder: HashEncoder) -> None:
    """The retriever's own top_k and condition hold for every query."""
    put(store, "a", "Penguins eat krill.", "Penguins swim.")
    put(store, "b", "Penguins walk.", collection="other")
    other = Filter(collections=(store.catalogue.create_collection("other"),))
    wrapped = Retriever(store, encoder)
    assert len(CitewellRetriever(retriever=wrapped, top_k=2).invoke("penguins")) == 2
    found = CitewellRetriever(retriever=wrapped, condition=other).invoke("penguins")
    assert [(d.page_content, d.metadata["published"]) for d in found] == [("Penguins walk.", None)]


def test_a_blank_query_is_refused(store: Store, encoder: HashEncoder) -> None:
    """Citewell's own error reaches the LangChain caller."""
    with pytest.raises(QuestionError):
        CitewellRetriever(retriever=Retriever(store, encoder)).invoke(" ")
