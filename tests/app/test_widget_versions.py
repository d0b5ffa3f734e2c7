"""Pages pin the widget by its version: under one version it is always the same."""

from __future__ import annotations

import json
from pathlib import Path

from app.widget import load_module

RECORDED = Path(__file__).with_name("widget_versions.json")


def test_a_version_is_one_module() -> None:
    """The module is the one that is recorded for its VERSION, whose integrity pages state."""
    module = load_module()
    recorded = json.loads(RECORDED.read_text(encoding="utf-8"))
    assert recorded.get(module.version) == module.integrity, (
        f"citewell.js is not the {module.version} that was recorded. Once that was released, raise "
        f"VERSION; then write {module.integrity!r} into {RECORDED.name}."
    )
