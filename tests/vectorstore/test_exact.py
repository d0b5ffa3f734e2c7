from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from itertools import count, product
from operator import itemgetter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vectorstore import exact
from vectorstore.exact import ExactIndex
from vectorstore.reader import Shown
from vectorstore.types import Filter, Matrix, Vector

# Their products are multiples of 1/2 and so exact in any order of summing: many are equal.
UNITS = [
    *np.eye(4, dtype=np.float32),
    *-np.eye(4, dtype=np.float32),
    *(np.array(signs, dtype=np.float32) for signs in product((0.5, -0.5), repeat=4)),
]
COLLECTIONS = ("c1", "c2", "c3")
SOURCES = ("/a", "/a/b", "/a/b/c", "/a/bc", "/d")
LANGUAGES = (None, "en", "EN-gb", "english", "de-CH-1996")
DAYS = (None, date(2024, 2, 29), date(2025, 1, 1), date(2026, 7, 14))


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a few vectors fill several blocks."""
    monkeypatch.setattr(exact, "BLOCK", 8)


def shown(
    article_id: str,
    numbers: Sequence[int],
    collection: str = "c1",
    source: str = "/a",
    language: str | None = "en",
    published: date | None = None,
) -> Shown:
    """Return what readers see of an article."""
    return Shown(article_id, collection, source, language, published, tuple(numbers))


def rows(*vectors: Vector) -> Matrix:
    """Return vectors as a matrix."""
    return np.array(vectors, dtype=np.float32).reshape(len(vectors), 4)


def in_range(condition: Filter, article: Shown) -> bool:
    """Tell whether an article's date is in the filter's range."""
    if not condition.dated:
        return True
    first, last = condition.published_from or date.min, condition.published_to or date.max
    return article.published is not None and first <= article.published <= last


def lets_through(condition: Filter, article: Shown) -> bool:
    """Tell whether a filter lets an article through, one plain condition after the other."""
    folders = [f"{source.rstrip('/')}/" for source in condition.sources or ()]
    tags = [f"{tag.lower()}-" for tag in condition.languages or ()]
    language = f"{article.language.lower()}-" if article.language else ""
    return (
        (condition.collections is None or article.collection in condition.collections)
        and (
            condition.sources is None
            or any(f"{article.source}/".startswith(folder) for folder in folders)
        )
        and (condition.languages is None or any(language.startswith(tag) for tag in tags))
        and in_range(condition, article)
    )


@dataclass
class Pair:
    """An index, and what it should hold in plain dictionaries."""

    index: ExactIndex = field(default_factory=ExactIndex)
    vectors: dict[int, Vector] = field(default_factory=dict)
    articles: dict[str, Shown] = field(default_factory=dict)
    fresh: Iterator[int] = field(default_factory=lambda: count(1))

    def publish(self, article: Shown, added: Sequence[Vector], kept: int) -> None:
        """Give an article new chunks, and the first `kept` of those it has."""
        held = self.articles.get(article.article_id)
        old = held.numbers if held else ()
        new = [next(self.fresh) for _ in added]
        self.index.learn(new, rows(*added))
        self.vectors |= zip(new, added, strict=True)
        article = replace(article, numbers=(*old[:kept], *new))
        self.index.show([article])
        self.articles[article.article_id] = article

    def remove(self, article_id: str) -> None:
        """Take an article away, which may not be there."""
        self.index.show((), gone=[article_id])
        self.articles.pop(article_id, None)

    def seen(self, condition: Filter) -> set[int]:
        """Return the numbers that the filter lets through."""
        return {
            number
            for article in self.articles.values()
            if lets_through(condition, article)
            for number in article.numbers
        }


vectors = st.sampled_from(UNITS)
changes = st.tuples(
    st.builds(
        shown,
        st.sampled_from([f"article {n}" for n in range(8)]),
        st.just(()),
        st.sampled_from(COLLECTIONS),
        st.sampled_from(SOURCES),
        st.sampled_from(LANGUAGES),
        st.sampled_from(DAYS),
    ),
    st.one_of(st.none(), st.lists(vectors, max_size=12)),
    st.integers(0, 6),
)


def some(*values: str) -> st.SearchStrategy[tuple[str, ...] | None]:
    """Return conditions on an attribute: none at all, or any of a few values."""
    return st.none() | st.lists(st.sampled_from(values), max_size=2).map(tuple)


filters = st.builds(
    Filter,
    some(*COLLECTIONS, "unknown"),
    some("/a", "/a/", "/a/b", "/a/b/c", "/d", "/"),
    some("en", "EN", "en-GB", "de", "de-ch", "fr"),
    st.sampled_from(DAYS),
    st.sampled_from(DAYS),
)


@given(st.lists(changes, max_size=30), st.lists(filters, min_size=3, max_size=3), vectors)
def test_it_agrees_with_plain_python(
    history: list[tuple[Shown, list[Vector] | None, int]], wanted: list[Filter], query: Vector
) -> None:
    """After any changes, under any filter, it counts, sees and ranks as a plain list does."""
    pair = Pair()
    for article, added, kept in history:
        if added is None:
            pair.remove(article.article_id)
        else:
            pair.publish(article, added, kept)
    everything = [*pair.vectors, 10_000]
    for condition in (Filter(), *wanted):
        expected = pair.seen(condition)
        assert pair.index.count(condition) == len(expected)
        assert pair.index.seen(everything, condition) == [n for n in everything if n in expected]
        ranked = sorted((-float(pair.vectors[number] @ query), number) for number in expected)
        for top_k in (1, 3, 100):
            best = [(number, -cosine) for cosine, number in ranked[:top_k]]
            assert pair.index.search(query, top_k, condition) == best
    assert pair.index.numbers() == pair.seen(Filter())
    assert pair.index.hidden == len(pair.vectors) - len(pair.index.numbers())
    numbers = list(pair.vectors)
    cosines = {number: float(pair.vectors[number] @ query) for number in numbers}
    assert pair.index.cosines(numbers, query) == cosines


def test_nothing_learnt_finds_nothing() -> None:
    """An empty index answers every question with nothing."""
    index = ExactIndex()
    for condition in (Filter(), Filter(collections=("c1",)), Filter(published_to=date.max)):
        assert index.search(UNITS[0], 5, condition) == []
        assert index.count(condition) == 0
        assert index.seen([1, 2], condition) == []
    assert index.numbers() == set()
    assert index.hidden == 0
    assert index.cosines([], UNITS[0]) == {}
    assert index.unknown([2, 1]) == [2, 1]


@pytest.mark.parametrize("sizes", [(7, 1), (8, 8), (9, 30), (3, 3, 3, 100), (64,)])
def test_it_grows_over_blocks(sizes: tuple[int, ...]) -> None:
    """However vectors come in, each is found under its own number."""
    drawn = np.random.default_rng(5).normal(size=(sum(sizes), 4)).astype(np.float32)
    drawn /= np.linalg.norm(drawn, axis=1, keepdims=True)
    index = ExactIndex()
    start = 0
    for size in sizes:
        index.learn(range(start + 1, start + size + 1), drawn[start : start + size])
        start += size
    index.show([shown("a", range(1, start + 1))])
    for number in range(1, start + 1):
        assert np.array_equal(index.vector(number), drawn[number - 1])
        assert index.search(drawn[number - 1], 1, Filter())[0][0] == number
    assert [n for n, _ in index.search(drawn[0], start, Filter())] == [
        int(row) + 1 for row in np.argsort(-(drawn @ drawn[0]), kind="stable")
    ]


def test_it_grows_over_many_articles() -> None:
    """The hundredth article is filtered by what is its own, as the first is."""
    index = ExactIndex()
    index.learn(range(200), rows(*(UNITS[n % len(UNITS)] for n in range(200))))
    index.show([shown(f"{n}", [n], collection=f"c{n}") for n in range(200)])
    for n in range(200):
        assert index.seen(range(200), Filter(collections=(f"c{n}",))) == [n]


def test_what_is_learnt_is_hidden_until_it_is_shown() -> None:
    """A vector answers from the moment its article is shown until that is gone or changed."""
    index = ExactIndex()
    index.learn([1, 2, 3], rows(*UNITS[:3]))
    assert index.numbers() == set()
    assert index.hidden == 3
    index.show([shown("a", [1, 2])])
    assert index.numbers() == {1, 2}
    index.show([shown("a", [2, 3])])
    assert index.numbers() == {2, 3}
    index.show((), gone=["a", "no such article"])
    assert index.search(UNITS[0], 5, Filter()) == []
    assert index.hidden == 3


@pytest.mark.parametrize(
    ("wanted", "source", "through"),
    [
        ("/a/b", "/a/b", True),
        ("/a/b", "/a/b/c", True),
        ("/a/b", "/a/bc", False),
        ("/a/b", "/a", False),
        ("/a/b", "/A/B", False),
        ("/a/b/", "/a/b/c", True),
        ("/a/b/", "/a/bc", False),
        ("/a/b/", "/a/b", True),
        ("/", "/a", True),
    ],
)
def test_a_source_is_a_place_or_below_it(wanted: str, source: str, through: bool) -> None:
    """A source lets through what came from that very place or any below it."""
    index = ExactIndex()
    index.learn([1], rows(UNITS[0]))
    index.show([shown("a", [1], source=source)])
    assert index.count(Filter(sources=(wanted,))) == through


@pytest.mark.parametrize(
    ("wanted", "language", "through"),
    [
        ("en", "en", True),
        ("en", "EN-gb", True),
        ("De-ch", "de-CH-1996", True),
        ("en-GB", "en", False),
        ("en", "eng", False),
        ("en", None, False),
        ("de-1996", "de-CH-1996", False),
    ],
)
def test_a_language_lets_its_subtags_through(
    wanted: str, language: str | None, through: bool
) -> None:
    """Languages match by basic filtering (RFC 4647), whatever their case."""
    index = ExactIndex()
    index.learn([1], rows(UNITS[0]))
    index.show([shown("a", [1], language=language)])
    assert index.count(Filter(languages=(wanted,))) == through


def test_the_undated_are_in_no_range() -> None:
    """A range includes both its ends and leaves out what has no date."""
    index = ExactIndex()
    index.learn([1, 2, 3], rows(*UNITS[:3]))
    day = date(2024, 2, 29)
    index.show([shown("a", [1]), shown("b", [2], published=day)])
    index.show([shown("c", [3], published=date(2026, 1, 1))])
    for condition, expected in {
        Filter(published_from=date.min): [2, 3],
        Filter(published_to=date.max): [2, 3],
        Filter(published_from=day, published_to=day): [2],
        Filter(published_from=date(2026, 1, 2)): [],
        Filter(): [1, 2, 3],
    }.items():
        assert index.seen([1, 2, 3], condition) == expected


@pytest.mark.parametrize("top_k", [1, 2, 5, 9])
def test_ties_come_by_number(top_k: int) -> None:
    """Of equally near chunks those with the lowest numbers are kept, in their order."""
    index = ExactIndex()
    numbers = [7, 3, 12, 1, 9, 5, 20, 2, 11, 4]
    index.learn(numbers, rows(*[UNITS[0]] * len(numbers)))
    index.show([shown("a", numbers)])
    hits = index.search(UNITS[0], top_k, Filter())
    assert list(map(itemgetter(0), hits)) == sorted(numbers)[:top_k]


def test_a_reader_in_the_middle_of_a_change_gets_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """While a search runs, so many articles may be published that the index has to grow."""
    index = ExactIndex()
    index.learn(range(200), rows(*[UNITS[0]] * 200))
    spell_out = index.spell_out

    def publish_and_spell_out(condition: Filter) -> Filter:
        index.show([shown(f"{n}", [n]) for n in range(200)])
        return spell_out(condition)

    monkeypatch.setattr(index, "spell_out", publish_and_spell_out)
    assert index.count(Filter(collections=("c1",))) <= 200
