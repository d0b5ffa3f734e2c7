"""The settings: environment variables that begin with CITEWELL_, read once at the entry."""

from __future__ import annotations

import difflib
import hmac
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, IPvAnyNetwork, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from vectorstore.errors import SettingsError

PREFIX = "CITEWELL_"
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1", "[::1]"})
LEAST_SECRET = 32  # characters


class Settings(BaseSettings):
    """What an operator may set; each field is the variable CITEWELL_<NAME>."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="forbid", hide_input_in_errors=True
    )

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
    reranker: str | None = Field(
        default=None,
        description="A sentence-transformers cross-encoder that reorders the best passages: an id "
        "in the local model cache, or a folder.",
    )
    rerank_ms: int = Field(
        default=1_000,  # what readers wait for without losing the thread; see bench/reranker.py
        ge=1,
        description="Milliseconds that the reranker may take; answers say what it did not read.",
    )
    threshold: float = Field(
        default=0.5,  # bench/fit_answers.py prints what others give
        ge=0,
        le=1,
        description="How probable it must be that the best sentence answers; below it the answer "
        "is that the articles do not say.",
    )
    llm: str | None = Field(
        default=None,
        description="The chat model that words the answers, PROVIDER:MODEL as LangChain names "
        "it: openai:…, anthropic:…, ollama:…; without one, answers are the articles' sentences.",
    )
    llm_base_url: str | None = Field(
        default=None,
        description="Where the chat model is served, if not at its provider: any server that "
        "speaks the provider's API. Only CITEWELL_LLM_API_KEY is sent there.",
    )
    llm_api_key: SecretStr | None = Field(
        default=None, description="The provider's key. By default its own variable's."
    )
    llm_temperature: float | Literal["default"] = Field(
        default=0.0,
        description="From 0, the likeliest words; default leaves it to models that refuse one.",
    )
    llm_max_tokens: int = Field(default=700, ge=16, description="Tokens of an answer at most.")
    llm_context: int = Field(
        default=6000, ge=500, description="Tokens of the prompt at most: how many passages fit."
    )
    llm_first_token: float = Field(
        default=10.0,
        gt=0,
        description="Seconds that the chat model may be silent, before its first word and between "
        "words; then the articles' own sentences answer.",
    )
    llm_seconds: float = Field(
        default=60.0, gt=0, description="Seconds that the chat model may take for an answer."
    )
    llm_retries: int = Field(
        default=1,
        ge=0,
        le=5,
        description="How often a call that failed before its first word is tried again, within "
        "the same seconds.",
    )
    llm_concurrency: int = Field(
        default=4, ge=1, le=64, description="Calls of the chat model at once; further ones wait."
    )
    llm_threshold: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="How probable it must be that the passages answer, for the chat model to be "
        "asked. By default CITEWELL_THRESHOLD.",
    )
    llm_strict: bool = Field(
        default=False,
        description="Whether sentences that their passages do not support are removed, instead "
        "of marked.",
    )
    llm_prices: tuple[float, float] | None = Field(
        default=None,
        description="What a million tokens cost, read and written, as a JSON list in your "
        "currency; then costs are counted.",
    )
    host: str = Field(
        default="127.0.0.1",
        description="The address to listen on; without authentication only this machine's own.",
    )
    public_url: str | None = Field(
        default=None,
        description="Where readers reach the service, such as https://intranet.example/citewell: "
        "its host is served beside this machine's own, its path is where a proxy mounts it.",
    )
    multilingual: bool = Field(
        default=False,
        description="Whether the encoder reads other languages than English as well; if not, "
        "answers to questions in them say that they are degraded.",
    )
    auth: Literal["none", "keys", "oidc", "proxy"] = Field(
        default="none",
        description="Who may use the service: everybody on this machine; API keys and portal "
        "tokens only; besides, people who log in at an OpenID provider; besides, people whom a "
        "trusted proxy names.",
    )
    secret: SecretStr | None = Field(
        default=None,
        description="At least 32 characters from which portals' secrets and login cookies are "
        "derived; needed with authentication.",
    )
    oidc_issuer: str | None = Field(default=None, description="The OpenID provider's address.")
    oidc_client_id: str | None = Field(default=None, description="Our id at the provider.")
    oidc_client_secret: SecretStr | None = Field(
        default=None, description="Our secret at the provider."
    )
    oidc_groups_claim: str = Field(
        default="groups", description="The claim that lists a person's groups."
    )
    session_hours: float = Field(
        default=12, gt=0, description="How long a login to the web chat lasts."
    )
    proxy_addresses: tuple[IPvAnyNetwork, ...] = Field(
        default=(), description="Networks of proxies whose headers are believed, as a JSON list."
    )
    proxy_secret: SecretStr | None = Field(
        default=None,
        description="What such a proxy sends in X-Citewell-Proxy-Secret, beside "
        "X-Citewell-User and X-Citewell-Groups.",
    )
    limit_user: str = Field(
        default="60/minute", description="Questions and searches of one user or API key."
    )
    limit_portal: str = Field(
        default="1200/minute", description="Questions and searches of all of a portal's users."
    )
    limit_public: str = Field(
        default="10/minute",
        description="Questions and searches in a public portal from one address.",
    )
    limit_address: str = Field(
        default="600/minute", description="Requests from one address that is not this machine's."
    )
    limits_storage: str = Field(
        default="memory://",
        description="Where limits are counted; redis://HOST:PORT for several replicas.",
    )
    streams: int = Field(default=8, ge=1, description="Answers one user may stream at once.")
    waiting: int = Field(
        default=40, ge=1, description="Questions that may wait; later ones are refused at once."
    )
    max_body: int = Field(
        default=1_000_000, ge=1_000, description="Bytes of a request that is no upload."
    )
    max_upload: int = Field(default=20_000_000, ge=1_000, description="Bytes of an upload.")
    retention_days: int = Field(
        default=90, ge=0, description="Days that questions, jobs and audit are kept; 0: for ever."
    )
    log_questions: bool = Field(
        default=False, description="Whether the log may hold the text of questions."
    )
    otlp_endpoint: str | None = Field(
        default=None, description="Where OpenTelemetry traces are sent (OTLP over gRPC)."
    )
    examples: tuple[str, ...] = Field(
        default=("What can you answer?",),
        description="Questions the chat offers to begin with, as a JSON list.",
    )

    @model_validator(mode="after")
    def _fit_together(self) -> Settings:
        lacking = ""
        if self.auth == "none" and self.host not in LOOPBACK:
            lacking = f"host {self.host!r} is open to others: it takes CITEWELL_AUTH"
        elif self.auth != "none" and len(self._secret) < LEAST_SECRET:
            lacking = f"auth takes a CITEWELL_SECRET of at least {LEAST_SECRET} characters"
        elif self.auth == "oidc" and not (self.oidc_issuer and self.oidc_client_id):
            lacking = "auth oidc takes CITEWELL_OIDC_ISSUER and CITEWELL_OIDC_CLIENT_ID"
        elif self.auth == "proxy" and not (self.proxy_addresses and self.proxy_secret):
            lacking = "auth proxy takes CITEWELL_PROXY_ADDRESSES and CITEWELL_PROXY_SECRET"
        elif self.public_url and not re.match(r"https?://[^/?#]+(/[^?#]*)?$", self.public_url):
            lacking = f"public_url {self.public_url!r} is no http(s) address"
        if lacking or (lacking := self._unfit_model):
            raise ValueError(lacking)
        return self

    @property
    def _unfit_model(self) -> str:
        """What does not fit in the settings of the chat model, if something."""
        url = self.llm_base_url
        told = sorted(name for name in self.model_fields_set if name.startswith("llm_"))
        if self.llm is None:
            lone = [name for name in told if getattr(self, name) is not None]
            return f"{PREFIX}{lone[0].upper()} takes a CITEWELL_LLM" if lone else ""
        if not re.match(r"[a-z][a-z0-9_]*:\S+$", self.llm):
            return f"llm {self.llm!r} is not PROVIDER:MODEL, such as openai:gpt-5-mini"
        if url and not re.match(r"https?://[^/?#@\s]+(/[^?#\s]*)?$", url):
            return "llm_base_url is no http(s) address without user, query and fragment"
        if self.llm_first_token > self.llm_seconds:
            return (
                f"CITEWELL_LLM_FIRST_TOKEN ({self.llm_first_token:g}) is more than "
                f"CITEWELL_LLM_SECONDS ({self.llm_seconds:g})"
            )
        if self.llm_temperature != "default" and not 0 <= self.llm_temperature <= 2:
            return f"CITEWELL_LLM_TEMPERATURE is {self.llm_temperature:g}, not from 0 to 2"
        if self.llm_prices is not None and min(self.llm_prices) < 0:
            return "CITEWELL_LLM_PRICES are below 0"
        return ""

    @property
    def _secret(self) -> str:
        return self.secret.get_secret_value() if self.secret else ""

    @property
    def public_path(self) -> str:
        """The path under which a proxy mounts the service, without a slash at its end."""
        return urlsplit(self.public_url or "").path.rstrip("/")

    @property
    def public_origin(self) -> str:
        """The origin at which readers reach the service; portals' tokens are made out to it."""
        public = urlsplit(self.public_url or f"http://127.0.0.1:{self.port}")
        return f"{public.scheme}://{public.netloc}"

    def origin_at(self, host: str) -> str:
        """Return our own origin as a request sees it that names us as `host`."""
        return self.public_origin if host == self.public_host else f"http://{host}"

    @property
    def public_host(self) -> str | None:
        """The host of the public address, with its port."""
        return urlsplit(self.public_url or "").netloc or None  # an empty Host is none of ours

    def need_secret(self) -> None:
        """Raise a SettingsError where there is no secret to derive others from."""
        if len(self._secret) < LEAST_SECRET:
            msg = f"This takes a {PREFIX}SECRET of at least {LEAST_SECRET} characters. Set it."
            raise SettingsError(msg)

    def derive(self, purpose: str) -> str:
        """Return a secret for one purpose, in hex; the same for the same CITEWELL_SECRET."""
        return hmac.new(self._secret.encode(), purpose.encode(), "sha256").hexdigest()

    def portal_secret(self, kid: str) -> str:
        """Return the secret of a portal's key, with which its backend signs (HS256)."""
        return self.derive(f"portal {kid}")


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
        if not first["loc"]:  # settings that do not fit together
            raise SettingsError(f"The settings cannot be used: {first['ctx']['error']}.") from exc
        name = ".".join(str(part) for part in first["loc"])
        is_secret = re.search("secret|key|llm_base_url", name)  # some write a password into a URL
        said = "****" if is_secret else repr(first["input"])
        msg = f"{PREFIX}{name.upper()} is {said}: {first['msg']}."
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
