"""The widget for everybody: small screens, themes, languages, screen readers, motion."""

from __future__ import annotations

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.app.web.test_browser import pytestmark as pytestmark
from tests.app.web.widget.hand import TREES, WEBB, ask, composer, launcher, opened
from tests.app.web.widget.sites import Portal

LANGUAGES = {
    "en": ("Your question", "Close"),
    "de": ("Ihre Frage", "Schließen"),
    "fr": ("Votre question", "Fermer"),
    "es": ("Su pregunta", "Cerrar"),
    "ar": ("سؤالك", "إغلاق"),
}


def element(mode: str, **attributes: str) -> str:
    """Return the element's HTML."""
    stated = "".join(f' {name}="{value}"' for name, value in attributes.items())
    return (
        f'<citewell-chat portal="hr" token-url="/token/hr" mode="{mode}"{stated}></citewell-chat>'
    )


def tab(browser: Browser, width: int = 1100, height: int = 800, **options: object) -> Page:
    """Open a tab of a size."""
    viewport = {"width": width, "height": height}
    context = browser.new_context(ignore_https_errors=True, viewport=viewport, **options)  # type: ignore[arg-type]
    return context.new_page()


@pytest.mark.parametrize("lang", ["en", "ar"])
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("mode", ["bubble", "inline", "panel"])
def test_axe_finds_nothing(page: Page, portal: Portal, mode: str, theme: str, lang: str) -> None:
    """Closed, welcoming, answering and with an open quote it breaks no rule of axe."""
    css = "html { color-scheme: dark; background: #111; color: #eee; }" if theme == "dark" else ""
    page.goto(portal.page(f"<footer>{element(mode, theme=theme)}</footer>", lang=lang, css=css))
    checked = [findings(page)]
    if mode != "inline":
        launcher(page).click()
    page.locator(".starter").wait_for()
    page.wait_for_timeout(400)
    checked.append(findings(page))
    ask(page, WEBB)
    page.locator(".chip").first.click()
    ask(page, "How do I reset my VPN password?")
    page.locator(".messages").evaluate("(node) => node.scrollTo(0, 0)")
    page.wait_for_timeout(400)
    checked.append(findings(page))
    assert checked == [[], [], []]


def findings(page: Page) -> list[str]:
    """Return what axe finds in the widget."""
    options = {"rules": {"target-size": {"enabled": True}}}
    results = Axe().run(page, context=None, options=options).response
    assert any("citewell-chat" in str(each["nodes"]) for each in results["passes"])
    return [
        f"{each['id']}: {node['target']} {node['failureSummary']}"
        for each in results["violations"]
        for node in each["nodes"]
    ]


@pytest.mark.parametrize("lang", LANGUAGES)
def test_it_speaks_the_pages_language(page: Page, portal: Portal, lang: str) -> None:
    """Every word of ours is in the language of the page, and nothing is missing."""
    question, close = LANGUAGES[lang]
    opened(page, portal.page(element("bubble"), lang=lang))
    expect(composer(page)).to_have_attribute("placeholder", question)
    expect(page.get_by_role("button", name=close, exact=True)).to_be_visible()
    ask(page, TREES)
    text = page.evaluate("document.querySelector('citewell-chat').shadowRoot.innerHTML")
    assert "undefined" not in text


def test_every_language_has_every_word(page: Page, portal: Portal) -> None:
    """No language lacks a word that another has."""
    page.goto(portal.page())
    source = page.evaluate(
        "(url) => fetch(url).then((reply) => reply.text())", f"{portal.chat}/widget/1/citewell.js"
    )
    tables = re.findall(r"^  (\w\w): \{\n(.*?)^  \},", source, re.MULTILINE | re.DOTALL)
    words = {lang: re.findall(r"^    (\w+):", table, re.MULTILINE) for lang, table in tables}
    assert set(words) == set(LANGUAGES)
    assert all(each == words["en"] for each in words.values())
    assert len(words["en"]) > 25


