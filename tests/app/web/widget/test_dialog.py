"""The widget in a portal's page: opening, asking, reading, by mouse and by keyboard."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.app.web.test_browser import pytestmark as pytestmark
from tests.app.web.widget.hand import PATIENCE, TREES, WEBB, ask, composer, launcher, opened
from tests.app.web.widget.sites import Front, Portal


def test_nothing_is_loaded_before_it_is_opened(
    page: Page, portal: Portal, front: Front, console: list[str]
) -> None:
    """Until the launcher is pressed, the module is all that is asked of the service."""
    page.goto(portal.page())
    expect(launcher(page)).to_have_text("Ask HR")
    page.wait_for_timeout(500)
    assert front.paths == ["GET /widget/1.0.0/citewell.js"]
    assert portal.minted == []
    assert console == []


def test_the_mouse_opens_asks_and_closes(page: Page, portal: Portal, console: list[str]) -> None:
    """A reader opens it, asks, reads sentences with citations, and closes it; no error is told."""
    opened(page, portal.page())
    expect(page.locator(".welcome")).to_have_text("Ask anything about our articles on science.")
    answer = ask(page, WEBB)
    expect(answer.locator(".sentence").first).to_contain_text("25 December 2021")
    expect(answer.locator("mark").first).to_have_text("25 December 2021")
    expect(page.locator(".question")).to_have_text(WEBB)
    page.get_by_role("button", name="Close").click()
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(launcher(page)).to_be_focused()
    assert console == []


def test_the_keyboard_is_enough(page: Page, portal: Portal) -> None:
    """Tab and Enter open it, ask, and open a citation; Escape closes the quote, then the dialog."""
    page.goto(portal.page())
    page.keyboard.press("Tab")
    expect(launcher(page)).to_be_focused()
    expect(launcher(page)).to_have_attribute("aria-haspopup", "dialog")
    expect(launcher(page)).to_have_attribute("aria-expanded", "false")
    page.keyboard.press("Enter")
    expect(launcher(page)).to_have_attribute("aria-expanded", "true")
    expect(composer(page)).to_be_focused()
    page.keyboard.type(TREES)
    page.keyboard.press("Enter")
    chip = page.locator(".chip").first
    page.locator(".acts").wait_for(timeout=PATIENCE)
    for _ in range(10):
        page.keyboard.press("Shift+Tab")
        if chip.evaluate("node => node.getRootNode().activeElement === node"):
            break
    expect(chip).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator(".quote")).to_be_visible()
    expect(chip).to_have_attribute("aria-expanded", "true")
    page.keyboard.press("Escape")
    expect(page.locator(".quote")).to_have_count(0)
    expect(chip).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(launcher(page)).to_be_focused()


def test_the_focus_returns_to_whatever_opened_it(page: Page, portal: Portal) -> None:
    """A button of the portal's that opens it has the focus again after Escape."""
    page.goto(portal.page('<button id="help">Help</button><citewell-chat portal="hr" '
                          'token-url="/token/hr"></citewell-chat>'))  # fmt: skip
    launcher(page).wait_for()
    page.locator("#help").focus()
    page.evaluate("document.querySelector('citewell-chat').open()")
    expect(composer(page)).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator("#help")).to_be_focused()


def test_a_citation_opens_its_quote(page: Page, portal: Portal) -> None:
    """The quote comes with its article, its date and a link to the original at the passage."""
    opened(page, portal.page())
    ask(page, WEBB)
    chip = page.locator(".chip").first
    expect(chip).to_have_attribute("aria-label", re.compile("^Source 1: "))
    chip.click()
    quote = page.locator(".quote")
    expect(quote.locator("blockquote")).to_contain_text("25 December 2021")
    expect(quote).to_contain_text("July 14, 2022")
    link = quote.locator("a")
    href = link.get_attribute("href") or ""
    assert re.match(r"https://example\.org/.*#:~:text=", href)
    assert link.get_attribute("rel") == "noopener noreferrer"
    assert link.get_attribute("target") == "_blank"


