"""What a page's Content-Security-Policy allows, as far as the widget needs it (CSP level 3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

Policy = dict[str, list[str]]  # directive → its sources

# Where a directive is left out, the next one counts.
FALLBACKS = {
    "script-src": ("script-src-elem", "script-src", "default-src"),
    "connect-src": ("connect-src", "default-src"),
    "frame-src": ("frame-src", "child-src", "default-src"),
}
PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a page at `page` is to load from `url`, by a script with this nonce and integrity."""

    page: str
    url: str
    nonce: str | None = None
    integrity: str | None = None


def read_policies(values: Sequence[str]) -> list[Policy]:
    """Return the policies of headers or meta elements; what is loaded must please each of them."""
    texts = [text for value in values for text in value.split(",") if text.strip()]
    return [_policy(text) for text in texts]


def _policy(text: str) -> Policy:
    found: Policy = {}
    for directive in text.split(";"):
        name, *sources = directive.split()[:1000] or [""]
        if name:
            found.setdefault(name.lower(), sources)  # the first of a name counts
    return found


def forbids(policies: Sequence[Policy], directive: str, wanted: Wanted) -> str | None:
    """Return the directive that keeps a page from loading something, as it stands there."""
    for policy in policies:
        name = next((each for each in FALLBACKS[directive] if each in policy), None)
        if name is not None and not _allows(policy[name], name, wanted):
            return " ".join([name, *policy[name]])
    return None


def _allows(sources: Sequence[str], directive: str, wanted: Wanted) -> bool:
    is_script = directive != "connect-src" and (wanted.nonce or wanted.integrity)
    if is_script and (f"'nonce-{wanted.nonce}'" in sources or f"'{wanted.integrity}'" in sources):
        return True
    if "'strict-dynamic'" in sources and directive != "connect-src":
        return False  # then only a nonce or a hash counts
    return any(_matches(source.lower(), wanted) for source in sources)


def _matches(source: str, wanted: Wanted) -> bool:
    url, page = urlsplit(wanted.url), urlsplit(wanted.page)
    if source.startswith("'"):
        return source == "'self'" and (url.scheme, url.netloc) == (page.scheme, page.netloc)
    if source == "*":
        return url.scheme in PORTS
    if source.endswith(":"):
        return _is_scheme(source[:-1], url.scheme)
    scheme, has_scheme, rest = source.rpartition("://")
    if not _is_scheme(scheme if has_scheme else page.scheme, url.scheme):
        return False
    place, slash, path = rest.partition("/")
    host, colon, port = place.rpartition(":") if not place.endswith("]") else (place, "", "")
    if not colon:
        host, port = place, ""
    return (
        _is_host(host, url.hostname or "")
        and _is_port(port, url.port or PORTS.get(url.scheme, 0), url.scheme)
        and _is_path(slash + path, url.path)
    )


def _is_scheme(source: str, scheme: str) -> bool:
    return source == scheme or (source, scheme) in (("http", "https"), ("ws", "wss"))


def _is_host(source: str, host: str) -> bool:
    return host.endswith(source[1:]) if source.startswith("*.") else source.strip("[]") == host


def _is_port(source: str, port: int, scheme: str) -> bool:
    if source in ("", "80") and port == PORTS.get(scheme):
        return True
    return source == "*" or source == str(port)


def _is_path(source: str, path: str) -> bool:
    if source in ("", "/"):
        return True
    return path.startswith(source) if source.endswith("/") else path == source
