"""Answer questions, with citations, wherever people ask."""
