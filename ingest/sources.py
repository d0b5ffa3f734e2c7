"""What to take in: files, folders and JSON Lines, listed as items that are read one by one."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from ingest.extract import MAX_BYTES, too_large
from vectorstore.errors import ArticleFormatError, SourceError

KINDS = {
    ".txt": "text",
    ".text": "text",
    ".md": "markdown",
    ".markdown": "markdown",
    ".html": "html",
    ".htm": "html",
    ".xhtml": "html",
}
RECORDS = (".jsonl", ".ndjson")
_UNUSABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")  # in a uri

# What lies beside articles and is not one: passed over without an error.
ASSETS = frozenset(
    ".avif .bmp .gif .ico .jpeg .jpg .png .svg .tif .tiff .webp .css .js .mjs .map .woff .woff2 "
    ".ttf .otf .eot .mp3 .mp4 .ogg .wav .webm .mov".split()
)


@dataclass(frozen=True, slots=True)
class Item:
    """One article to be, not read yet.

    `where` names it in messages; `uri` is None where only reading can tell it failed to have one.
    """

    where: str
    uri: str | None
    kind: str
    name: str
    read: Callable[[], bytes]


@dataclass(frozen=True, slots=True)
class Source:
    """A place that articles come from; `items` may be walked once.

    `whole` tells that the place holds all there is under `root`, so that what is missing from
    it is gone; `skipped` counts files that are no articles (images, styles).
    """

    root: str
    items: Iterator[Item]
    total: int
    whole: bool
    skipped: int = 0


def open_source(argument: str) -> Source:
    """Return the source that a command line argument names.

    Raises:
        SourceError: Nothing is there, or it cannot be listed.
    """
    path = Path(argument)
    try:
        if path.is_dir():
            return _folder(path.resolve())
        if path.is_file():
            return _file(path.resolve())
    except OSError as exc:
        msg = f"cannot be read: {exc.strerror or exc}"
        raise SourceError(msg) from exc
    if "://" in argument:
        msg = "is a web address; this version takes in files and folders."
        raise SourceError(msg)
    msg = "does not exist. Give a file or a folder."
    raise SourceError(msg)


def _folder(root: Path) -> Source:
    lost: list[OSError] = []  # a folder that cannot be listed must not look empty
    paths: list[Path] = []
    for folder, folders, names in os.walk(root, onerror=lost.append):
        folders[:] = sorted(name for name in folders if _is_read(Path(folder) / name))
        paths += [Path(folder) / name for name in sorted(names) if not name.startswith(".")]
    articles = [path for path in paths if path.suffix.lower() not in ASSETS]
    return Source(
        root=str(root),
        items=chain(
            map(_unlisted, lost), (item for path in articles for item in _items(path, root))
        ),
        total=len(lost) + sum(_count(path) for path in articles),
        whole=True,
        skipped=len(paths) - len(articles),
    )


def _is_read(folder: Path) -> bool:
    """Whether a folder may hold articles: not if it is hidden, or a store of ours."""
    return not folder.name.startswith(".") and not (folder / "catalogue.sqlite3").exists()


def _unlisted(error: OSError) -> Item:
    where = str(error.filename)
    return Item(where, None, "", where, _raiser(f"cannot be listed: {error.strerror}."))


def _file(path: Path) -> Source:
    if path.suffix.lower() in RECORDS:
        return Source(str(path), _items(path, path.parent), _count(path), whole=True)
    return Source(str(path.parent), _items(path, path.parent), 1, whole=False)


def _count(path: Path) -> int:
    try:
        if path.suffix.lower() in RECORDS and path.is_file():
            with path.open("rb") as file:
                return sum(1 for line in file if line.strip())
    except OSError:
        pass  # reading it will say why
    return 1


def _items(path: Path, root: Path) -> Iterator[Item]:
    suffix = path.suffix.lower()
    where = os.fsencode(path).decode(errors="backslashreplace")
    if where != str(path):
        reason = "has a name that is not UTF-8 text. Rename it."
        yield Item(where, None, "", where, _raiser(reason))
        return
    if suffix in RECORDS:
        yield from _records(path, root)
        return
    uri = path.relative_to(root).as_posix()
    name = path.stem.replace("-", " ").replace("_", " ").strip() or path.name
    kind = KINDS.get(suffix, "" if suffix else "text")
    yield Item(str(path), uri, kind, name, lambda: _read(path, kind))


def _read(path: Path, kind: str) -> bytes:
    if not kind:
        known = ", ".join((*KINDS, *RECORDS))
        msg = f"is of a kind that is not taken in ({path.suffix}); known are {known}."
        raise ArticleFormatError(msg)
    try:
        if not path.is_file():
            msg = "is not a regular file."
            raise ArticleFormatError(msg)
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise too_large(size)
        return path.read_bytes()
    except OSError as exc:
        msg = f"cannot be read: {exc.strerror or exc}"
        raise ArticleFormatError(msg) from exc


def _records(path: Path, root: Path) -> Iterator[Item]:
    """Yield one item a line; a line is identified by its "uri", "id" or "url"."""
    where = str(path)
    try:
        if not path.is_file():
            yield Item(where, None, "record", path.stem, _raiser("is not a regular file."))
            return
        with path.open("rb") as file:
            number = 0
            while line := file.readline(MAX_BYTES + 1):
                number += 1
                whole_line = line
                while not whole_line.endswith(b"\n") and (rest := file.readline(MAX_BYTES)):
                    whole_line = rest  # the line is refused below; only its end is looked for
                if line.strip():
                    yield _record(f"{where}:{number}", line)
    except OSError as exc:
        reason = f"cannot be read: {exc.strerror or exc}"
        yield Item(where, None, "record", path.stem, _raiser(reason))


def _record(where: str, line: bytes) -> Item:
    uri = None
    if len(line) <= MAX_BYTES:
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            record = None  # extraction says what is wrong with it
        if isinstance(record, dict):
            named = (record.get(key) for key in ("uri", "id", "url"))
            uri = next((str(value) for value in named if value not in (None, "")), None)
            if uri is None:
                return Item(where, None, "record", where, _raiser('has no "uri", "id" or "url".'))
            if _UNUSABLE.search(uri):
                reason = f"has the uri {uri!r}, with characters that are no text."
                return Item(where, None, "record", where, _raiser(reason))
    return Item(where, uri, "record", uri or where, lambda: line)


def _raiser(reason: str) -> Callable[[], bytes]:
    def read() -> bytes:
        raise ArticleFormatError(reason)

    return read


def digest(data: bytes) -> str:
    """Return the sha256 of the bytes an article is read from."""
    return hashlib.sha256(data).hexdigest()
