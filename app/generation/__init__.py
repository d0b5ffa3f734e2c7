"""Answers by a chat model that can only say what the passages say."""
