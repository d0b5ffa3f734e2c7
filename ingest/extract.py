"""Text, Markdown, HTML and JSON Lines records become titled plain text with metadata.

The extracted text is one paragraph a line, paragraphs parted by blank lines, without markup;
what is cited are offsets into it. Table rows become "Header: cell; Header: cell", so that a
row can be read, found and quoted by itself.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

from vectorstore.errors import ArticleFormatError

MAX_BYTES = 20_000_000  # of one article as it is read

# What nobody sees: control characters, overrides of direction, tags, other variation selectors.
_CONTROL = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\u200b\u202a-\u202e\u2060-\u2069\ufeff"
    r"\ud800-\udfff\ufe00-\ufe0d\U000e0000-\U000e01ef]"
)
_SCRIPT = re.compile(r"<(script|style)\b.*?(</\1\s*>|$)", re.DOTALL | re.IGNORECASE)
_HIDDEN_TAG = re.compile(r"<(?P<end>/?)(?:script|style)\b", re.IGNORECASE)
# What a browser shows on a line of its own, or after one.
_BREAKING_TAG = re.compile(
    r"</?(?:p|div|br|li|ul|ol|tr|t[dh]|table|h[1-6]|d[tdl]|blockquote|section|article)\b[^>]*>",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(r"[.!?…。！？][\"'”’»)\]]*$")


@dataclass(frozen=True, slots=True)
class Block:
    """A paragraph of extracted text; a heading is read but never cited."""

    text: str
    heading: bool = False


@dataclass(frozen=True, slots=True)
class Extracted:
    """What an article says of itself. `headings` are the offsets at which headings start."""

    title: str
    text: str
    headings: frozenset[int] = frozenset()
    authors: tuple[str, ...] = ()
    published: date | None = None
    modified: date | None = None
    language: str | None = None
    url: str | None = None


def extract(data: bytes, kind: str, name: str) -> Extracted:
    """Return the article in `data`.

    Args:
        data: At most MAX_BYTES.
        kind: `text`, `markdown`, `html` or `record` (one JSON Lines line).
        name: What the article is called where its text gives no title.

    Raises:
        ArticleFormatError: The data is too large, binary, wrongly encoded, malformed or empty.
    """
    if len(data) > MAX_BYTES:
        raise too_large(len(data))
    if kind == "html":
        found = _extract_html(data, name)
    elif kind == "markdown":
        found = _extract_markdown(decode(data), name)
    elif kind == "record":
        found = _extract_record(decode(data), name)
    else:
        found = _extract_text(decode(data), name)
    if not found.text:
        msg = "holds no article text."
        raise ArticleFormatError(msg)
    return found if found.title else replace(found, title=name)


def too_large(size: int) -> ArticleFormatError:
    """Return the error for an article of `size` bytes."""
    return ArticleFormatError(f"has {size:,} bytes; the largest article may have {MAX_BYTES:,}.")


def decode(data: bytes) -> str:
    """Return the text of UTF-8 bytes, or of UTF-16 that starts with its byte order mark.

    Raises:
        ArticleFormatError: The bytes are binary or in another encoding.
    """
    encoding = "utf-8-sig"
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding = "utf-16"
    elif b"\x00" in data:
        msg = f"is binary (a zero byte at offset {data.index(0)}), not text."
        raise ArticleFormatError(msg)
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as exc:
        msg = (
            f"is not {encoding.removesuffix('-sig').upper()} text (byte 0x{data[exc.start]:02x} at "
            f"offset {exc.start}). Convert it, for example: iconv -f windows-1252 -t utf-8"
        )
        raise ArticleFormatError(msg) from exc


def parse_date(value: object) -> date | None:
    """Return a date from ISO 8601 text, a date or a datetime; None from None or "".

    Raises:
        ArticleFormatError: The value is none of these.
    """
    if value is None or value == "":
        return None
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    try:
        return datetime.fromisoformat(str(value).strip()).date()
    except ValueError as exc:
        msg = f"has the date {value!r}, which is not ISO 8601 (2026-03-14)."
        raise ArticleFormatError(msg) from exc


def web_address(value: object) -> str | None:
    """Return the value if it is an http or https address without blanks, else None."""
    text = _CONTROL.sub("", str(value or "")).strip()
    return text if re.fullmatch(r"https?://[^\s/]\S*", text, re.IGNORECASE) else None


def _join(blocks: Iterable[Block]) -> tuple[str, frozenset[int]]:
    parts: list[str] = []
    headings: set[int] = set()
    length = 0
    for block in blocks:
        lines = (" ".join(_CONTROL.sub("", line).split()) for line in block.text.split("\n"))
        text = "\n".join(line for line in lines if line)
        if not text:
            continue
        if block.heading:
            headings.add(length)
        parts.append(text)
        length += len(text) + 2
    return "\n\n".join(parts), frozenset(headings)


def _finish(title: object, blocks: Sequence[Block], meta: Mapping[str, Any]) -> Extracted:
    text, headings = _join(blocks)
    return Extracted(
        title=_clean(title),
        text=text,
        headings=headings,
        authors=_names(meta.get("authors") or meta.get("author")),
        published=parse_date(meta.get("published") or meta.get("date")),
        modified=parse_date(meta.get("modified") or meta.get("updated")),
        language=_language(meta.get("language")),
        url=web_address(meta.get("url")),
    )


def _language(value: object) -> str | None:
    """Return a language tag as it is usually written (BCP 47), None if it is none."""
    tag = _clean(value).replace("_", "-") if value else ""
    if not re.fullmatch(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*", tag):
        return None
    first, *rest = tag.split("-")
    return "-".join([first.lower(), *(part.upper() if len(part) == 2 else part for part in rest)])


def _names(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        value = value.split(";")
    if not isinstance(value, list):
        return ()
    names = (_clean(name) for name in value if isinstance(name, str))
    return tuple(name for name in names if name)


def _clean(value: object) -> str:
    return " ".join(_CONTROL.sub("", str(value)).split())


# -- plain text --------------------------------------------------------------------------


def _paragraphs(text: str) -> list[str]:
    """Return the paragraphs of plain text; a line that was wrapped is joined to the next.

    Within a run of lines, lines are wrapped if most of them stop in the middle of a sentence.
    """
    found: list[str] = []
    for run in re.split(r"\n\s*\n", text.replace("\r\n", "\n").replace("\r", "\n")):
        lines = [line.strip() for line in run.split("\n") if line.strip()]
        open_lines = sum(not _SENTENCE_END.search(line) for line in lines[:-1])
        if len(lines) > 1 and open_lines > len(lines[:-1]) / 2 and max(map(len, lines)) <= 100:
            found.append(" ".join(lines))
        else:
            found += lines
    return found


def _extract_text(text: str, name: str) -> Extracted:
    paragraphs = _paragraphs(text)
    title = name
    first = paragraphs[0] if paragraphs else ""
    titled = len(first) <= 150 and not _SENTENCE_END.search(first) and len(paragraphs) > 1
    if titled and re.match(r"[^\n]+\n\s*\n", text.lstrip()):
        title, paragraphs = first, paragraphs[1:]
    return _finish(title, [Block(paragraph) for paragraph in paragraphs], {})


def _extract_record(line: str, name: str) -> Extracted:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as exc:
        msg = f"is not JSON: {exc}"
        raise ArticleFormatError(msg) from exc
    if not isinstance(record, dict) or not isinstance(record.get("text"), str):
        msg = 'is not an object with a "text".'
        raise ArticleFormatError(msg)
    blocks = [Block(paragraph) for paragraph in _paragraphs(record["text"])]
    return _finish(record.get("title") or name, blocks, record)


# -- Markdown ----------------------------------------------------------------------------


def _extract_markdown(text: str, name: str) -> Extracted:
    import frontmatter
    import yaml

    try:
        meta, body = frontmatter.parse(text)
    except (yaml.YAMLError, ValueError, LookupError, AttributeError, RecursionError) as exc:
        msg = f"has front matter that is not YAML: {exc}"
        raise ArticleFormatError(msg) from exc
    if not meta:
        body = text  # what stands between two rules at the top is text, if it is no mapping
    blocks = _markdown_blocks(body)
    title = meta.get("title")
    if not isinstance(title, str | int | float | date):
        title = None  # a YAML list or mapping is no title
    if blocks and blocks[0].heading and (not title or blocks[0].text == str(title)):
        title, blocks = blocks[0].text, blocks[1:]
    return _finish(title or name, blocks, meta)


def _markdown_blocks(body: str) -> list[Block]:
    from markdown_it import MarkdownIt
    from markdown_it.tree import SyntaxTreeNode

    tokens = MarkdownIt("commonmark", {"html": True}).enable("table").parse(body)
    return _node_blocks(SyntaxTreeNode(tokens))


def _node_blocks(parent: Any) -> list[Block]:  # noqa: ANN401 (a markdown-it SyntaxTreeNode)
    blocks: list[Block] = []
    for node in parent.children:
        if node.type in {"heading", "paragraph"}:
            blocks.append(Block(_inline_text(node), node.type == "heading"))
        elif node.type in {"fence", "code_block"}:
            blocks.append(Block(node.content))
        elif node.type == "html_block":
            blocks.append(Block(_strip_tags(node.content)))
        elif node.type == "table":
            rows = [row for part in node.children for row in part.children]
            header, *body = [[_inline_text(cell) for cell in row.children] for row in rows]
            blocks += [Block(table_row(header, cells)) for cells in body]
        else:
            blocks += _node_blocks(node)
    return blocks


def _inline_text(block: Any) -> str:  # noqa: ANN401 (a markdown-it SyntaxTreeNode)
    parts = []
    hidden = False  # between <script> and </script>
    for node in block.walk():
        if node.type == "html_inline" and (tag := _HIDDEN_TAG.match(node.content)):
            hidden = not tag["end"]
        elif hidden:
            continue
        elif node.type == "html_inline" and _BREAKING_TAG.match(node.content):
            parts.append(" ")
        elif node.type in {"text", "code_inline"}:
            parts.append(node.content)
        elif node.type in {"softbreak", "hardbreak"}:
            parts.append(" ")
    return "".join(parts)


def table_row(header: Sequence[str], row: Sequence[str]) -> str:
    """Return a row that reads by itself.

    Example: ["Peak", "Height"], ["Everest", "8,849 m"] -> "Peak: Everest; Height: 8,849 m"
    """
    cells = [" ".join(cell.split()) for cell in row]
    names = [" ".join(name.split()) for name in header] if len(header) == len(row) else []
    if not names:
        return "; ".join(cell for cell in cells if cell)
    return "; ".join(
        f"{name}: {cell}" if name else cell for name, cell in zip(names, cells, strict=True) if cell
    )


# -- HTML --------------------------------------------------------------------------------


def _strip_tags(markup: str) -> str:
    from lxml import html

    bare = _BREAKING_TAG.sub("\n", _SCRIPT.sub("", markup))
    return html.fromstring(f"<div>{bare}</div>").text_content() if bare.strip() else ""


def _extract_html(data: bytes, name: str) -> Extracted:
    import trafilatura
    import trafilatura.settings

    if b"\x00" in data and not data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        msg = f"is binary (a zero byte at offset {data.index(0)}), not HTML."
        raise ArticleFormatError(msg)
    tree = trafilatura.load_html(data)
    if tree is None:
        msg = "cannot be parsed as HTML."
        raise ArticleFormatError(msg)
    language = next(iter(tree.xpath("/html/@lang")), None)
    modified = next(iter(tree.xpath("//meta[@property='article:modified_time']/@content")), None)
    page = trafilatura.bare_extraction(
        tree,
        include_comments=False,
        favor_precision=True,
        with_metadata=True,
        date_extraction_params={"extensive_search": False, "original_date": True},
    )
    if not isinstance(page, trafilatura.settings.Document) or page.body is None:
        msg = "holds no article that can be told from the rest of the page."
        raise ArticleFormatError(msg)
    title = page.title or name
    blocks = [block for block in _html_blocks(page.body) if block.text != title]
    meta = {
        "author": page.author,
        "published": page.date,
        "modified": _page_date(modified),
        "language": language,
        "url": page.url,
    }
    return _finish(title, blocks, meta)


def _page_date(value: str | None) -> date | None:
    """Return a meta tag's date; one that is not ISO 8601 is not the editor's fault: None."""
    try:
        return parse_date(value)
    except ArticleFormatError:
        return None


def _html_blocks(body: Any) -> list[Block]:  # noqa: ANN401 (trafilatura's lxml tree)
    blocks: list[Block] = []
    for element in body:
        if element.tag == "table":
            blocks += _html_table(element)
        else:
            blocks.append(Block(_element_text(element), element.tag == "head"))
        if (element.tail or "").strip():
            blocks.append(Block(element.tail))
    return blocks


def _element_text(element: Any) -> str:  # noqa: ANN401 (an element of trafilatura's tree)
    """Return an element's text; line breaks and inner blocks part its lines, not its words."""
    for inner in element.iter("lb", "item", "p", "list", "quote", "row", "cell"):
        if inner is not element:
            inner.text = f"\n{inner.text or ''}"
            inner.tail = f"\n{inner.tail or ''}"
    return "".join(element.itertext())


def _html_table(table: Any) -> list[Block]:  # noqa: ANN401 (trafilatura's lxml tree)
    header: list[str] = []
    blocks = []
    for row in table.iter("row"):
        cells = [_element_text(cell) for cell in row.iter("cell")]
        if not header and all(cell.get("role") == "head" for cell in row.iter("cell")):
            header = cells
        elif any(cell.strip() for cell in cells):
            blocks.append(Block(table_row(header, cells)))
    return blocks
