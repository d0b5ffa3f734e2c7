"""Text becomes the terms of the lexical index, as its language asks for.

Each language with a stemmer has an analyser of its own; all others but those below share a plain
one. English is the analyser of texts whose language is not known, and of languages that write
words without blanks: what stands in them in other letters is mostly English.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from functools import cache, lru_cache

import tantivy

from vectorstore.language import ENGLISH, primary
from vectorstore.stopwords import stop_words

PLAIN = "und"  # the analyser without a stemmer
_STEMMERS = {
    "ar": "arabic",
    "da": "danish",
    "de": "german",
    "el": "greek",
    ENGLISH: "english",
    "es": "spanish",
    "fi": "finnish",
    "fr": "french",
    "hu": "hungarian",
    "it": "italian",
    "nl": "dutch",
    "no": "norwegian",
    "pt": "portuguese",
    "ro": "romanian",
    "ru": "russian",
    "sv": "swedish",
    "ta": "tamil",
    "tr": "turkish",
}
_SHARED = {"nb": "no", "nn": "no"} | dict.fromkeys("zh yue ja th lo km my".split(), ENGLISH)
ANALYZERS = (*_STEMMERS, PLAIN)

LONGEST = 60  # bytes of an English word; what is longer is noise
LONGEST_ELSEWHERE = 200  # letters of other scripts have up to four bytes

# Scripts that write words without blanks between them: Han, kana, Thai, Lao, Burmese, Khmer. Hangul
# is left to its blanks.
_UNSPACED = re.compile(
    r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    r"\u0e01-\u0e4e\u0e81-\u0ece\u1000-\u103f\u1780-\u17d3]+"
)
_TONES = re.compile(r"[\u0e3a\u0e47-\u0e4e\u0eba\u0ec8-\u0ece\u1037\u1039\u103a\u17c9-\u17d3]")
_ZEROS = (0x660, 0x6F0, 0x966, 0x9E6, 0xA66, 0xAE6, 0xB66, 0xBE6, 0xC66, 0xCE6, 0xD66, 0xE50, 0xED0)
_DIGITS = {zero + n: str(n) for zero in (*_ZEROS, 0x1040, 0x17E0) for n in range(10)}
_FOREIGN_DIGIT = re.compile(f"[{''.join(map(chr, _DIGITS))}]+")
_DOTTED = str.maketrans("İI", "iı")  # how Turkish lowers them

_SIGNS = "".join(
    chr(code) for code in range(0x483, 0x1900) if unicodedata.category(chr(code)).startswith("M")
)
WORD = re.compile(rf"[^\W_]+(?:[{_SIGNS}]+[^\W_]*)*")
"""A word as it stands in a text, with the signs for vowels and tones that its letters bear."""


@lru_cache(maxsize=256)
def analyzer_of(language: str | None) -> str:
    """Return the analyser of a language's texts, one of ANALYZERS.

    Example: "de-AT" -> "de"; "pl" -> "und"; None and "ja" -> "en"
    """
    first = primary(language) or ENGLISH
    first = _SHARED.get(first, first)
    return first if first in _STEMMERS else PLAIN


def analyze(text: str, language: str | None = None) -> list[str]:
    """Return the terms of a text in a language, in order: lower case, stemmed, folded.

    Where words are written without blanks, each pair of neighbouring characters is a term
    (Nie et al. 1999, "On the use of words and n-grams for Chinese information retrieval").

    Example: "Kim’s troops visited" -> ["kim", "s", "troop", "visit"]; "東京都" -> ["東京", "京都"]
    """
    name = analyzer_of(language)
    if name != ENGLISH:
        text = unicodedata.normalize("NFKC", text)
    if name == "tr":
        text = text.translate(_DOTTED)
    if not text.isascii():
        text = _FOREIGN_DIGIT.sub(lambda digits: digits[0].translate(_DIGITS), text)
        text = _UNSPACED.sub(_pairs, text)
    return list(_analyzer(name).analyze(text))


def _pairs(run: re.Match[str]) -> str:
    letters = _TONES.sub("", run[0])
    pairs = (letters[at : at + 2] for at in range(max(1, len(letters) - 1)))
    return f" {' '.join(pairs)} "


@cache
def _analyzer(name: str) -> tantivy.TextAnalyzer:
    if name == ENGLISH:
        return (
            tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.simple())
            .filter(tantivy.Filter.remove_long(LONGEST))
            .filter(tantivy.Filter.lowercase())
            .filter(tantivy.Filter.ascii_fold())
            .filter(tantivy.Filter.stemmer("english"))
            .build()
        )
    builder = (
        tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.regex(r"[\p{L}\p{M}\p{N}]+"))
        .filter(tantivy.Filter.remove_long(LONGEST_ELSEWHERE))
        .filter(tantivy.Filter.lowercase())
    )
    if name != PLAIN:  # the stemmers read accents, so these are folded last
        builder = builder.filter(tantivy.Filter.stemmer(_STEMMERS[name]))
    return builder.filter(tantivy.Filter.ascii_fold()).build()


def content_terms(text: str, language: str | None = None) -> list[str]:
    """Return the distinct terms of a text that carry its subject, in order.

    Example: "How many troops has North Korea sent?" -> ["troop", "north", "korea", "sent"]
    """
    stop = _stop_terms(primary(language) or ENGLISH)
    return [term for term in dict.fromkeys(analyze(text, language)) if term not in stop]


@cache
def _stop_terms(language: str) -> frozenset[str]:
    found = [analyze(word, language) for word in stop_words(language)]
    if language != ENGLISH and analyzer_of(language) == ENGLISH:
        # Pairs out of longer words stand in others, too; Latin words in Chinese are English.
        found = [terms for terms in found if len(terms) == 1]
        found += [analyze(word) for word in stop_words(ENGLISH)]
    return frozenset(term for terms in found for term in terms)


def aliases(query: str, language: str | None, other: str | None) -> Mapping[str, str]:
    """Return a query's terms as texts in another language have them, each with the query's own.

    A text has a word of the query where both have the same term in the text's language. Empty
    where the two languages have one analyser: there, terms are themselves.

    Example: "When was Mercedes founded?", "en", "de" -> {"merced": "merced", "found…": …}
    """
    return _aliases(query, analyzer_of(language), analyzer_of(other))


@lru_cache(maxsize=256)
def _aliases(query: str, own: str, other: str) -> Mapping[str, str]:
    found: dict[str, str] = {}
    if own != other:
        for match in WORD.finditer(query):
            pairs = zip(analyze(match[0], other), analyze(match[0], own), strict=False)
            for theirs, ours in pairs:
                found.setdefault(theirs, ours)
    return found


def terms_held(
    text: str, language: str | None, query: str, query_language: str | None
) -> frozenset[str]:
    """Return the terms of a text; those of a query's words are the query's own."""
    known = aliases(query, query_language, language)
    return frozenset(known.get(term, term) for term in analyze(text, language))
