from __future__ import annotations

import codecs
import json
from datetime import date, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest import extract as module
from ingest.extract import Extracted, decode, extract, parse_date, table_row, web_address
from vectorstore.errors import ArticleFormatError


def markdown(text: str, name: str = "a name") -> Extracted:
    """Extract Markdown."""
    return extract(text.encode(), "markdown", name)


def plain(text: str, name: str = "a name") -> Extracted:
    """Extract plain text."""
    return extract(text.encode(), "text", name)


def record(value: object, name: str = "a name") -> Extracted:
    """Extract a JSON Lines record."""
    return extract(json.dumps(value).encode(), "record", name)


# -- Markdown ----------------------------------------------------------------------------


def test_front_matter_describes_the_article() -> None:
    """Title, authors, dates, language and address come from the front matter."""
    found = markdown(
        "---\ntitle: The Alps\nauthors: [Ada Lovelace, Émile Zola]\ndate: 2026-03-14\n"
        "updated: 2026-03-15T10:00:00Z\nlanguage: en-GB\nurl: https://example.org/alps\n---\n"
        "Glaciers melt.\n"
    )
    assert found == Extracted(
        title="The Alps",
        text="Glaciers melt.",
        authors=("Ada Lovelace", "Émile Zola"),
        published=date(2026, 3, 14),
        modified=date(2026, 3, 15),
        language="en-GB",
        url="https://example.org/alps",
    )


def test_one_author_may_be_text() -> None:
    """Authors in one string are parted by semicolons, not by commas."""
    found = markdown("---\nauthor: Lovelace, Ada; Émile Zola\n---\nText.")
    assert found.authors == ("Lovelace, Ada", "Émile Zola")


@pytest.mark.parametrize(
    "front",
    [
        "title: [unclosed",
        "date: 2026-13-45",
        "date: next Tuesday",
        "a: b: c",
        "\tx: 1",
        "date: !!timestamp soon",
        "x: !!bool maybe",
        "x: !!int ''",
        "x: " + "[" * 2_000,
        "? [1]\n: x",
    ],
)
def test_bad_front_matter_is_an_error_of_the_article(front: str) -> None:
    """Front matter that cannot be read is reported, never guessed."""
    with pytest.raises(ArticleFormatError, match=r"front matter|date"):
        markdown(f"---\n{front}\n---\nText.")


@pytest.mark.parametrize(
    ("text", "title", "body"),
    [
        ("# The Alps\n\nText.", "The Alps", "Text."),
        ("The Alps\n========\n\nText.", "The Alps", "Text."),
        ("---\ntitle: The Alps\n---\n# The Alps\n\nText.", "The Alps", "Text."),
        ("---\ntitle: Alps\n---\n# Other\n\nText.", "Alps", "Other\n\nText."),
        ("---\ntitle: Alps\n---\nText.", "Alps", "Text."),
        ("---\ntitle: 1984\n---\nText.", "1984", "Text."),
        ("Text.\n\n# Late\n\nMore.", "a name", "Text.\n\nLate\n\nMore."),
        ("---\ntitle: ''\n---\nText.", "a name", "Text."),
        ("---\ntitle: '\u200b'\n---\nText.", "a name", "Text."),
    ],
)
def test_the_title_of_markdown(text: str, title: str, body: str) -> None:
    """The front matter's title wins, then a leading heading, not repeated, then the name."""
    found = markdown(text)
    assert (found.title, found.text) == (title, body)


def test_headings_are_where_they_say() -> None:
    """`headings` are the offsets at which headings start in the text."""
    found = markdown("# T\n\nIntro 👩‍👩‍👧.\n\n## One\n\nText.\n\n### Two *em*\n\nMore.")
    lines = [found.text[at:].split("\n", 1)[0] for at in sorted(found.headings)]
    assert lines == ["One", "Two em"]


