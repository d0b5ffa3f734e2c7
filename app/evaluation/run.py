"""One run: loads the sets, evaluates each, and compares with a former run."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from app.evaluation.bootstrap import SEED, Resamplers
from app.evaluation.claims import evaluate_claims
from app.evaluation.datasets import Loaded, load
from app.evaluation.figures import Former, Row, against, figures
from app.evaluation.questions import evaluate_questions, foreign_questions
from app.evaluation.result import RunResult, SetResult, read_former
from app.evaluation.sample import draw, sample
from app.evaluation.sets import (
    ClaimSet,
    ConversationSet,
    PageSet,
    QuestionSet,
    Record,
)
from app.evaluation.stores import (
    CachedQueries,
    Emit,
    corpus_service,
    own_service,
    query_cache,
    service_settings,
)
from app.evaluation.texts import evaluate_pages, evaluate_turns
from app.service import Service
from app.settings import Settings
from vectorstore.errors import SettingsError

NAMED = 5  # unknown articles that a note spells out
NEEDED = ("ir_measures", "bm25s", "matplotlib", "jinja2")

Stage = Callable[[str], AbstractContextManager[Emit]]
"""Says what is being done, and gives what is to be told of its progress."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line asks for; `limit` is of each group of questions."""

    datasets: tuple[Path, ...]
    cache: Path
    limit: int | None = None
    against: Path | None = None


def check_installed() -> None:
    """Raise a SettingsError where the libraries of the evaluation are not installed."""
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        msg = (
            f"An evaluation needs {', '.join(missing)}, which come with the extra `eval`: "
            "pip install -e '.[eval]' in Citewell's folder."
        )
        raise SettingsError(msg)


def run_evaluation(options: Options, settings: Settings, stage: Stage) -> RunResult:
    """Evaluate every set that is named.

    Raises:
        SettingsError: A set cannot be read, or a library is missing.
    """
    check_installed()
    start = time.perf_counter()
    former = read_former(options.against) if options.against else {}
    loaded = [each for path in options.datasets for each in load(path)]
    _refuse_twins(loaded)
    evaluation = _Evaluation(options, service_settings(settings), stage, former, loaded)
    results = tuple(evaluation.evaluate(each) for each in loaded)
    return RunResult(
        version=version("citewell"),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        encoder=_models(evaluation.settings),
        threshold=settings.threshold,
        limit=options.limit,
        seed=SEED,
        seconds=time.perf_counter() - start,
        sets=results,
        against=str(options.against or ""),
    )


def _models(settings: Settings) -> str:
    named = f"{settings.encoder}, {settings.precision}"
    if settings.reranker:
        named += f"; reranked by {settings.reranker} within {settings.rerank_ms} ms"
    return named


def _refuse_twins(loaded: Sequence[Loaded]) -> None:
    seen: dict[str, Path] = {}
    for each in loaded:
        name = each.content.name
        if name in seen:
            msg = f"{seen[name]} and {each.path} are both {name!r}. Give one, or rename one."
            raise SettingsError(msg)
        seen[name] = each.path


class _Evaluation:
    """What the evaluations of one run share."""

    def __init__(
        self,
        options: Options,
        settings: Settings,
        stage: Stage,
        former: Mapping[str, Mapping[str, Former]],
        loaded: Sequence[Loaded],
    ) -> None:
        self.settings = settings
        self._options = options
        self._stage = stage
        self._former = former
        self._question_sets = [
            each.content for each in loaded if isinstance(each.content, QuestionSet)
        ]
        self._resamplers = Resamplers()

    def evaluate(self, loaded: Loaded) -> SetResult:
        match loaded.content:
            case QuestionSet() as content:
                found = self._questions(content, loaded)
            case ClaimSet() as content:
                found = self._claims(content)
            case ConversationSet() as content:
                turns = draw(content.turns, self._options.limit, "turns")
                rows = evaluate_turns(replace(content, turns=tuple(turns)))
                found = self._of_rows(content, rows)
            case PageSet() as content:
                pages = draw(content.pages, self._options.limit, "pages")
                found = self._of_rows(content, evaluate_pages(replace(content, pages=tuple(pages))))
        return self._compared(found)

    def _questions(self, content: QuestionSet, loaded: Loaded) -> SetResult:
        others = [other for other in self._question_sets if other is not content]
        asked = sample(content.questions, self._options.limit)
        asked += sample(foreign_questions(content, others), self._options.limit)
        with self._service(content.name, content.records) as service:
            notes = _unknown_articles(loaded, service)
            queries = self._encoded(service, [question.text for question in asked])
            with self._stage(f"Asking {content.name}") as emit:
                found = evaluate_questions(asked, service, queries, emit, self._resamplers)
        return SetResult(
            name=content.name,
            about=content.about,
            part_name=content.part_name,
            notes=(*notes, *found.notes),
            figures=found.figures,
            rows=found.rows,
            curves=found.curves,
        )

    def _claims(self, content: ClaimSet) -> SetResult:
        claims = draw(content.claims, self._options.limit, "claims")
        chosen = replace(content, claims=tuple(claims))
        with self._service(content.name, content.records) as service:
            queries = self._encoded(service, [claim.text for claim in claims])
            with self._stage(f"Reading {content.name}") as emit:
                rows, found = evaluate_claims(chosen, service, queries, emit, self._resamplers)
        return SetResult(content.name, content.about, "all", (), tuple(found), tuple(rows))

    def _of_rows(self, content: ConversationSet | PageSet, rows: list[Row]) -> SetResult:
        found = tuple(figures(rows, self._resamplers))
        return SetResult(content.name, content.about, "all", (), found, tuple(rows))

    @contextmanager
    def _service(self, name: str, records: tuple[Record, ...] | None) -> Iterator[Service]:
        with ExitStack() as stack:
            with self._stage(f"Opening {name}") as emit:
                service = stack.enter_context(
                    own_service(self.settings)
                    if records is None
                    else corpus_service(self.settings, self._options.cache, name, records, emit)
                )
            yield service

    def _encoded(self, service: Service, texts: Sequence[str]) -> CachedQueries:
        """Return the service's encoder, which knows these questions already."""
        queries = CachedQueries(service.encoder)
        cache = query_cache(self._options.cache, service.encoder)
        with self._stage("Encoding the questions") as emit:
            queries.prepare(texts, cache, emit)
        return queries

    def _compared(self, found: SetResult) -> SetResult:
        if self._options.against is None:
            return found
        name = str(self._options.against)
        if found.name not in self._former:
            return replace(found, notes=(*found.notes, f"{name} has no set {found.name}."))
        differences, changed = against(found.rows, self._former[found.name], name, self._resamplers)
        notes = found.notes
        if changed:
            notes += (f"{changed} questions read differently in {name}: not compared.",)
        return replace(found, figures=(*found.figures, *differences), notes=notes)


def _unknown_articles(loaded: Loaded, service: Service) -> tuple[str, ...]:
    """Return a note on uris of a user's own file that the data folder does not hold."""
    if loaded.uris is None:
        return ()
    held = {head.uri for head in service.articles()}
    lacking = [(line, uri) for uri, line in loaded.uris.items() if uri not in held]
    if not lacking:
        return ()
    named = "; ".join(f"line {line}: {uri}" for line, uri in lacking[:NAMED])
    more = f" and {len(lacking) - NAMED} more" if len(lacking) > NAMED else ""
    return (
        f"{loaded.path.name} names articles that the data folder does not hold, so that they "
        f"cannot be found ({named}{more}). See: citewell articles list",
    )
