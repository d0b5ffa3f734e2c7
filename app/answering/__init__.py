"""A question and the passages for it become an answer whose sentences are cited."""
