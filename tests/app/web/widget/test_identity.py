"""Who the reader is: tokens that are refused, sessions that end, users that change."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable

import httpx
import jwt
import pytest
from playwright.sync_api import BrowserContext, Page, expect
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from tests.app.web.test_browser import pytestmark as pytestmark
from tests.app.web.widget.conftest import World
from tests.app.web.widget.hand import PATIENCE, TREES, WEBB, ask, composer, launcher, opened
from tests.app.web.widget.sites import Front, Portal

EVEREST = "What height for Everest did Nepal and China agree on in 2020?"
LISTEN = "self.failures = []; document.addEventListener('citewell:error', (event) => {self.failures.push(event.detail.code)});"
Change = Callable[[Portal], None]


def changed(**claims: object) -> Change:
    """Have the portal mint tokens with other claims."""
    return lambda portal: portal.changes.update(claims)


def replayed(portal: Portal) -> None:
    """Have the portal hand out a token that was used before."""
    token = portal.mint("hr")
    url = f"{portal.chat}/api/v1/sessions"
    local = url.replace("chat.example", "127.0.0.1")
    headers = {"origin": portal.origin, "host": portal.chat.removeprefix("https://")}
    reply = httpx.post(local, json={"token": token}, headers=headers, verify=False)  # noqa: S501
    assert reply.status_code == 201
    portal.reply = lambda: JSONResponse({"token": token})


def forged(portal: Portal) -> None:
    """Have the portal sign with a key that the service does not know."""
    claims = jwt.decode(portal.mint("hr"), options={"verify_signature": False})
    token = jwt.encode(claims, "x" * 64, algorithm="HS256")
    portal.reply = lambda: JSONResponse({"token": token})


def replies(reply: Response) -> Change:
    """Have the portal's endpoint answer something else."""

    def change(portal: Portal) -> None:
        portal.reply = lambda: reply

    return change


def logged_out(portal: Portal) -> None:
    """Nobody is logged in to the portal."""
    portal.user = None


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (forged, "token"),
        (replayed, "token"),
        (changed(aud="https://other.example"), "token"),
        (changed(exp=int(time.time()) + 7_200), "token"),
        (changed(iat=int(time.time()) - 3_600, exp=int(time.time()) - 3_540), "clock"),
        (changed(iat=int(time.time()) + 3_600, exp=int(time.time()) + 3_630), "clock"),
        (changed(origin="https://evil.example"), "origin"),
        (changed(iss="it", portal="it"), "token"),
        (replies(RedirectResponse("/login")), "token-url"),
        (replies(HTMLResponse("<p>Not found</p>", 404)), "token-url"),
        (logged_out, "token-url"),
    ],
    ids=[
        "forged", "replayed", "foreign-audience", "long", "expired", "early", "foreign-origin",
        "other-portal", "redirected", "html", "logged-out",
    ],
)  # fmt: skip
def test_a_bad_token_is_named(
    page: Page, portal: Portal, console: list[str], change: Change, code: str
) -> None:
    """Whatever is wrong with a token is named in the console; the reader is told that it fails."""
    change(portal)
    opened(page, portal.page(script=LISTEN))
    page.locator(".notice button").wait_for()
    assert page.evaluate("self.failures") == [code]
    assert any(said.startswith(f"citewell: [{code}] ") for said in console), console
    told = "Log in to the portal" if code == "token-url" else "cannot be used"
    if change is logged_out:
        expect(page.locator(".notice")).to_contain_text(told)
    assert not any(token in said for said in console for token in portal.minted)


def test_it_works_again_once_the_portal_does(page: Page, portal: Portal) -> None:
    """After a failure the reader tries again and asks; what was typed is still there."""
    portal.user = None
    opened(page, portal.page())
    composer(page).fill(TREES)
    page.locator(".notice").wait_for()
    portal.user = "ada"
    page.get_by_role("button", name="Try again").click()
    expect(page.locator(".notice")).to_be_hidden()
    composer(page).press("Enter")
    expect(page.locator(".answer")).to_contain_text("60,065", timeout=PATIENCE)


@pytest.mark.parametrize("name", ["hr", "nowhere"])
def test_a_portal_without_a_token_is_public_or_refused(
    page: Page, portal: Portal, console: list[str], name: str
) -> None:
    """Without a token-url only a public portal lets anybody in; the console says which it is."""
    opened(page, portal.page(f'<citewell-chat portal="{name}"></citewell-chat>'))
    page.locator(".notice").wait_for()
    assert any(said.startswith("citewell: [portal] ") for said in console), console


