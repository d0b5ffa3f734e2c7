from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from app.evaluation.report import render, text_summary, value_text, worst, write_report
from tests.app.evaluation.test_result import make_run

ATTACK = '<script>alert("x")</script><img src=https://evil.example/x onerror=a()>'


class Elements(HTMLParser):
    """Collects what a page consists of."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag and its attributes."""
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]


def parse(page: str) -> Elements:
    """Return what a page consists of."""
    found = Elements()
    found.feed(page)
    return found


@pytest.fixture(scope="module")
def page() -> str:
    """The report on a question and a note that attack it."""
    return render(make_run(ATTACK, note=ATTACK))


def test_every_text_is_escaped(page: str) -> None:
    """No tag of a question or a note becomes one of the page; both are shown."""
    found = parse(page)
    assert "script" not in found.tags
    assert "img" not in found.tags
    assert not [name for name, _ in found.attributes if name.startswith("on")]
    assert page.count("&lt;script&gt;") >= 3  # the note, the question, what was said


def test_the_report_is_self_contained(page: str) -> None:
    """Nothing is loaded: links lead into the page, and a policy forbids all else."""
    for name, value in parse(page).attributes:
        if name in ("src", "srcset", "data", "action", "poster"):
            pytest.fail(f"{name}={value}")
        if name.endswith("href"):
            assert value.startswith("#"), value
    assert not re.search(r"@import|url\((?!#)", page)
    assert "default-src 'none'" in page


def test_the_plots_are_in_the_page(page: str) -> None:
    """Systems, refusal and calibration are drawn, named, and in the page's own colours."""
    assert page.count('<svg role="img" aria-label="') == 3
    assert "var(--s0)" in page
    assert not re.search(r"#0[1-9]0[1-9]0[1-9]", page)


def test_drawings_do_not_share_names(page: str) -> None:
    """Every id is there once, and every reference to one leads to it."""
    found = parse(page)
    ids = [value for name, value in found.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    targets = [value[1:] for name, value in found.attributes if name.endswith("href")]
    assert set(targets) <= set(ids)


def test_tables_are_accessible(page: str) -> None:
    """Every table has head cells with a scope, and what scrolls can be reached and has a name."""
    found = parse(page)
    assert found.tags.count("table") == found.tags.count("thead") >= 5
    assert found.tags.count("th") == [name for name, _ in found.attributes].count("scope")
    assert page.count('role="region"') == page.count('tabindex="0"') >= 4


def test_light_and_dark(page: str) -> None:
    """The page follows the reader's scheme."""
    assert "prefers-color-scheme: dark" in page


def test_the_sample_is_told(page: str) -> None:
    """A report on a sample says how large it is and how it was drawn."""
    assert "at most 10 questions of each group, drawn with seed 20" in " ".join(page.split())


def test_a_report_is_the_same_each_time(page: str) -> None:
    """The same run gives the same bytes."""
    assert render(make_run(ATTACK, note=ATTACK)) == page


def test_the_report_is_written(tmp_path: Path) -> None:
    """A folder is made for it."""
    path = write_report(make_run(), tmp_path / "a" / "b")
    assert path.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_wrong_answers_are_listed() -> None:
    """A question answered by a wrong sentence and ranked late is listed for both."""
    titles = [kind.title for kind in worst(make_run().sets[0].rows)]
    assert titles == [
        "Answered by a wrong first sentence",
        "Its article was found late or not at all",
    ]


@pytest.mark.parametrize(
    ("number", "signed", "text"),
    [
        (0.83333, False, "0.833"),
        (23.46, False, "23.5"),
        (-0.02, True, "-0.020"),
        (float("nan"), True, "–"),
    ],
)
def test_numbers_are_rounded(number: float, signed: bool, text: str) -> None:
    """Three digits behind the point below ten, one above."""
    assert value_text(number, signed) == text


def test_the_summary_has_n_and_interval() -> None:
    """Each line of the terminal's tables gives n, value and interval."""
    text = text_summary(make_run())
    assert "| nDCG@10 | citewell | 1 | 0.500 | 0.250 … 0.750 |" in text
    assert "| nDCG@10 | citewell − bm25 | 1 | +0.500 | +0.250 … +0.750 |" in text
    assert "| foreign | 0.500 (the setting) | 1, 1 | 0.100 | 0.900 |" in text
