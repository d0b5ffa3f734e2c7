"""Options that several commands take."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from app.session import choose_data_dir

CollectionOption = Annotated[
    str | None, typer.Option("--collection", help="Only this collection.", show_default=False)
]
CollectionsOption = Annotated[
    list[str] | None,
    typer.Option("--collection", help="Only this collection; may be repeated."),
]
SourceOption = Annotated[
    list[str] | None,
    typer.Option("--source", help="Only what was ingested from here or below; may be repeated."),
]
LanguageOption = Annotated[
    list[str] | None,
    typer.Option("--language", help="Only this language, as en or en-GB; may be repeated."),
]
FromOption = Annotated[
    datetime | None,
    typer.Option("--from", help="Published on this day or later.", formats=["%Y-%m-%d"]),
]
ToOption = Annotated[
    datetime | None,
    typer.Option("--to", help="Published on this day or earlier.", formats=["%Y-%m-%d"]),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
BatchOption = Annotated[
    Path | None,
    typer.Option("--batch", help='Read JSON Lines {"id", "question"}, print one line each.'),
]

# Taken before the command and after it: people write both.
DataDirOption = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        help="The data folder [CITEWELL_DATA_DIR, else ./data].",
        callback=choose_data_dir,
        show_default=False,
    ),
]
