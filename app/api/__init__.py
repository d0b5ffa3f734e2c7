"""The HTTP service: health, articles, and the chat mounted on them."""