def test_a_public_portal_needs_no_token(page: Page, portal: Portal, console: list[str]) -> None:
    """In a public portal anybody asks; what they asked does not outlive the page."""
    opened(page, portal.page('<citewell-chat portal="open"></citewell-chat>'))
    expect(ask(page, TREES)).to_contain_text("60,065")
    assert portal.minted == []
    page.reload()
    expect(composer(page)).to_be_visible()
    page.wait_for_timeout(300)
    expect(page.locator(".question")).to_have_count(0)
    assert console == []


def test_a_foreign_page_gets_nothing(
    page: Page, portal: Portal, front: Front, console: list[str]
) -> None:
    """On another origin the widget is refused, even with a valid token, and says why."""
    portal.policy = "default-src * 'unsafe-inline'"
    url = portal.page().replace("portal.example", "evil.example")
    opened(page, url)
    page.locator(".notice").wait_for()
    assert any(said.startswith("citewell: [origin] ") for said in console), console
    assert "POST /api/v1/answers" not in front.paths


def test_a_policy_that_forbids_the_service_is_named(
    page: Page, portal: Portal, console: list[str]
) -> None:
    """A page whose policy lacks connect-src is told so."""
    portal.policy = portal.policy.replace("connect-src 'self' {chat}", "connect-src 'self'")
    opened(page, portal.page())
    page.locator(".notice").wait_for()
    named = [said for said in console if said.startswith("citewell: [csp] ")]
    assert f"connect-src {portal.chat}" in named[0]


def test_a_service_that_is_down_is_named(page: Page, portal: Portal, console: list[str]) -> None:
    """Where nothing answers, that is what the console says."""
    page.goto(portal.page())
    launcher(page).wait_for()
    page.route(f"{portal.chat}/**", lambda route: route.abort())
    launcher(page).click()
    page.locator(".notice").wait_for()
    assert any(said.startswith("citewell: [unreachable] ") for said in console), console


def test_tokens_are_nowhere(
    context: BrowserContext, page: Page, portal: Portal, front: Front, world: World
) -> None:
    """Neither token is in an address, a log, a cookie, the storage or the page."""
    url = portal.page()
    with page.expect_response(re.compile("sessions")) as told:
        opened(page, url)
    ask(page, TREES)
    secrets = [portal.minted[0], told.value.json()["access_token"]]
    places = {
        "addresses": [asked for _, asked, _, _ in front.requests],
        "log": world.server.said,
        "cookies": [json.dumps(dict(each)) for each in context.cookies()],
        "storage": [page.evaluate("JSON.stringify([{...sessionStorage}, {...localStorage}])")],
        "databases": [page.evaluate("indexedDB.databases().then(JSON.stringify)")],
        "page": [page.content(), page.evaluate(SHADOW)],
        "history": [page.evaluate("JSON.stringify([location.href, history.state])")],
    }
    for place, held in places.items():
        assert not [each for each in held for secret in secrets if secret in each], place
    assert "conversation" in places["storage"][0]
    assert context.cookies() == []


SHADOW = "document.querySelector('citewell-chat').shadowRoot.innerHTML"


def test_the_next_user_sees_nothing_of_the_last(page: Page, portal: Portal) -> None:
    """After a reload as somebody else the conversation is gone, and with it what leads to it."""
    opened(page, portal.page())
    ask(page, TREES)
    held = page.evaluate("JSON.stringify({...sessionStorage})")
    portal.user = "bob"
    page.reload()
    page.locator(".starter").wait_for()
    expect(page.locator(".question")).to_have_count(0)
    kept = page.evaluate("JSON.stringify({...sessionStorage})")
    conversation = re.findall(r'conversation\\":\\"(\w+)', held)
    assert conversation
    assert conversation[0] not in kept


def test_the_same_user_finds_the_conversation(page: Page, portal: Portal) -> None:
    """After a reload it is open again, with the answers as they were, and goes on."""
    opened(page, portal.page())
    before = ask(page, TREES).inner_text()
    page.reload()
    expect(page.locator(".acts")).to_be_visible(timeout=PATIENCE)
    assert page.locator(".answer").inner_text() == before
    expect(launcher(page)).to_have_attribute("aria-expanded", "true")
    assert page.evaluate("document.activeElement === document.body"), "the focus was taken"
    ask(page, WEBB)
    expect(page.locator(".question")).to_have_count(2)


def test_a_change_of_user_without_a_reload_is_noticed(page: Page, portal: Portal) -> None:
    """On opening it anew the portal is asked who is there; another's conversation never shows."""
    page.clock.install()
    opened(page, portal.page())
    ask(page, TREES)
    page.get_by_role("button", name="Close").click()
    portal.user = "bob"
    page.clock.fast_forward(31_000)
    page.evaluate(
        """() => { self.seen = 0;
          const look = () => {
            const old = document.querySelector('citewell-chat').shadowRoot.querySelector('.question');
            self.seen += Boolean(old?.checkVisibility({ visibilityProperty: true }));
            requestAnimationFrame(look);
          };
          look();
        }"""
    )
    launcher(page).click()
    page.locator(".starter").wait_for()
    expect(page.locator(".question")).to_have_count(0)
    assert page.evaluate("self.seen") == 0
    assert len(portal.minted) >= 2


