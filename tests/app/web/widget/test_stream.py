"""The stream of an answer: stopped, broken, resumed, and without a network."""

from __future__ import annotations

import time

from playwright.sync_api import BrowserContext, Page, expect

from tests.app.web.test_browser import pytestmark as pytestmark
from tests.app.web.widget.hand import PATIENCE, TREES, ask, composer, opened
from tests.app.web.widget.sites import Front, Portal


def begin(page: Page, question: str) -> None:
    """Ask, and wait for the first sentence."""
    composer(page).fill(question)
    composer(page).press("Enter")
    page.locator(".sentence").first.wait_for(timeout=PATIENCE)


def test_sentences_come_one_by_one(page: Page, portal: Portal, front: Front) -> None:
    """The first sentence is shown while the others are still to come."""
    opened(page, portal.page())
    front.pace = 0.5
    begin(page, TREES)
    expect(page.locator(".sentence")).to_have_count(1)
    expect(page.locator(".dots")).to_be_visible()
    page.locator(".acts").wait_for(timeout=PATIENCE)
    assert page.locator(".sentence").count() > 1
    expect(page.locator(".dots")).to_have_count(0)


def test_an_answer_is_stopped(page: Page, portal: Portal, front: Front) -> None:
    """The reader stops it, by the button that had sent it; what is there stays, no more comes."""
    opened(page, portal.page())
    front.pace = 1
    begin(page, TREES)
    page.get_by_role("button", name="Stop").click()
    expect(page.locator(".note")).to_have_text("Stopped.")
    page.wait_for_timeout(1_500)
    expect(page.locator(".sentence")).to_have_count(1)
    front.pace = 0
    page.get_by_role("button", name="Ask again").click()
    expect(page.locator(".question")).to_have_count(1)
    page.get_by_role("button", name="Copy").wait_for(timeout=PATIENCE)


def test_a_lost_stream_is_resumed(page: Page, portal: Portal, front: Front) -> None:
    """When the connection breaks twice, the answer is whole nevertheless, each sentence once."""
    opened(page, portal.page())
    expected = ask(page, TREES).inner_text()
    front.requests.clear()
    front.pace = 0.05  # else the browser drops what it has not read yet
    front.cuts[:] = [3, 1]
    resumed = ask(page, TREES).inner_text()
    assert resumed == expected
    last = [headers["last-event-id"] for _, _, headers, _ in front.requests
            if "last-event-id" in headers]  # fmt: skip
    assert last == ["2", "3"]
    assert front.paths.count("POST /api/v1/answers") == 1
    expect(page.locator(".notice")).to_be_hidden()


def test_a_stream_that_is_lost_for_good_is_given_up(
    page: Page, portal: Portal, front: Front, console: list[str]
) -> None:
    """When it cannot be resumed, the reader is told and may ask again."""
    page.clock.install()
    opened(page, portal.page())
    front.pace = 0.05  # else the browser drops what it has not read yet
    front.cuts[:] = [3] + [0] * 20
    composer(page).fill(TREES)
    composer(page).press("Enter")
    ended = page.locator(".acts")
    deadline = time.monotonic() + 60
    while not ended.is_visible() and time.monotonic() < deadline:
        page.clock.fast_forward(8_000)
        page.wait_for_timeout(100)
    expect(page.locator(".note")).to_have_text(
        "The connection was lost before the answer was whole."
    )
    assert any(said.startswith("citewell: [interrupted] ") for said in console)
    front.cuts.clear()
    page.get_by_role("button", name="Ask again").click()
    page.get_by_role("button", name="Copy").wait_for(timeout=PATIENCE)


def test_it_says_that_it_is_offline(
    context: BrowserContext, page: Page, portal: Portal, front: Front
) -> None:
    """Without a network a notice says so and nothing is sent; with it the reader goes on."""
    opened(page, portal.page())
    page.locator(".starter").wait_for()
    context.set_offline(True)
    notice = page.locator(".notice")
    expect(notice).to_contain_text("You are offline.")
    composer(page).fill(TREES)
    composer(page).press("Enter")
    expect(page.locator(".question")).to_have_count(0)
    expect(composer(page)).to_have_value(TREES)
    assert "POST /api/v1/answers" not in front.paths
    context.set_offline(False)
    expect(notice).to_be_hidden()
    composer(page).press("Enter")
    expect(page.locator(".answer")).to_contain_text("60,065", timeout=PATIENCE)


def test_an_answer_goes_on_after_being_offline(
    context: BrowserContext, page: Page, portal: Portal, front: Front
) -> None:
    """An answer that the network left in the middle is whole once the network is back."""
    opened(page, portal.page())
    expected = ask(page, TREES).inner_text()
    page.get_by_role("button", name="New conversation").click()
    front.pace = 0.6
    front.cuts[:] = [3]
    begin(page, TREES)
    context.set_offline(True)
    expect(page.locator(".notice")).to_contain_text("You are offline.")
    page.wait_for_timeout(2_500)
    front.pace = 0
    context.set_offline(False)
    page.locator(".acts").wait_for(timeout=PATIENCE)
    assert page.locator(".answer").inner_text() == expected


def test_a_new_conversation_begins_empty(page: Page, portal: Portal) -> None:
    """What was asked is gone from sight, and does not come back with a reload."""
    opened(page, portal.page())
    ask(page, TREES)
    page.get_by_role("button", name="New conversation").click()
    page.locator(".starter").wait_for()
    expect(composer(page)).to_be_focused()
    page.reload()
    page.locator(".starter").wait_for()
    expect(page.locator(".question")).to_have_count(0)
