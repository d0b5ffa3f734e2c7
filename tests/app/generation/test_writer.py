"""A chat model's sentences are checked and cited, and quotations take over where it fails."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import pytest

from app.answering.answer import NOT_SUPPORTED, Event, SentenceReleased, Waiting, gather
from app.answering.cache import AnswerCache
from app.answering.conversation import Exchange
from app.generation.prompts import NO_ANSWER
from tests.app.generation.conftest import (
    FERRIES,
    HARBOUR,
    TODAY,
    TUNNEL,
    Ask,
    citing,
    engine_of,
    key_of,
)
from tests.fakes import HashEncoder, put
from tests.model_server import ModelServer, Script
from vectorstore.store import Store
from vectorstore.types import Filter

QUESTION = "When was the harbour bridge opened?"
OPENED = "The harbour bridge was opened on 3 May 1932."


def test_a_supported_sentence_is_cited_with_a_verbatim_quote(ask: Ask, server: ModelServer) -> None:
    """What a passage says in other words is shown with a number whose quote stands there."""
    server.play(citing((OPENED, HARBOUR)))
    answer = ask(QUESTION)
    assert [each.text for each in answer.sentences] == [OPENED]
    assert (answer.outcome, answer.degraded) == ("answered", ())
    assert (answer.sentences[0].support, answer.sentences[0].citations) == ("supported", (1,))
    assert answer.citations[0].quote == HARBOUR
    assert answer.text == f"{OPENED} [1]"


def test_an_altered_figure_is_shown_as_unsupported(ask: Ask, server: ModelServer) -> None:
    """A sentence whose date is not the passage's carries no number and says so."""
    server.play(
        citing(("The harbour bridge was opened on 3 May 1942.", HARBOUR), (OPENED, HARBOUR))
    )
    answer = ask(QUESTION)
    wrong = answer.sentences[0]
    assert (wrong.support, wrong.citations) == ("unsupported", ())
    assert "1942" in wrong.reason
    assert NOT_SUPPORTED in answer.text
    assert answer.generation is not None
    assert answer.generation.unsupported == 1


def test_in_strict_mode_it_is_left_out(ask: Ask, server: ModelServer) -> None:
    """Strict answers hold supported sentences only."""
    server.play(
        citing(("The harbour bridge was opened on 3 May 1942.", HARBOUR), (OPENED, HARBOUR))
    )
    answer = ask(QUESTION, llm_strict=True)
    assert [each.text for each in answer.sentences] == [OPENED]
    assert answer.generation is not None
    assert answer.generation.unsupported == 1


def test_an_uncited_sentence_is_cited_where_a_passage_says_it(
    ask: Ask, server: ModelServer
) -> None:
    """A model that forgets its marks is helped: the passage that says it is cited."""
    server.play(OPENED)
    answer = ask(QUESTION)
    assert answer.sentences[0].support == "supported"
    assert answer.citations[0].quote == HARBOUR


def test_a_wrong_citation_is_put_right(ask: Ask, server: ModelServer) -> None:
    """A sentence that cites a passage which does not say it gets the one that does."""
    server.play(citing((OPENED, TUNNEL)))
    answer = ask("When was the harbour bridge opened, and the harbour tunnel?")
    assert [each.quote for each in answer.citations] == [HARBOUR]


def test_invented_keys_are_dropped_and_counted(ask: Ask, server: ModelServer) -> None:
    """A mark that was never handed out is not shown, and the answer says how many there were."""
    server.play(lambda messages: f"{OPENED} [{key_of(messages, HARBOUR)}][z00]")
    answer = ask(QUESTION)
    assert answer.text == f"{OPENED} [1]"
    assert answer.generation is not None
    assert answer.generation.invented == 1


def test_the_model_is_not_asked_where_nothing_answers(ask: Ask, server: ModelServer) -> None:
    """A question that the articles do not touch is refused without a call."""
    server.play(OPENED)
    answer = ask("Who composed the ninth symphony?")
    assert (answer.outcome, server.requests) == ("not_found", [])


def test_the_model_may_refuse(ask: Ask, server: ModelServer) -> None:
    """A model that finds no answer in the passages makes the answer not_found."""
    server.play(NO_ANSWER)
    answer = ask(QUESTION)
    assert (answer.outcome, answer.sentences) == ("not_found", ())
    assert answer.closest


def test_a_part_without_an_answer_is_named(ask: Ask, server: ModelServer) -> None:
    """What the model calls missing makes the answer partial, in the question's words only."""
    server.play(
        lambda messages: f"{OPENED} [{key_of(messages, HARBOUR)}]\nMISSING: who paid for the bridge"
    )
    answer = ask("When was the harbour bridge opened by whom who paid for the bridge?")
    assert (answer.outcome, answer.unanswered) == ("partial", ("who paid for the bridge",))
    server.play(
        lambda messages: f"{OPENED} [{key_of(messages, HARBOUR)}]\nMISSING: call 555 now for help"
    )
    assert ask(QUESTION).unanswered == ()


