"""Reading the files of data sets, with errors that name the file and the line."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vectorstore.errors import SettingsError

Json = dict[str, Any]


def numbered_lines(path: Path) -> Iterator[tuple[int, Json]]:
    """Yield (line number, object) of a JSON Lines file, gzipped or not; blank lines are skipped.

    Raises:
        SettingsError: The file cannot be read, or a line is not a JSON object.
    """
    try:
        opened = (
            gzip.open(path, "rt", encoding="utf-8")
            if path.suffix == ".gz"
            else path.open(encoding="utf-8")
        )
        with opened as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield number, _object(path, number, line)
    except (OSError, UnicodeDecodeError, EOFError) as exc:
        msg = f"{path} cannot be read: {exc}"
        raise SettingsError(msg) from exc


def _object(path: Path, number: int, line: str) -> Json:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError) as exc:
        msg = f"{path}:{number} is not JSON: {exc}"
        raise SettingsError(msg) from exc
    if not isinstance(found, dict):
        msg = f"{path}:{number} is not a JSON object but {line.strip()[:60]!r}."
        raise SettingsError(msg)
    return found


def read_lines(path: Path) -> list[Json]:
    """Return the objects of a JSON Lines file, gzipped or not.

    Raises:
        SettingsError: The file cannot be read, or a line is not a JSON object.
    """
    return [entry for _, entry in numbered_lines(path)]
