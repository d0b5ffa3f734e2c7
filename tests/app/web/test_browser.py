"""The chat page in real headless Chromium."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Request, expect, sync_playwright

from tests.app.api.test_proxy import behind_nginx, free_port
from tests.app.conftest import Server, start, stop, wait_until_ready

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

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


@pytest.fixture
def page(browser: Browser, server: Server) -> Iterator[Page]:
    """The chat, loaded; the test fails if anything was asked of another host."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    opened = context.new_page()
    outside: list[str] = []

    def note(request: Request) -> None:
        if not request.url.startswith((server.url, "data:", "blob:")):
            outside.append(request.url)

    opened.on("request", note)
    opened.goto(server.url)
    opened.wait_for_selector("#cw-question textarea", timeout=60_000)
    yield opened
    context.close()
    assert outside == []


def ask(page: Page, question: str) -> None:
    """Type a question and send it, once the answer before it is whole."""
    page.wait_for_selector("#cw-question .submit-button")
    page.fill("#cw-question textarea", question)
    page.press("#cw-question textarea", "Enter")


def test_a_question_is_answered_and_its_citation_opens(page: Page) -> None:
    """The reader asks, reads the answer, opens a citation and sees the quote highlighted."""
    ask(page, "When did the James Webb Space Telescope take off?")
    chip = page.locator("a.cw-chip").first
    chip.wait_for(timeout=30_000)
    sentence = page.locator(".cw-sentence").first
    expect(sentence).to_contain_text("25 December 2021")
    expect(sentence.locator("mark")).to_have_text("25 December 2021")
    chip.click()
    quote = page.locator("#cw-source mark")
    quote.wait_for()
    expect(quote).to_be_in_viewport()
    expect(quote).to_contain_text("25 December 2021")
    expect(page.locator("#cw-source h2")).to_be_visible()
    expect(page.locator("#cw-source")).to_contain_text("2022-07-14")
    link = page.locator("#cw-source header a")
    href = link.get_attribute("href") or ""
    assert re.match(r"https://example\.org/.*#:~:text=The%20James%20Webb", href)
    assert link.get_attribute("rel") == "noopener noreferrer"


def test_the_pane_closes_and_gives_the_focus_back(page: Page) -> None:
    """Escape closes the source pane and returns to the chip that opened it."""
    ask(page, "How many tree species are there on Earth?")
    chip = page.locator("a.cw-chip").first
    chip.wait_for(timeout=30_000)
    chip.focus()
    page.keyboard.press("Enter")
    page.locator("#cw-source mark").wait_for()
    page.keyboard.press("Escape")
    expect(page.locator("#cw-source")).to_be_hidden()
    expect(chip).to_be_focused()


def test_a_chip_tells_its_quote_before_it_is_opened(page: Page) -> None:
    """Hovering over a chip gives it the quote, the title and the date."""
    ask(page, "How many tree species are there on Earth?")
    chip = page.locator("a.cw-chip").first
    chip.wait_for(timeout=30_000)
    chip.hover()
    expect(chip).to_have_attribute("title", re.compile("60,065.*|73,000.*", re.DOTALL))
    expect(chip).to_have_attribute("aria-label", "Source 1")


def test_an_example_is_asked_with_one_click(page: Page) -> None:
    """Clicking an example question asks it."""
    page.get_by_text("How many tree species are there on Earth?").first.click()
    expect(page.locator("#cw-chat")).to_contain_text("60,065", timeout=30_000)


def test_what_is_not_there_is_refused(page: Page) -> None:
    """An off-topic question gets the refusal, and the closest article opens as a whole."""
    ask(page, "How do I reset my VPN password?")
    expect(page.locator("#cw-chat")).to_contain_text("The articles do not say", timeout=30_000)
    page.locator("a.cw-article").first.click()
    expect(page.locator("#cw-source .cw-text p").first).to_be_visible()
    expect(page.locator("#cw-source mark")).to_have_count(0)


def test_hostile_input_stays_text(page: Page) -> None:
    """Markup typed by the reader, or written in an article, shows as words and runs nothing."""
    page.on("dialog", lambda dialog: pytest.fail(f"a dialog opened: {dialog.message}"))
    ask(page, "<b onclick=alert(1)>What is prompt injection?</b>")
    page.locator("a.cw-chip").first.wait_for(timeout=30_000)
    expect(page.locator("#cw-chat [data-testid=user] b")).to_have_count(0)
    expect(page.locator("#cw-chat")).to_contain_text("<b onclick=alert(1)>What")
    page.locator("a.cw-chip").first.click()
    page.locator("#cw-source mark").wait_for()
    expect(page.locator("#cw-source")).to_contain_text("<script>alert(1)</script>")
    expect(page.locator("#cw-source script")).to_have_count(0)


def test_answers_follow_each_other(page: Page) -> None:
    """A second question is answered below the first, and an empty one changes nothing."""
    ask(page, "How many tree species are there on Earth?")
    expect(page.locator("#cw-chat")).to_contain_text("60,065", timeout=30_000)
    ask(page, "   ")
    page.wait_for_timeout(500)  # nothing shows when an empty question was passed over
    ask(page, "When did the James Webb Space Telescope take off?")
    expect(page.locator("#cw-chat")).to_contain_text("25 December 2021", timeout=30_000)
    expect(page.locator("#cw-chat")).to_contain_text("60,065")
    expect(page.locator("#cw-chat [data-testid=user]")).to_have_count(2)


def test_the_page_fits_a_phone(browser: Browser, server: Server) -> None:
    """At 320 pixels nothing is cut off and the composer is in view."""
    context = browser.new_context(viewport={"width": 320, "height": 640})
    page = context.new_page()
    page.goto(server.url)
    composer = page.locator("#cw-question textarea")
    composer.wait_for(timeout=60_000)
    expect(composer).to_be_in_viewport()
    wide = page.evaluate("document.documentElement.scrollWidth")
    assert wide <= 320
    context.close()


def test_the_chat_answers_under_a_path_behind_nginx(
    browser: Browser, demo_dir: Path, tmp_path: Path
) -> None:
    """Under a path of its own the page loads whole, answers, and opens a citation."""
    port = free_port()
    data = shutil.copytree(demo_dir, tmp_path / "data", ignore=shutil.ignore_patterns("socket"))
    public = f"http://127.0.0.1:{port}/stripped"
    running = start(data, CITEWELL_PUBLIC_URL=public)
    try:
        wait_until_ready(running)
        with behind_nginx(tmp_path, port, int(running.url.rsplit(":", 1)[1])):
            context = browser.new_context()
            page = context.new_page()
            failed: list[str] = []
            page.on("response", lambda r: failed.append(r.url) if r.status >= 400 else None)
            page.goto(f"{public}/")
            page.wait_for_selector("#cw-question textarea", timeout=60_000)
            page.fill("#cw-question textarea", "How many tree species are there on Earth?")
            page.keyboard.press("Enter")
            page.locator(".cw-chip").first.click(timeout=30_000)
            expect(page.locator("#cw-source mark").first).to_be_visible()
            context.close()
        assert failed == []
    finally:
        stop(running)
