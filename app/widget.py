"""The widget's module as we serve it, and the lines that put it into a page."""

from __future__ import annotations

import gzip
import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha384
from html import escape
from pathlib import Path

from vectorstore.errors import ServerError

FOLDER = Path(__file__).parent / "web" / "widget"
MODULE = "citewell.js"
FRAME = "frame.js"
LOGIN = "login.js"
VERSION = re.compile(r'^export const VERSION = "(\d+\.\d+\.\d+)";$', re.MULTILINE)
NONCE = "{{nonce}}"  # what a page replaces by the nonce of its policy


@dataclass(frozen=True, slots=True)
class Module:
    """The widget: `integrity` is what a page states of it (Subresource Integrity)."""

    version: str
    text: bytes
    zipped: bytes
    integrity: str

    @property
    def major(self) -> str:
        """The first number of its version, under which it is served to pages that follow it."""
        return self.version.partition(".")[0]


def load_module() -> Module:
    """Return the widget's module, read once.

    Raises:
        ServerError: It is not there, or names no version.
    """
    return _load(FOLDER)


@lru_cache
def _load(folder: Path) -> Module:
    try:
        text = (folder / MODULE).read_bytes()
    except OSError as exc:
        msg = f"The widget cannot be read: {exc}. Install Citewell anew."
        raise ServerError(msg) from exc
    found = VERSION.search(text.decode())
    if found is None:
        msg = f'{folder / MODULE} has no line `export const VERSION = "1.2.3";`. Add it.'
        raise ServerError(msg)
    integrity = f"sha384-{b64encode(sha384(text).digest()).decode()}"
    return Module(found.group(1), text, gzip.compress(text, mtime=0), integrity)


def module_url(base: str, module: Module, is_floating: bool = False) -> str:
    """Return where the module lies; the floating address follows later versions."""
    version = module.major if is_floating else module.version
    return f"{base}/widget/{version}/{MODULE}"


def snippet(
    base: str, module: Module, attributes: Mapping[str, str], is_floating: bool = False
) -> str:
    """Return the two lines of HTML that show the widget on a page.

    Only the versioned address has an integrity: what the floating one gives changes.
    """
    stated = {"type": "module", "src": module_url(base, module, is_floating)}
    if not is_floating:
        stated["integrity"] = module.integrity
    stated |= {"crossorigin": "anonymous", "nonce": NONCE}
    return (
        f"<script{_attributes(stated)}></script>\n"
        f"<citewell-chat{_attributes(attributes)}></citewell-chat>"
    )


def _attributes(stated: Mapping[str, str]) -> str:
    return "".join(f' {name}="{escape(value)}"' for name, value in stated.items())
