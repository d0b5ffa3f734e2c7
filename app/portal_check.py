"""Looks at a portal's page as a browser would, and says what keeps the widget from working.

It runs where the operator is and goes wherever they say, into private networks too: portals are
there. Nothing that it fetches is kept.
"""

from __future__ import annotations

import time
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from hashlib import sha384
from typing import Any, Literal
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx

from app.csp import Wanted, forbids, read_policies
from app.portal_page import Page, load_page, origin_of

Json = dict[str, Any]
State = Literal["ok", "wrong", "not checked"]

PATIENCE = 10.0  # seconds
CLOCKS = 30  # seconds that clocks may differ
LOGIN = (401, 403)


@dataclass(frozen=True, slots=True)
class Finding:
    """What was looked at, how it is, and what to do."""

    check: str
    state: State
    detail: str


@dataclass(frozen=True, slots=True)
class Service:
    """What the service knows: its portals, where it is, its module.

    `read_token` returns a token's claims, or an `error`.
    """

    facts: Json
    read_token: Callable[[str], Json]


def check_portal(
    url: str,
    service: Service,
    portal: str | None = None,
    token_url: str | None = None,
    cookie: str | None = None,
) -> list[Finding]:
    """Look at a page of a portal's.

    Args:
        url: The page's address.
        service: What the service knows.
        portal: The portal's name, where the page does not say it.
        token_url: Where its backend answers with a token, where the page does not say it.
        cookie: A Cookie header of somebody who is logged in to the portal.
    """
    with httpx.Client(timeout=PATIENCE) as client:
        return _Check(client, service, cookie).run(url, portal, token_url)


