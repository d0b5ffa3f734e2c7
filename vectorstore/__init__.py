"""Keep articles and chunks with their embeddings; find the passages for a query."""