def test_events_tell_the_page_what_happens(page: Page, portal: Portal) -> None:
    """Opening, answering, citing and closing are told as events that leave the shadow root."""
    url = portal.page(
        script="self.told = []; for (const name of ['open', 'close', 'answer', 'citation', 'error'])"
        "document.addEventListener('citewell:' + name, (event) =>"
        "self.told.push([name, event.detail, event.composed]));"
    )
    opened(page, url)
    ask(page, TREES)
    page.locator(".chip").first.click()
    page.get_by_role("button", name="Close").click()
    told = page.evaluate("self.told")
    assert [name for name, _, _ in told] == ["open", "answer", "citation", "close"]
    assert all(is_composed for _, _, is_composed in told)
    assert told[1][1]["outcome"] == "answered"
    assert told[2][1]["number"] == 1
    assert told[2][1]["title"]


def test_a_page_cannot_ask(page: Page, portal: Portal, front: Front) -> None:
    """Prefilled text waits for the reader; clicks and keys that a script makes send nothing."""
    page.goto(portal.page())
    launcher(page).wait_for()
    page.evaluate("question => document.querySelector('citewell-chat').prefill(question)", TREES)
    launcher(page).click()
    expect(composer(page)).to_have_value(TREES)
    page.locator(".starter").wait_for()
    page.evaluate(
        """() => {
          const root = document.querySelector('citewell-chat').shadowRoot;
          const press = { key: 'Enter', bubbles: true, cancelable: true };
          root.querySelector('textarea').dispatchEvent(new KeyboardEvent('keydown', press));
          root.querySelector('.send').click();
          root.querySelector('.starter').click();
        }"""
    )
    page.wait_for_timeout(500)
    assert "POST /api/v1/answers" not in front.paths
    expect(composer(page)).to_have_value(TREES)
    composer(page).press("Enter")
    expect(page.locator(".question")).to_have_text(TREES)


def test_it_is_shown_how_a_follow_up_was_understood(page: Page, portal: Portal) -> None:
    """A question that leans on the one before shows what it was taken for; the first does not."""
    opened(page, portal.page())
    expect(ask(page, WEBB).locator(".note")).to_have_count(0)
    follow_up = ask(page, "And how big is its mirror?")
    note = follow_up.locator(".note").first
    expect(note).to_contain_text("Understood as: And how big is its mirror? (James Webb")


def test_it_is_shown_of_which_days_articles_were_asked(page: Page, portal: Portal) -> None:
    """Where a question speaks of the articles of a year, the answer says that it read no others."""
    opened(page, portal.page())
    note = ask(page, "How many tree species do articles from 2017 count?").locator(".note").first
    expect(note).to_have_text("Only articles of 2017")


def test_what_the_articles_do_not_say(page: Page, portal: Portal) -> None:
    """A question that nothing answers gets that said, with the closest articles as links."""
    opened(page, portal.page())
    answer = ask(page, "How do I reset my VPN password?")
    expect(answer).to_contain_text("The articles do not say.")
    assert answer.locator(".closest li").count() >= 1
    expect(answer.locator(".chip")).to_have_count(0)


def test_a_starter_is_asked_with_one_click(page: Page, portal: Portal) -> None:
    """A question to begin with is asked when the reader chooses it."""
    opened(page, portal.page())
    page.locator(".starter").click()
    expect(page.locator(".question")).to_have_text(TREES)
    expect(page.locator(".answer")).to_contain_text("60,065", timeout=PATIENCE)