def test_inline_markup_is_text() -> None:
    """Emphasis, links, code and entities leave their text, line breaks become blanks."""
    found = markdown("A *b* **c** `d` [e](https://x.org) &amp; f\ng  \nh ~~i~~.")
    assert found.text == "A b c d e & f g h ~~i~~."


def test_a_table_becomes_rows_that_read_by_themselves() -> None:
    """Each row names its headers, empty cells are left out."""
    found = markdown("| Peak | Height |\n|---|--:|\n| Everest | 8,849 m |\n| K2 | |\n")
    assert found.text == "Peak: Everest; Height: 8,849 m\n\nPeak: K2"
    assert table_row(["Peak"], ["Everest", "8,849 m"]) == "Everest; 8,849 m"
    assert table_row(["", "Height"], ["Everest", " 8,849\n m "]) == "Everest; Height: 8,849 m"


def test_code_keeps_its_lines() -> None:
    """A code fence is text, line by line, without the fence."""
    found = markdown("Run:\n\n```sh\nmake  run\n\n  make test\n```\n")
    assert found.text == "Run:\n\nmake run\nmake test"


def test_lists_and_quotes_are_paragraphs() -> None:
    """Every item and every quoted paragraph stands by itself."""
    found = markdown("- One.\n- Two.\n  - Three.\n\n> Four.\n>\n> Five.\n")
    assert found.text == "One.\n\nTwo.\n\nThree.\n\nFour.\n\nFive."


@pytest.mark.parametrize(
    "text",
    [
        "Before.\n\n<script>alert('x')</script>\n\nAfter.",
        "Before.\n\n<SCRIPT type=module>\nalert('x')\n\nalert('y')\n</SCRIPT >\n\nAfter.",
        "Before. <script>alert('x')</script>\n\nAfter.",
        "Before. <b>Bold <script>alert('x')</script></b>\n\nAfter.",
        "Before.\n\nAfter.\n\n<script>alert('x')",
        "Before.\n\n<style>p { alert: x }</style>\n\nAfter.",
        "Before. <style>p { alert: x }</style>\n\nAfter.",
        "Before.\n\n<!-- alert\n\nalert -->\n\nAfter.",
        "Before.\n\n<div>\n<script>alert('x')</script>\n</div>\n\nAfter.",
    ],
)
def test_html_in_markdown_is_stripped(text: str) -> None:
    """Tags go, and of scripts, styles and comments nothing stays."""
    found = markdown(text).text
    assert "alert" not in found
    assert "<" not in found
    assert found.startswith("Before.")
    assert "After." in found


def test_html_blocks_in_markdown_leave_their_text() -> None:
    """A block of HTML is read as the text it shows."""
    found = markdown("<div><p>One &lt; two</p></div>\n\nText with <b>bold</b> words.")
    assert found.text == "One < two\n\nText with bold words."


# -- HTML --------------------------------------------------------------------------------

PARAGRAPHS = [
    "Glaciers in the Alps lost ten percent of their volume in two years, surveyors reported.",
    "The surveyors measured one hundred and seventy glaciers between spring and early autumn.",
    "They expect that small glaciers below three thousand metres will vanish within a decade.",
]
PAGE = f"""<!doctype html>
<html lang="en-GB"><head><title>The Alps | The Paper</title>
<meta property="og:title" content="The Alps are melting">
<link rel="canonical" href="https://example.org/alps">
<meta property="article:published_time" content="2026-03-14T09:30:00+01:00">
<meta property="article:modified_time" content="2026-03-15T09:30:00+01:00">
<meta name="author" content="Ada Lovelace">
<script>alert('never')</script><style>p {{ color: never }}</style></head>
<body><nav><a href="/">Home never</a> <a href="/x">Sport never</a></nav>
<header><a href="/">The never paper</a></header>
<main><article><h1>The Alps are melting</h1>
<p>{PARAGRAPHS[0]}</p><h2>How it was measured</h2><p>{PARAGRAPHS[1]}</p>
<table><tr><th>Glacier</th><th>Loss</th></tr><tr><td>Aletsch</td><td>4 %</td></tr>
<tr><td>Rhone</td><td>7 %</td></tr></table>
<p>{PARAGRAPHS[2]}</p><ul><li>Spring came early that year.</li><li>Summer was hot.</li></ul>
<script>document.write('never')</script></article></main>
<aside><p>Read never our other stories about never.</p></aside>
<footer><p>Copyright never. Imprint never.</p></footer></body></html>"""