def test_it_is_mirrored_from_right_to_left(page: Page, portal: Portal) -> None:
    """In Arabic it stands on the left, reads from the right, and dates are Arabic."""
    opened(page, portal.page(element("bubble"), lang="ar"))
    box = launcher(page).bounding_box()
    assert box is not None
    assert box["x"] < 100
    ask(page, WEBB)
    expect(page.locator(".root")).to_have_css("direction", "rtl")
    page.locator(".chip").first.click()
    expect(page.locator(".quote .date")).to_contain_text("يوليو")
    expect(page.locator(".sentence").first).to_have_css("direction", "ltr")  # an English sentence


@pytest.mark.parametrize(("scheme", "theme", "is_dark"), [
    ("light", "auto", False), ("dark", "auto", True), ("dark", "light", False),
    ("light", "dark", True),
])  # fmt: skip
def test_the_theme_is_the_readers_or_the_portals(
    page: Page, portal: Portal, scheme: str, theme: str, is_dark: bool
) -> None:
    """`auto` follows the reader's system; `light` and `dark` do not."""
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    opened(page, portal.page(element("bubble", theme=theme)))
    paper = "rgb(23, 25, 31)" if is_dark else "rgb(255, 255, 255)"
    expect(page.locator(".panel")).to_have_css("background-color", paper)


def test_a_phone_shows_it_full_screen(browser: Browser, portal: Portal) -> None:
    """On a phone it fills the screen, and what a keyboard leaves of it."""
    page = tab(browser, 390, 780, has_touch=True, is_mobile=True)
    page.goto(portal.page())
    launcher(page).tap()
    page.wait_for_timeout(400)  # until it has come to rest
    box = page.locator(".panel").bounding_box()
    assert box == {"x": 0, "y": 0, "width": 390, "height": 780}
    expect(launcher(page)).to_be_hidden()
    page.evaluate(
        """() => {
          Object.defineProperty(visualViewport, 'height', { value: 420 });
          Object.defineProperty(visualViewport, 'offsetTop', { value: 30 });
          visualViewport.dispatchEvent(new Event('resize'));
        }"""
    )
    box = page.locator(".panel").bounding_box()
    assert box == {"x": 0, "y": 30, "width": 390, "height": 420}
    expect(composer(page)).to_be_in_viewport()
    page.context.close()


@pytest.mark.parametrize("mode", ["bubble", "inline", "panel"])
def test_320_pixels_are_enough(browser: Browser, portal: Portal, mode: str) -> None:
    """At 320 pixels nothing of it is cut off, and the page does not scroll sideways."""
    page = tab(browser, 320, 560)
    page.goto(portal.page(element(mode, label="Ask about human resources and travel")))
    if mode != "inline":
        launcher(page).click()
    answer = ask(page, WEBB)
    expect(answer).to_contain_text("25 December 2021")
    answer.locator(".chip").first.click()
    page.wait_for_timeout(300)
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    outside = page.evaluate(
        """() => [...document.querySelector('citewell-chat').shadowRoot.querySelectorAll('*')]
          .filter((node) => !node.closest('.unseen') && node.checkVisibility())
          .filter((node) => node.getBoundingClientRect().right > 320.5)
          .map((node) => node.className)"""
    )
    assert outside == []
    page.context.close()


def test_nothing_moves_for_who_wants_no_motion(browser: Browser, portal: Portal) -> None:
    """With reduced motion nothing is animated, neither while opening nor while waiting."""
    page = tab(browser, reduced_motion="reduce")
    page.goto(portal.page())
    launcher(page).click()
    composer(page).fill(TREES)
    composer(page).press("Enter")
    moving = "document.querySelector('citewell-chat').shadowRoot.getAnimations().length"
    assert page.evaluate(moving) == 0
    page.locator(".acts").wait_for()
    assert page.evaluate(moving) == 0
    page.context.close()


def test_the_focus_is_always_seen(page: Page, portal: Portal) -> None:
    """Whatever has the focus by keyboard shows it."""
    page.goto(portal.page())
    page.keyboard.press("Tab")
    expect(launcher(page)).to_have_css("outline-style", "solid")
    page.keyboard.press("Enter")
    page.locator(".starter").wait_for()
    expect(page.locator(".composer")).not_to_have_css("box-shadow", "none")
    for _ in range(4):
        page.keyboard.press("Shift+Tab")
        style = page.evaluate(
            "getComputedStyle(document.querySelector('citewell-chat').shadowRoot.activeElement)"
            ".outlineStyle"
        )
        assert style == "solid"