def test_an_answer_is_copied_and_judged(page: Page, portal: Portal, front: Front) -> None:
    """Copying gives the sentences with their sources; a verdict reaches the service."""
    opened(page, portal.page())
    answer = ask(page, TREES)
    answer.get_by_role("button", name="Copy").click()
    expect(page.locator("[aria-live=polite]")).to_contain_text("Copied")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert re.search(r"60,065.*\[1\]", copied)
    assert re.search(r"^\[1\] The first list", copied, re.MULTILINE)
    unhelpful = answer.get_by_role("button", name="Not helpful")
    with page.expect_response(re.compile("feedback")) as told:
        unhelpful.click()
    assert told.value.status == 204
    expect(unhelpful).to_have_attribute("aria-pressed", "true")
    sent = [body for method, url, _, body in front.requests if url.endswith("/feedback")]
    assert b'"unhelpful"' in sent[-1]


def test_asking_again_replaces_the_answer(page: Page, portal: Portal) -> None:
    """The same question is asked once more and stands there once."""
    opened(page, portal.page())
    ask(page, TREES)
    page.get_by_role("button", name="Ask again").click()
    page.locator(".dots").wait_for(state="detached", timeout=PATIENCE)
    page.locator(".acts").wait_for(timeout=PATIENCE)
    expect(page.locator(".question")).to_have_count(1)


def test_sentences_are_announced(page: Page, portal: Portal) -> None:
    """Each sentence is put into a polite live region, whole and without the buttons."""
    opened(page, portal.page())
    answer = ask(page, TREES)
    told = page.locator("[aria-live=polite] p").all_inner_texts()
    sentences = answer.locator(".sentence").all_inner_texts()
    assert told[0] == "Searching the articles …"
    assert len(told) == 1 + len(sentences)
    assert all(
        sentence.startswith(heard) for heard, sentence in zip(told[1:], sentences, strict=False)
    )


def test_hostile_text_stays_text(page: Page, portal: Portal) -> None:
    """Markup in a question, a label or a citation's address makes no node and no link."""
    page.on("dialog", lambda dialog: pytest.fail(f"a dialog opened: {dialog.message}"))
    url = portal.page(
        '<citewell-chat portal="hr" token-url="/token/hr" '
        'label="&lt;img src=x onerror=alert(1)&gt;"></citewell-chat>'
    )
    page.route(
        re.compile("/conversations/"),
        lambda route: route.fulfill(
            headers={"access-control-allow-origin": portal.origin},
            json={"answers": [stored("javascript:alert(1)"), stored("data:text/html,x")]},
        ),
    )
    opened(page, url)
    ask(page, "<img src=x onerror=alert(1)> How many tree species are there on Earth?")
    page.reload()
    chips = page.locator(".chip")
    expect(chips).to_have_count(2)
    for index in range(2):
        chips.nth(index).click()
        expect(page.locator(".quote blockquote").nth(index)).to_have_text("<b>quote</b>")
    expect(page.locator(".quote a")).to_have_count(0)
    expect(page.locator("citewell-chat img, citewell-chat b")).to_have_count(0)


def stored(url: str) -> dict[str, object]:
    """Return an answer as a service might tell it that means harm."""
    citation = {"number": 1, "title": "<b>title</b>", "quote": "<b>quote</b>", "url": url}
    sentence = {"text": "<b>text</b>", "citations": [1], "span": None}
    answer = {"id": "a", "sentences": [sentence], "citations": [citation], "outcome": "answered",
              "closest": [], "filters": {}}  # fmt: skip
    return {"question": "<b>question</b>", "answer": answer}


def test_what_goes_on_is_asked_by_keyboard(page: Page, portal: Portal) -> None:
    """Below the last answer are questions that the articles answer; one key asks one of them."""
    opened(page, portal.page())
    answered = ask(page, WEBB)
    offered = page.locator(".turn .starter").first
    offered.wait_for(timeout=PATIENCE)
    question = offered.inner_text()
    offered.focus()
    page.keyboard.press("Enter")
    expect(page.locator(".question").last).to_have_text(question)
    expect(page.locator(".turn").first.locator(".starter")).to_have_count(0)
    page.locator(".answer").last.locator(".acts").wait_for(timeout=PATIENCE)
    expect(page.locator(".answer").last).not_to_contain_text("The articles do not say")
    expect(answered).to_be_visible()
