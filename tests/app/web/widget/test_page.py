"""The widget as a part of somebody else's page: its styles, its navigation, its memory."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import CDPSession, ConsoleMessage, Page, expect

from app.widget import load_module
from tests.app.web.test_browser import pytestmark as pytestmark
from tests.app.web.widget.hand import PATIENCE, TREES, ask, composer, launcher, opened
from tests.app.web.widget.sites import Front, Portal

ELEMENT = '<citewell-chat portal="hr" token-url="/token/hr" label="Ask HR"></citewell-chat>'
HOSTILE = """
* { all: unset; font-size: 40px !important; display: inline !important; color: red !important;
  text-transform: uppercase !important; letter-spacing: 9px !important; zoom: 1; }
html { font-size: 40px; direction: rtl; }
citewell-chat { visibility: hidden !important; opacity: 0.1 !important; transform: scale(3); }
"""
LOOKS = """() => {
  const root = document.querySelector('citewell-chat').shadowRoot;
  const wanted = ['fontSize', 'color', 'display', 'textTransform', 'letterSpacing', 'direction',
    'visibility', 'lineHeight', 'fontFamily', 'backgroundColor'];
  return [...root.querySelectorAll('.root *')].filter((node) => !node.closest('svg')).map((node) => {
    const { x, y, width, height } = node.getBoundingClientRect();
    const style = getComputedStyle(node);
    return [node.className, x, y, width, height, ...wanted.map((name) => style[name])];
  });
}"""


def test_a_pages_styles_do_not_reach_it(page: Page, portal: Portal) -> None:
    """Under hostile rules every node of it is as large, as coloured and where it was before."""
    looks = []
    for css in ("", HOSTILE):
        portal.pages.clear()
        opened(page, portal.page(css=css))
        ask(page, TREES)
        page.locator(".chip").first.click()
        page.wait_for_timeout(400)  # until what moves has come to rest
        looks.append(page.evaluate(LOOKS))
        page.evaluate("sessionStorage.clear()")
    assert len(looks[0]) > 30
    assert looks[0] == looks[1]


def test_a_page_may_style_what_is_meant_for_it(page: Page, portal: Portal) -> None:
    """Custom properties and parts change the accent, the font and the launcher."""
    css = "citewell-chat { --citewell-accent: rgb(120, 20, 60); --citewell-font: serif; }"
    css += "citewell-chat::part(launcher) { border-radius: 3px; }"
    opened(page, portal.page(css=css))
    expect(launcher(page)).to_have_css("background-color", "rgb(120, 20, 60)")
    expect(launcher(page)).to_have_css("border-radius", "3px")
    expect(composer(page)).to_have_css("font-family", "serif")


def test_navigation_in_the_page_keeps_it(page: Page, portal: Portal) -> None:
    """A single-page app that changes its address and content leaves the conversation open."""
    opened(page, portal.page())
    before = ask(page, TREES).inner_text()
    page.evaluate(
        """() => {
          history.pushState({}, '', '/somewhere/else');
          document.querySelector('main').replaceChildren('Another page');
        }"""
    )
    assert page.locator(".answer").inner_text() == before
    page.evaluate("document.querySelector('main').append(document.querySelector('citewell-chat'))")
    assert page.locator(".answer").inner_text() == before, "a move must not empty it"
    ask(page, TREES)
    expect(page.locator(".question")).to_have_count(2)


def test_an_app_that_makes_it_anew_finds_the_conversation(page: Page, portal: Portal) -> None:
    """Removed with one view and made again with the next, it is open with what was asked."""
    opened(page, portal.page())
    before = ask(page, TREES).inner_text()
    page.evaluate(
        """async () => {
          const old = document.querySelector('citewell-chat');
          old.remove();
          await new Promise((done) => setTimeout(done, 50));
          document.body.append(old.cloneNode());
        }"""
    )
    page.locator(".acts").wait_for(timeout=PATIENCE)
    assert page.locator(".answer").inner_text() == before


def test_removal_ends_the_stream(page: Page, portal: Portal, front: Front) -> None:
    """When it is removed in the middle of an answer, its connection ends and nothing is asked."""
    opened(page, portal.page())
    front.pace = 1
    composer(page).fill(TREES)
    composer(page).press("Enter")
    page.locator(".sentence").first.wait_for(timeout=PATIENCE)
    with page.expect_event("requestfailed") as ended:
        page.evaluate("document.querySelector('citewell-chat').remove()")
    assert ended.value.url.endswith("/api/v1/answers")
    asked = len(front.requests)
    page.wait_for_timeout(1_500)
    assert len(front.requests) == asked


MOUNT = """async (times) => {
  const until = async (is) => { while (!is()) await new Promise((done) => setTimeout(done, 5)); };
  for (let time = 0; time < times; time++) {
    const chat = document.createElement('citewell-chat');
    chat.setAttribute('portal', 'hr');
    chat.setAttribute('token-url', '/token/hr');
    document.body.append(chat);
    chat.open();
    await until(() => chat.shadowRoot.querySelector('.starter'));
    chat.remove();
    sessionStorage.clear();
    await until(() => !chat.shadowRoot.firstChild);
  }
  performance.clearResourceTimings();
}"""


def collected(session: CDPSession) -> tuple[dict[str, int], int]:
    """Return what the page holds after garbage was collected: the counts, and the heap's bytes."""
    for _ in range(4):
        session.send("HeapProfiler.collectGarbage")
    counts: dict[str, Any] = session.send("Memory.getDOMCounters")
    return counts, session.send("Runtime.getHeapUsage")["usedSize"]


