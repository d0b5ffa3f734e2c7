"""What the articles tell of whether a question goes on from the talk before it.

*Changes of subject*: a question of SQuAD after one about another article, both in the corpus; is
it asked as it stands? *Follow-ups*: the last turns of MTRAG's conversations over its passages; are
those that answer found? Both by the rules alone and with app/answering/ties.py, beside the
question as it stands. SQuAD's titles are those that the rules were not fitted on. Intervals are
95 %, over titles or conversations.

    python bench/ties.py --keep FOLDER
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from conversation import is_fitted_on, subject_changes
from corpora import argument_parser, build, open_service, workplace
from report import print_table
from written import talks

from app.answering.conversation import Exchange
from app.answering.parts import understand
from app.answering.reading import reader_of
from app.answering.ties import tied
from app.evaluation.adapters import mtrag_sets
from app.evaluation.bootstrap import Resampler
from app.evaluation.stores import corpus_service, default_cache
from app.service import Service
from app.settings import Settings
from vectorstore.types import Filter

Talk = Sequence[Exchange]
Way = Callable[[Service, str, Talk], str]


def as_it_stands(service: Service, question: str, history: Talk) -> str:
    """Return the question."""
    return question


def by_rules(service: Service, question: str, history: Talk) -> str:
    """Return what the words and the encoder make of it."""
    return understand(question, history, reader_of(service.encoder)).question


def with_ties(service: Service, question: str, history: Talk) -> str:
    """Return what the engine asks."""
    meant = understand(question, history, reader_of(service.encoder))
    return tied(meant, history, service.store, Filter()).question


WAYS: dict[str, Way] = {"rules": by_rules, "rules and articles": with_ties}


def figure(values: Sequence[float], clusters: Sequence[str]) -> str:
    """Return a mean with its interval."""
    mean = Resampler(clusters).mean(values)
    return f"{mean.value:.3f} [{mean.low:.3f}, {mean.high:.3f}]"


def changes(service: Service, data: Path) -> list[list[str]]:
    """Return how often a change of subject is asked as it stands."""
    turns = [turn for turn in subject_changes(data) if not is_fitted_on(turn.conversation)]
    rows = []
    for name, way in WAYS.items():
        alone = []
        for turn in turns:
            history = [Exchange(one, other or "") for one, other in turn.history]
            alone.append(float(way(service, turn.utterance, history) == turn.utterance))
        told = figure(alone, [turn.conversation for turn in turns])
        rows.append(["SQuAD, another subject", name, f"{len(turns)}", told, ""])
    return rows


def follow_ups(data: Path, cache: Path) -> list[list[str]]:
    """Return how often one of the first five passages answers a follow-up question."""
    rows = []
    for found in mtrag_sets(data / "mtrag"):
        known = talks(data / "mtrag" / f"tasks.{found.name.partition('/')[2]}.jsonl")
        asked = [each for each in found.questions if each.relevant and known[each.id][0]]
        settings = Settings(encoder="all-MiniLM-L6-v2", precision="fp32")
        records = found.records or ()
        with corpus_service(settings, cache, found.name, records, lambda _: None) as service:
            for name, way in {"as it stands": as_it_stands, **WAYS}.items():
                alone, held = [], []
                for each in asked:
                    query = way(service, each.text, known[each.id][0])
                    alone.append(float(query == each.text))
                    uris = [p.article.uri for p in service.search(query, 5).passages]
                    held.append(float(any(uri in each.relevant for uri in uris)))
                clusters = [each.cluster for each in asked]
                cells = [figure(alone, clusters), figure(held, clusters)]
                rows.append([found.name, name, f"{len(asked)}", *cells])
    return rows


def main() -> int:
    """Run from the command line."""
    parser = argument_parser(__doc__)
    parser.add_argument("--cache", type=Path, default=default_cache())
    options = parser.parse_args()
    with workplace(options.keep) as folder:
        service = open_service(build("squad", options.data, folder))
        rows = changes(service, options.data)
        service.close()
    rows += follow_ups(options.data / "data", options.cache)
    print_table(["questions", "made to stand alone by", "n", "left alone", "found in five"], rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
