"""docs/threat-model.md: each line names tests that there are."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LINES = [
    line
    for line in (ROOT / "docs" / "threat-model.md").read_text(encoding="utf-8").splitlines()
    if line.startswith(("| cannot ", "| can "))
]
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")


def named_in(file: str) -> set[str]:
    """Return the names of a file's test functions."""
    path = ROOT / file
    if not path.exists():
        return set()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("line", LINES, ids=lambda line: line.split("|")[2].strip()[:40])
def test_each_line_names_tests_that_there_are(line: str) -> None:
    """What can and cannot be done is shown by at least one test, which exists."""
    _, _, _, shown, _ = line.split("|")
    named = NAMED.findall(shown)
    assert len(named) == shown.count("`") // 2 > 0
    for file, name in named:
        assert name in named_in(file), f"{file} has no {name}"


def test_every_attacker_can_do_something() -> None:
    """The page has a table for each attacker, and says of each what they can do too."""
    text = (ROOT / "docs" / "threat-model.md").read_text(encoding="utf-8")
    sections = text.split("\n## ")[1:]
    assert len(sections) == 5
    for section in sections:
        assert "\n| can |" in section
        assert "\n| cannot |" in section
