"""The house keeps its plan: imports run one way, each heavy library has one door."""

from __future__ import annotations

import ast
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ("vectorstore", "ingest", "app")
MODULES = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))

MAY_IMPORT = {
    "vectorstore": {"vectorstore"},
    "ingest": {"vectorstore", "ingest"},
    "app": {"vectorstore", "ingest", "app"},
}

DOORS = {
    "sentence_transformers": [
        "vectorstore/attention.py",
        "vectorstore/encoder.py",
        "vectorstore/query_pass.py",
        "vectorstore/reranker.py",
    ],
    "torch": [
        "vectorstore/attention.py",
        "vectorstore/encoder.py",
        "vectorstore/query_pass.py",
        "vectorstore/reranker.py",
    ],
    "chromadb": ["vectorstore/dense.py"],
    "tantivy": ["vectorstore/analysis.py", "vectorstore/lexical.py"],
    "py3langid": ["vectorstore/language.py"],
    "stopwordsiso": ["vectorstore/stopwords.py"],
    "babel": ["vectorstore/language.py"],
    "langchain": ["app/generation/model.py"],
    "langchain_core": [
        "app/generation/model.py",
        "app/lc_engine.py",
        "vectorstore/lc_retriever.py",
    ],
    "date_wrangler": ["app/answering/times.py"],
    "gradio": ["app/web/"],
    "mcp": ["app/mcp_server.py"],
    "uvicorn": ["app/api/protocol.py", "app/api/server.py"],
    "trafilatura": ["ingest/extract.py"],
    "sentencex": ["vectorstore/sentences.py"],
    "typer": [
        "app/cli.py",
        "app/cli_access.py",
        "app/cli_doctor.py",
        "app/cli_eval.py",
        "app/cli_portals.py",
        "app/cli_sight.py",
        "app/cli_upkeep.py",
        "app/options.py",
    ],
    "authlib": ["app/api/login.py"],
    "cryptography": ["app/portals.py"],
    "prometheus_client": ["app/sight/metrics.py"],
    "opentelemetry": ["app/sight/traces.py"],
    "pythonjsonlogger": ["app/sight/logs.py"],
    "sqlalchemy": [
        "app/records/",
        "vectorstore/catalogue.py",
        "vectorstore/database.py",
        "vectorstore/publication.py",
        "vectorstore/reader.py",
        "vectorstore/rows.py",
        "vectorstore/schema.py",
        "vectorstore/upkeep.py",
        "vectorstore/migrations/",
    ],
    "alembic": ["vectorstore/database.py", "vectorstore/migrations/", "app/records/migrations/"],
    "limits": ["app/api/limits.py"],
    "ir_measures": ["app/evaluation/ranking.py"],
    "bm25s": ["app/evaluation/baselines.py"],
    "txtai": ["app/evaluation/baselines.py"],
    "matplotlib": ["app/evaluation/plots.py"],
    "jinja2": ["app/evaluation/report.py"],
    "jwt": ["app/api/portal_tokens.py"],
}


def imported(path: Path) -> set[str]:
    """Return the top-level packages that a module imports, lazily or not."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_run_one_way(path: Path) -> None:
    """A room imports only itself and the rooms before it."""
    room = path.relative_to(ROOT).parts[0]
    assert imported(path) & set(ROOMS) <= MAY_IMPORT[room]


@pytest.mark.parametrize("library", DOORS)
def test_each_heavy_library_has_one_door(library: str) -> None:
    """A heavy library is imported behind its door and nowhere else."""
    users = [str(path.relative_to(ROOT)) for path in MODULES if library in imported(path)]
    assert users, f"nobody imports {library}: drop it"
    strangers = [user for user in users if not user.startswith(tuple(DOORS[library]))]
    assert not strangers


@pytest.mark.parametrize(
    "modules", ["app.cli", "app.cli, app.control, app.session, app.settings, ingest.report"]
)
def test_the_command_line_imports_nothing_heavy(modules: str) -> None:
    """`citewell --help`, and a command beside the server, load none of the heavy libraries."""
    code = f"import sys, {modules}; print([m for m in {sorted(DOORS)} if m in sys.modules])"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert result.stdout.strip() == "['typer']"


def test_the_installed_packages_are_ours() -> None:
    """The generic names `app`, `ingest` and `vectorstore` belong to this distribution alone."""
    owners = packages_distributions()
    for room in ROOMS:
        assert set(owners.get(room, ["citewell"])) == {"citewell"}


def test_every_package_is_listed() -> None:
    """Each folder with an __init__.py is installed."""
    import tomllib

    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    found = {
        ".".join(path.parent.relative_to(ROOT).parts)
        for room in ROOMS
        for path in (ROOT / room).rglob("__init__.py")
    }
    assert found == set(listed)