class _Check:
    def __init__(self, client: httpx.Client, service: Service, cookie: str | None) -> None:
        self._client = client
        self._service = service
        self._facts = service.facts
        self._cookie = cookie
        self._findings: list[Finding] = []

    def run(self, url: str, portal: str | None, token_url: str | None) -> list[Finding]:
        self._look_at_service()
        try:
            reply = load_page(self._client, url, self._cookie)
        except (httpx.HTTPError, httpx.InvalidURL) as exc:
            self._wrong("page", f"{url} cannot be loaded: {exc or type(exc).__name__}.")
            return self._findings
        page = Page(str(reply.url), reply.text, is_elsewhere=str(reply.url) != url)
        self._look_at_page(url, page, reply)
        self._look_at_clock(reply)
        known = self._portal_of(page, portal)
        self._look_at_origin(page, known)
        self._look_at_snippet(page, known)
        page.policies += reply.headers.get_list("content-security-policy")
        self._look_at_policy(page)
        self._look_at_token(page, known, token_url)
        return self._findings

    # -- the findings --------------------------------------------------------------------

    def _ok(self, check: str, detail: str) -> None:
        self._findings.append(Finding(check, "ok", detail))

    def _wrong(self, check: str, detail: str) -> None:
        self._findings.append(Finding(check, "wrong", detail))

    def _unchecked(self, check: str, detail: str) -> None:
        self._findings.append(Finding(check, "not checked", detail))

    # -- one thing each ------------------------------------------------------------------

    def _look_at_service(self) -> None:
        facts = self._facts
        if facts["auth"] == "none":
            self._wrong("service", "CITEWELL_AUTH is none, so that no page of a portal may ask.")
        url = facts["module_url"]
        try:
            reply = self._client.get(url, headers={"origin": "https://portal.invalid"})
        except httpx.HTTPError as exc:
            self._wrong(
                "service",
                f"{url} cannot be loaded from here: {exc or type(exc).__name__}. Set "
                "CITEWELL_PUBLIC_URL to the address that readers use, and serve there.",
            )
            return
        wrong = _wrong_module(reply, facts["integrity"])
        if wrong is None:
            self._ok("service", f"{url} is the module, for pages of every origin.")
        else:
            self._wrong("service", f"{url} {wrong}")

    def _look_at_page(self, url: str, page: Page, reply: httpx.Response) -> None:
        moved = f", where {url} leads" if page.is_elsewhere else ""
        if reply.status_code == 200:
            self._ok("page", f"This is {page.url}{moved}.")
        else:
            self._wrong("page", f"{page.url}{moved} answers {reply.status_code}.")

    def _look_at_clock(self, reply: httpx.Response) -> None:
        try:
            told = parsedate_to_datetime(reply.headers["date"]).timestamp()
        except (KeyError, ValueError):
            self._unchecked("clock", "The page's reply has no Date.")
            return
        apart = told - time.time()
        if abs(apart) <= CLOCKS:
            self._ok("clock", f"The portal's clock and this one are within {CLOCKS} seconds.")
        else:
            way = "ahead of" if apart > 0 else "behind"
            self._wrong(
                "clock",
                f"The portal's clock is {abs(apart):.0f} seconds {way} this one. Set both by NTP.",
            )

    def _portal_of(self, page: Page, named: str | None) -> Json | None:
        """Return the portal that is meant: named, or stated by the page, or listing its origin."""
        portals: dict[str, Json] = {each["name"]: each for each in self._facts["portals"]}
        stated = [each.get("portal", "") for each in page.elements]
        stated += [parse_qs(urlsplit(each).query).get("portal", [""])[0] for each in page.frames]
        name = named or next(filter(None, stated), None)
        if name is None:
            listing = [each for each in portals.values() if page.origin in each["origins"]]
            return listing[0] if len(listing) == 1 else None
        if name not in portals:
            known = ", ".join(portals) or "none yet"
            self._wrong("portal", f"There is no portal {name!r} here. There are: {known}.")
            return None
        return portals[name]

    def _look_at_origin(self, page: Page, portal: Json | None) -> None:
        if portal is None:
            self._unchecked("origin", "It is unknown which portal this is. Say so with --portal.")
        elif page.origin in portal["origins"]:
            self._ok("origin", f"{page.origin} is one of portal {portal['name']!r}.")
        else:
            self._wrong(
                "origin",
                f"{page.origin} is not an origin of portal {portal['name']!r}. Give all of them: "
                f"citewell portals add {portal['name']} --replace --origin {page.origin} …",
            )

    def _look_at_snippet(self, page: Page, portal: Json | None) -> None:
        name = portal["name"] if portal else "NAME"
        if page.frames:
            return self._look_at_frame(page)
        if not page.scripts or not page.elements:
            lacking = "module" if not page.scripts else "<citewell-chat>"
            see = f"See: citewell widget snippet --portal {name}"
            if self._cookie is None and page.is_elsewhere:
                login = "If this is a login, give the --cookie of somebody."
                return self._unchecked("snippet", f"The page has no {lacking}. {login} {see}")
            return self._wrong("snippet", f"The page has no {lacking}. {see}")
        wrong = [self._wrong_script(script) for script in page.scripts]
        stated = {element.get("portal", "") for element in page.elements}
        if portal is not None and portal["name"] not in stated:
            wrong.append(f"states the portal {', '.join(sorted(stated))!r}, not {name!r}.")
        found = next(filter(None, wrong), None)
        if found is None:
            return self._ok("snippet", f"The page loads {page.scripts[0]['src']}.")
        return self._wrong(
            "snippet", f"The page {found} See: citewell widget snippet --portal {name}"
        )

    def _look_at_frame(self, page: Page) -> None:
        (url, *_) = page.frames
        if url.startswith(f"{self._facts['base']}/widget/frame"):
            self._ok("snippet", f"The page frames {url}.")
        else:
            self._wrong("snippet", f"The page frames {url}, which is not at {self._facts['base']}.")

    def _wrong_script(self, script: Mapping[str, str]) -> str | None:
        facts = self._facts
        addresses = {facts["module_url"]: True, facts["floating_url"]: False}
        is_pinned = addresses.get(script["src"])
        if is_pinned is None:
            return f"loads {script['src']}, not {' or '.join(addresses)}."
        if script.get("type") != "module":
            return 'loads the module without type="module".'
        integrity = script.get("integrity")
        if not is_pinned and integrity:
            return "pins the address that follows later versions; leave its integrity out."
        if integrity is not None and "crossorigin" not in script:
            return 'has an integrity without crossorigin="anonymous".'
        if integrity and facts["integrity"] not in integrity.split():
            return f"states the integrity {integrity}; it is {facts['integrity']}."
        return None

    def _look_at_policy(self, page: Page) -> None:
        policies = read_policies(page.policies)
        if not policies:
            return self._ok("policy", "The page has no Content-Security-Policy that forbids us.")
        if page.frames:
            kept = forbids(policies, "frame-src", Wanted(page.url, page.frames[0]))
            return self._tell_policy("frame-src", kept)
        script = page.scripts[0] if page.scripts else {"src": str(self._facts["module_url"])}
        wanted = Wanted(page.url, script["src"], script.get("nonce"), script.get("integrity"))
        kept = forbids(policies, "script-src", wanted)
        if kept is not None and not page.scripts:
            self._unchecked("script-src", "Without the snippet its nonce is unknown.")
        else:
            self._tell_policy("script-src", kept)
        service = Wanted(page.url, f"{self._facts['base']}/api/v1/sessions")
        return self._tell_policy("connect-src", forbids(policies, "connect-src", service))

    def _tell_policy(self, directive: str, kept: str | None) -> None:
        origin = self._facts["origin"]
        if kept is None:
            return self._ok(directive, "The page's policy lets the widget through.")
        nonce = ", or give the script the policy's nonce" if directive == "script-src" else ""
        return self._wrong(
            directive, f"The page's policy says “{kept}”. Add {origin} to {directive}{nonce}."
        )

    def _look_at_token(self, page: Page, portal: Json | None, token_url: str | None) -> None:
        stated = next((each["token-url"] for each in page.elements if "token-url" in each), None)
        if token_url is None and stated is None:
            if portal is not None and portal["is_public"]:
                return self._ok("token", f"Portal {portal['name']!r} is public and needs none.")
            return self._unchecked("token", "The page states no token-url. Give --token-url.")
        url = urljoin(page.url, token_url or stated or "")
        if origin_of(url) != page.origin:
            return self._wrong("token", f"{url} is not at the page's own origin, {page.origin}.")
        headers = {"origin": page.origin, "accept": "application/json"}
        if self._cookie:
            headers["cookie"] = self._cookie
        try:
            reply = self._client.post(url, headers=headers)
        except httpx.HTTPError as exc:
            return self._wrong("token", f"{url} does not answer: {exc or type(exc).__name__}.")
        if reply.status_code in LOGIN:
            return self._unchecked(
                "token",
                f"{url} asks for a login ({reply.status_code}), as it should. With --cookie of "
                "somebody who is logged in, the token is looked at too.",
            )
        wrong = self._wrong_token(reply, page, portal)
        if wrong is None:
            return self._ok("token", f"{url} answers with a token that can be used.")
        return self._wrong("token", f"{url} {wrong}")

    def _wrong_token(self, reply: httpx.Response, page: Page, portal: Json | None) -> str | None:
        if reply.status_code != 200:
            return f"answers POST with {reply.status_code}; it is to be 200, or 401 without login."
        try:
            token = reply.json()["token"]
        except (ValueError, KeyError, TypeError):
            token = None
        if not isinstance(token, str):
            return 'does not answer with JSON: {"token": "…"}.'
        if "no-store" not in reply.headers.get("cache-control", ""):
            return "answers without “Cache-Control: no-store”: a cache could keep the token."
        claims = self._service.read_token(token)
        if "error" in claims:
            return f"gives a token that is refused: {claims['error']}"
        if claims["origin"] != page.origin:
            return f"gives a token for {claims['origin']}, not for {page.origin}."
        if portal is not None and claims["portal"] != portal["name"]:
            return f"gives a token for portal {claims['portal']!r}, not {portal['name']!r}."
        return None


def _wrong_module(reply: httpx.Response, integrity: str) -> str | None:
    if reply.status_code != 200:
        return f"answers {reply.status_code}. Is CITEWELL_PUBLIC_URL the address of this service?"
    if f"sha384-{b64encode(sha384(reply.content).digest()).decode()}" != integrity:
        return "is not the module of this service: a proxy changes it, or it is another version."
    if reply.headers.get("access-control-allow-origin") != "*":
        return "comes without Access-Control-Allow-Origin: a proxy takes it away."
    if "javascript" not in reply.headers.get("content-type", ""):
        return f"comes as {reply.headers.get('content-type')}, which browsers do not run."
    return None
