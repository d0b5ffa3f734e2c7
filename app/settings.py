"""The settings: environment variables that begin with CITEWELL_, read once at the entry."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from vectorstore.errors import SettingsError

PREFIX = "CITEWELL_"


class Settings(BaseSettings):
    """What an operator may set; each field is the variable CITEWELL_<NAME>."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid")

    data_dir: Path = Field(
        default=Path("data"), description="The folder that holds the catalogue and the indexes."
    )
    port: int = Field(
        default=7860, ge=0, le=65535, description="The port on 127.0.0.1; 0 takes any free one."
    )
    encoder: str | None = Field(
        default=None,
        description="A sentence-transformers model: all-MiniLM-L6-v2, which is packaged, an id in "
        "the local model cache, or a folder. By default the one the store is built with.",
    )
    precision: Literal["fp32", "bf16", "int8"] | None = Field(
        default=None,
        description="The encoder's arithmetic. By default the one the store is built with.",
    )
    threshold: float = Field(
        default=0.5,  # bench/refusal.py prints what others give
        ge=0,
        le=1,
        description="How probable it must be that the best sentence answers; below it the answer "
        "is that the articles do not say.",
    )
    examples: tuple[str, ...] = Field(
        default=("What can you answer?",),
        description="Questions the chat offers to begin with, as a JSON list.",
    )


def load_settings(**overrides: Any) -> Settings:  # noqa: ANN401 (each field has its own type)
    """Return the settings from the environment; overrides that are None do not count.

    Raises:
        SettingsError: A CITEWELL_ variable is unknown or has a value that cannot be used.
    """
    refuse_unknown(os.environ)
    try:
        return Settings(**{key: value for key, value in overrides.items() if value is not None})
    except ValidationError as exc:
        first = exc.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        msg = f"{PREFIX}{name.upper()} is {first['input']!r}: {first['msg']}."
        raise SettingsError(msg) from exc
    except ValueError as exc:  # a list that is not JSON
        msg = f"A setting cannot be read: {exc}"
        raise SettingsError(msg) from exc


def refuse_unknown(environment: Mapping[str, str]) -> None:
    """Raise a SettingsError for the first CITEWELL_ variable that is not a setting."""
    known = [f"{PREFIX}{name.upper()}" for name in Settings.model_fields]
    for name in sorted(environment):
        if name.upper().startswith(PREFIX) and name.upper() not in known:
            near = difflib.get_close_matches(name.upper(), known, n=1, cutoff=0)[0]
            msg = f"{name} is not a setting of Citewell. Did you mean {near}?"
            raise SettingsError(msg)
