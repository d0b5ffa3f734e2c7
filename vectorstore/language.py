"""Which language a text is in; the only file that imports py3langid."""

from __future__ import annotations

import re
import unicodedata
from functools import cache, lru_cache
from typing import TYPE_CHECKING

from vectorstore.stopwords import stop_words

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

ENGLISH = "en"
READ, READ_OF_QUESTION = 3_000, 300  # characters that are looked at
LEAST_LETTERS = 60  # of an article whose language is told
SURE = 0.9  # probability from which on an article's language is told
SURE_OF_QUESTION = 0.45  # and a question's, where its words do not speak against it
OTHER_SCRIPT = 0.3  # share of letters from which on a question is not in a Latin script
_LATIN = 0x24F  # the last of the letters that western languages write with
# Those that are told apart: languages with much to read, and no varieties of another one.
_TOLD = """
    af am ar az be bg bn ca cs cy da de el en es et eu fa fi fr ga gl gu he hi hr hu hy id is it ja
    ka kk km kn ko lo lt lv mk ml mn mr ms my ne nl no pa pl ps pt ro ru si sk sl sq sr sv sw ta te
    th tl tr uk ur uz vi zh
"""
_LARGEST = {"ARABIC": "ar", "CYRILLIC": "ru", "DEVANAGARI": "hi"}  # language of a script
_WORD = re.compile(r"[^\W\d_]+")


@cache
def load() -> LanguageIdentifier:
    """Read the model, which takes about a second and 75 MB, once."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    identifier.set_languages(_TOLD.split())
    return identifier


@lru_cache(maxsize=256)
def primary(tag: str | None) -> str | None:
    """Return the language of a tag without script and region.

    Example: "en-GB" -> "en"
    """
    return tag.split("-")[0].lower() if tag else None


def detect(text: str) -> str | None:
    """Return the language of an article's text, None where that is not sure.

    Example: "Der Gletscher ist seit 1850 um drei Kilometer kürzer geworden, …" -> "de"
    """
    text = text[:READ]
    if sum(map(str.isalpha, text)) < LEAST_LETTERS * _density(text):
        return None
    language, probability = load().classify(text)
    return str(language) if probability >= SURE else None


def language_of(question: str, before: str = "") -> str:
    """Return the language that a question is taken to be in: English, unless it is surely not.

    Args:
        question: A question, or a few words.
        before: What was said before it, which decides where the question does not tell.

    Example: "Wann wurde die Brücke eröffnet?" -> "de"; "Rhône?" -> "en"
    """
    for text in (question, before):
        if (found := _told(text[:READ_OF_QUESTION])) is not None:
            return found
    return ENGLISH


def _told(question: str) -> str | None:
    """The language that a question's words tell, if they do."""
    letters = [letter for letter in question if letter.isalpha()]
    if not letters:
        return None
    language, probability = load().classify(question)
    foreign = [letter for letter in letters if ord(letter) > _LATIN]
    if len(foreign) >= OTHER_SCRIPT * len(letters):  # surely not English, whatever it is
        script = unicodedata.name(foreign[0], "").split(" ")[0]
        return _LARGEST.get(script, language) if probability < SURE_OF_QUESTION else str(language)
    words = [match.group().lower() for match in _WORD.finditer(question)]
    ours, theirs = stop_words(ENGLISH).intersection(words), stop_words(language).intersection(words)
    if language == ENGLISH or probability < SURE_OF_QUESTION:
        return ENGLISH if ours or probability >= SURE_OF_QUESTION else None
    more = len(ours - theirs) - len(theirs - ours)
    if more > 0 or (more == 0 and words[0] in ours - theirs):
        return ENGLISH  # "What is Weltschmerz?"
    return str(language) if len(words) > 1 else None


def _density(text: str) -> float:
    """How many letters say as much as one Latin letter: fewer in Chinese, Japanese, Korean."""
    wide = sum(unicodedata.east_asian_width(letter) == "W" for letter in text)
    return 0.3 if 2 * wide > len(text) else 1.0


@cache
def name_of(tag: str) -> str:
    """Return the English name of a language, the tag itself where there is none.

    Example: "pt-BR" -> "Portuguese"
    """
    from babel import Locale

    return str(Locale("en").languages.get(primary(tag), tag))
