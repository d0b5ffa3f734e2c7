from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from ingest import sources
from ingest.sources import Item, digest, open_source
from vectorstore.errors import ArticleFormatError, SourceError


def write(path: Path, content: str | bytes = "Text.") -> Path:
    """Write a file and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def items(path: Path) -> list[Item]:
    """Return the items of a source."""
    return list(open_source(str(path)).items)


def test_a_folder_is_listed_in_order(tmp_path: Path) -> None:
    """Files are listed by path, below folders too; hidden ones are passed over."""
    for name in ("b.md", "a.txt", "sub/c.html", ".hidden.md", ".git/x.md", "sub/.y.txt"):
        write(tmp_path / name)
    source = open_source(str(tmp_path))
    found = list(source.items)
    assert [item.uri for item in found] == ["a.txt", "b.md", "sub/c.html"]
    assert [item.kind for item in found] == ["text", "markdown", "html"]
    assert (source.total, source.whole, source.skipped) == (3, True, 0)
    assert source.root == str(tmp_path.resolve())


def test_names_are_made_readable(tmp_path: Path) -> None:
    """The name of a file, for want of a title, has blanks for dashes."""
    write(tmp_path / "the-high_seas-treaty.md")
    assert items(tmp_path)[0].name == "the high seas treaty"


def test_images_are_passed_over(tmp_path: Path) -> None:
    """What lies beside articles is counted as skipped and is no item."""
    for name in ("a.md", "photo.JPG", "style.css", "film.mp4"):
        write(tmp_path / name)
    source = open_source(str(tmp_path))
    assert [item.uri for item in source.items] == ["a.md"]
    assert source.skipped == 3


def test_an_unknown_kind_is_an_error_of_the_file(tmp_path: Path) -> None:
    """A file of another kind is an item whose reading fails with the kinds that are known."""
    write(tmp_path / "report.docx")
    (item,) = items(tmp_path)
    with pytest.raises(ArticleFormatError, match=r"\.docx.*\.txt"):
        item.read()


def test_a_file_without_suffix_is_text(tmp_path: Path) -> None:
    """README and the like are plain text."""
    write(tmp_path / "README")
    (item,) = items(tmp_path)
    assert (item.kind, item.read()) == ("text", b"Text.")


def test_a_single_file_is_not_the_whole_folder(tmp_path: Path) -> None:
    """A file is identified as it is in its folder, and tells nothing of what is gone there."""
    source = open_source(str(write(tmp_path / "a.md")))
    assert [item.uri for item in source.items] == ["a.md"]
    assert source.root == str(tmp_path.resolve())
    assert not source.whole


def test_records_are_identified_by_uri_id_or_url(tmp_path: Path) -> None:
    """Of "uri", "id" and "url" the first that is there identifies a record; 0 is an id."""
    rows = [
        {"uri": "u", "id": "i", "url": "https://example.org", "text": "x"},
        {"id": 7, "url": "https://example.org", "text": "x"},
        {"uri": "", "url": "https://example.org", "text": "x"},
        {"id": 0, "text": "x"},
    ]
    path = write(tmp_path / "a.jsonl", "\n\n".join(json.dumps(row) for row in rows))
    source = open_source(str(path))
    found = list(source.items)
    assert [item.uri for item in found] == ["u", "7", "https://example.org", "0"]
    assert [item.where for item in found] == [f"{path.resolve()}:{n}" for n in (1, 3, 5, 7)]
    assert source.total == 4
    assert source.whole


def test_a_record_without_identity_is_an_error(tmp_path: Path) -> None:
    """A record that cannot be told from others is refused when it is read."""
    path = write(tmp_path / "a.jsonl", '{"text": "x"}\n')
    (item,) = items(path)
    assert item.uri is None
    with pytest.raises(ArticleFormatError, match='no "uri", "id" or "url"'):
        item.read()


@pytest.mark.parametrize("uri", ["a\\ud800", "a\\u0000", "a\\nb"])
def test_a_uri_that_is_no_text_is_an_error(tmp_path: Path, uri: str) -> None:
    """A uri that no database or terminal takes is refused when it is read."""
    path = write(tmp_path / "a.jsonl", f'{{"id": "{uri}", "text": "x"}}\n')
    (item,) = items(path)
    with pytest.raises(ArticleFormatError, match="are no text"):
        item.read()


def test_an_endless_line_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line beyond the limit is one item, and the lines after it keep their numbers."""
    monkeypatch.setattr(sources, "MAX_BYTES", 100)
    long = json.dumps({"id": "long", "text": "x" * 1_000})
    path = write(tmp_path / "a.jsonl", f'{long}\n{{"id": "b", "text": "x"}}\n{long}')
    found = items(path)
    assert [item.where.rsplit(":", 1)[1] for item in found] == ["1", "2", "3"]
    assert [item.uri for item in found] == [None, "b", None]
    assert len(found[0].read()) > 100


def test_a_large_file_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file beyond the limit is refused by its size."""
    monkeypatch.setattr(sources, "MAX_BYTES", 100)
    write(tmp_path / "a.txt", "x" * 101)
    (item,) = items(tmp_path)
    with pytest.raises(ArticleFormatError, match="101 bytes"):
        item.read()


def test_what_is_not_there_is_refused() -> None:
    """A path that does not exist is told; the report names it."""
    with pytest.raises(SourceError, match="does not exist"):
        open_source("nowhere/at-all")


def test_a_web_address_is_refused() -> None:
    """An address is told from a path that does not exist."""
    with pytest.raises(SourceError, match="web address"):
        open_source("https://example.org/feed")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every folder")
def test_a_folder_that_cannot_be_listed_is_not_empty(tmp_path: Path) -> None:
    """A folder without permission is an item that fails, so that nothing in it looks vanished."""
    locked = tmp_path / "locked"
    write(locked / "a.md")
    locked.chmod(0)
    try:
        (item,) = items(tmp_path)
        assert item.uri is None
        with pytest.raises(ArticleFormatError, match="Permission denied"):
            item.read()
    finally:
        locked.chmod(0o700)


@pytest.mark.parametrize("name", ["a.md", "a.jsonl"])
def test_what_is_no_regular_file_is_an_error_of_it(tmp_path: Path, name: str) -> None:
    """A named pipe or a dangling link is refused, and nothing waits for it."""
    os.mkfifo(tmp_path / name)
    (tmp_path / f"link-{name}").symlink_to(tmp_path / "gone")
    for item in items(tmp_path):
        with pytest.raises(ArticleFormatError, match=r"regular file|cannot be read"):
            item.read()


def test_a_name_that_is_not_utf_8_is_an_error_of_the_file(tmp_path: Path) -> None:
    """A file name in another encoding is refused, with a message that can be printed."""
    with open(os.fsencode(tmp_path) + b"/caf\xe9.txt", "wb") as file:
        file.write(b"Text.")
    (item,) = items(tmp_path)
    assert r"caf\xe9.txt" in item.where
    with pytest.raises(ArticleFormatError, match="name"):
        item.read()


def test_the_digest_is_sha256() -> None:
    """The digest is that of the bytes."""
    assert digest(b"").startswith("e3b0c44298fc1c14")
