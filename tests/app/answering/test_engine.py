"""The engine streams cited sentences, or says that the articles do not say."""

from __future__ import annotations

import pytest

from app.answering.answer import (
    Answer,
    Degraded,
    Done,
    PassagesFound,
    SentenceReleased,
    Started,
    gather,
)
from app.answering.conversation import Exchange
from app.answering.engine import Engine
from app.answering.foreign import WEAK_LANGUAGE
from app.answering.wire import answer_json, event_json
from app.settings import Settings
from tests.fakes import HashEncoder, put
from vectorstore.errors import QuestionError
from vectorstore.retriever import Retriever
from vectorstore.store import Store
from vectorstore.types import Filter

HARBOUR = "The harbour bridge opened on 3 May 1932 after eight years of work."
FERRIES = "Ferries carried 40,000 passengers a day before the bridge was built."


@pytest.fixture
def engine(store: Store, encoder: HashEncoder) -> Engine:
    """An engine over two articles in two collections."""
    put(store, "bridge", HARBOUR, FERRIES, collection="news")
    put(store, "secret", "The vault code is changed every Monday.", collection="internal")
    return Engine(store, Retriever(store, encoder), Settings().threshold)


def ask(engine: Engine, question: str, condition: Filter | None = None) -> Answer:
    """Return the whole answer."""
    return gather(engine.stream(question, condition))


def test_the_stream_has_its_order(engine: Engine) -> None:
    """A stream is start, passages, sentences counted from 0, done."""
    events = list(engine.stream("When was the harbour bridge opened?"))
    assert isinstance(events[0], Started)
    assert isinstance(events[1], PassagesFound)
    assert isinstance(events[-1], Done)
    sentences = [event for event in events if isinstance(event, SentenceReleased)]
    assert [event.index for event in sentences] == list(range(len(events) - 3))
    names = [event_json(event)[0] for event in events]
    assert names == ["start", "passages", *["sentence"] * len(sentences), "done"]


def test_the_answer_is_verbatim_cited_and_marked(engine: Engine) -> None:
    """The best sentence leads, word for word, with its citation and the date marked."""
    answer = ask(engine, "When was the harbour bridge opened?")
    assert answer.outcome == "answered"
    lead = answer.sentences[0]
    assert lead.text == HARBOUR
    assert lead.span is not None
    assert lead.text[slice(*lead.span)] == "3 May 1932"
    assert lead.support == "verbatim"
    assert answer.citations[0].quote == HARBOUR


def test_every_citation_resolves(engine: Engine, store: Store) -> None:
    """Each number of each sentence has one citation, whose quote stands in the article."""
    answer = ask(engine, "What about the harbour bridge and the ferries' passengers?")
    numbers = [citation.number for citation in answer.citations]
    assert numbers == list(range(1, len(numbers) + 1))
    for sentence in answer.sentences:
        assert set(sentence.citations) <= set(numbers)
    for citation in answer.citations:
        article = store.catalogue.article(citation.article.id)
        assert article.text[citation.start : citation.end] == citation.quote
        assert citation.article.sha256 == article.head.sha256


def test_what_is_not_there_is_not_answered(engine: Engine) -> None:
    """A question that the articles do not touch gives not_found with the closest articles."""
    answer = ask(engine, "Who composed the ninth symphony?")
    assert (answer.outcome, answer.sentences, answer.citations) == ("not_found", (), ())
    assert 1 <= len(answer.closest) <= 3


def test_a_language_that_the_encoder_reads_badly_is_told(
    store: Store, encoder: HashEncoder
) -> None:
    """An answer to a German question is degraded, unless the encoder is said to read German."""
    question = "Wer ist der Leiter der Sternwarte und warum?"
    retriever = Retriever(store, encoder)
    for multilingual in (False, True):
        answer = ask(Engine(store, retriever, 0.5, multilingual=multilingual), question)
        told = [each for each in answer.degraded if each.startswith("language")]
        assert told == ([] if multilingual else [WEAK_LANGUAGE.format("German")])


