"""A portal's page, loaded from wherever it is, and what it holds that matters to the widget."""

from __future__ import annotations

from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

import httpx

LARGEST = 5_000_000  # bytes
REDIRECTS = 5


class Page(HTMLParser):
    """A page's scripts of ours, elements, frames and policies.

    Args:
        url: Its address.
        html: Its text.
        is_elsewhere: Whether it was reached by a redirect.
    """

    def __init__(self, url: str, html: str, is_elsewhere: bool = False) -> None:
        super().__init__()
        self.url = url
        self.origin = origin_of(url)
        self.is_elsewhere = is_elsewhere
        self.scripts: list[dict[str, str]] = []
        self.elements: list[dict[str, str]] = []
        self.frames: list[str] = []
        self.policies: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep an element that matters."""
        stated = {name: value or "" for name, value in attrs}
        source = stated.get("src", "").strip()
        if tag == "script" and urlsplit(source).path.endswith("/citewell.js"):
            self.scripts.append({**stated, "src": urljoin(self.url, source)})
        elif tag == "citewell-chat":
            self.elements.append(stated)
        elif tag == "iframe" and "/widget/frame" in source:
            self.frames.append(urljoin(self.url, source))
        elif tag == "meta" and stated.get("http-equiv", "").lower() == "content-security-policy":
            self.policies.append(stated.get("content", ""))


def load_page(client: httpx.Client, url: str, cookie: str | None) -> httpx.Response:
    """Return a page, where its redirects lead; only its first origin gets the cookie.

    Raises:
        httpx.HTTPError: It cannot be loaded.
    """
    first = origin_of(url)
    for _ in range(REDIRECTS):
        headers = {"cookie": cookie} if cookie and origin_of(url) == first else {}
        with client.stream("GET", url, headers=headers) as reply:
            if reply.next_request is None:
                return _whole(reply)
            url = str(reply.next_request.url)
    msg = f"more than {REDIRECTS} redirects"
    raise httpx.TooManyRedirects(msg)


def _whole(reply: httpx.Response) -> httpx.Response:
    """Return a reply with its body, up to a size."""
    body = b""
    for part in reply.iter_bytes():
        body += part
        if len(body) > LARGEST:
            msg = f"it has more than {LARGEST} bytes"
            raise httpx.DecodingError(msg)
    headers = [(n, v) for n, v in reply.headers.multi_items() if n.lower() != "content-encoding"]
    return httpx.Response(reply.status_code, headers=headers, content=body, request=reply.request)


def origin_of(url: str) -> str:
    """Return the origin of an address, as browsers write it.

    Example: "https://Portal.example:443/a" -> "https://portal.example"
    """
    parts = httpx.URL(url)
    host = f"[{parts.host}]" if ":" in parts.host else parts.host
    return f"{parts.scheme}://{host}" + ("" if parts.port is None else f":{parts.port}")
