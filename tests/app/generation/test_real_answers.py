"""A real, if weak, chat model answers through the whole service: form, checks and accounts hold."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.answering.answer import Answer, gather
from app.service import Service
from app.settings import Settings
from tests.real_model import RealModel

DOME = """# The Lyra Dome

The Lyra Dome opened on 4 June 2019 above the harbour of Port Vell. It was designed by the architect
Mara Okafor and has 3,200 seats. The dome cost 84 million euros, a third more than was planned.
"""


@pytest.fixture
def service(tmp_path: Path, real_model: RealModel) -> Iterator[Service]:
    """A service over one article, whose answers the real model writes."""
    (tmp_path / "dome.md").write_text(DOME)
    opened = Service(Settings(data_dir=tmp_path / "data", **real_model.settings))
    opened.ingest([str(tmp_path / "dome.md")])
    yield opened
    opened.close()


def test_the_answer_of_a_real_model_keeps_its_form(service: Service) -> None:
    """Whatever it writes, sentences are checked, quotes stand in the article, calls are counted."""
    answer: Answer = gather(service.ask("When did the Lyra Dome open?"))
    assert answer.outcome in ("answered", "not_found")
    assert answer.sentences or answer.outcome == "not_found"
    assert all(each.startswith("chat model:") for each in answer.degraded)
    assert [each.number for each in answer.citations] == list(range(1, len(answer.citations) + 1))
    for citation in answer.citations:
        text = service.store.catalogue.article(citation.article.id).text
        assert text[citation.start : citation.end] == citation.quote
    for sentence in answer.sentences:
        assert bool(sentence.citations) == (sentence.support != "unsupported")
    assert answer.generation is not None
    assert (answer.generation.calls, answer.generation.model) == (1, "openai:smollm2")
    assert answer.generation.input_tokens > 100
    assert answer.generation.output_tokens > 0


def test_a_real_model_is_not_asked_what_the_articles_do_not_say(service: Service) -> None:
    """Without an answer in the articles nothing is generated."""
    answer = gather(service.ask("Who composed the ninth symphony?"))
    assert (answer.outcome, answer.generation) == ("not_found", None)