def test_the_language_of_cited_articles_is_told_before_them(
    store: Store, encoder: HashEncoder
) -> None:
    """A citation in a language that the encoder reads badly comes behind a notice, once."""
    put(store, "bridge", HARBOUR, FERRIES)
    put(store, "bruecke", "Nach der Harbour Bridge kam 1932 Otto Wolff.", language="de-AT")
    put(store, "wolff", "Otto Wolff nannte die Harbour Bridge schön.", language="de")
    for multilingual in (False, True):
        engine = Engine(store, Retriever(store, encoder), 0.0, multilingual=multilingual)
        events = list(engine.stream("What has Otto Wolff to do with the Harbour Bridge?"))
        told = [event for event in events if isinstance(event, Degraded)]
        wanted = [] if multilingual else [Degraded(WEAK_LANGUAGE.format("German"))]
        assert told == wanted
        cited = [
            n
            for n, event in enumerate(events)
            if isinstance(event, SentenceReleased)
            and any(each.article.language != "en" for each in event.citations)
        ]
        assert cited
        assert all(events.index(each) < cited[0] for each in told)
    assert not ask(Engine(store, Retriever(store, encoder), 0.5), "When did it open?").degraded


def test_a_question_is_answered_in_its_language(store: Store, encoder: HashEncoder) -> None:
    """Other forms of its words find the sentence, and the article's own words are marked off."""
    put(store, "eis", "Forscherinnen maßen 2019 die Längen aller Gletscher.", language="de")
    put(store, "brot", "Bäckerinnen buken 2019 die Brote aller Dörfer.", language="de")
    answer = ask(Engine(store, Retriever(store, encoder), 0.0), "Welche Länge hat ein Gletscher?")
    assert answer.sentences[0].text.startswith("Forscherinnen")
    assert answer.passages[0].signals.coverage == 1.0


def test_an_empty_store_answers_nothing(store: Store, encoder: HashEncoder) -> None:
    """Without articles every question is not_found and nothing is closest."""
    answer = ask(
        Engine(store, Retriever(store, encoder), Settings().threshold), "Is there anything?"
    )
    assert (answer.outcome, answer.closest) == ("not_found", ())


def test_a_filter_hides_other_collections(engine: Engine, store: Store) -> None:
    """An answer under a filter never shows an article of another collection."""
    news = next(c.id for c in store.catalogue.collections() if c.name == "news")
    answer = ask(engine, "When is the vault code changed?", Filter(collections=(news,)))
    assert answer.outcome == "not_found"
    assert all(passage.article.collection == news for passage in answer.passages)
    assert ask(engine, "When is the vault code changed?").outcome == "answered"


@pytest.mark.parametrize("greeting", ["Hello", "hi there!", "Good morning", "thanks!"])
def test_a_greeting_has_a_reply_of_its_own(engine: Engine, greeting: str) -> None:
    """A greeting is answered without searching, and the reply cites nothing."""
    answer = ask(engine, greeting)
    assert answer.outcome == "answered"
    assert (answer.citations, answer.passages) == ((), ())
    assert {sentence.support for sentence in answer.sentences} == {"service"}


@pytest.mark.parametrize("question", ["What can you answer?", "what can I ask you", "help"])
def test_it_says_what_it_can_answer(engine: Engine, question: str) -> None:
    """Asked what it can answer, it counts and names the articles one may see."""
    answer = ask(engine, question)
    assert "2 articles" in answer.text
    assert "A title" in answer.text


@pytest.mark.parametrize("question", ["", "  \n", "x" * 2001])
def test_a_question_that_cannot_be_used_is_refused_at_once(engine: Engine, question: str) -> None:
    """A blank or overlong question raises before the stream begins."""
    with pytest.raises(QuestionError):
        engine.stream(question)


def test_the_threshold_decides(store: Store, encoder: HashEncoder) -> None:
    """With threshold 0 the best sentence is always shown, with 1 never."""
    put(store, "bridge", HARBOUR)
    for threshold, outcome in ((0.0, "answered"), (1.0, "not_found")):
        engine = Engine(store, Retriever(store, encoder), threshold)
        assert ask(engine, "Who composed the bridge?").outcome == outcome


def test_the_json_has_the_documented_fields(engine: Engine) -> None:
    """The answer's JSON has every field of the documented form."""
    answer = answer_json(ask(engine, "When was the harbour bridge opened?"))
    assert {
        "id", "question", "question_used", "outcome", "text", "sentences", "citations",
        "passages", "closest", "degraded", "timings_ms",
    } <= answer.keys()  # fmt: skip
    assert {"text", "citations", "span", "support", "reason"} <= answer["sentences"][0].keys()
    assert {
        "number", "article_id", "title", "uri", "url", "published", "quote", "start", "end",
    } <= answer["citations"][0].keys()  # fmt: skip
    assert {
        "chunk_id", "article_id", "uri", "title", "text", "start", "end", "published", "score",
        "rank",
    } <= answer["passages"][0].keys()  # fmt: skip


