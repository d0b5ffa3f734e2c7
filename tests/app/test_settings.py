"""Settings come from CITEWELL_ variables, and a mistake in one is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.settings import Settings, load_settings
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


# -- the chat model --------------------------------------------------------------------------

MODEL = {"LLM": "openai:small"}


def load_with(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> Settings:
    """Return the settings with some variables."""
    for name, value in variables.items():
        monkeypatch.setenv(f"CITEWELL_{name}", value)
    return load_settings()


def test_a_chat_model_is_one_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    """One variable suffices; all others have defaults that fit together."""
    settings = load_with(monkeypatch, MODEL)
    assert settings.llm == "openai:small"
    assert settings.llm_first_token <= settings.llm_seconds
    assert load_with(monkeypatch, {"LLM_PRICES": "[0.25, 2]"}).llm_prices == (0.25, 2)
    assert load_with(monkeypatch, {"LLM_TEMPERATURE": "default"}).llm_temperature == "default"


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"LLM_STRICT": "true"}, "CITEWELL_LLM_STRICT takes a CITEWELL_LLM"),
        ({"LLM_API_KEY": "sk-x"}, "CITEWELL_LLM_API_KEY takes a CITEWELL_LLM"),
        ({"LLM": "gpt"}, "llm 'gpt' is not PROVIDER:MODEL"),
        (MODEL | {"LLM_BASE_URL": "vllm:8000"}, "llm_base_url is no http"),
        (MODEL | {"LLM_BASE_URL": "http://vllm/v1?key=x"}, "llm_base_url is no http"),
        (MODEL | {"LLM_FIRST_TOKEN": "90"}, r"FIRST_TOKEN \(90\) is more than .*SECONDS \(60\)"),
        (MODEL | {"LLM_TEMPERATURE": "3"}, "CITEWELL_LLM_TEMPERATURE is 3, not from 0 to 2"),
        (MODEL | {"LLM_PRICES": "[-1, 2]"}, "CITEWELL_LLM_PRICES are below 0"),
        (MODEL | {"LLM_THRESHOLD": "1.5"}, "CITEWELL_LLM_THRESHOLD is '1.5'"),
        (MODEL | {"LLM_CONCURRENCY": "0"}, "CITEWELL_LLM_CONCURRENCY is '0'"),
    ],
)
def test_what_does_not_fit_is_refused(
    variables: dict[str, str], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Settings of the chat model that do not fit together are told by name."""
    with pytest.raises(SettingsError, match=told):
        load_with(monkeypatch, variables)


@pytest.mark.parametrize(
    "variables",
    [
        {"LLM_BASE_URL": "http://me:sk-secret@vllm/v1"},
        {"LLM_BASE_URL": "http://vllm/v1?key=sk-secret"},
        {"LLM_API_KEY": "sk-secret", "LLM_SECONDS": "0"},
        {"LLM_API_KEY": "sk-secret", "LLM_TEMPERATURE": "9"},
    ],
)
def test_no_key_is_told(variables: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither an error nor what it comes from shows a key, nor a password in an address."""
    with pytest.raises(SettingsError) as caught:
        load_with(monkeypatch, MODEL | variables)
    assert "sk-secret" not in f"{caught.value} {caught.value.__cause__}"


def test_secrets_are_masked() -> None:
    """The settings show no key; what cannot be a key, a secret or an address is not shown."""
    assert "sk-secret" not in repr(load_settings(llm="openai:m", llm_api_key="sk-secret"))
    for name in ("llm_api_key", "secret", "llm_base_url"):
        with pytest.raises(SettingsError, match=r"is \*\*\*\*: ") as caught:
            load_settings(llm="openai:m", **{name: ["sk-secret"]})
        assert "sk-secret" not in f"{caught.value} {caught.value.__cause__}"
