"""Which data set a path on the command line names."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from app.evaluation.adapters import (
    mtrag_sets,
    multihop_sets,
    rgb_sets,
    scifact_sets,
    squad_sets,
)
from app.evaluation.adapters_other import cast_sets, extraction_sets, wice_sets
from app.evaluation.ownfile import read_own
from app.evaluation.sets import AnySet
from vectorstore.errors import SettingsError

Load = Callable[[Path], Iterator[AnySet]]

# A folder is known by a file that no other has, not by its name, which the user may change.
ADAPTERS: Mapping[str, tuple[str, Load]] = {
    "squad": ("questions_v1.1.*.jsonl", squad_sets),
    "scifact": ("corpus.jsonl.gz", scifact_sets),
    "multihop_rag": ("evidence_pool.jsonl", multihop_sets),
    "mtrag": ("passages.jsonl.gz", mtrag_sets),
    "rgb": ("en_fact.*.jsonl", rgb_sets),
    "cast": ("turns.*.jsonl", cast_sets),
    "wice": ("claims.*.jsonl.gz", wice_sets),
    "article_extraction": ("pages.*.jsonl", extraction_sets),
}


@dataclass(frozen=True, slots=True)
class Loaded:
    """A set, and where it comes from: `uris` are the lines that name them in a user's own file."""

    path: Path
    content: AnySet
    uris: Mapping[str, int] | None = None


def load(path: Path) -> list[Loaded]:
    """Return the sets of a folder of public data, or of a user's own file.

    Raises:
        SettingsError: Nothing is there, it is of no known form, or a line cannot be used.
    """
    if path.is_file():
        own, uris = read_own(path)
        return [Loaded(path, own, uris)]
    if not path.is_dir():
        msg = f"{path} does not exist. Give a folder of data, or a JSON Lines file of questions."
        raise SettingsError(msg)
    for name, (marker, adapter) in ADAPTERS.items():
        if any(path.glob(marker)):
            try:
                return [Loaded(path, found) for found in adapter(path)]
            except (KeyError, TypeError, AttributeError) as exc:
                msg = f"{path} looks like {name}, but a line is not of its form: {exc!r}."
                raise SettingsError(msg) from exc
    known = ", ".join(f"{name} ({marker})" for name, (marker, _) in ADAPTERS.items())
    msg = f"{path} is no data set known here. Known are, by a file in them: {known}."
    raise SettingsError(msg)