def test_a_session_is_renewed_before_it_ends(page: Page, portal: Portal) -> None:
    """Shortly before the fifteen minutes are over the portal is asked for another token."""
    page.clock.install()
    opened(page, portal.page())
    page.locator(".starter").wait_for()
    assert len(portal.minted) == 1
    page.clock.fast_forward(13 * 60_000)
    page.wait_for_timeout(300)
    assert len(portal.minted) == 1
    with page.expect_response(re.compile("sessions")):
        page.clock.fast_forward(61_000)
    assert len(portal.minted) == 2


def test_a_session_that_was_ended_is_renewed(page: Page, portal: Portal, front: Front) -> None:
    """When the service says that the session has ended, another is begun and the question asked."""
    with page.expect_response(re.compile("sessions")) as told:
        opened(page, portal.page())
    page.locator(".starter").wait_for()
    end(page, portal, told.value.json()["access_token"])
    expect(ask(page, TREES)).to_contain_text("60,065")
    assert len(portal.minted) == 2


def end(page: Page, portal: Portal, token: str) -> None:
    """End a session as its page may."""
    status = page.evaluate(
        """([url, token]) => fetch(url, { method: 'DELETE',
          headers: { authorization: `Bearer ${token}` } }).then((reply) => reply.status)""",
        [f"{portal.chat}/api/v1/sessions", token],
    )
    assert status == 204


def test_logging_out_leaves_nothing(page: Page, portal: Portal) -> None:
    """logout() ends the session at the service and clears what is shown and what is kept."""
    with page.expect_response(re.compile("sessions")) as told:
        opened(page, portal.page())
    ask(page, TREES)
    token = told.value.json()["access_token"]
    page.evaluate("document.querySelector('citewell-chat').logout()")
    expect(page.get_by_role("dialog")).to_be_hidden()
    assert page.evaluate("Object.keys(sessionStorage)") == []
    assert "60,065" not in page.evaluate(SHADOW)
    status = page.evaluate(
        "([url, token]) => fetch(url, { headers: { authorization: `Bearer ${token}` } })"
        ".then((reply) => reply.status)",
        [f"{portal.chat}/api/v1/me", token],
    )
    assert status == 401


def test_portals_see_their_own_collections_only(page: Page, portal: Portal) -> None:
    """Two widgets on a page answer from their own portal's articles, and are independent."""
    url = portal.page(
        '<citewell-chat portal="hr" token-url="/token/hr" label="HR" mode="inline"></citewell-chat>'
        '<citewell-chat portal="it" token-url="/token/it" label="IT" mode="panel"></citewell-chat>'
    )
    page.goto(url)
    hr, it = page.locator("[portal=hr]"), page.locator("[portal=it]")
    it.locator(".launcher").click()
    for widget in (hr, it):
        widget.locator("textarea").fill(EVEREST)
        widget.locator("textarea").press("Enter")
    for widget in (hr, it):
        widget.locator(".acts").wait_for(timeout=PATIENCE)
    expect(it.locator(".sentence").first).to_contain_text("8,848.86")
    expect(hr.locator(".answer")).not_to_contain_text("8,848")
    expect(hr.locator(".answer")).not_to_contain_text("Everest")
    it.get_by_role("button", name="Close").click()
    expect(hr.locator(".question")).to_have_count(1)


def test_a_session_cannot_reach_into_another_collection(page: Page, portal: Portal) -> None:
    """A reader who takes the session's token from the tools asks in vain for what is not theirs."""
    with page.expect_response(re.compile("sessions")) as told:
        opened(page, portal.page())
    token = told.value.json()["access_token"]

    def probe(path: str, body: object = None) -> tuple[int, str]:
        status, text = page.evaluate(
            """async ([url, token, body]) => {
              const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
              const options = { method: body ? 'POST' : 'GET', headers, body };
              const reply = await fetch(url, options);
              return [reply.status, await reply.text()];
            }""",
            [f"{portal.chat}/api/v1/{path}", token, body and json.dumps(body)],
        )
        return int(status), str(text)

    named, said = probe("answers", {"question": EVEREST, "collection": "it"})
    unknown, other = probe("answers", {"question": EVEREST, "collection": "xx"})
    assert named == unknown == 404
    assert said.replace("'it'", "") == other.replace("'xx'", "")
    for path, body in (
        ("answers", {"question": EVEREST}),
        ("search", {"query": "Everest"}),
        ("collections", None),
        ("articles", None),
    ):
        status, text = probe(path, body)
        assert status == 200
        assert "8,848" not in text
        assert '"it"' not in text
