"""The public data sets without a corpus to search: CAsT, WiCE and article extraction."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from app.evaluation.adapters import parts
from app.evaluation.files import read_lines
from app.evaluation.sets import Claim, ClaimSet, ConversationSet, Page, PageSet, Record, Turn
from vectorstore.errors import SettingsError


def cast_sets(folder: Path) -> Iterator[ConversationSet]:
    """Yield TREC CAsT's turns with the rewrites made by people."""
    for part, path in parts(folder, "turns.*.jsonl"):
        yield ConversationSet(
            name=f"cast/{part}",
            about="TREC CAsT 2019 to 2022: follow-up questions with stand-alone rewrites made by "
            "people. MIT.",
            turns=tuple(
                Turn(
                    id=row["id"],
                    conversation=f"{row['year']}_{row['topic']}",
                    history=tuple((turn["user"], turn["system"]) for turn in row["history"]),
                    utterance=row["utterance"],
                    rewrite=row["manual_rewrite"],
                    automatic=row["automatic_rewrite"],
                )
                for row in read_lines(path)
            ),
        )


def wice_sets(folder: Path) -> Iterator[ClaimSet]:
    """Yield WiCE's claims, each with its own article; one sentence a paragraph."""
    for part, path in parts(folder, "claims.*.jsonl.gz"):
        rows = read_lines(path)
        texts = {row["id"]: "\n\n".join(s.strip() for s in row["sentences"]) for row in rows}
        # Several claims cite one article, which is read once.
        owner = {text: key for key, text in reversed(texts.items())}
        yield ClaimSet(
            name=f"wice/{part}",
            about="Sentences of Wikipedia with the web article they cite; people judged whether "
            "it supports them. Annotations ODC-By; claims CC BY-SA.",
            records=tuple(
                Record(key, "Cited article", text, place=key) for text, key in owner.items()
            ),
            claims=tuple(
                Claim(
                    id=row["id"],
                    text=row["claim"],
                    place=owner[texts[row["id"]]],
                    supported=row["label"] == "supported",
                    cluster=row["claim_title"],
                )
                for row in rows
            ),
        )


def extraction_sets(folder: Path) -> Iterator[PageSet]:
    """Yield the pages of the article extraction benchmark."""
    for part, path in parts(folder, "pages.*.jsonl"):
        yield PageSet(
            name=f"article_extraction/{part}",
            about="Web pages of news sites and blogs with the text of their article. MIT; the "
            "pages' texts are their publishers'.",
            pages=tuple(
                Page(
                    id=row["id"],
                    site=urlsplit(row["url"]).netloc,
                    html=_unzip(folder / row["html"]),
                    text=row["article_body"],
                )
                for row in read_lines(path)
            ),
        )


def _unzip(path: Path) -> bytes:
    try:
        return gzip.decompress(path.read_bytes())
    except (OSError, EOFError) as exc:
        msg = f"{path} cannot be read: {exc}"
        raise SettingsError(msg) from exc