def test_a_page_is_its_article() -> None:
    """Navigation, asides, footers, scripts and styles are not in the text; the article is."""
    found = extract(PAGE.encode(), "html", "a name")
    assert "never" not in found.text
    for paragraph in PARAGRAPHS:
        assert paragraph in found.text.split("\n\n")
    assert "Spring came early that year." in found.text


def test_a_page_says_what_it_is() -> None:
    """Title, language, canonical address, dates and author are read from the page."""
    found = extract(PAGE.encode(), "html", "a name")
    assert found.title == "The Alps are melting"
    assert found.title not in found.text.split("\n\n")
    assert found.language == "en-GB"
    assert found.url == "https://example.org/alps"
    assert (found.published, found.modified) == (date(2026, 3, 14), date(2026, 3, 15))
    assert found.authors == ("Ada Lovelace",)


def test_a_pages_tables_and_headings_are_kept() -> None:
    """Table rows name their headers, and headings are marked."""
    found = extract(PAGE.encode(), "html", "a name")
    assert "Glacier: Aletsch; Loss: 4 %" in found.text.split("\n\n")
    assert "Glacier: Rhone; Loss: 7 %" in found.text.split("\n\n")
    heads = [found.text[at:].split("\n", 1)[0] for at in found.headings]
    assert heads == ["How it was measured"]


def test_a_page_may_be_in_another_encoding() -> None:
    """HTML that declares its encoding is read in it."""
    page = PAGE.replace("<head>", '<head><meta charset="windows-1252">').replace(
        "Summer was hot.", "Das Café öffnete früh am Morgen."
    )
    found = extract(page.encode("windows-1252"), "html", "a name")
    assert "Das Café öffnete früh am Morgen." in found.text


@pytest.mark.parametrize(
    "page", ["", "   ", "<html></html>", "<html><body></body></html>", "<!-- x -->"]
)
def test_a_page_without_an_article_is_refused(page: str) -> None:
    """HTML that shows nothing is an error, not an empty article."""
    with pytest.raises(ArticleFormatError):
        extract(page.encode(), "html", "a name")


# -- plain text --------------------------------------------------------------------------


def test_wrapped_lines_are_joined() -> None:
    """Lines that stop in the middle of a sentence belong together."""
    found = plain("Glaciers in the Alps\nlost ten percent of\ntheir volume.\n\nThey melt.\n")
    assert found.text == "Glaciers in the Alps lost ten percent of their volume.\n\nThey melt."


def test_lines_that_are_paragraphs_stay_apart() -> None:
    """Lines that end with a sentence, or are long, are paragraphs of their own."""
    found = plain("One sentence.\nAnother sentence.\nA third.\n")
    assert found.text == "One sentence.\n\nAnother sentence.\n\nA third."
    long = "word " * 40
    assert plain(f"{long}\n{long}\nend.").text.count("\n\n") == 2


def test_line_ends_of_any_system() -> None:
    """Windows and old Macintosh line ends are line ends."""
    assert plain("One.\r\n\r\nTwo.\r\rThree.").text == "One.\n\nTwo.\n\nThree."


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("The Alps\n\nGlaciers melt.", "The Alps"),
        ("\n\nThe Alps\n\nGlaciers melt.", "The Alps"),
        ("Glaciers melt.\n\nThey do.", "a name"),
        ("The Alps", "a name"),
        ("The Alps\nGlaciers melt.\n\nThey do.", "a name"),
        (f"{'The Alps ' * 20}\n\nGlaciers melt.", "a name"),
    ],
)
def test_the_title_of_plain_text(text: str, title: str) -> None:
    """A short first line that stands alone and ends no sentence is the title."""
    found = plain(text)
    assert found.title == title
    assert ("The Alps" in found.text) == (title == "a name" and "The Alps" in text)