@pytest.mark.parametrize(
    ("script", "said"),
    [
        (Script([], first=30.0), "no first token"),
        (Script([], status=500), "chat model:"),
        (Script([], status=429), "chat model:"),
        (Script([]), "chat model:"),
        (Script(["I ", "cannot"], finish="content_filter"), "chat model:"),
        (Script([OPENED[:20]], end="cut"), "chat model:"),
    ],
    ids=["slow", "500", "429", "empty", "filtered", "cut"],
)
def test_quotations_take_over(ask: Ask, server: ModelServer, script: Script, said: str) -> None:
    """Whatever goes wrong, the articles are quoted, and the answer says why."""
    server.play(script)
    answer = ask(QUESTION, llm_first_token=0.3)
    assert answer.sentences[-1].support == "verbatim"
    assert HARBOUR in [each.text for each in answer.sentences]
    assert any(reason.startswith(said) or said in reason for reason in answer.degraded)
    assert answer.outcome == "answered"


def test_what_was_written_before_a_failure_is_kept(ask: Ask, server: ModelServer) -> None:
    """A reply that breaks off keeps its whole sentences; half a sentence is not shown."""
    server.play(
        lambda messages: Script(
            [f"{OPENED} [{key_of(messages, HARBOUR)}] ", "Before it, ferries carried 90"], end="cut"
        )
    )
    answer = ask(QUESTION)
    assert [each.text for each in answer.sentences][:1] == [OPENED]
    assert not any("90" in each.text for each in answer.sentences)
    assert answer.sentences[-1].support == "verbatim"
    assert [each.number for each in answer.citations] == list(range(1, len(answer.citations) + 1))


def test_the_deadline_is_kept(articles: Store, encoder: HashEncoder, server: ModelServer) -> None:
    """The first quotation comes within 100 ms of the deadline for the first token."""
    server.play(Script([], first=30.0))
    engine = engine_of(articles, encoder, server, llm_first_token=0.5)
    start = time.perf_counter()
    for event in engine.stream(QUESTION):
        if isinstance(event, SentenceReleased):
            break
    assert 0.5 <= time.perf_counter() - start < 0.75  # retrieval and the call's start come before


def test_leaving_stops_the_model(
    articles: Store, encoder: HashEncoder, server: ModelServer
) -> None:
    """An answer that is left ends its call, so that the provider sees the client go."""
    server.play(Script([f"{OPENED} " * 3], end="hang"))
    engine = engine_of(articles, encoder, server, llm_first_token=20.0, llm_seconds=20.0)
    events = engine.stream(QUESTION)
    for event in events:
        if isinstance(event, Waiting):
            break
    assert server.disconnects == 0
    events.close()  # type: ignore[attr-defined]
    assert server.wait_for_disconnect()


def test_a_follow_up_is_rewritten_by_the_model(ask: Ask, server: ModelServer) -> None:
    """A question that leans on the talk is made to stand alone, and its cost is counted."""
    server.play("Who dug the harbour tunnel?", citing(("Anna Kowalska dug it.", TUNNEL)))
    history = [Exchange("What is the harbour tunnel?", "It crosses the harbour.")]
    answer = ask("Who dug it?", history=history)
    assert answer.question_used == "Who dug the harbour tunnel?"
    assert answer.citations[0].quote == TUNNEL
    assert answer.generation is not None
    assert answer.generation.calls == 2


def test_a_question_that_stands_alone_is_not_rewritten(ask: Ask, server: ModelServer) -> None:
    """Where nothing leans on the talk, the model is asked once."""
    server.play(citing((TUNNEL, TUNNEL)))
    history = [Exchange("How high is Mount Everest?", "8,849 metres.")]
    alone = "What did Anna Kowalska dig from 1988 to 1992?"
    assert ask(alone, history=history).question_used == alone
    assert len(server.requests) == 1


def test_a_rewriting_out_of_nowhere_is_not_believed(ask: Ask, server: ModelServer) -> None:
    """A rewritten question with words that nobody said gives way to the rules, and it is told."""
    server.play("What is the vault code of the bank manager?", citing((TUNNEL, TUNNEL)))
    history = [Exchange("What is the harbour tunnel?", "It crosses the harbour.")]
    answer = ask("Who dug it?", history=history)
    assert "vault" not in answer.question_used
    assert any("completed by rules" in reason for reason in answer.degraded)


def test_earlier_evidence_is_given_again(ask: Ask, server: ModelServer, articles: Store) -> None:
    """What the last answer cited is among the passages of a follow-up, if it may be seen."""
    for number in range(12):  # so that what was cited before is not found again
        put(articles, f"more {number}", f"The harbour bridge opened in {1950 + number}, says one.")
    server.play("When was the harbour bridge opened?", NO_ANSWER)
    (tunnel,) = [h for h in articles.catalogue.heads() if h.uri == "tunnel"]
    (secret,) = [h for h in articles.catalogue.heads() if h.uri == "secret"]
    evidence = tuple(
        (head.id, hit.chunk.start)
        for head in (tunnel, secret)
        for hit in articles.catalogue.located_in(head.id)
    )
    told = "Anna Kowalska dug it, beside the harbour bridge that was opened."
    history = [Exchange("Who dug the tunnel?", told, evidence=evidence)]
    answer = ask("When was it opened?", Filter(collections=(tunnel.collection,)), history)
    assert TUNNEL in server.requests[-1].text
    assert "vault code" not in server.requests[-1].text
    assert TUNNEL in [passage.chunk.text for passage in answer.passages]  # kept with the answer


