"""The administrators' page in real headless Chromium."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from app.api.operator import POLICY
from app.records.records import Records
from tests.app.conftest import Server
from tests.app.web.test_browser import CHROMIUM, FLAGS
from tests.kept import body, clear

OWNER = "user:admin-page"
HOSTILE = "<img src=x onerror=alert(1)> When does the canteen open?"

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        CHROMIUM is None and "CI" not in os.environ, reason="chromium is not installed"
    ),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium; Playwright's own is never downloaded."""
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def asked(server: Server) -> Iterator[None]:
    """Answers, feedback and an audit of which the server's records tell; gone afterwards."""
    records = Records(server.data_dir / "catalogue.sqlite3")
    clear(records)
    for number in range(3):
        records.conversations.keep(OWNER, body(f"qgap{number}", HOSTILE, "not_found"))
    records.conversations.keep(OWNER, body("qgood", "How many trees are there?", "answered"))
    records.feedback.give("qgood", "unhelpful", "incomplete", "<b>Which</b> year?")
    records.audit.note(OWNER, "ingest", "<script>alert(2)</script>", "127.0.0.1")
    yield
    clear(records)
    records.close()


@pytest.fixture
def page(browser: Browser, server: Server, asked: None) -> Iterator[Page]:
    """The page, loaded; the test fails if the console tells an error or a dialog opens."""
    context = browser.new_context(viewport={"width": 1280, "height": 1600}, accept_downloads=True)
    opened = context.new_page()
    wrong: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            wrong.append(message.text)

    opened.on("console", note)
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    opened.on("dialog", lambda dialog: wrong.append(f"dialog: {dialog.message}"))
    opened.goto(f"{server.url}/admin")
    expect(opened.locator("#shown")).to_be_visible(timeout=30_000)
    yield opened
    context.close()
    assert wrong == []


def test_hostile_questions_are_shown_as_text(page: Page) -> None:
    """A gap, a comment and an audit entry that hold markup show it and run nothing."""
    gap = page.locator("#gaps-rows tr", has_text="canteen")
    expect(gap.locator("td").nth(0)).to_have_text(HOSTILE)
    expect(gap.locator("td").nth(1)).to_have_text("3")
    expect(gap.locator("td").nth(3)).to_have_text("The title of c1")
    expect(page.locator("#feedback-rows")).to_contain_text("<b>Which</b> year?")
    expect(page.locator("#audit-rows")).to_contain_text("<script>alert(2)</script>")
    expect(page.locator("main img, main b, main script")).to_have_count(0)
    expect(page.locator("#totals")).to_contain_text("Answers4People1")
    expect(page.locator("#outcomes")).to_contain_text("not found375 %")
    if target := os.environ.get("SCREENSHOT"):
        page.screenshot(path=target, full_page=True)


def test_the_gaps_are_downloaded(page: Page) -> None:
    """The link downloads the table that the API gives."""
    with page.expect_download() as waited:
        page.get_by_role("link", name="Download as CSV").click()
    assert waited.value.suggested_filename == "gaps.csv"
    assert HOSTILE in Path(waited.value.path()).read_text(encoding="utf-8")


def test_tables_tell_what_they_are(page: Page) -> None:
    """Every table has a caption and column headers, every section a heading."""
    tables = page.locator("main table")
    assert tables.count() == 7
    for number in range(tables.count()):
        expect(tables.nth(number).locator("caption")).not_to_be_empty()
        expect(tables.nth(number).locator("th[scope=col]").first).to_be_attached()
    for section in ("Figures", "Most asked", "Gaps", "Feedback", "Audit"):
        expect(page.get_by_role("heading", name=section)).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Figures")).to_be_focused()


def test_the_period_can_be_chosen(page: Page) -> None:
    """Another period shows as many days."""
    with page.expect_response(re.compile(r"/stats\?days=7$")):
        page.get_by_label("Look back").select_option("7 days")
    expect(page.locator("#by-day rect")).to_have_count(2 * 8)


def test_a_key_is_asked_for_and_kept_in_memory(browser: Browser, server: Server) -> None:
    """Whoever is refused is asked for an API key, which is sent and stored nowhere."""
    context = browser.new_context()
    page = context.new_page()
    sent: list[str | None] = []

    def answer(route: object) -> None:
        authorization = route.request.headers.get("authorization")  # type: ignore[attr-defined]
        sent.append(authorization)
        if authorization == "Bearer cw_right":
            route.continue_()  # type: ignore[attr-defined]
        else:
            detail = '{"detail": "Nobody is logged in."}'
            route.fulfill(status=401, body=detail)  # type: ignore[attr-defined]

    page.route("**/api/v1/admin/**", answer)
    page.goto(f"{server.url}/admin")
    field = page.get_by_label("API key")
    expect(field).to_be_focused()
    expect(page.locator("#shown")).to_be_hidden()
    expect(page.locator("#status")).to_have_text("Nobody is logged in.")
    field.fill("cw_right")
    page.keyboard.press("Enter")
    expect(page.locator("#shown")).to_be_visible()
    expect(page.locator("#key-form")).to_be_hidden()
    assert sent[0] is None
    with page.expect_download() as waited:
        page.get_by_role("link", name="Download as CSV").click()
    assert Path(waited.value.path()).read_text(encoding="utf-8").startswith("question,count,")
    stored = "JSON.stringify([document.cookie, {...localStorage}, {...sessionStorage}])"
    assert "cw_right" not in page.evaluate(stored)
    assert "cw_right" not in page.url
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits_a_phone(browser: Browser, server: Server, asked: None, scheme: str) -> None:
    """At 320 pixels nothing is cut off, in light and dark."""
    context = browser.new_context(
        viewport={"width": 320, "height": 640},
        color_scheme=scheme,  # type: ignore[arg-type]
    )
    page = context.new_page()
    page.goto(f"{server.url}/admin")
    expect(page.locator("#shown")).to_be_visible(timeout=30_000)
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(24, 24, 27)"
    assert dark == (scheme == "dark")
    context.close()


def test_the_page_has_its_own_policy(server: Server) -> None:
    """The reply carries the page's strict policy beside the guard's other headers."""
    reply = httpx.get(f"{server.url}/admin")
    assert reply.headers["content-security-policy"] == POLICY
    assert reply.headers["x-frame-options"] == "DENY"
    assert "'unsafe-inline'" in httpx.get(f"{server.url}/").headers["content-security-policy"]
