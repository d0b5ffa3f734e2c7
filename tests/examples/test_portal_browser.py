"""The example as it is started: two servers, three people, one browser."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from examples.portal.portal import COOKIE
from tests.app.conftest import ROOT, environment, run_citewell
from tests.app.web import test_browser
from tests.app.web.test_browser import CHROMIUM, FLAGS
from tests.app.web.widget.hand import ask, composer, launcher

# Two starts of the real thing, with the real model, on a machine that may be busy.
pytestmark = [*test_browser.pytestmark, pytest.mark.timeout(900)]

PASSWORDS = {"mara": "lantern-quay-41", "ines": "copper-gull-83", "tomasz": "north-rope-26"}
OF_HR = ("What does band 4 pay?", "36,200 to 43,800 euros", "Pay bands 2026")
OF_IT = ("Where is the break-glass password?", "two sealed envelopes", "Administrator access")
OF_ALL = ("How many days of annual leave do I have?", "28 days", "Annual leave")


@dataclass(frozen=True)
class Run:
    """The example while it runs."""

    process: subprocess.Popen[str]
    portal: str
    chat: str

    def end(self) -> int:
        """Interrupt it as Ctrl-C does, and return its exit status."""
        self.process.send_signal(signal.SIGINT)
        with self.process:
            return self.process.wait(timeout=60)


def start(folder: Path) -> Run:
    """Start the example on free ports and wait until it says where it is."""
    process = subprocess.Popen(
        [sys.executable, "-m", "examples.portal", "--data-dir", str(folder),
         "--port", "0", "--chat-port", "0"],
        stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment(PYTHONPATH=str(ROOT)),
    )  # fmt: skip
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if "Ctrl-C" in line:
            portal, chat = re.findall(r"(http://[\w.]+:\d+)", said)
            return Run(process, portal, chat)
    pytest.fail(f"the example ended: {said}")


def listed(folder: Path) -> list[dict[str, object]]:
    """Return the portals of its Citewell."""
    result = run_citewell(folder / "data", "portals", "list", "--json")
    assert result.returncode == 0, result.stderr
    portals: list[dict[str, object]] = json.loads(result.stdout)["portals"]
    return portals


@dataclass(frozen=True)
class Example:
    """What the first start left, and the second, which goes on."""

    first: Run
    status: int
    before: list[dict[str, object]]
    folder: Path
    now: Run


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Example]:
    """The example, started, ended and started again: what follows holds after a restart."""
    folder = tmp_path_factory.mktemp("example") / "data-portal"
    first = start(folder)
    before = listed(folder)
    status = first.end()
    now = start(folder)
    yield Example(first, status, before, folder, now)
    now.end()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, in which other sites' cookies and storage are blocked."""
    with sync_playwright() as playwright:
        flags = [*FLAGS, "--test-third-party-cookie-phaseout"]
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield launched
        launched.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A fresh profile."""
    opened = browser.new_context(viewport={"width": 1100, "height": 800})
    yield opened
    opened.close()


@pytest.fixture
def page(context: BrowserContext) -> Page:
    """An empty tab."""
    return context.new_page()


@pytest.fixture
def console(page: Page) -> list[str]:
    """What the tab's console shows: errors and warnings, refusals of the policy among them."""
    said: list[str] = []
    kinds = ("error", "warning")
    page.on("console", lambda told: said.append(told.text) if told.type in kinds else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    return said


def log_in(page: Page, example: Example, name: str) -> None:
    """Log in as a person does."""
    page.goto(f"{example.now.portal}/login")
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(PASSWORDS[name])
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Home")


def open_chat(page: Page) -> None:
    """Open the widget and wait until it knows who asks."""
    launcher(page).click()
    expect(composer(page)).to_be_focused()
    expect(page.locator("citewell-chat .starter").first).to_be_visible(timeout=30_000)


def test_a_restart_finds_everything(example: Example) -> None:
    """Ctrl-C ends both servers; the next start keeps the portal, its keys and the articles."""
    assert example.status == 0
    for url in (example.first.portal, example.first.chat):
        with pytest.raises(httpx.TransportError):
            httpx.get(url)
    [before], [after] = example.before, listed(example.folder)
    assert (after["id"], after["keys"]) == (before["id"], before["keys"])
    assert after["origins"] == [example.now.portal]


@pytest.mark.parametrize(
    ("name", "sees", "misses"),
    [("mara", OF_HR, OF_IT), ("ines", OF_HR, OF_IT), ("tomasz", OF_IT, OF_HR)],
)
def test_each_reads_what_their_group_may(
    page: Page,
    console: list[str],
    example: Example,
    name: str,
    sees: tuple[str, str, str],
    misses: tuple[str, str, str],
) -> None:
    """Each gets cited answers from their group's articles and the handbook, and no others'."""
    log_in(page, example, name)
    open_chat(page)
    for question, words, title in (sees, OF_ALL):
        answer = ask(page, question)
        expect(answer.locator(".sentence").first).to_contain_text(words)
        answer.locator(".chip").first.click()
        expect(answer.locator(".quote .head")).to_contain_text(title)
        expect(answer.locator(".quote blockquote")).to_contain_text(words)
    answer = ask(page, misses[0])
    expect(answer.locator(".sentence")).to_have_text("The articles do not say.")
    expect(answer.locator(".chip")).to_have_count(0)
    shown = page.locator("citewell-chat").evaluate("node => node.shadowRoot.textContent")
    assert misses[1] not in shown
    assert misses[2] not in shown
    assert console == []


def test_the_navigation_keeps_the_chat(page: Page, console: list[str], example: Example) -> None:
    """Links change the page and not the conversation; going back and a reload keep it too."""
    log_in(page, example, "mara")
    open_chat(page)
    ask(page, OF_HR[0])
    page.evaluate("window.kept = document.querySelector('citewell-chat')")
    page.get_by_role("link", name="News").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("News")
    expect(page).to_have_url(f"{example.now.portal}/news")
    expect(page.get_by_role("heading", level=1)).to_be_focused()
    expect(page.get_by_role("link", name="News")).to_have_attribute("aria-current", "page")
    assert page.evaluate("window.kept === document.querySelector('citewell-chat')")
    expect(page.locator("citewell-chat .question")).to_have_text(OF_HR[0])
    page.go_back()
    expect(page.get_by_role("heading", level=1)).to_have_text("Home")
    assert page.evaluate("window.kept.isConnected")
    page.reload()
    expect(page.locator("citewell-chat .question")).to_have_text(OF_HR[0], timeout=30_000)
    expect(page.locator("citewell-chat .sentence").first).to_contain_text(OF_HR[1])
    assert console == []


@pytest.mark.parametrize("how", ["by logging out", "as the login ran out"])
def test_the_next_user_finds_nothing(
    page: Page, context: BrowserContext, example: Example, how: str
) -> None:
    """In the same tab the next one sees no conversation, even of the same group's."""
    log_in(page, example, "mara")
    open_chat(page)
    ask(page, OF_HR[0])
    if how == "by logging out":
        with page.expect_request(lambda sent: sent.method == "DELETE") as ended:
            page.get_by_role("button", name="Log out").click()
        assert ended.value.url == f"{example.now.chat}/api/v1/sessions"
        expect(page.get_by_role("button", name="Log in")).to_be_visible()
        left = page.evaluate("Object.values(sessionStorage)")
        assert set(left) <= {'{"open":false}'}  # neither who it was nor what was asked
    else:
        context.clear_cookies(name=COOKIE)
    log_in(page, example, "ines")
    if how == "by logging out":
        open_chat(page)
    else:  # it was open, and stays so
        expect(page.locator("citewell-chat .starter").first).to_be_visible(timeout=30_000)
    shown = page.locator("citewell-chat").evaluate("node => node.shadowRoot.textContent")
    assert OF_HR[0] not in shown
    assert OF_HR[1] not in shown
    expect(page.locator("citewell-chat .turn")).to_have_count(0)


def test_nothing_is_loaded_before_it_is_opened(page: Page, example: Example) -> None:
    """Until then the portal's page asks Citewell for the module and for nothing else."""
    asked: list[str] = []
    page.on("request", lambda sent: asked.append(sent.url))
    log_in(page, example, "tomasz")
    expect(launcher(page)).to_be_visible()
    page.wait_for_timeout(300)
    elsewhere = [url for url in asked if not url.startswith(f"{example.now.portal}/")]
    assert elsewhere == [f"{example.now.chat}/widget/1/citewell.js"]


def test_a_portal_without_a_login_says_so(
    page: Page, context: BrowserContext, console: list[str], example: Example
) -> None:
    """When the login has run out on an open page, the reader and the console are told."""
    log_in(page, example, "mara")
    context.clear_cookies(name=COOKIE)
    launcher(page).click()
    expect(page.locator("citewell-chat .notice")).to_contain_text("Log in to the portal")
    assert any(line.startswith("citewell: [token-url] ") for line in console)


def test_no_cookie_crosses(page: Page, context: BrowserContext, example: Example) -> None:
    """The portal's cookie does not go to Citewell, which sets none of its own."""
    sent: list[dict[str, str]] = []
    page.on(
        "request",
        lambda asked: (
            sent.append(asked.all_headers()) if asked.url.startswith(example.now.chat) else None
        ),
    )
    log_in(page, example, "mara")
    open_chat(page)
    ask(page, OF_ALL[0])
    assert len(sent) > 3
    assert not any("cookie" in headers for headers in sent)
    assert [cookie["name"] for cookie in context.cookies()] == [COOKIE]
