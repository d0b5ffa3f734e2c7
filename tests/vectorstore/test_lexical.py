from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from vectorstore.analysis import analyze, content_terms
from vectorstore.errors import StoreError
from vectorstore.lexical import BACKGROUND, LexicalIndex
from vectorstore.reader import LexicalRow
from vectorstore.types import ArticleHead, Filter


def row(
    number: int,
    collection: str,
    published: date | None,
    text: str,
    source: str = "/news",
    language: str | None = None,
) -> tuple[LexicalRow, str]:
    """Return a chunk as the index takes it."""
    head = ArticleHead(
        f"a{number}", "uri", "Title", "0" * 64, collection, published=published, language=language
    )
    return LexicalRow(number, text, head, source), text


ROWS = [
    row(1, "c1", date(2026, 1, 1), "Glaciers in the Alps are melting.", "/news/alps", "en-GB"),
    row(2, "c1", date(2026, 1, 31), "A glacier is a river of ice; glaciers move.", "/news", "de"),
    row(3, "c2", None, "Volcanoes erupt in Iceland, near glaciers."),
]


@pytest.fixture
def index(tmp_path: Path) -> Iterator[LexicalIndex]:
    """An index of three chunks in two collections."""
    opened = LexicalIndex(tmp_path / "tantivy")
    opened.apply([], ROWS)
    yield opened
    opened.close()


def found(index: LexicalIndex, query: str, condition: Filter | None = None) -> list[int]:
    """Return the numbers that are found, best first."""
    return [number for number, _ in index.search(query, 10, condition or Filter())]


def test_analyze_folds_and_stems() -> None:
    """Terms are lower case, without accents, stemmed, in order."""
    assert analyze("Kim’s troops visited") == ["kim", "s", "troop", "visit"]
    assert analyze("Élysée MELTING") == ["elyse", "melt"]


def test_scripts_without_blanks_are_read_in_pairs(tmp_path: Path) -> None:
    """A Chinese or Japanese passage is found by words inside it, beside words in other scripts."""
    assert analyze("東京都のWi-Fi") == ["東京", "京都", "都の", "wi", "fi"]
    assert analyze("雨") == ["雨"]
    index = LexicalIndex(tmp_path)
    index.apply([], [row(1, "c1", None, "大桥于2018年开放。"), row(2, "c1", None, "博物馆免费。")])
    assert found(index, "大桥什么时候开放？") == [1]
    index.close()


def test_content_terms_leave_the_form_of_a_question_out() -> None:
    """Stop words and repetitions are not content."""
    assert content_terms("How many troops has North Korea sent? Troops!") == [
        "troop",
        "north",
        "korea",
        "sent",
    ]
    assert content_terms("What is it about?") == []


def test_the_best_chunk_comes_first(index: LexicalIndex) -> None:
    """A chunk that has the term twice scores higher than one that has it once."""
    assert found(index, "glacier")[0] == 2
    assert set(found(index, "What about the glaciers?")) == {1, 2, 3}
    assert found(index, "erupting volcano") == [3]
    scores = [score for _, score in index.search("glacier alps", 10, Filter())]
    assert scores == sorted(scores, reverse=True)
    assert min(scores) > 0


def test_ties_are_broken_by_number(tmp_path: Path) -> None:
    """Equal texts come in the order of their numbers."""
    index = LexicalIndex(tmp_path)
    index.apply([], [row(n, "c1", None, "the same words") for n in (5, 2, 9)])
    assert found(index, "words") == [2, 5, 9]
    index.close()


def test_a_query_of_stop_words_uses_them(index: LexicalIndex) -> None:
    """Where a query has no content term, its other terms count."""
    assert found(index, "is of") == [2]


@pytest.mark.parametrize("query", ["?!", "zebra", "👩‍👩‍👧", 'text:"x" AND (', "* OR -zebra"])
def test_odd_queries_find_nothing_and_fail_nowhere(index: LexicalIndex, query: str) -> None:
    """A query is words, never syntax."""
    assert found(index, query) == []


def test_the_collection_filter_is_exact(index: LexicalIndex) -> None:
    """Only chunks of the collections asked for are found; an empty tuple means none."""
    assert set(found(index, "glacier", Filter(collections=("c1",)))) == {1, 2}
    assert found(index, "glacier", Filter(collections=("c2",))) == [3]
    assert found(index, "glacier", Filter(collections=("c",))) == []
    assert found(index, "glacier", Filter(collections=())) == []


def test_sources_and_languages_are_matched_whole(index: LexicalIndex) -> None:
    """Only chunks with one of the sources, or one of the languages in lower case, are found."""
    assert found(index, "glacier", Filter(sources=("/news/alps",))) == [1]
    assert set(found(index, "glacier", Filter(sources=("/news",)))) == {2, 3}
    assert found(index, "glacier", Filter(languages=("en-gb",))) == [1]
    assert set(found(index, "glacier", Filter(languages=("de", "")))) == {2, 3}
    assert found(index, "glacier", Filter(sources=())) == []
    assert found(index, "glacier", Filter(languages=())) == []


def test_the_date_filter_includes_both_ends(index: LexicalIndex) -> None:
    """A range of dates includes its ends and leaves out chunks without a date."""
    first, last = date(2026, 1, 1), date(2026, 1, 31)
    assert set(found(index, "glacier", Filter(published_from=first, published_to=last))) == {1, 2}
    assert found(index, "glacier", Filter(published_from=date(2026, 1, 2))) == [2]
    assert found(index, "glacier", Filter(published_to=date(2026, 1, 30))) == [1]
    assert found(index, "glacier", Filter(("c2",), published_from=date.min)) == []


