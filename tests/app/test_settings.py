"""Settings come from CITEWELL_ variables, and a mistake in one is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.settings import load_settings
from vectorstore.errors import SettingsError


def test_defaults_need_no_environment() -> None:
    """Without variables the data are in ./data and the port is 7860."""
    settings = load_settings()
    assert (settings.data_dir, settings.port) == (Path("data"), 7860)


def test_variables_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """A CITEWELL_ variable sets its field; lists are JSON."""
    monkeypatch.setenv("CITEWELL_PORT", "8000")
    monkeypatch.setenv("CITEWELL_EXAMPLES", '["Why?"]')
    settings = load_settings()
    assert (settings.port, settings.examples) == (8000, ("Why?",))


def test_an_option_outranks_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the command line gives wins over the environment; what it leaves out does not."""
    monkeypatch.setenv("CITEWELL_PORT", "8000")
    assert load_settings(port=9000).port == 9000
    assert load_settings(port=None).port == 8000


def test_an_unknown_variable_names_the_nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    """A misspelt variable is an error that says which one may have been meant."""
    monkeypatch.setenv("CITEWELL_DATADIR", "x")
    with pytest.raises(SettingsError, match=r"CITEWELL_DATADIR.*CITEWELL_DATA_DIR"):
        load_settings()


@pytest.mark.parametrize(
    ("name", "value"),
    [("PORT", "eighty"), ("PORT", "70000"), ("THRESHOLD", "2"), ("EXAMPLES", "not json")],
)
def test_a_bad_value_is_told(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """A value that cannot be used is an error that names the setting."""
    monkeypatch.setenv(f"CITEWELL_{name}", value)
    with pytest.raises(SettingsError, match=f"(?i){name}"):
        load_settings()