def test_an_ordinary_question_reads_no_list_of_articles(
    engine: Engine, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only a reply that names articles reads them: with many, that would take long."""
    monkeypatch.setattr(store.catalogue, "heads", lambda *_: pytest.fail("the articles were read"))
    assert ask(engine, "When was the harbour bridge opened?").outcome == "answered"


def test_threshold_zero_over_nothing_is_no_answer(store: Store, encoder: HashEncoder) -> None:
    """Where there is no sentence at all, no threshold makes an answer of it."""
    answer = ask(Engine(store, Retriever(store, encoder), 0.0), "Is there anything?")
    assert (answer.outcome, answer.text) == ("not_found", "The articles do not say.")


def test_broken_characters_in_a_question_are_replaced(engine: Engine) -> None:
    """A question with a lone surrogate is answered or refused, never an error."""
    assert ask(engine, "When was the \ud800 harbour bridge opened?").outcome == "answered"


def test_a_follow_up_is_answered_as_it_was_meant(engine: Engine) -> None:
    """The stream says how a question was understood, and what was asked stays what was asked."""
    before = Exchange("What is the Forest of Dean known for?", "The Forest of Dean has old oaks.")
    started = next(iter(engine.stream("How old is it?", history=[before])))
    assert isinstance(started, Started)
    assert started.question == "How old is it?"
    assert started.question_used.startswith("How old is it? (")
    assert "Forest" in started.question_used


TOLD = "On 3 May 1932 the new harbour bridge opened after eight years of work."


def test_each_part_gets_a_sentence(engine: Engine) -> None:
    """A question of two parts is answered part by part, and each sentence says for which."""
    answer = ask(
        engine,
        "When was the harbour bridge opened, and when is the vault code changed?",
    )
    assert answer.outcome == "answered"
    parts = [sentence.part for sentence in answer.sentences]
    assert parts[0] == "When was the harbour bridge opened?"
    assert parts[-1] == "when is the vault code changed?"
    assert answer.sentences[0].text == HARBOUR


def test_a_part_without_support_is_named(engine: Engine) -> None:
    """Where one part has an answer and another has none, the answer is partial and says which."""
    answer = ask(engine, "When was the harbour bridge opened, and who composed the symphony?")
    assert (answer.outcome, answer.unanswered) == ("partial", ("who composed the symphony?",))
    assert answer.text.endswith("The articles do not say: who composed the symphony?")


def test_what_says_the_same_is_cited_together(engine: Engine, store: Store) -> None:
    """A sentence that another article has in nearly the same words cites both, shown once."""
    put(store, "again", TOLD, "Rain fell on the crowd.", title="Another")
    answer = ask(engine, "When was the harbour bridge opened?")
    shown = [sentence for sentence in answer.sentences if "1932" in sentence.text]
    assert [len(sentence.citations) for sentence in shown] == [2]
    quotes = {citation.quote for citation in answer.citations}
    assert {HARBOUR, TOLD} <= quotes


def test_an_article_is_summed_up(engine: Engine, store: Store) -> None:
    """A summary is of the article that is named, cited, in its order; else it asks for a name."""
    lines = [f"The observatory on hill number {n} looks at bright stars nightly." for n in range(6)]
    put(store, "stars", *lines, title="Observatories of the north")
    answer = ask(engine, "Summarise the article Observatories of the north")
    starts = [citation.start for citation in answer.citations]
    assert len(starts) == 2
    assert starts == sorted(starts)
    assert {citation.article.title for citation in answer.citations} == {
        "Observatories of the north"
    }
    assert "Which article" in ask(engine, "Summarise this article").text


def test_a_missing_dense_index_changes_no_refusal(engine: Engine, store: Store) -> None:
    """Without the dense index every vector is compared: the same answers, to the same questions."""
    questions = ("When was the harbour bridge opened?", "Who composed the ninth symphony?")
    before = [ask(engine, question) for question in questions]
    dense, store.vectors.dense = store.vectors.dense, None
    after = [ask(engine, question) for question in questions]
    store.vectors.dense = dense
    assert [a.degraded != () for a in after] == [True, True]
    assert [(a.outcome, a.text) for a in after] == [(b.outcome, b.text) for b in before]
