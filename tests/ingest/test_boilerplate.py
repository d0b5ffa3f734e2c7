from __future__ import annotations

import pytest

from ingest.boilerplate import MAX_WORDS, is_boilerplate


@pytest.mark.parametrize(
    "sentence",
    [
        "Get in touch with our news team by emailing us at news@example.org.",
        "Please get in touch with the newsroom.",
        "For more stories like this, check our news page.",
        "Follow us on X and Instagram.",
        "Sign up for our free newsletter.",
        "Subscribe to our daily briefing.",
        "Click here to read the full report.",
        "Share this article.",
        "Read more: Glaciers are melting",
        "Related articles:",
        "Advertisement",
        "ADVERT.",
        "Story continues below advertisement",
        "© 2026 The Paper.",
        "Copyright 2026 The Paper",
        "All rights reserved.",
        "Download our free app.",
        "This article was first published in The Paper.",
        "Do you have a story? Contact us at tips@example.org.",
        "— Get in touch —",
        "Do you have a story about energy where you live?",
        "Tell us about it and we may publish your message.",
        "© Example Energy Weekly.",
        "Join us on Facebook.",
    ],
)
def test_newsroom_lines_are_boilerplate(sentence: str) -> None:
    """Acts asked of the reader that lead away from the article are boilerplate."""
    assert is_boilerplate(sentence)


@pytest.mark.parametrize(
    "sentence",
    [
        "The ministry asked residents to get in touch.",
        "Contact between the two tribes was rare.",
        "Follow-up studies confirmed the finding.",
        "Signatories follow the treaty's rules.",
        "Subscribers paid nine euros a month.",
        "Copyright law changed in 1978.",
        "Advertisement spending fell by a third last year.",
        "Read more slowly, teachers advised the pupils in the study that year.",
        "He said that all rights reserved for members had been withdrawn.",
        "For more than a decade, glaciers have been retreating.",
        "Like US President Joe Biden, Mr Kim has sent 15,000 troops.",
        "Like many voters on Facebook, she said the vote on 3 May was unfair.",
        "Find our galaxy at the centre of 40 dwarf galaxies.",
        "Have any news outlets reported because of it?",
        "Call us old-fashioned, but 40% still read print.",
        "Stay in touch with reality, he said in 2010.",
        "This story was first published in 1897 by H. G. Wells.",
        "Tell us what happened, the judge said.",
        "Call centres employ thousands of people in Manila.",
        "",
    ],
)
def test_reports_are_not_boilerplate(sentence: str) -> None:
    """A sentence of the article stays, even if it is about such acts."""
    assert not is_boilerplate(sentence)


def test_long_sentences_say_something_of_their_own() -> None:
    """A sentence of more than MAX_WORDS words is kept, however it begins."""
    start = "Get in touch with us"
    assert is_boilerplate(start + " now" * (MAX_WORDS - 5))
    assert not is_boilerplate(start + " now" * (MAX_WORDS - 4))


def test_it_ends_soon_on_hostile_text() -> None:
    """The patterns do not backtrack without end."""
    for text in ("for more stories " * 10_000, "read more on" + "a" * 100_000, "_" * 100_000):
        assert is_boilerplate(text) in {True, False}
