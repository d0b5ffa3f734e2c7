"""People log in to the web chat at an OpenID provider (OpenID Connect Core 1.0, code flow).

A person's name here is their e-mail address, in lower case, if the provider says that it is
verified: stable, readable, and what an administrator writes into a grant. An address that was
given to somebody else is that person's from then on. Without a verified address the name is the
provider's `sub`, which is unique there; one with an @ is written `sub:…`, so that nobody becomes
another by being called like an address.

What must outlive the way to the provider and back (state, nonce, PKCE's verifier) is in a signed
cookie of ten minutes. The session itself is in the records; its cookie holds a new token each time.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import httpx2  # what authlib speaks HTTP with
from authlib.integrations.base_client import OAuthError
from authlib.integrations.starlette_client import OAuth
from joserfc.errors import JoseError
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from app.api.notices import LINKED, page
from app.api.portal_tokens import LONGEST_SUBJECT
from app.identity import NOBODY
from vectorstore.errors import UnauthenticatedError

if TYPE_CHECKING:
    from fastapi import FastAPI

    from app.api.runtime import Runtime
    from app.settings import Settings

logger = logging.getLogger(__name__)

LOGIN, CALLBACK, LOGOUT, LEFT = "/login", "/login/callback", "/logout", "/logout/done"
UNDER_WAY = 600  # seconds that the way to the provider and back may take
PATIENCE = 10.0  # seconds to wait for the provider
LONGEST_NEXT = 2_000
MOST_GROUPS = 500
NEEDED = ("issuer", "authorization_endpoint", "token_endpoint", "jwks_uri")
# Whom a signature shows: only the provider has these keys, and `none` shows nothing.
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512",
              "EdDSA", "Ed25519")  # fmt: skip


class Provider:
    """The OpenID provider of the settings; asked what it offers when somebody first logs in."""

    def __init__(self, settings: Settings) -> None:
        secret = settings.oidc_client_secret
        self._issuer = settings.oidc_issuer or ""
        self._id = settings.oidc_client_id or ""
        self._groups_claim = settings.oidc_groups_claim
        self._client: Any = OAuth().register(
            "provider",
            client_id=self._id,
            client_secret=secret.get_secret_value() if secret else None,
            server_metadata_url=f"{self._issuer.rstrip('/')}/.well-known/openid-configuration",
            client_kwargs={"code_challenge_method": "S256", "timeout": PATIENCE},
        )

    async def send(self, request: Request, back: str) -> Response:
        """Return the redirect to the provider."""
        offers = await self._offers()
        wanted = ["openid", "email", "profile"]
        if self._groups_claim in offers.get("scopes_supported", ()):
            wanted.append(self._groups_claim)  # others refuse a scope that they do not know
        redirect: Response = await self._client.authorize_redirect(
            request, back, scope=" ".join(wanted)
        )
        redirect.headers.update(LINKED)
        return redirect

    async def person(self, request: Request) -> tuple[str, list[str]]:
        """Return the name and the groups of who comes back from the provider.

        Raises:
            UnauthenticatedError: The provider did not say who that is.
        """
        offers = await self._offers()
        options = {
            "iss": {"essential": True, "value": offers["issuer"]},
            "aud": {"essential": True, "value": self._id},
        }
        try:
            token = await self._client.authorize_access_token(request, claims_options=options)
            claims = dict(token.get("userinfo") or {})
            if not claims:
                msg = "The provider sent no ID token."
                raise UnauthenticatedError(msg)
            if self._groups_claim not in claims and "userinfo_endpoint" in offers:
                more = await self._client.userinfo(token=token)
                if more.get("sub") == claims["sub"]:
                    claims = {**more, **claims}
        except (OAuthError, JoseError, httpx2.HTTPError, ValueError) as exc:
            msg = f"The login failed: {exc or type(exc).__name__}"
            raise UnauthenticatedError(msg[:500]) from exc
        return name_of(claims), groups_of(claims, self._groups_claim)

    async def _offers(self) -> dict[str, Any]:
        """Return the provider's metadata (OpenID Connect Discovery 1.0), checked."""
        try:
            offers: dict[str, Any] = await self._client.load_server_metadata()
        except (httpx2.HTTPError, ValueError) as exc:
            msg = f"The login provider {self._issuer} cannot be asked: {exc or type(exc).__name__}"
            raise UnauthenticatedError(msg[:500]) from exc
        lacking = [name for name in NEEDED if not isinstance(offers.get(name), str)]
        if lacking:
            msg = f"The login provider {self._issuer} does not tell its {', '.join(lacking)}."
            raise UnauthenticatedError(msg)
        said = str(offers["issuer"])
        if said.rstrip("/") != self._issuer.rstrip("/"):
            msg = f"The provider calls itself {said!r}, not {self._issuer!r}."
            raise UnauthenticatedError(msg[:500])
        listed = offers.get("id_token_signing_alg_values_supported") or ["RS256"]
        offers["id_token_signing_alg_values_supported"] = [
            algorithm for algorithm in listed if algorithm in ALGORITHMS
        ]
        return offers


def name_of(claims: Mapping[str, Any]) -> str:
    """Return a person's name here; see the module.

    Raises:
        UnauthenticatedError: The provider gives none that can be used.
    """
    email, sub = claims.get("email"), claims.get("sub")
    is_verified = claims.get("email_verified") in (True, "true")  # some write it as a string
    if is_verified and isinstance(email, str) and re.fullmatch(r"[^\s@]+@[^\s@]+", email):
        name = email.lower()
    elif isinstance(sub, str) and sub.strip():
        name = f"sub:{sub}" if "@" in sub else sub
    else:
        msg = "The provider gives the person no name."
        raise UnauthenticatedError(msg)
    if len(name) > LONGEST_SUBJECT:
        msg = f"The provider's name for the person has more than {LONGEST_SUBJECT} characters."
        raise UnauthenticatedError(msg)
    return name


