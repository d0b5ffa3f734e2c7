"""A portal and the service, each on its own host over HTTPS, and a browser that sees both."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import trustme
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.app.conftest import EXAMPLES, Server, start, stop, wait_until_ready
from tests.app.web.test_browser import CHROMIUM, FLAGS
from tests.app.web.widget.sites import Front, Portal, served_tls

HOSTS = ("portal.example", "chat.example", "evil.example")
COLLECTIONS = {
    "hr": ("tree-species-census.md", "tree-species-undiscovered.html", "webb-first-images.html"),
    "it": ("everest-height.html",),
}


@dataclass(frozen=True)
class World:
    """The service, what stands before it, and the portal."""

    server: Server
    front: Front
    portal: Portal


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The service with the portals `hr`, `it` and the public `open`, and the site of all three."""
    folder = tmp_path_factory.mktemp("widget")
    issued = trustme.CA().issue_cert(*HOSTS)
    certificate = folder / "certificate.pem"
    issued.private_key_and_cert_chain_pem.write_to_path(certificate)
    front, portal = Front(), Portal("", {})
    with served_tls(front.app(), certificate) as chat, served_tls(portal.app(), certificate) as at:
        portal.chat, portal.port = f"https://chat.example:{chat}", at
        settings = {"AUTH": "keys", "SECRET": "s" * 40, "PUBLIC_URL": portal.chat}
        settings |= {"LIMIT_USER": "6000/minute", "LIMIT_PUBLIC": "6000/minute"}  # tests ask fast
        server = start(
            folder / "data", **{f"CITEWELL_{key}": value for key, value in settings.items()}
        )
        try:
            wait_until_ready(server)
            front.target = server.url
            _fill(server, portal)
            yield World(server, front, portal)
        finally:
            stop(server)


def _fill(server: Server, portal: Portal) -> None:
    """Take in the articles and set the portals up."""
    for collection, articles in COLLECTIONS.items():
        paths = [EXAMPLES / name for name in articles]
        server.citewell_json("ingest", *paths, "--collection", collection, "--json")
    starter = "How many tree species are there on Earth?"
    welcome = "Ask anything about our articles on science."
    for name, *more in (
        ("hr", "--starter", starter, "--welcome", welcome),
        ("it",),
        ("open", "--public"),
    ):
        of = "it" if name == "it" else "hr"
        arguments = ("--origin", portal.origin, "--collection", of, *more, "--json")
        portal.keys[name] = server.citewell_json("portals", "add", name, *arguments)["secret"]


@pytest.fixture
def portal(world: World) -> Portal:
    """The portal as it is before anybody has done anything, and what stands before the service."""
    world.front.reset()
    world.portal.reset()
    return world.portal


@pytest.fixture
def front(world: World) -> Front:
    """What stands before the service, with nothing asked yet."""
    world.front.reset()
    return world.front


@pytest.fixture(scope="module")  # no longer: Playwright's loop would run under other tests
def browser() -> Iterator[Browser]:
    """Debian's Chromium, to which the hosts are this machine; third-party storage is blocked."""
    rules = ", ".join(f"MAP {host} 127.0.0.1" for host in HOSTS)
    flags = [*FLAGS, f"--host-resolver-rules={rules}", "--test-third-party-cookie-phaseout"]
    flags += ["--js-flags=--expose-gc", "--enable-precise-memory-info"]
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield launched
        launched.close()


@pytest.fixture
def context(browser: Browser, portal: Portal, front: Front) -> Iterator[BrowserContext]:
    """A fresh profile of a reader."""
    opened = browser.new_context(
        ignore_https_errors=True,
        viewport={"width": 1100, "height": 800},
        permissions=["clipboard-read", "clipboard-write"],
    )
    yield opened
    opened.close()


@pytest.fixture
def page(context: BrowserContext) -> Page:
    """An empty tab."""
    return context.new_page()


@pytest.fixture
def console(page: Page) -> list[str]:
    """What the tab's console shows: errors and warnings."""
    said: list[str] = []
    kinds = ("error", "warning")
    page.on("console", lambda told: said.append(told.text) if told.type in kinds else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    return said