def test_what_cannot_be_rewritten_is_said_to_be_taken_as_it_is(
    ask: Ask, server: ModelServer
) -> None:
    """Where neither model nor rules complete a question, the answer claims nothing else."""
    server.play(Script([], status=500), NO_ANSWER)
    answer = ask("Wann wurde das gebaut?", history=[Exchange("Was ist die Lyra?", "Eine Kuppel.")])
    assert answer.question_used == "Wann wurde das gebaut?"
    assert any("taken as it stands" in reason for reason in answer.degraded)


def test_a_silent_rewriting_is_told(
    articles: Store, encoder: HashEncoder, server: ModelServer
) -> None:
    """While the model makes a question stand alone, whoever waits hears that it is waited for."""
    server.play(Script([], first=1.2))
    engine = engine_of(articles, encoder, server)
    history = [Exchange("What is the harbour tunnel?", "It crosses the harbour.")]
    assert isinstance(next(iter(engine.stream("Who dug it?", history=history))), Waiting)


def test_quotations_do_not_repeat_what_was_written(ask: Ask, server: ModelServer) -> None:
    """A sentence that the model had quoted before it broke off is not quoted once more."""
    server.play(lambda messages: Script([f"{HARBOUR} [{key_of(messages, HARBOUR)}] "], end="cut"))
    answer = ask(QUESTION)
    assert [each.text for each in answer.sentences].count(HARBOUR) == 1
    assert answer.degraded


def test_a_reply_is_cut_by_the_rules_of_its_language(
    ask: Ask, server: ModelServer, articles: Store
) -> None:
    """In German, “am 3. Mai” ends no sentence."""
    opened = "Die Hafenbrücke wurde am 3. Mai 1932 eröffnet."
    put(articles, "brücke", opened, title="Die Hafenbrücke", language="de")
    server.play(citing((opened, opened)))
    answer = ask("Wann wurde die Hafenbrücke eröffnet?")
    assert [each.text for each in answer.sentences] == [opened]
    assert answer.sentences[0].support == "verbatim"


def test_an_answer_told_again_has_cost_nothing(
    articles: Store, encoder: HashEncoder, server: ModelServer
) -> None:
    """A written answer is kept for its day; told again, it counts no calls and no tokens."""
    server.play(citing((OPENED, HARBOUR)))
    engine = engine_of(articles, encoder, server, llm_prices=(1.0, 2.0))
    cache = AnswerCache(engine, articles)
    first, again = (gather(cache.stream(QUESTION, Filter())) for _ in range(2))
    assert first.sentences == again.sentences
    assert first.generation is not None
    assert again.generation is not None
    assert (first.generation.calls, first.generation.input_tokens > 0) == (1, True)
    assert (again.generation.calls, again.generation.input_tokens, again.generation.cost) == (
        0,
        0,
        0,
    )
    engine.today = lambda: TODAY + timedelta(days=1)
    gather(cache.stream(QUESTION, Filter()))
    assert len(server.requests) == 2


def test_a_summary_is_written(ask: Ask, server: ModelServer, articles: Store) -> None:
    """“Summarise” gives the model the whole article, and checks what it writes."""
    put(articles, "ferries", FERRIES, HARBOUR, title="Bridges and ferries")
    server.play(citing((OPENED, HARBOUR)))
    answer = ask("Summarise “Bridges and ferries”")
    assert FERRIES in server.requests[-1].text
    assert answer.sentences[0].support == "supported"


def test_lists_and_paragraphs_are_told(ask: Ask, server: ModelServer) -> None:
    """Sentences say whether they begin a paragraph or an item, and are plain text."""

    def script(messages: list[dict[str, Any]]) -> str:
        key = key_of(messages, HARBOUR)
        return f"**{OPENED}** [{key}]\n\n- {FERRIES} [{key_of(messages, FERRIES)}]"

    server.play(script)
    answer = ask(QUESTION)
    assert [(each.text, each.begins) for each in answer.sentences] == [
        (OPENED, ""),
        (FERRIES, "item"),
    ]


def test_however_it_is_cut_the_answer_is_the_same(
    articles: Store, encoder: HashEncoder, server: ModelServer
) -> None:
    """Pieces of one character and of a whole reply give the same sentences and citations."""

    def script(size: int) -> Any:  # noqa: ANN401 (a script)
        def play(messages: list[dict[str, Any]]) -> Script:
            text = citing((OPENED, HARBOUR), (FERRIES, FERRIES))(messages)
            return Script([text[at : at + size] for at in range(0, len(text), size)])

        return play

    told: list[list[Event]] = []
    for size in (1, 3, 1000):
        server.play(script(size))
        events = engine_of(articles, encoder, server).stream(QUESTION)
        told.append([e for e in events if isinstance(e, SentenceReleased)])
    assert told[0] == told[1] == told[2]
    assert len(told[0]) == 2