def groups_of(claims: Mapping[str, Any], claim: str) -> list[str]:
    """Return the groups that a claim lists, or the one that it names."""
    listed = claims.get(claim)
    if isinstance(listed, str):
        return [listed]
    if not isinstance(listed, list):
        return []
    return [group for group in listed if isinstance(group, str)][:MOST_GROUPS]


def next_of(asked: str | None) -> str:
    r"""Return where to go after the login: a path of ours, else the chat.

    Browsers read `//host` and `/\host` as another site, and pass over tabs and line ends.
    """
    asked = asked or "/"
    is_ours = re.fullmatch(r"/(?![/\\])[!-\[\]-~]*", asked) and len(asked) <= LONGEST_NEXT
    is_loop = asked.startswith((LOGIN, LOGOUT))
    return asked if is_ours and not is_loop else "/"


def add_login(app: FastAPI, runtime: Runtime) -> FastAPI:
    """Add the routes by which people log in and out to `app`, where that is how they come."""
    settings = runtime.settings
    if settings.auth != "oidc":
        return app
    is_secure = (settings.public_url or "").startswith("https://")
    under_way = Middleware(
        SessionMiddleware,
        secret_key=settings.derive("login"),
        session_cookie="__Host-citewell-login" if is_secure else "citewell-login",
        max_age=UNDER_WAY,
        https_only=is_secure,
    )
    pages = LoginPages(runtime, Provider(settings), is_secure)
    app.router.routes += [
        Route(LOGIN, pages.login, methods=["GET"], middleware=[under_way]),
        Route(CALLBACK, pages.come_back, methods=["GET"], middleware=[under_way]),
        Route(LOGOUT, pages.logout, methods=["POST"]),
        Route(LEFT, pages.left, methods=["GET"]),
    ]
    return app


class LoginPages:
    """What answers when people log in and out."""

    def __init__(self, runtime: Runtime, provider: Provider, is_secure: bool) -> None:
        self._runtime = runtime
        self._provider = provider
        self._is_secure = is_secure
        self._base = (runtime.settings.public_url or "").rstrip("/")
        self._cookie = runtime.access.cookie

    async def login(self, request: Request) -> Response:
        """Send the reader to the provider, and later to `next`."""
        base = self._base or str(request.base_url).rstrip("/")
        request.session.clear()
        request.session["next"] = next_of(request.query_params.get("next"))
        try:
            return await self._provider.send(request, f"{base}{CALLBACK}")
        except UnauthenticatedError as exc:
            return await self._refuse(request, exc, 503, "The login provider cannot be reached")

    async def come_back(self, request: Request) -> Response:
        """Begin the session of who comes back from the provider."""
        onward = next_of(request.session.get("next"))
        try:
            name, groups = await self._provider.person(request)
        except UnauthenticatedError as exc:
            return await self._refuse(request, exc, 401, "The login did not work")
        finally:
            request.session.clear()  # it was for this one way
        token = await run_in_threadpool(self._begin, request, name, groups)
        reply = RedirectResponse(
            f"{self._base}{onward}", 303, {"cache-control": "no-store", **LINKED}
        )
        reply.set_cookie(
            self._cookie,
            token,
            max_age=round(self._lifetime),
            path="/",
            secure=self._is_secure,
            httponly=True,
            samesite="lax",
        )
        return reply

    @property
    def _lifetime(self) -> float:
        return self._runtime.settings.session_hours * 3600

    def _begin(self, request: Request, name: str, groups: list[str]) -> str:
        records = self._runtime.service().records
        if before := request.cookies.get(self._cookie):
            records.sessions.end(before)
        token = records.sessions.create(name, groups, self._lifetime)
        records.audit.note(f"user:{name}", "login", None, *_from(request))
        return token

    async def _refuse(
        self, request: Request, error: UnauthenticatedError, status: int, title: str
    ) -> Response:
        logger.warning("a login failed: %s", error)
        await run_in_threadpool(self._note_refusal, request, str(error))
        text = "You are not logged in. Try once more; if it goes on, tell whoever runs Citewell."
        return page(status, title, text, login=f"{self._base}{LOGIN}")

    def _note_refusal(self, request: Request, reason: str) -> None:
        audit = self._runtime.service().records.audit
        audit.note(NOBODY.subject, "login", reason, *_from(request), allowed=False)

    async def logout(self, request: Request) -> Response:
        """End the session; whoever has none is logged out already."""
        await run_in_threadpool(self._end, request)
        reply = RedirectResponse(f"{self._base}{LEFT}", 303, {"cache-control": "no-store"})
        reply.delete_cookie(
            self._cookie, path="/", secure=self._is_secure, httponly=True, samesite="lax"
        )
        return reply

    def _end(self, request: Request) -> None:
        token = request.cookies.get(self._cookie)
        records = self._runtime.service().records
        session = records.sessions.find(token) if token else None
        if token is None or session is None or session.portal is not None:
            return
        records.sessions.end(token)
        records.audit.note(f"user:{session.subject}", "logout", None, *_from(request))

    async def left(self, _: Request) -> Response:
        """Say that the session has ended."""
        text = "You are logged out of Citewell; at the login provider you may still be logged in."
        return page(200, "Logged out", text, login=f"{self._base}{LOGIN}")


def _from(request: Request) -> tuple[str | None, str | None]:
    """Return a request's address and number, for the audit."""
    address = request.client.host if request.client else None
    return address, request.scope.get("state", {}).get("request_id")
