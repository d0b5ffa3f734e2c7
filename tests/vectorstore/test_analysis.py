"""Texts become terms by the rules of their language, and English ones as they always did."""

from __future__ import annotations

from pathlib import Path

import pytest
import tantivy
from hypothesis import given
from hypothesis import strategies as st

from app.answering.words import terms
from vectorstore.analysis import (
    ANALYZERS,
    aliases,
    analyze,
    analyzer_of,
    content_terms,
    terms_held,
)
from vectorstore.stopwords import STOP_WORDS, stop_words

ARTICLES = sorted((Path(__file__).parents[2] / "examples" / "articles").rglob("*.*"))

ENGLISH = (
    tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.simple())
    .filter(tantivy.Filter.remove_long(60))
    .filter(tantivy.Filter.lowercase())
    .filter(tantivy.Filter.ascii_fold())
    .filter(tantivy.Filter.stemmer("english"))
    .build()
)


@pytest.mark.parametrize("path", ARTICLES, ids=lambda path: path.name)
def test_english_articles_have_the_terms_they_had(path: Path) -> None:
    """What was fitted on English terms finds the same ones."""
    text = path.read_text(encoding="utf-8")
    assert analyze(text, "en-GB") == analyze(text) == ENGLISH.analyze(text)


@given(st.text(st.characters(max_codepoint=0x24F) | st.sampled_from("’“–…€")))
def test_english_text_has_the_terms_it_had(text: str) -> None:
    """Any text in Latin letters has the terms of the one English analyser."""
    assert analyze(text) == ENGLISH.analyze(text)
    stop = {term for word in STOP_WORDS for term in ENGLISH.analyze(word)}
    assert content_terms(text) == [t for t in dict.fromkeys(ENGLISH.analyze(text)) if t not in stop]


@pytest.mark.parametrize(
    ("language", "one", "other"),
    [
        ("ar", "المدرسة", "مدرسة"),
        ("ar", "أحمد", "إحمد"),
        ("ar", "مُحَمَّد", "محمـــد"),
        ("ar", "١٩٣٦", "1936"),
        ("de", "Gletscher", "Gletschern"),
        ("de", "Häuser", "Haus"),
        ("el", "παγετώνας", "παγετώνων"),
        ("es", "canciones", "cancion"),
        ("fr", "éléphants", "elephant"),
        ("nb", "husene", "huset"),
        ("pt-BR", "geleiras", "geleira"),
        ("ru", "ёлка", "елки"),
        ("ta", "மரங்கள்", "மரங்களை"),
        ("tr", "IŞIK", "ışık"),
        ("fa", "۱۳۱۵", "1315"),
    ],
)
def test_forms_of_a_word_are_one_term(language: str, one: str, other: str) -> None:
    """Inflection, accents, marks and digits of other scripts make no other term."""
    assert analyze(one, language) == analyze(other, language) != []


def test_words_without_blanks_are_pairs() -> None:
    """Thai, Lao, Khmer and Burmese are read in pairs of letters, as Chinese and Japanese are."""
    assert analyze("東京都のWi-Fi", "ja") == ["東京", "京都", "都の", "wi", "fi"]
    for text, word in (
        ("สะพานเปิด", "สะพาน"),
        ("ຂົວເປີດ", "ຂົວ"),
        ("ស្ពានបើក", "ស្ពាន"),
        ("တံတားဖွင့်", "တံတား"),
    ):
        assert set(analyze(word)) <= set(analyze(text))
        assert len(analyze(text)) > 2


def test_every_tag_has_an_analyzer() -> None:
    """Languages without a stemmer share a plain one; those without a tag are read as English."""
    assert analyzer_of("de-AT") == "de"
    assert analyzer_of("nn") == analyzer_of("nb") == "no"
    assert analyzer_of(None) == analyzer_of("zh-Hant") == analyzer_of("en-GB") == "en"
    assert analyzer_of("pl") == analyzer_of("xx") == "und"
    assert {analyzer_of(name) for name in ANALYZERS} == set(ANALYZERS)


@pytest.mark.parametrize(
    ("language", "question", "content"),
    [
        ("de", "Wann wurden die Gletscher gemessen?", ["gletsch", "gemess"]),
        ("es", "¿Cuándo se derritieron los glaciares?", ["derrit", "glaciar"]),
        ("zh", "大桥什么时候？", ["大桥", "桥什", "么时"]),
        ("de", "Wer gewann 1936?", ["gewann", "1936"]),
        ("ru", "Когда растаяли ледники?", ["растая", "ледник"]),
    ],
)
def test_the_form_of_a_question_is_left_out(
    language: str, question: str, content: list[str]
) -> None:
    """Stop words of the question's language are no content; numbers always are."""
    assert content_terms(question, language) == content


def test_stop_words_are_of_their_language() -> None:
    """Each language has its own, English ours, and an unknown one none."""
    assert stop_words("en") is STOP_WORDS
    assert "wann" in stop_words("de")
    assert stop_words("nb") == stop_words("no") != frozenset()
    assert stop_words("xx") == frozenset()
    assert not any(letter.isdigit() for word in stop_words("es") for letter in word)


def test_a_word_of_the_query_is_known_in_other_languages() -> None:
    """Words that two languages share are matched by the terms that the text's language has."""
    assert aliases("Mercedes and glaciers", "en", "en-GB") == {}
    known = aliases("Mercedes and glaciers", "en", "de")
    assert analyze("Mercedes", "de")[0] in known
    held = terms_held("Die Firma Mercedes wuchs.", "de", "When was Mercedes founded?", "en")
    assert set(analyze("Mercedes", "en")) <= held


@given(st.text(st.characters(max_codepoint=0x24F) | st.sampled_from("’“–…€")))
def test_an_english_text_read_by_words_has_no_other_terms(text: str) -> None:
    """Answers read a text word by word; they find the terms that the index holds."""
    assert terms(text, "en") == frozenset(analyze(text, "en"))


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("ar", "يربط جِسْران جديدان بين الضفّتين منذ ٢٠١٨."),
        ("de", "Zwei Brücken über die Straße, z. B. nach Köln-Süd."),
        ("fr", "L'été n'a-t-il pas fondu d'icebergs ?"),
        ("hi", "पुल कब खोला गया?"),
        ("pl", "Źródła się „rozlały”."),
        ("ru", "Ледники тают; ёлки – нет."),
        ("ta", "மரங்கள் எத்தனை?"),
        ("th", "สะพานเปิดเมื่อปี ๒๕๖๑ ครับ"),
        ("tr", "İstanbul'da IŞIK açıldı."),
        ("zh", "大桥于2018年开放，Wi-Fi免费。"),
    ],
)
def test_a_text_read_by_words_has_no_other_terms(language: str, text: str) -> None:
    """So it is in every other language."""
    assert terms(text, language) == frozenset(analyze(text, language))
