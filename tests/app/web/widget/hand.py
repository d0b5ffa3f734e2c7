"""What a reader does with the widget."""

from __future__ import annotations

from playwright.sync_api import Locator, Page, expect

TREES = "How many tree species are there on Earth?"
WEBB = "When did the James Webb Space Telescope take off?"
PATIENCE = 30_000  # milliseconds; answers take long on a busy machine


def launcher(page: Page) -> Locator:
    """The button that opens the widget."""
    return page.locator("citewell-chat .launcher")


def composer(page: Page) -> Locator:
    """Where the reader types."""
    return page.locator("citewell-chat textarea")


def opened(page: Page, url: str) -> Page:
    """Go to a page and open the widget with a click."""
    page.goto(url)
    launcher(page).click()
    expect(composer(page)).to_be_focused()
    return page


def ask(page: Page, question: str) -> Locator:
    """Ask as the reader does, and return the answer once it is whole."""
    composer(page).fill(question)
    composer(page).press("Enter")
    answer = page.locator("citewell-chat .answer").last
    answer.locator(".acts").wait_for(timeout=PATIENCE)
    return answer
