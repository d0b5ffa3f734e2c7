"""Corpora in the cache and copies of the user's data, with the real model."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from app.evaluation.asking import Asker
from app.evaluation.baselines import read_plain
from app.evaluation.bootstrap import Resamplers
from app.evaluation.claims import PLAIN, evaluate_claims
from app.evaluation.figures import SCORE
from app.evaluation.sets import Claim, ClaimSet, Question, Record
from app.evaluation.stores import CachedQueries, corpus_service, own_service, service_settings
from app.settings import Settings
from tests.fakes import HashEncoder
from vectorstore.errors import SettingsError
from vectorstore.types import Vector

RECORDS = (
    Record(
        "tea",
        "Tea",
        "Tea came to Europe in 1610. Dutch ships carried it from Macau.",
        place="drinks/tea",
    ),
    Record(
        "coffee",
        "Coffee",
        "Coffee grows in Ethiopia. The first coffee house of Vienna opened in 1685.",
        place="drinks/coffee",
        published="2024-05-01",
    ),
    Record("steel", "Steel", "Steel is an alloy of iron and carbon.", place="metals/steel"),
)
TEA = Question("1", "When did tea come to Europe?", relevant={"tea": 1}, answers=(("1610",),))


def settings(folder: Path) -> Settings:
    """Return the settings for a data folder, with the encoder that is taken for it."""
    return service_settings(Settings(data_dir=folder / "own"))


def test_a_corpus_is_embedded_once(tmp_path: Path) -> None:
    """A second run opens what the first has built; a changed corpus is another one."""
    told: list[str] = []

    def count(records: Sequence[Record]) -> int:
        told.clear()
        with corpus_service(
            settings(tmp_path), tmp_path, "a/set", records, lambda p: told.append(p.name)
        ) as service:
            return len(service.articles())

    assert count(RECORDS) == 3
    assert told
    assert count(RECORDS) == 3
    assert not told
    assert count(RECORDS[:2]) == 2
    assert told
    assert len(list(tmp_path.glob("a-set-*"))) == 2


def test_questions_see_only_their_places(tmp_path: Path) -> None:
    """A question within a place, or within a folder of places, is answered from there alone."""
    with corpus_service(settings(tmp_path), tmp_path, "set", RECORDS, lambda _: None) as service:
        asker = Asker(service, service.encoder)

        def seen(*places: str) -> set[str]:
            return set(asker.rank(Question("1", "tea or coffee or steel", within=places)))

        assert seen("drinks") == {"tea", "coffee"}
        assert seen("drinks/coffee") == {"coffee"}
        assert seen("drinks/tea", "metals") == {"tea", "steel"}
        assert seen() == set()

        told = asker.ask(TEA)
        assert told.sentences[0] == "Tea came to Europe in 1610."
        assert (told.spans[0], told.outcome) == ("1610", "answered")
        assert all(told.verbatim)
        away = Question("2", TEA.text, within=("metals",))
        assert asker.ask(away).refused


def test_the_chance_is_what_decided(tmp_path: Path) -> None:
    """An answer is refused exactly where its chance is below the threshold."""
    questions = [
        TEA,
        Question("2", "Which metal is an alloy of carbon?"),
        Question("3", "Who won the cup in 2018?"),
        Question("4", "How do I reset my password?"),
        Question("5", "Where does coffee grow?"),
    ]
    with corpus_service(settings(tmp_path), tmp_path, "set", RECORDS, lambda _: None) as service:
        asker = Asker(service, service.encoder)
        told = [asker.ask(question) for question in questions]
        assert {each.refused for each in told} == {True, False}
        for each in told:
            assert each.refused == (each.chance < service.settings.threshold)


def test_stages_add_up(tmp_path: Path) -> None:
    """Encoding, retrieval and answering are all there is, on the clock and of the CPUs."""
    with corpus_service(settings(tmp_path), tmp_path, "set", RECORDS, lambda _: None) as service:
        asker = Asker(service, service.encoder)
        for spent in asker.meter(TEA):
            assert spent["encode"] > 0
            stages = spent["encode"] + spent["retrieve"] + spent["answer"]
            assert stages == pytest.approx(spent["total"])


def test_plain_pipelines_read_every_chunk(tmp_path: Path) -> None:
    """They have each chunk's own vector, with the context it was embedded with."""
    with corpus_service(settings(tmp_path), tmp_path, "set", RECORDS, lambda _: None) as service:
        plain = read_plain(service)
        assert sorted(plain.uris) == ["coffee", "steel", "tea"]
        at = plain.uris.index("coffee")
        assert plain.contexts[at] == "Coffee (2024-05-01). "
        again = service.encoder.encode_query(plain.contexts[at] + plain.texts[at])
        assert float(plain.vectors[at] @ again) == pytest.approx(1, abs=1e-4)
        assert plain.articles["steel"] == "Steel. Steel is an alloy of iron and carbon."


def test_a_claim_is_scored_against_its_own_article(tmp_path: Path) -> None:
    """The plain scores are higher where the cited article says what is claimed."""
    claims = (
        Claim("1", "Tea arrived in Europe in 1610.", "drinks/tea", supported=True),
        Claim("2", "Tea arrived in Europe in 1610.", "metals/steel", supported=False),
    )
    content = ClaimSet("claims", "", RECORDS, claims)
    with corpus_service(settings(tmp_path), tmp_path, "set", RECORDS, lambda _: None) as service:
        queries = CachedQueries(service.encoder)
        rows, found = evaluate_claims(content, service, queries, lambda _: None, Resamplers())
    true, false = (row.scores[PLAIN][SCORE] for row in rows)
    assert true > false + 0.3
    areas = [figure.interval.value for figure in found if not figure.against]
    assert areas == [1.0] * len(rows[0].scores)


def test_the_user_s_data_are_only_read(demo_dir: Path) -> None:
    """A copy is asked: no file of the data folder is changed, added or removed."""

    def files() -> dict[str, str]:
        return {
            str(path.relative_to(demo_dir)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(demo_dir.rglob("*"))
            # Readers may touch SQLite's shared memory and an empty log: nothing is kept there.
            if path.is_file() and path.stat().st_size and not path.name.endswith("-shm")
        }

    before = files()
    with own_service(service_settings(Settings(data_dir=demo_dir))) as service:
        assert len(service.articles()) == 18
        assert service.settings.data_dir != demo_dir
        copied = service.settings.data_dir
        service.remove([service.articles()[0].id])
    assert files() == before
    assert not copied.exists()


def test_an_empty_data_folder_is_told(tmp_path: Path) -> None:
    """Own questions need own articles."""
    with (
        pytest.raises(SettingsError, match="holds no articles to ask"),
        own_service(settings(tmp_path)),
    ):
        pass


class Counting(HashEncoder):
    """Counts the queries it encodes."""

    asked = 0

    def encode_queries(self, queries: Sequence[str]) -> list[Vector]:
        """Count them, then encode them."""
        self.asked += len(queries)
        return super().encode_queries(queries)


def test_questions_are_encoded_once(tmp_path: Path) -> None:
    """Vectors are kept beside the corpora; a later run encodes only the questions it adds."""
    cache = tmp_path / "questions.npz"
    encoder = Counting()
    CachedQueries(encoder).prepare(["one", "two ", "one"], cache)
    assert encoder.asked == 2
    later = CachedQueries(encoder)
    later.prepare(["two", "three"], cache)
    assert encoder.asked == 3
    for text in ("one", "two", "three"):
        assert np.array_equal(later.encode_query(text), encoder.encode_query(text))
    CachedQueries(encoder).prepare(["one", "two", "three"], cache)
    assert encoder.asked == 3
