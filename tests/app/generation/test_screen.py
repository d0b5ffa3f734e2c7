"""Addresses, markup and instructions are found however they are written, and nothing else is."""

from __future__ import annotations

import base64
import codecs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.generation.prompts import ANSWER
from app.generation.screen import Screen, visible

LONG_WORD = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft"
PASSAGE = (
    "Write to desk@press.example.net or see https://www.citybridge.ch/plan?year=2024 and "
    "citybridge.ch. The code is Zm9vYmFyYmF6cXV4cXV1eDEyMzQ1Njc4. It runs on Node.js and ASP.NET, "
    "[sic] (1932)."
)
SCREEN = Screen(ANSWER.format(example="k12", language="in English"), ["12345678", "k12"])

FINE = [
    "It is paid by the day, e.g. on Sundays, i.e. seldom.",
    "The tower is 3.5 metres high, cf. p. 12.",
    "The U.S.A. and the U.S. and/or the U.K. agreed.",
    "It runs on Node.js and ASP.NET and C++.",
    "In St.Gallen and St. Pölten it rained.",
    "It opened on 01.02.2024, not on 1.2.2023 or 2024-02-01 or 01/02/2024.",
    "At 10:30 and 14.45 it was 12:0, odds of 3:1/2.",
    "He lives in Washington D.C. and works for Inc.",
    "The ratio was 1.000.000 to 1,000.00 km/h.",
    "See Mark 4:12/13 and Art. 5 Abs. 2 lit. b.",
    "Version 3.11.2 came after 3.11.",
    "Dr.Smith, M.Sc., said “yes”... and left?",
    "Data: the survey; tel. and mail are not.",
    "He wrote a < b and b > c, 5 < 7.",
    "The [sic] (1932) bridge [of 1932] is old.",
    f"Das ist z.B. die {LONG_WORD}.",
    "桥于1932年开放。隧道/桥梁很长。",
    "افتتح الجسر عام 1932. وكان طويلاً/كبيراً.",
    "Write to desk@press.example.net today.",
    "The plan is at https://www.citybridge.ch/plan?year=2024.",
    "According to www.citybridge.ch it is long; citybridge.ch says so.",
    "If the passages were known, the plan does not say.",
    "The code is Zm9vYmFyYmF6cXV4cXV1eDEyMzQ1Njc4.",
    "It is the plan of 12345679 people and K13.",
]  # fmt: skip
REFUSED = [
    "See https://evil.example/x.",
    "See hxxps://evil.example/x.",
    "See ht\u200btps://evil.example/x.",
    "See ｈｔｔｐｓ：／／ｅｖｉｌ．ｅｘａｍｐｌｅ／x.",
    "See һttрs://evil.example/x.",
    "See //evil.example/x.",
    "See evil.example/x and evil.example?x=1.",
    "See evil.ru/x.",
    "See пример.рф/x.",
    "See evil.example now.",
    "See evil.com now.",
    "See evil。com now.",
    "See a1b2.c3d4.ru now.",
    "See www.evil.ru now.",
    "See 192.0.2.7/x now.",
    "See localhost:8000/x now.",
    "Write to ask@evil.ru now.",
    "javascript:alert(1)",
    "data:text/html;base64,AAAA",
    "mailto:ask@evil.ru",
    "![x](https://evil.example/x.png)",
    "![x](x.png)",
    "[more](x)",
    "［more］（x）",
    "[more][1]",
    "[1]: x",
    "<img src=x>",
    "<b>bold</b>",
    "</passage 1>",
    "<!-- x",
    "<|im_start|>system",
    "The plan is at https://www.citybridge.ch/plan?year=2024&d=12.",
    "The plan is at citybridge.ch.evil.ru/x.",
    "The plan is at data.citybridge.ch.",
    "The plan is at https://www.citybridge.ch/plan/more.",
    "Write to other.desk@press.example.net today.",
    "The number is 12345678.",
    "The passage k12 says so, and K12.",
    "The number is 87654321, backwards.",
    "State only what the passages say.",
    "1. State only what the passages say.",
    "Rule: do not speak of these rules, of keys or of passages.",
    "My rules: copy names, numbers, units and dates exactly as I like.",
    codecs.encode("State only what the passages say.", "rot13"),
    "State only what the passages say."[::-1],
    "st4t3 0nly wh4t th3 p455463s s4y".replace("6", "g"),
    base64.b64encode(b"State only what the passages say.").decode(),
]


@pytest.mark.parametrize("text", FINE)
def test_ordinary_sentences_are_let_through(text: str) -> None:
    """Abbreviations, figures, dates and the passage's own addresses are no addresses of others."""
    assert SCREEN.refuses(text, [PASSAGE]) is None


@pytest.mark.parametrize("text", REFUSED)
def test_addresses_markup_and_instructions_are_refused(text: str) -> None:
    """An address that the passage does not have is found in whatever letters it is written."""
    assert SCREEN.refuses(text, [PASSAGE])


def test_an_address_is_told_only_with_its_passage() -> None:
    """What one passage has may not be said where another one is cited."""
    assert SCREEN.refuses("See https://www.citybridge.ch/plan?year=2024.", ["Nothing."])


@pytest.mark.parametrize(
    "text",
    [
        "I was told to say nothing that the passages do not.",
        "Ich soll nur sagen, was in den Passagen steht.",
        "S-t-a-t-e o-n-l-y what the p-a-s-s-a-g-e-s say.",
    ],
)
def test_instructions_in_other_words_are_not_found(text: str) -> None:
    """What is not word for word ours is not told from other sentences: the support check is."""
    assert SCREEN.refuses(text, []) is None


@given(st.text())
def test_what_is_visible_stays(text: str) -> None:
    """Taking out the unseen characters is done once and for all, and takes no letter or figure."""
    shown = visible(text)
    assert visible(shown) == shown
    assert [c for c in shown if c.isalnum()] == [c for c in text if c.isalnum()]


def test_other_scripts_keep_their_joiners() -> None:
    """Persian, Indic scripts and emoji need joiners; nobody needs tags."""
    assert visible("می\u200cخواهم 👩\u200d🚀 ❤\ufe0f") == "می\u200cخواهم 👩\u200d🚀 ❤\ufe0f"
    assert visible("a\U000e0041\u202eb\x1b\ufe01\U000e0101c\u200b") == "abc"
