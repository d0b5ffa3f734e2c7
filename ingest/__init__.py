"""Turn sources into articles, and articles into published chunks."""
