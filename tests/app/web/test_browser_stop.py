"""Stopping an answer in real headless Chromium, with a login and without."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Route, expect, sync_playwright

from app.answering.answer import Event
from app.answering.suggester import Told
from app.api.runtime import Runtime
from tests.app.web import test_browser
from tests.app.web.test_browser import CHROMIUM, FLAGS, ask
from tests.app.web.test_browser_login import serving, serving_known

pytestmark = test_browser.pytestmark

SLOW = 1_000  # milliseconds that the cancelling takes to reach the server
TOLD = "19 March 1932"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium; Playwright's own is never downloaded."""
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield launched
        launched.close()


def serving_anybody(folder: Path) -> AbstractContextManager[tuple[Runtime, str]]:
    """Serve the chat for everybody on this machine."""
    return serving(folder, auth="none")


@pytest.mark.parametrize(
    ("serve", "owner"),
    [(serving_known, "user:ada@example.org"), (serving_anybody, "local")],
    ids=["oidc", "none"],
)
def test_an_answer_can_be_stopped(
    browser: Browser,
    serve: Callable[[Path], AbstractContextManager[tuple[Runtime, str]]],
    owner: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Stop ends an answer that hangs; the next question, asked at once, is answered."""
    let_go, closed = threading.Event(), threading.Event()
    with serve(tmp_path) as (runtime, url):
        service = runtime.service()
        service.records.grants.set("*", "reader")
        whole = service.ask

        def hang(question: str, *others: Any) -> Iterator[Event]:  # noqa: ANN401 (as `ask` has them)
            try:
                for event in whole(question, *others):
                    if "bridge" in question:
                        assert let_go.wait(120)
                    yield event
            finally:
                if "bridge" in question:
                    closed.set()

        monkeypatch.setattr(service, "ask", hang)
        page = browser.new_context().new_page()
        try:
            page.goto(url)
            if owner != "local":
                page.get_by_role("button", name="u1").click()
            page.wait_for_selector("#cw-question textarea")
            failed: list[str] = []
            page.on("response", lambda each: failed.append(each.url) if not each.ok else None)

            def dawdle(route: Route) -> None:
                page.wait_for_timeout(SLOW)
                route.continue_()

            page.route("**/gradio_api/cancel", dawdle)
            ask(page, "When did the harbour bridge open?")
            page.locator("#cw-question .stop-button").click()
            ask(page, "When did the harbour tunnel open?")
            expect(page.locator("#cw-chat")).to_contain_text("30 August 1992", timeout=30_000)
            assert not closed.is_set()
            let_go.set()
            assert closed.wait(30)
            expect(page.locator("#cw-question .submit-button")).to_be_visible()
            before, _, _ = page.locator("#cw-chat").inner_text().partition("tunnel open?")
            assert TOLD not in before  # the second answer may well tell of the bridge
            kept = service.records.conversations.of_owner(owner)
            assert [answer.question for answer in kept] == ["When did the harbour tunnel open?"]
            assert failed == []
        finally:
            let_go.set()
            page.context.close()


def test_the_next_question_does_not_wait_for_offers(
    browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While questions to go on with are sought, another is asked; theirs do not disturb it."""
    let_go = threading.Event()
    with serving_anybody(tmp_path) as (runtime, url):
        service = runtime.service()
        seek = service.follow_ups

        def dawdle(told: Told, *others: Any) -> list[str]:  # noqa: ANN401 (as `follow_ups` has them)
            if "bridge" in told.turns[-1].question:
                assert let_go.wait(120)
                return ["What is too late?"]
            return seek(told, *others)

        monkeypatch.setattr(service, "follow_ups", dawdle)
        page = browser.new_context().new_page()
        try:
            page.goto(url)
            page.wait_for_selector("#cw-question textarea")
            ask(page, "When did the harbour bridge open?")
            expect(page.locator("#cw-chat")).to_contain_text(TOLD, timeout=30_000)
            expect(page.locator("#cw-question .submit-button")).to_be_visible()
            ask(page, "When did the harbour tunnel open?")
            expect(page.locator("#cw-chat")).to_contain_text("30 August 1992", timeout=30_000)
            let_go.set()
            expect(page.locator("#cw-chat button.option").first).to_be_visible(timeout=30_000)
            expect(page.locator("#cw-chat")).not_to_contain_text("What is too late?")
            expect(page.locator("#cw-chat [data-testid=user]")).to_have_count(2)
            expect(page.locator("#cw-chat [data-testid=bot]")).to_have_count(2)
        finally:
            let_go.set()
            page.context.close()