def test_a_filter_does_not_change_scores(index: LexicalIndex) -> None:
    """BM25 is the same with and without a filter."""
    free = dict(index.search("glacier", 10, Filter()))
    filtered = dict(index.search("glacier", 10, Filter(("c1",), published_from=date.min)))
    assert filtered == {number: free[number] for number in (1, 2)}


def test_applying_twice_changes_nothing(index: LexicalIndex) -> None:
    """The outbox may be applied again after a crash."""
    before = index.search("glacier", 10, Filter())
    index.apply([], ROWS)
    assert index.numbers() == {1, 2, 3}
    assert index.search("glacier", 10, Filter()) == before
    for _ in range(2):
        index.apply([1], [])
        assert index.numbers() == {2, 3}


def test_idf_is_that_of_bm25(index: LexicalIndex) -> None:
    """A rare term weighs more than a common one, and an unknown one most."""
    weights = index.idf(["glacier", "volcano", "zebra"])
    count = 3 + BACKGROUND
    assert weights["volcano"] == pytest.approx(math.log(1 + (count - 1 + 0.5) / (1 + 0.5)))
    assert 0 <= weights["glacier"] < weights["volcano"] < weights["zebra"]


def test_it_survives_a_close(tmp_path: Path) -> None:
    """What was applied is found after the index was closed and opened again."""
    index = LexicalIndex(tmp_path)
    index.apply([], ROWS)
    index.close()
    again = LexicalIndex(tmp_path)
    assert again.numbers() == {1, 2, 3}
    again.close()


def test_a_torn_index_is_refused(tmp_path: Path) -> None:
    """A folder whose index cannot be read gives an error that names it."""
    (tmp_path / "meta.json").write_text("{torn", encoding="utf-8")
    with pytest.raises(StoreError, match=r"lexical index in .* cannot be opened"):
        LexicalIndex(tmp_path)


GERMAN = "Die Gletscher der Alpen verloren 2019 an Länge, sagt Heidi Aletsch."
RUSSIAN = "Ледники таяли быстрее, чем в 2019 году."


@pytest.fixture
def mixed(tmp_path: Path) -> Iterator[LexicalIndex]:
    """An index of chunks in three languages, and one of none that is known."""
    opened = LexicalIndex(tmp_path / "mixed")
    opened.apply(
        [],
        [
            row(1, "c1", None, GERMAN, language="de-AT"),
            row(2, "c1", None, RUSSIAN, language="ru"),
            row(3, "c1", None, "Heidi Aletsch wrote of glaciers in 2019.", language="en"),
            row(4, "c1", None, "The Aletsch glacier, of unknown language."),
            row(5, "c1", None, "大桥于2018年开放。", language="zh"),
        ],
    )
    yield opened
    opened.close()


def told(index: LexicalIndex, query: str, language: str) -> list[int]:
    """Return the numbers found for a query in a language, by number."""
    return sorted(number for number, _ in index.search(query, 10, Filter(), language))


def test_a_chunk_is_found_by_other_forms_of_its_language(mixed: LexicalIndex) -> None:
    """A query finds the inflected words of texts in its own language."""
    assert told(mixed, "Wann schmilzt ein Gletschers?", "de") == [1]
    assert told(mixed, "Когда растает ледник?", "ru") == [2]
    assert told(mixed, "大桥什么时候开放？", "zh") == [5]


def test_names_and_numbers_are_found_in_every_language(mixed: LexicalIndex) -> None:
    """What languages share is found from any of them, and in texts of no known one."""
    assert told(mixed, "Wer ist Heidi Aletsch?", "de") == [1, 3, 4]
    assert told(mixed, "Who is Heidi Aletsch?", "en") == [1, 3, 4]
    assert told(mixed, "Что было в 2019 году?", "ru") == [1, 2, 3]


def test_a_word_weighs_by_all_chunks_that_hold_it(mixed: LexicalIndex) -> None:
    """A name in chunks of several languages weighs as if one had written them all."""
    count = 5 + BACKGROUND
    weights = mixed.weights("Who was Aletsch in 2019?", "en")
    assert weights == {
        term: pytest.approx(math.log(1 + (count - 3 + 0.5) / (3 + 0.5)))
        for term in ("aletsch", "2019")
    }


def test_a_change_of_language_changes_the_terms(mixed: LexicalIndex) -> None:
    """A chunk that is added again in another language is found by that one's forms."""
    mixed.apply([], [row(1, "c1", None, GERMAN, language="en")])
    assert told(mixed, "Gletschern", "de") == []
    mixed.apply([], [row(1, "c1", None, GERMAN, language="de")])
    assert told(mixed, "Gletschern", "de") == [1]


def test_english_weights_are_those_of_its_terms(tmp_path: Path) -> None:
    """In an English index a query's weights are its terms' idf."""
    index = LexicalIndex(tmp_path)
    index.apply([], [row(1, "c1", None, "Glaciers melt."), row(2, "c1", None, "Glaciers.")])
    query = "How do the glaciers and volcanoes of Iceland melt?"
    assert index.weights(query, "en") == index.idf(content_terms(query))
    index.close()
