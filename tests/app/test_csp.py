"""What a Content-Security-Policy allows, by the rules of CSP level 3."""

from __future__ import annotations

import pytest

from app.csp import Wanted, forbids, read_policies

PAGE = "https://portal.example/hr/leave"
SCRIPT = Wanted(PAGE, "https://chat.example/ask/widget/1.0.0/citewell.js", "n0nce", "sha384-abc")
CALL = Wanted(PAGE, "https://chat.example:8443/ask/api/v1/sessions")


@pytest.mark.parametrize(
    "policy",
    [
        "", "img-src 'none'", "script-src *", "script-src https:", "script-src 'nonce-n0nce'",
        "SCRIPT-SRC 'self' 'nonce-n0nce'", "script-src 'nonce-n0nce' 'strict-dynamic'",
        "script-src 'sha384-abc'", "script-src https://chat.example", "script-src chat.example",
        "script-src *.example", "script-src https://chat.example/ask/",
        "script-src https://CHAT.example:443/ask/widget/1.0.0/citewell.js",
        "default-src https://chat.example", "default-src 'none'; script-src https://chat.example",
        "script-src-elem https://chat.example; script-src 'none'",
        "script-src https://chat.example; script-src 'none'", "script-src http://chat.example",
        "script-src chat.example:*",
    ],
)  # fmt: skip
def test_the_module_may_be_loaded(policy: str) -> None:
    """A nonce, a hash, or a source that matches scheme, host, port and path lets it through."""
    assert forbids(read_policies([policy]), "script-src", SCRIPT) is None


@pytest.mark.parametrize(
    "policy",
    [
        "script-src 'self'", "script-src 'none'", "script-src", "default-src 'self'",
        "script-src 'nonce-other'", "script-src 'strict-dynamic' https://chat.example",
        "script-src https://chat.example:8443", "script-src https://chat.example/ask",
        "script-src https://chat.example/other/", "script-src evil.example",
        "script-src *.chat.example", "script-src wss:", "script-src 'unsafe-inline'",
        "script-src-elem 'self'; script-src *", "script-src xchat.example",
    ],
)  # fmt: skip
def test_the_module_may_not_be_loaded(policy: str) -> None:
    """Anything else keeps it out; what is told is the directive that does."""
    told = forbids(read_policies([policy]), "script-src", SCRIPT)
    assert told is not None
    assert told in policy


@pytest.mark.parametrize(
    ("policy", "is_allowed"),
    [
        ("connect-src 'self' https://chat.example:8443", True),
        ("connect-src https://chat.example", False),
        ("connect-src https://chat.example:*", True),
        ("connect-src 'self'", False),
        ("connect-src 'nonce-n0nce' 'strict-dynamic' https://chat.example:8443", True),
        ("default-src 'self'", False),
        ("script-src 'none'", True),
    ],
)
def test_the_service_may_be_called(policy: str, is_allowed: bool) -> None:
    """A call needs a source with its port; nonces are for scripts."""
    assert (forbids(read_policies([policy]), "connect-src", CALL) is None) == is_allowed


def test_each_policy_has_to_allow_it() -> None:
    """Several headers, several policies in one, and a page's own: the strictest counts."""
    lax, strict = "connect-src *", "connect-src 'self'"
    for values in ([lax, strict], [f"{lax}, {strict}"], [strict, lax]):
        assert forbids(read_policies(values), "connect-src", CALL) == strict
    assert forbids(read_policies([lax, lax]), "connect-src", CALL) is None


def test_self_is_the_pages_own_origin() -> None:
    """Where the service is under the portal's origin, 'self' is enough."""
    own = Wanted(PAGE, "https://portal.example/ask/widget/1.0.0/citewell.js")
    assert forbids(read_policies(["script-src 'self'"]), "script-src", own) is None
