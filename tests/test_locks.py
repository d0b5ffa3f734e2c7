"""What `make run` installs is enough to run everything but the extras."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

ROOT = Path(__file__).parent.parent
EXTRAS = ("app.evaluation", "app.records.migrations.env", "vectorstore.migrations.env")
IMPORT_ALL = """
import importlib, sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ABSENT:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Missing())
for name in NAMES:
    importlib.import_module(name)
"""


def locked(name: str) -> set[str]:
    """Return the distributions that a lock names, normalised."""
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    return {_normal(line.partition("==")[0]) for line in lines if "==" in line}


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name.partition("[")[0]).strip().casefold()


def test_the_lock_is_enough() -> None:
    """Every module is imported with no package but those of requirements.lock there."""
    only_dev = locked("requirements-dev.lock") - locked("requirements.lock")
    absent = {
        package
        for package, distributions in packages_distributions().items()
        if distributions and {_normal(each) for each in distributions} <= only_dev
    }
    assert "pytest" in absent
    names = sorted(
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for package in ("app", "ingest", "vectorstore")
        for path in (ROOT / package).rglob("*.py")
    )
    wanted = [name for name in names if not name.startswith(EXTRAS)]
    code = f"ABSENT = {absent!r}\nNAMES = {wanted!r}\n{IMPORT_ALL}"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
