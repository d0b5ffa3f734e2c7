"""Logging in, asking, stopping and logging out in real headless Chromium."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from oidc_provider_mock import User, run_server_in_thread
from playwright.sync_api import Browser, expect, sync_playwright

from app.api.guard import Guard
from app.api.runtime import Runtime
from app.api.server import build
from tests.app.runtimes import SECRET, ids, opened
from tests.app.web import test_browser
from tests.app.web.test_browser import CHROMIUM, FLAGS, ask

pytestmark = test_browser.pytestmark

ADA = User(sub="u1", claims={"email": "ada@example.org", "email_verified": True, "groups": ["all"]})


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium; Playwright's own is never downloaded."""
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield launched
        launched.close()


@contextmanager
def serving(folder: Path, **settings: Any) -> Iterator[tuple[Runtime, str]]:  # noqa: ANN401
    """Serve the chat at an address of this machine, under some settings."""
    with socket.socket() as listener, opened(folder, **settings) as runtime:
        listener.bind(("127.0.0.1", 0))
        server: list[uvicorn.Server] = []

        def work() -> None:
            guard = Guard(build(runtime), runtime.settings, runtime.access.identify)
            server.append(uvicorn.Server(uvicorn.Config(guard, log_level="warning")))
            server[0].run(sockets=[listener])

        thread = threading.Thread(target=work)
        thread.start()
        while not (server and server[0].started):
            time.sleep(0.05)
        yield runtime, f"http://127.0.0.1:{listener.getsockname()[1]}"
        server[0].should_exit = server[0].force_exit = True
        thread.join(30)


@contextmanager
def serving_known(folder: Path) -> Iterator[tuple[Runtime, str]]:
    """Serve the chat for people whom a provider knows."""
    with pytest.MonkeyPatch.context() as patch, run_server_in_thread(user_claims=[ADA]) as provider:
        patch.setenv("AUTHLIB_INSECURE_TRANSPORT", "1")  # the provider's own check
        issuer = f"http://localhost:{provider.server_port}"
        with serving(
            folder,
            auth="oidc",
            secret=SECRET,
            oidc_issuer=issuer,
            oidc_client_id="citewell",
            oidc_client_secret="hush",  # noqa: S106 (of a mock)
        ) as served:
            yield served


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Runtime, str]]:
    """The chat at an address of this machine, for people whom a provider knows."""
    with serving_known(tmp_path) as served:
        yield served


def test_a_reader_logs_in_asks_and_logs_out(browser: Browser, served: tuple[Runtime, str]) -> None:
    """The way over the provider ends in the chat, which answers, and Log out ends it."""
    runtime, url = served
    bridge = ids(runtime, "bridge")
    runtime.service().records.grants.set("group:all", "reader", bridge)
    page = browser.new_context().new_page()
    page.goto(url)
    page.get_by_role("button", name="u1").click()
    ask(page, "When did the harbour bridge open?")
    expect(page.locator("#cw-chat mark")).to_have_text("19 March 1932", timeout=30_000)
    page.locator("a.cw-chip").first.wait_for()
    records = runtime.service().records
    assert len(records.conversations.of_owner("user:ada@example.org")) == 1

    page.get_by_role("button", name="Log out").click()
    expect(page.locator("h1")).to_have_text("Logged out")
    assert [cookie for cookie in page.context.cookies(url) if cookie["name"] == "citewell"] == []
    assert [entry.action for entry in records.audit.page(10)] == ["logout", "login"]
    page.get_by_role("link", name="Log in").click()
    page.get_by_role("button", name="u1").wait_for()
    page.context.close()


def test_a_reader_without_a_grant_can_leave(browser: Browser, served: tuple[Runtime, str]) -> None:
    """Who has been granted nothing is told so, on a page with a form that logs out."""
    _, url = served
    page = browser.new_context().new_page()
    page.goto(url)
    page.get_by_role("button", name="u1").click()
    expect(page.locator("h1")).to_have_text("No access yet")
    page.get_by_role("button", name="Log out").click()
    expect(page.locator("h1")).to_have_text("Logged out")
    page.context.close()
