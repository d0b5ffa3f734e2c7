"""docs/widget.md names all that the widget offers, and quotes what is run."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from examples.portal.mint import mint

ROOT = Path(__file__).parents[1]
DOCUMENT = (ROOT / "docs" / "widget.md").read_text(encoding="utf-8")
WIDGET = ROOT / "app" / "web" / "widget"
MODULE = (WIDGET / "citewell.js").read_text(encoding="utf-8")
FRAME = (WIDGET / "frame.js").read_text(encoding="utf-8")  # whose failures the module tells


def block(head: str) -> str:
    """Return the table whose first column is called `head`."""
    _, _, rest = DOCUMENT.partition(f"\n| {head} |")
    table, _, _ = rest.partition("\n\n")
    assert table, head
    return table


def named(head: str) -> set[str]:
    """Return what the first column of a table names."""
    rows = [line.split("|")[1] for line in block(head).splitlines()[2:]]
    return set(re.findall(r"`([^`]+)`", " ".join(rows)))


def found(*patterns: str) -> set[str]:
    """Return what the module's text matches."""
    return {name for pattern in patterns for name in re.findall(pattern, MODULE)}


def attributes() -> set[str]:
    """Return the attributes that the element reads, whether it observes them or not."""
    observed = re.search(r"observedAttributes = \[([^\]]*)\]", MODULE)
    assert observed
    read = found(r'this\.(?:get|has)Attribute\(\s*"([\w-]+)"', r":host\(\[([\w-]+)=")
    return set(re.findall(r'"([\w-]+)"', observed[1])) | read


def methods() -> set[str]:
    """Return the public methods of the element."""
    _, _, element = MODULE.partition("class CitewellChat extends HTMLElement {")
    listed = re.findall(r"^  (?:async )?([a-z]\w*)\([^)]*\) \{", element, re.MULTILINE)
    browsers = {"connectedCallback", "disconnectedCallback", "attributeChangedCallback",
                "connectedMoveCallback", "adoptedCallback"}  # fmt: skip
    return {f"{name}()" for name in listed if name not in browsers}


def events() -> set[str]:
    """Return the events that the element tells of."""
    return {f"citewell:{name}" for name in found(r'#emit\(\s*"([\w-]+)"')}


def properties() -> set[str]:
    """Return the CSS properties that a page may set."""
    return found(r"var\((--citewell-[\w-]+)")


def parts() -> set[str]:
    """Return the names by which a page may style parts."""
    return found(
        r'\bmake\(\s*"\w+",\s*"([\w-]+)"',
        r'\biconButton\(\s*"([\w-]+)"',
        r'\.part = "([\w-]+)"',
    ) - {"chip"}  # that part is called `citation`


def codes() -> set[str]:
    """Return the codes of errors that are told."""
    table = re.search(r"const CODES = \{(.*?)\};", MODULE, re.DOTALL)
    by_status = re.search(r"const BY_STATUS = \{(.*?)\};", MODULE, re.DOTALL)
    assert table
    assert by_status
    mapped = re.findall(r': "([\w-]+)"', table[1] + by_status[1])
    thrown = set(re.findall(r'new Failure\(\s*"([\w-]+)"', MODULE + FRAME))
    return (set(mapped) | thrown | {"service", "bug"}) - {"changed"}  # which is never told


@pytest.mark.parametrize(
    ("head", "offered", "at_least"),
    [
        ("attribute", attributes(), 8),
        ("method", methods(), 5),
        ("event", events(), 5),
        ("CSS property", properties(), 6),
        ("part", parts(), 8),
        ("code", codes(), 7),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_tables_are_what_the_module_offers(head: str, offered: set[str], at_least: int) -> None:
    """Each table names everything of its kind that the module has, and nothing else."""
    assert len(offered) >= at_least, "the patterns above find too little"
    names = {re.sub(r"\(\w+\)", "()", name) for name in named(head)}
    assert names == offered


def test_what_is_quoted_is_what_runs() -> None:
    """The recipes of minting are the example's own code, to the letter."""
    assert f"```python\n{inspect.getsource(mint)}```" in DOCUMENT
    script = (ROOT / "examples" / "portal" / "mint.mjs").read_text(encoding="utf-8")
    quoted = script[script.index("export async function mint") :]
    assert f"```js\n{quoted}```" in DOCUMENT


@pytest.mark.parametrize("name", ["widget.md", "threat-model.md"])
def test_links_lead_somewhere(name: str) -> None:
    """Relative links of the pages about the widget exist, and so do their headings."""
    text = (ROOT / "docs" / name).read_text(encoding="utf-8")
    for target, heading in re.findall(r"\]\((?!https?:)([^)#]*)#?([^)]*)\)", text):
        file = (ROOT / "docs" / target) if target else ROOT / "docs" / name
        assert file.exists(), target
        if heading:
            headings = re.findall(r"^#+ (.*)$", file.read_text(encoding="utf-8"), re.MULTILINE)
            slugs = [re.sub(r"[^\w -]", "", each.lower()).replace(" ", "-") for each in headings]
            assert heading in slugs, heading
