"""Citewell's retrieval as a LangChain retriever."""

from __future__ import annotations

from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from pydantic import ConfigDict

from vectorstore.retriever import Retriever
from vectorstore.types import Filter, Passage


class CitewellRetriever(BaseRetriever):
    """Passages as LangChain documents, best first.

    A document's id is the chunk's; its metadata carry `article_id`, `uri`, `url`, `title`,
    `published` (ISO 8601 or None), `start`, `end` (offsets in the article), `score`, `rank`.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    retriever: Retriever
    top_k: int = 10
    condition: Filter = Filter()

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun
    ) -> list[Document]:
        found = self.retriever.retrieve(query, self.top_k, self.condition)
        return [_to_document(passage) for passage in found.passages]


def _to_document(passage: Passage) -> Document:
    published = passage.article.published
    return Document(
        id=passage.chunk.id,
        page_content=passage.chunk.text,
        metadata={
            "article_id": passage.article.id,
            "uri": passage.article.uri,
            "url": passage.article.url,
            "title": passage.article.title,
            "published": published and published.isoformat(),
            "start": passage.chunk.start,
            "end": passage.chunk.end,
            "score": passage.score,
            "rank": passage.rank,
        },
    )
