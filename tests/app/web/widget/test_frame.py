"""The page for portals that take only frames, with third-party storage blocked."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.app.web.test_browser import pytestmark as pytestmark
from tests.app.web.widget.hand import PATIENCE, TREES
from tests.app.web.widget.sites import Front, Portal

ANSWER = """
addEventListener("message", async (event) => {
  const frame = document.querySelector("iframe");
  if (event.source !== frame.contentWindow || event.data?.type !== "citewell:token-wanted") return;
  const reply = await fetch("/token/hr", { method: "POST" });
  const { token } = await reply.json();
  frame.contentWindow.postMessage({ type: "citewell:token", token }, event.origin);
});
"""


def framed(portal: Portal, name: str = "hr", script: str = ANSWER) -> str:
    """Lay out a page with nothing but a frame."""
    source = f"{portal.chat}/widget/frame?portal={name}"
    css = "iframe { width: 600px; height: 600px; border: 0; }"
    return portal.page(f'<iframe src="{source}"></iframe>', script, module="", css=css)


def test_a_frame_answers_with_its_parents_token(
    page: Page, portal: Portal, console: list[str]
) -> None:
    """The page around it sends a token; the reader asks in the frame, full size."""
    page.goto(framed(portal))
    frame = page.frame_locator("iframe")
    expect(frame.locator(".starter")).to_be_visible(timeout=PATIENCE)
    box = frame.locator(".panel").bounding_box()
    assert box is not None
    assert (box["width"], box["height"]) == (600, 600)
    frame.locator("textarea").fill(TREES)
    frame.locator("textarea").press("Enter")
    expect(frame.locator(".answer")).to_contain_text("60,065", timeout=PATIENCE)
    assert console == []


def test_third_party_storage_is_blocked_here(page: Page, portal: Portal) -> None:
    """The browser of these tests keeps no cookie of a frame from another site."""
    page.goto(framed(portal))
    inner = page.frame_locator("iframe").locator("citewell-chat")
    inner.wait_for(state="attached")
    kept = inner.evaluate(
        "() => { document.cookie = 'a=1; SameSite=None; Secure'; return document.cookie; }"
    )
    assert kept == ""


def test_a_public_portal_needs_no_message(page: Page, portal: Portal, front: Front) -> None:
    """In a frame of a public portal the reader asks without any script of the page around it."""
    page.goto(framed(portal, "open", script=""))
    frame = page.frame_locator("iframe")
    frame.locator("textarea").fill(TREES)
    frame.locator("textarea").press("Enter")
    expect(frame.locator(".answer")).to_contain_text("60,065", timeout=PATIENCE)


def test_another_site_cannot_frame_it(page: Page, portal: Portal, console: list[str]) -> None:
    """On a page that is not the portal's the frame stays empty."""
    portal.policy = "default-src * 'unsafe-inline'"
    page.goto(framed(portal).replace("portal.example", "evil.example"))
    page.wait_for_timeout(500)
    assert any("frame-ancestors" in said for said in console), console
    expect(page.frame_locator("iframe").locator("citewell-chat")).to_have_count(0)


def test_a_token_for_another_origin_is_not_passed_on(
    page: Page, portal: Portal, front: Front, console: list[str]
) -> None:
    """The frame itself refuses a token whose origin is not the one that has sent it."""
    portal.changes["origin"] = "https://other.example"
    page.goto(framed(portal))
    page.frame_locator("iframe").locator(".notice").wait_for()
    assert any(said.startswith("citewell: [origin] ") for said in console), console
    assert "POST /api/v1/sessions" not in front.paths


def test_a_token_from_another_window_is_not_believed(
    page: Page, portal: Portal, front: Front
) -> None:
    """What a second frame of the page, or one within the frame, sends is passed over."""
    page.goto(framed(portal, script=""))
    page.frame_locator("iframe").locator("citewell-chat").wait_for(state="attached")
    token = portal.mint("hr")
    inner = page.frames[1]
    inner.evaluate(
        """(token) => dispatchEvent(new MessageEvent("message",
          { data: { type: "citewell:token", token }, origin: location.ancestorOrigins[0] }))""",
        token,
    )
    inner.evaluate("(token) => postMessage({ type: 'citewell:token', token })", token)
    page.wait_for_timeout(500)
    assert "POST /api/v1/sessions" not in front.paths


def test_it_says_that_no_token_came(page: Page, portal: Portal, console: list[str]) -> None:
    """When the page around it sends nothing, the console says so."""
    page.clock.install()
    page.goto(framed(portal, script=""))
    page.frame_locator("iframe").locator("citewell-chat .panel").wait_for()
    page.wait_for_timeout(300)
    page.clock.fast_forward(11_000)
    page.frame_locator("iframe").locator(".notice").wait_for()
    assert any(said.startswith("citewell: [token] ") for said in console), console