def test_control_characters_go() -> None:
    """What no reader sees is not in the text, blanks are single."""
    found = plain("Glaciers\u200b \x07 in\t\tthe\u00a0Alps\x1b.\ufeff")
    assert found.text == "Glaciers in the Alps."


# -- JSON Lines --------------------------------------------------------------------------


def test_a_record_describes_the_article() -> None:
    """A record's fields are the article's."""
    found = record(
        {
            "title": "The Alps",
            "text": "Glaciers melt.\n\nThey do.",
            "authors": ["Ada Lovelace"],
            "published": "2026-03-14",
            "modified": "2026-03-15T12:00:00",
            "language": "EN",
            "url": "https://example.org/alps",
        }
    )
    assert found == Extracted(
        title="The Alps",
        text="Glaciers melt.\n\nThey do.",
        authors=("Ada Lovelace",),
        published=date(2026, 3, 14),
        modified=date(2026, 3, 15),
        language="en",
        url="https://example.org/alps",
    )


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"{torn", "is not JSON"),
        (b"[1, 2]", 'is not an object with a "text"'),
        (b'{"title": "x"}', 'is not an object with a "text"'),
        (b'{"text": 7}', 'is not an object with a "text"'),
        (b'{"text": " "}', "holds no article text"),
        (b'{"text": "x", "published": "14.03.2026"}', r"'14\.03\.2026'.*ISO 8601"),
        (b'{"text": "x", "published": [2026]}', "ISO 8601"),
        (b"[" * 100_000, "is not JSON"),
        (b'{"text": "caf\xe9"}', "offset 13"),
    ],
)
def test_a_bad_record_is_refused(line: bytes, reason: str) -> None:
    """What is wrong with a record is said, with the value."""
    with pytest.raises(ArticleFormatError, match=reason):
        extract(line, "record", "a name")


def test_a_record_with_broken_characters_is_cleaned() -> None:
    """Half of a surrogate pair, which no database takes, is left out of every field."""
    broken = "x\ud800y"
    found = record(
        {
            "text": broken,
            "title": broken,
            "authors": [broken],
            "language": broken,
            "url": f"https://example.org/{broken}",
        }
    )
    for value in (found.text, found.title, *found.authors, found.language, found.url):
        assert value is not None
        value.encode()


# -- bytes -------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["text", "markdown"])
@pytest.mark.parametrize("mark", [codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF8])
def test_byte_order_marks_are_read(kind: str, mark: bytes) -> None:
    """UTF-16 with its mark, and UTF-8 with one, are text."""
    encoding = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
    data = mark + "Gletscher 👩‍👩‍👧 schmelzen über Nacht.".encode(encoding.get(mark, "utf-8"))
    assert extract(data, kind, "n").text == "Gletscher 👩‍👩‍👧 schmelzen über Nacht."


def test_latin_1_is_refused_with_its_place() -> None:
    """Bytes of another encoding are named with their offset and the remedy."""
    with pytest.raises(ArticleFormatError, match=r"UTF-8 text \(byte 0xe9 at offset 3\).*iconv"):
        extract("café".encode("latin-1"), "text", "n")


def test_torn_utf_16_is_refused() -> None:
    """UTF-16 that stops in the middle of a character is an error of ours."""
    with pytest.raises(ArticleFormatError, match="UTF-16"):
        decode(codecs.BOM_UTF16_LE + b"a\x00\x00\xd8")


