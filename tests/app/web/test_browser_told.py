"""What a chat model wrote, in real headless Chromium: warned of in words, never rendered."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from app.answering.answer import NOT_SUPPORTED, Event
from tests.app.test_told import EVENTS
from tests.app.web import test_browser
from tests.app.web.test_browser import CHROMIUM, FLAGS, ask
from tests.app.web.test_browser_stop import serving_anybody

pytestmark = test_browser.pytestmark


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium; Playwright's own is never downloaded."""
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield launched
        launched.close()


def test_the_page_warns_and_renders_nothing_of_the_models(
    browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Starters are the articles'; the sanitiser leaves the warning; a key asks what is offered."""

    def tell(question: str, *_: Any) -> Iterator[Event]:  # noqa: ANN401 (as `ask` has them)
        yield from EVENTS

    with serving_anybody(tmp_path) as (runtime, url):
        monkeypatch.setattr(runtime.service(), "ask", tell)
        page = browser.new_context().new_page()
        outside: list[str] = []
        page.on("request", lambda asked: outside.append(asked.url))
        page.goto(url)
        page.wait_for_selector("#cw-question textarea", timeout=60_000)
        expect(page.get_by_text("Summarise “The bridge”")).to_be_visible(timeout=30_000)
        ask(page, "What of the bridge?")
        warning = page.locator("#cw-chat .cw-doubt")
        expect(warning).to_contain_text(NOT_SUPPORTED, timeout=30_000)
        expect(page.locator("#cw-chat .cw-doubtful")).to_have_count(1)
        expect(page.locator("#cw-chat .cw-list li")).to_have_count(2)
        expect(page.locator("#cw-chat")).to_contain_text("![x](https://e.org/x.png) <b>Steel</b>.")
        expect(page.locator("#cw-chat .cw-sentence img, #cw-chat .cw-sentence b")).to_have_count(0)
        expect(warning).to_have_attribute("title", "why 1")
        option = page.locator("#cw-chat button.option").first  # what one may go on with
        expect(option).to_contain_text("Summarise “The", timeout=30_000)
        option.focus()
        page.keyboard.press("Enter")
        expect(warning).to_have_count(2, timeout=30_000)
        expect(page.locator("#cw-chat [data-testid=user]").last).to_contain_text("Summarise “The")
        assert all(address.startswith((url, "data:", "blob:")) for address in outside)
