"""Articles that are handed over as bytes, not found in a folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from ingest.sources import KINDS, Item, Source, digest
from vectorstore.errors import ArticleFormatError

UPLOAD = "upload:"


@dataclass(frozen=True, slots=True)
class Upload:
    """A file or a record; `uri` is None where content and name shall identify the article."""

    name: str
    data: bytes
    kind: str
    uri: str | None = None


def upload_of(name: str, data: bytes) -> Upload:
    """Return the upload of a file; its kind is told by its name.

    Raises:
        ArticleFormatError: The name has no ending that is known.
    """
    name = PurePosixPath(name.replace("\\", "/")).name[:200]
    kind = KINDS.get(PurePosixPath(name).suffix.lower())
    if kind is None:
        msg = f"{name!r} is of a kind that is not taken in; known are {', '.join(KINDS)}."
        raise ArticleFormatError(msg)
    return Upload(name, data, kind)


def upload_source(uploads: Sequence[Upload], root: str = UPLOAD) -> Source:
    """Return uploads as a source; each is identified by its content and name unless it says how."""
    return Source(root, (_item(upload) for upload in uploads), len(uploads), whole=False)


def _item(upload: Upload) -> Item:
    uri = upload.uri or f"{digest(upload.data)[:16]}/{upload.name}"
    title = PurePosixPath(upload.name).stem.replace("-", " ").replace("_", " ").strip()
    return Item(upload.name, uri, upload.kind, title or upload.name, lambda: upload.data)