@pytest.mark.parametrize("kind", ["text", "markdown", "html", "record"])
def test_binary_data_is_refused(kind: str) -> None:
    """A zero byte means binary, whatever the name says."""
    with pytest.raises(ArticleFormatError, match=r"is binary \(a zero byte at offset 4\)"):
        extract(b"\x89PNG\x00\x01", kind, "n")


@pytest.mark.parametrize("data", [b"", b" \n\n\t ", codecs.BOM_UTF8, b"\xe2\x80\x8b"])
def test_an_empty_article_is_refused(data: bytes) -> None:
    """Nothing but blanks is no article."""
    with pytest.raises(ArticleFormatError, match="holds no article text"):
        extract(data, "text", "n")


def test_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error tells both sizes; the largest size itself is taken."""
    monkeypatch.setattr(module, "MAX_BYTES", 1_000)
    assert extract(b"x" * 1_000, "text", "n").text == "x" * 1_000
    with pytest.raises(ArticleFormatError, match=r"1,001 bytes.*1,000"):
        extract(b"x" * 1_001, "text", "n")


def test_deeply_nested_markup_is_no_crash() -> None:
    """Nesting without end is read or refused, but ends nothing."""
    deep = "<div>" * 20_000 + "Glaciers melt."
    for data, kind in ((deep, "html"), (deep, "markdown"), ("> " * 5_000 + "x", "markdown")):
        try:
            extract(data.encode(), kind, "n")
        except ArticleFormatError:
            pass


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        ("", None),
        ("2026-03-14", date(2026, 3, 14)),
        (" 2026-03-14T23:59:59Z ", date(2026, 3, 14)),
        (datetime(2026, 3, 14, 1, 2), date(2026, 3, 14)),
        (date(2026, 3, 14), date(2026, 3, 14)),
    ],
)
def test_dates(value: object, expected: date | None) -> None:
    """ISO 8601 text, dates and datetimes give the day."""
    assert parse_date(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("https://example.org/a?b#c", "https://example.org/a?b#c"),
        (" HTTP://EXAMPLE.ORG ", "HTTP://EXAMPLE.ORG"),
        ("javascript:alert(1)", None),
        ("https://", None),
        ("https://example.org/a b", None),
        ("https://example.org/a\nb", None),
        ("file:///etc/passwd", None),
        (None, None),
        (7, None),
    ],
)
def test_web_addresses(value: object, expected: str | None) -> None:
    """Only http and https addresses are links."""
    assert web_address(value) == expected


# -- whatever comes ----------------------------------------------------------------------

KINDS = st.sampled_from(["text", "markdown", "html", "record"])
MARKUP = st.lists(
    st.sampled_from(
        [
            *("---\n", "title: ", "date: 2026", "- ", "# ", "| a | b |\n|--|--|\n", "```\n", "> "),
            *("<p>", "</p>", "<div>", "<script>", "</script>", "<table><tr><td>", "<!--", "-->"),
            *("<![CDATA[", "<?xml version='1.0'?>", "&#0;", "&nbsp;", "<html lang=''>", "</html>"),
            *(
                '{"text": "',
                '"}',
                "\\ud800",
                "\n",
                "\n\n",
                " ",
                "\ufeff",
                "\x00",
                "👩‍👩‍👧",
                "word.",
            ),
        ]
    )
    | st.text(max_size=5),
    max_size=25,
).map("".join)


def check(data: bytes, kind: str) -> None:
    """Check that data is refused properly or gives text that everything downstream can take."""
    try:
        found = extract(data, kind, "a name")
    except ArticleFormatError:
        return
    assert found.text == found.text.strip()
    assert found.text
    assert found.title == found.title.strip()
    for value in (found.text, found.title, *found.authors, found.language, found.url):
        assert "\0" not in (value or "")
        (value or "").encode()
    for at in found.headings:
        assert at == 0 or found.text[at - 2 : at] == "\n\n"


@settings(max_examples=150)
@given(st.binary(max_size=300), KINDS)
def test_any_bytes_are_read_or_refused(data: bytes, kind: str) -> None:
    """Arbitrary bytes raise nothing but ArticleFormatError."""
    check(data, kind)


@settings(max_examples=150)
@given(st.text(max_size=300), KINDS)
def test_any_text_is_read_or_refused(text: str, kind: str) -> None:
    """Arbitrary text raises nothing but ArticleFormatError."""
    check(text.encode("utf-8", "surrogatepass"), kind)


@settings(max_examples=300)
@given(MARKUP, KINDS)
def test_any_markup_is_read_or_refused(text: str, kind: str) -> None:
    """Torn markup of every kind raises nothing but ArticleFormatError."""
    check(text.encode(), kind)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


@settings(max_examples=150)
@given(
    st.fixed_dictionaries(
        {"text": st.text(max_size=30)},
        optional={
            name: JSON
            for name in ("title", "authors", "author", "published", "updated", "language", "url")
        },
    )
)
def test_any_record_is_read_or_refused(value: dict[str, object]) -> None:
    """Records with fields of any type raise nothing but ArticleFormatError."""
    check(json.dumps(value).encode(), "record")


@settings(max_examples=100)
@given(st.dictionaries(st.sampled_from(["title", "date", "author", "url", "language"]), JSON))
def test_any_front_matter_is_read_or_refused(value: dict[str, object]) -> None:
    """Front matter with fields of any type raises nothing but ArticleFormatError."""
    check(f"---\n{json.dumps(value)}\n---\nText.".encode(), "markdown")


@pytest.mark.parametrize(
    ("kind", "markup", "expected"),
    [
        ("markdown", "| a |\n|---|\n| 12<br>34 |", "a: 12 34"),
        ("markdown", "<table><tr><td>12</td><td>34</td></tr></table>", "12\n34"),
        ("markdown", "Line one<br>line two", "Line one line two"),
        ("markdown", "<div><p>First.</p><p>Second.</p></div>", "First.\nSecond."),
        ("markdown", "A <b>bo</b>ld word", "A bold word"),
    ],
)
def test_what_a_browser_parts_stays_parted(kind: str, markup: str, expected: str) -> None:
    """Cells, lines and blocks are never glued together: 12 and 34 do not become 1234."""
    assert extract(markup.encode(), kind, "n").text == expected


def test_a_pages_cells_and_items_stay_parted() -> None:
    """In HTML too, line breaks within cells and nested lists part their words."""
    filler = (
        "<p>" + "The harbour was built a long time ago, and it is still in use today. " * 6 + "</p>"
    )
    page = (
        f"<html><body><article><h1>T</h1>{filler}"
        "<ul><li>Parent item<ul><li>Child A 12</li><li>Child B 34</li></ul></li></ul>"
        f"<table><tr><th>a</th><th>b</th></tr><tr><td>12<br>13</td><td>x</td></tr></table>{filler}"
        "</article></body></html>"
    )
    text = extract(page.encode(), "html", "n").text
    assert "1213" not in text
    assert "itemChild" not in text
    assert "12Child" not in text
    assert "Child B 34" in text


def test_text_between_rules_is_no_front_matter() -> None:
    """A Markdown file that opens with a rule keeps what stands before the next one."""
    found = extract(b"---\nOnce upon a time\n---\nThe rest of it.\n", "markdown", "n")
    assert (found.title, found.text) == ("Once upon a time", "The rest of it.")


def test_blanks_are_read_in_linear_time() -> None:
    """A megabyte of blanks at the start, or in an author's name, takes no time to speak of."""
    extract(b" " * 1_000_000 + b"A title\n\nSome text.", "text", "n")
    record = {"text": "Some text.", "author": "A" + " " * 1_000_000 + "B"}
    extract(json.dumps(record).encode(), "record", "n")
