"""Where a face that is no page of ours sends its readers: the original, or our reader."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]


def citation_link(citation: Json, base: str | None) -> str | None:
    """Return where a citation can be read, at its words.

    `base` is the service's address without a slash at its end, None where there is none; then
    an article that is not on the web has no link.
    """
    version = citation["article_sha256"][:16]
    place = f"{citation['article_id']}/{version}/{citation['start']}/{citation['end']}"
    return citation["url"] or (base and f"{base}/#cite/{place}")


def article_link(head: Json, base: str | None) -> str | None:
    """Return where an article can be read; `base` as for a citation."""
    return head["url"] or (base and f"{base}/#article/{head['article_id']}")