def test_fifty_mounts_leave_nothing(page: Page, portal: Portal) -> None:
    """After fifty mounts, openings and removals the page holds what it held after the first."""
    page.goto(portal.page(body=""))
    session = page.context.new_cdp_session(page)
    page.evaluate(MOUNT, 1)
    counts, heap = collected(session)
    page.evaluate(MOUNT, 50)
    after, heap_after = collected(session)
    assert after == counts
    assert heap_after - heap < 100_000, f"{heap_after - heap} bytes more"


@pytest.mark.parametrize("is_right", [True, False], ids=["right", "wrong"])
def test_its_integrity_is_checked(page: Page, portal: Portal, is_right: bool) -> None:
    """With the integrity that we state it runs; with another the browser refuses it."""
    stated = load_module().integrity if is_right else f"sha384-{'A' * 64}"
    module = (
        f'<script type="module" src="{portal.chat}/widget/1.0.0/citewell.js" nonce="NONCE" '
        f'crossorigin="anonymous" integrity="{stated}"></script>'
    )
    told: list[ConsoleMessage] = []
    page.on("console", lambda said: told.append(said))
    page.goto(portal.page(module=module))
    if is_right:
        expect(launcher(page)).to_be_visible()
        assert not told
    else:
        page.wait_for_timeout(300)
        expect(launcher(page)).to_have_count(0)
        assert any("integrity" in each.text for each in told)


def test_the_floating_address_gives_the_same(page: Page, portal: Portal) -> None:
    """The address of the major version works as the exact one does."""
    source = f"{portal.chat}/widget/1/citewell.js"
    module = f'<script type="module" src="{source}" nonce="NONCE"></script>'
    opened(page, portal.page(module=module))
    expect(ask(page, TREES)).to_contain_text("60,065")


def test_the_page_is_told_only_where_it_is_wanted(page: Page, portal: Portal, front: Front) -> None:
    """The page's address goes along without its query, a selection if wanted, nothing by default."""
    sent = []
    for wanted in ("", 'context="page"', 'context="selection"'):
        front.requests.clear()
        url = portal.page(ELEMENT.replace("label", f"{wanted} label"))
        page.goto(f"{url}?secret=1#here")
        page.locator("h1").dblclick(position={"x": 20, "y": 20})
        launcher(page).click()
        composer(page).click()
        ask(page, TREES)
        bodies = [body for method, asked, _, body in front.requests
                  if method == "POST" and asked.endswith("/answers")]  # fmt: skip
        sent.append(bodies[0].decode())
        page.evaluate("sessionStorage.clear()")
    assert "context" not in sent[0]
    assert '"path":"/pages/1"' in sent[1]
    assert '"title":"Intranet"' in sent[1]
    assert "selection" not in sent[1]
    assert re.search(r'"selection":"(Travel|expenses)"', sent[2])
    assert not any("secret" in body for body in sent)


def test_attributes_may_change(page: Page, portal: Portal) -> None:
    """A page may change the language, the label and the mode while it is open."""
    opened(page, portal.page())
    ask(page, TREES)
    for name, value in (("lang", "de"), ("label", "HR fragen"), ("mode", "panel")):
        page.evaluate(
            "([name, value]) => document.querySelector('citewell-chat').setAttribute(name, value)",
            [name, value],
        )
    expect(page.get_by_role("dialog", name="HR fragen")).to_be_visible()
    expect(page.get_by_role("button", name="Senden")).to_be_visible()
    expect(page.locator(".question")).to_have_text(TREES)


def test_other_portals_elements_before_the_module_work(page: Page, portal: Portal) -> None:
    """An element that an app makes before the module has come is upgraded when it comes."""
    url = portal.page(
        body="",
        script="document.addEventListener('DOMContentLoaded', () => {"
        "const chat = document.createElement('citewell-chat');"
        "chat.setAttribute('portal', 'hr'); chat.setAttribute('token-url', '/token/hr');"
        "document.body.append(chat); });",
    )
    opened(page, url)
    expect(page.locator(".starter")).to_be_visible()
