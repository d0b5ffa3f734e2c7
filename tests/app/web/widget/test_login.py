"""A frame whose reader logs in at an OpenID provider, in a window of its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import trustme
from oidc_provider_mock import User, run_server_in_thread
from playwright.sync_api import Page, expect

from tests.app.conftest import EXAMPLES, start, stop, wait_until_ready
from tests.app.web.test_browser import pytestmark as pytestmark
from tests.app.web.widget.conftest import HOSTS
from tests.app.web.widget.hand import PATIENCE, TREES
from tests.app.web.widget.sites import Front, Portal, served_tls
from tests.app.web.widget.test_frame import framed

ADA = User(sub="u1", claims={"email": "ada@example.org", "email_verified": True, "groups": ["all"]})


@dataclass(frozen=True)
class Club:
    """The portal's site, and what stands before the service."""

    portal: Portal
    front: Front


@pytest.fixture(scope="module")
def club(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Club]:
    """A service whose people log in, with the portal `club` and the site of that."""
    folder = tmp_path_factory.mktemp("club")
    certificate = folder / "certificate.pem"
    issued = trustme.CA().issue_cert(*HOSTS)
    issued.private_key_and_cert_chain_pem.write_to_path(certificate)
    front, portal = Front(), Portal("", {})
    with (
        run_server_in_thread(user_claims=[ADA]) as provider,
        served_tls(front.app(), certificate) as chat,
        served_tls(portal.app(), certificate) as at,
    ):
        portal.chat, portal.port = f"https://chat.example:{chat}", at
        settings = {
            "AUTH": "oidc",
            "SECRET": "s" * 40,
            "PUBLIC_URL": portal.chat,
            "OIDC_ISSUER": f"http://localhost:{provider.server_port}",
            "OIDC_CLIENT_ID": "citewell",
            "OIDC_CLIENT_SECRET": "hush",
        }
        environment = {f"CITEWELL_{key}": value for key, value in settings.items()}
        server = start(folder / "data", **environment, AUTHLIB_INSECURE_TRANSPORT="1")
        try:
            wait_until_ready(server)
            front.target = server.url
            article = EXAMPLES / "tree-species-census.md"
            server.citewell_json("ingest", article, "--collection", "hr", "--json")
            arguments = ("--origin", portal.origin, "--collection", "hr", "--login", "--json")
            server.citewell_json("portals", "add", "club", *arguments)
            yield Club(portal, front)
        finally:
            stop(server)


def test_a_reader_logs_in_from_the_frame(page: Page, club: Club, console: list[str]) -> None:
    """One click opens the provider's window; after it the frame answers, and stores nothing."""
    club.portal.reset()
    page.goto(framed(club.portal, "club", script=""))
    frame = page.frame_locator("iframe")
    expect(frame.locator(".notice")).to_contain_text("Log in to ask questions.", timeout=PATIENCE)
    with page.expect_popup() as opening:
        frame.get_by_role("button", name="Log in", exact=True).click()
    window = opening.value
    window.get_by_role("button", name="u1").click()
    window.wait_for_event("close", timeout=PATIENCE)
    expect(frame.locator(".notice")).to_be_hidden()
    frame.locator("textarea").fill(TREES)
    frame.locator("textarea").press("Enter")
    expect(frame.locator(".answer")).to_contain_text("60,065", timeout=PATIENCE)
    assert console == []
    addresses = " ".join(url for _, url, _, _ in club.front.requests)
    assert "access_token" not in addresses
    kept = frame.locator("citewell-chat").evaluate("() => document.cookie")
    assert kept == ""


def test_who_is_logged_in_only_clicks(page: Page, club: Club) -> None:
    """The window closes by itself where the browser is logged in to the chat already."""
    club.portal.reset()
    page.goto(f"{club.portal.chat}/login?next=/widget/frame%3Fportal%3Dclub")
    page.get_by_role("button", name="u1").click()
    page.wait_for_url("**/widget/frame?portal=club")
    page.goto(framed(club.portal, "club", script=""))
    frame = page.frame_locator("iframe")
    with page.expect_popup() as opening:
        frame.get_by_role("button", name="Log in", exact=True).click()
    opening.value.wait_for_event("close", timeout=PATIENCE)
    expect(frame.locator(".notice")).to_be_hidden(timeout=PATIENCE)
    expect(frame.locator(".welcome")).to_be_visible()


def test_a_window_that_is_closed_leaves_the_button(page: Page, club: Club) -> None:
    """Whoever thinks better of it can log in later."""
    club.portal.reset()
    page.goto(framed(club.portal, "club", script=""))
    frame = page.frame_locator("iframe")
    button = frame.get_by_role("button", name="Log in", exact=True)
    with page.expect_popup() as opening:
        button.click()
    opening.value.get_by_role("button", name="u1").wait_for()
    opening.value.close()
    expect(button).to_be_visible(timeout=PATIENCE)


def test_a_foreign_page_gets_no_session(page: Page, club: Club) -> None:
    """A page of another site that opens the window hears nothing, though the reader is logged in."""
    club.portal.reset()
    page.goto(f"{club.portal.chat}/login?next=/widget/frame%3Fportal%3Dclub")
    page.get_by_role("button", name="u1").click()
    page.wait_for_url("**/widget/frame?portal=club")
    listen = "window.heard = []; addEventListener('message', (event) => heard.push(event.data));"
    at = club.portal.page("", listen, module="").replace("portal.example", "evil.example")
    page.goto(at)
    with page.expect_popup() as opening:
        page.evaluate(f"() => {{ open('{club.portal.chat}/widget/login?portal=club'); }}")
    opening.value.wait_for_event("close", timeout=PATIENCE)
    assert page.evaluate("() => heard") == []
