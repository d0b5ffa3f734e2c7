"""What a portal's backend signs, what only looks like it, and what is worth nothing any more."""

from __future__ import annotations

import json
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from hmac import new
from typing import Any
from uuid import uuid4

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from app.api.portal_tokens import LEEWAY, LIFETIME, Claims, PortalTokens, spend
from app.records.portals import Portal, PortalConfig
from app.records.records import Records
from app.settings import Settings
from tests.app.runtimes import SECRET
from vectorstore.errors import UnauthenticatedError

SITE = "https://portal.example"
OURS = "https://chat.example"
CONFIG = PortalConfig(origins=(SITE,), collections=("c1",))
SETTINGS = Settings(auth="keys", secret=SECRET, public_url=f"{OURS}/ask")
TOKENS = PortalTokens(SETTINGS)

PRIVATE = ec.generate_private_key(ec.SECP256R1())
PUBLIC = PRIVATE.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Records]:
    """Empty records, which the tests of this file share."""
    opened = Records(tmp_path_factory.mktemp("records") / "catalogue.sqlite3")
    yield opened
    opened.close()


def added(records: Records, public_key: str | None = None) -> Portal:
    """Add a portal under a new name."""
    return records.portals.add(f"p{uuid4().hex}", CONFIG, public_key)


@pytest.fixture(params=["HS256", "ES256"])
def portal(request: pytest.FixtureRequest, records: Records) -> Portal:
    """A portal whose backend signs with the derived secret, or with a key of its own."""
    return added(records, PUBLIC if request.param == "ES256" else None)


def claims(portal: Portal, /, **other: Any) -> dict[str, Any]:  # noqa: ANN401 (of each claim)
    """Return what a backend states of a user; a claim that is None is left out."""
    now = time.time()
    stated = {
        "iss": portal.name, "aud": OURS, "sub": "ada", "groups": ["x"], "portal": portal.name,
        "origin": SITE, "iat": now, "exp": now + LIFETIME, "jti": uuid4().hex, **other,
    }  # fmt: skip
    return {name: value for name, value in stated.items() if value is not None}


def signed(portal: Portal, /, key: int = -1, kid: str | None = None, **other: Any) -> str:  # noqa: ANN401
    """Return the token that the portal's backend would sign with one of its keys."""
    chosen = portal.keys[key]
    headers = None if kid is None else {"kid": kid}
    if chosen.public_key:
        return jwt.encode(claims(portal, **other), PRIVATE, "ES256", headers)
    secret = SETTINGS.portal_secret(chosen.kid)
    return jwt.encode(claims(portal, **other), secret, "HS256", headers)


def refusal(records: Records, token: str) -> str | None:
    """Return the code with which a token is refused."""
    with pytest.raises(UnauthenticatedError) as refused:
        TOKENS.read(token, records)
    return refused.value.code


# -- what counts -----------------------------------------------------------------------------


def test_a_token_states_a_user(records: Records, portal: Portal) -> None:
    """Subject, groups and origin are as the backend has signed them."""
    read = TOKENS.read(signed(portal, groups=["x", 7, "\ud800", "y"]), records)
    assert (read.portal, read.subject, read.groups, read.origin) == (
        portal,
        "ada",
        ("x", "y"),
        SITE,
    )
    assert TOKENS.read(signed(portal, groups=None), records).groups == ()


def test_a_token_is_spent_once(records: Records, portal: Portal) -> None:
    """A jti counts once for its portal, whoever it names; another portal may use it too."""
    token = signed(portal, jti="1")
    spend(TOKENS.read(token, records), records)
    for again in (token, signed(portal, jti="1", sub="ben")):
        with pytest.raises(UnauthenticatedError, match="used already") as refused:
            spend(TOKENS.read(again, records), records)
        assert refused.value.code == "token-used"
    spend(TOKENS.read(signed(added(records), jti="1"), records), records)


def test_a_token_is_remembered_for_as_long_as_it_counts(
    records: Records, portal: Portal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the last second of its leeway a token that was used is still known to be."""
    token = signed(portal, exp=time.time() - LEEWAY + 3, iat=time.time() - LEEWAY - 30)
    read = TOKENS.read(token, records)
    spend(read, records)
    for ahead in (0.0, 3.0, 2.0 * LEEWAY):
        now = time.time() + ahead
        monkeypatch.setattr("app.records.sessions.time.time", lambda now=now: now)
        with pytest.raises(UnauthenticatedError, match="used already"):
            spend(read, records)
        monkeypatch.undo()


@pytest.mark.parametrize(
    "moments",
    [(LEEWAY - 2, LEEWAY + 50), (-LIFETIME, 0), (-LIFETIME - LEEWAY + 2, -LEEWAY + 2)],
    ids=["our clock is behind", "just signed", "our clock is ahead"],
)
def test_clocks_may_differ_by_the_leeway(
    records: Records, portal: Portal, moments: tuple[float, float]
) -> None:
    """A token counts for its whole life on a clock that goes half a minute wrong."""
    now = time.time()
    token = signed(portal, iat=now + moments[0], exp=now + moments[1])
    assert TOKENS.read(token, records).subject == "ada"


# -- what does not ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("other", "code"),
    [
        ({"aud": "https://other.example"}, "token-audience"),
        ({"aud": f"{OURS}/ask"}, "token-audience"),
        ({"aud": None}, "token-invalid"),
        ({"iss": "other"}, "token-invalid"),
        ({"iss": None}, "token-invalid"),
        ({"portal": "other"}, "portal-unknown"),
        ({"portal": None}, "portal-unknown"),
        ({"portal": ["x"]}, "portal-unknown"),
        ({"portal": "\ud800"}, "portal-unknown"),
        ({"origin": "https://evil.example"}, "token-origin"),
        ({"origin": OURS}, "token-origin"),
        ({"origin": [SITE]}, "token-origin"),
        ({"origin": None}, "token-invalid"),
        ({"exp": lambda now: now - LEEWAY - 1, "iat": lambda now: now - 90}, "token-expired"),
        ({"exp": lambda now: now + 3600}, "token-long"),
        ({"iat": lambda now: now - 3600}, "token-long"),
        ({"iat": lambda now: now + 3600, "exp": lambda now: now + 3630}, "token-clock"),
        ({"nbf": lambda now: now + 3600}, "token-clock"),
        ({"iat": None}, "token-invalid"),
        ({"exp": None}, "token-invalid"),
        ({"jti": None}, "token-invalid"),
        ({"jti": ""}, "token-invalid"),
        ({"jti": 7}, "token-invalid"),
        ({"jti": "\ud800"}, "token-invalid"),
        ({"sub": None}, "token-invalid"),
        ({"sub": ""}, "token-invalid"),
        ({"sub": 7}, "token-invalid"),
        ({"sub": "x" * 201}, "token-invalid"),
        ({"sub": "\udfff"}, "token-invalid"),
        ({"exp": lambda now: str(int(now + 30))}, "token-invalid"),
        ({"iat": lambda now: str(int(now))}, "token-invalid"),
        ({"exp": float("inf")}, "token-invalid"),
        ({"exp": float("nan")}, "token-invalid"),
        ({"iat": float("-inf")}, "token-invalid"),
        ({"iat": True}, "token-invalid"),
        ({"groups": ["x" * 9000]}, "token-invalid"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_a_wrong_claim_is_refused(
    records: Records, portal: Portal, other: dict[str, Any], code: str
) -> None:
    """A claim that is missing, wrong, of another type or too long refuses the token by its code."""
    now = time.time()
    claims = {name: value(now) if callable(value) else value for name, value in other.items()}
    assert refusal(records, signed(portal, **claims)) == code


@given(
    st.dictionaries(
        st.sampled_from(["iss", "aud", "sub", "groups", "portal", "origin", "iat", "exp", "jti"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
            lambda deeper: st.lists(deeper, max_size=3) | st.dictionaries(st.text(), deeper),
            max_leaves=3,
        ),
        min_size=1,
    )
)
def test_no_signed_claim_breaks_the_reading(records: Records, other: dict[str, Any]) -> None:
    """Whatever a backend signs, it is read and spent or refused, and never fails otherwise."""
    portal = records.portals.named("fuzzed") or records.portals.add("fuzzed", CONFIG)
    secret = SETTINGS.portal_secret(portal.keys[0].kid)
    try:
        read = TOKENS.read(raw_token(claims(portal, **other), secret), records)
        spend(read, records)
    except UnauthenticatedError:
        return
    assert isinstance(read, Claims)


def raw_token(body: Any, secret: str, alg: str = "HS256") -> str:  # noqa: ANN401 (any JSON)
    """Sign any JSON, which the library refuses to for most."""
    head = b".".join(_part(each) for each in ({"alg": alg, "typ": "JWT"}, body))
    mac = new(secret.encode(), head, sha256).digest()
    return (head + b"." + urlsafe_b64encode(mac).rstrip(b"=")).decode()


def _part(value: Any) -> bytes:  # noqa: ANN401 (any JSON)
    return urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=")


@pytest.mark.parametrize("body", [[], 1, "x", None])
def test_what_is_no_set_of_claims_is_refused(records: Records, body: object) -> None:
    """A signed token must be an object."""
    assert refusal(records, raw_token(body, SECRET)) == "token-invalid"


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "é.é.é", "." * 9000, "e30.e30."])
def test_what_is_no_token_is_refused(records: Records, token: str) -> None:
    """Anything else is told to be unusable."""
    assert refusal(records, token) in ("token-invalid", "portal-unknown")


def test_only_the_portals_own_way_of_signing_counts(records: Records, portal: Portal) -> None:
    """No signature, another algorithm, or the public key taken for a secret are all refused."""
    other = ec.generate_private_key(ec.SECP256R1())
    rsa_key = rsa.generate_private_key(65537, 2048)
    secret = SETTINGS.portal_secret(portal.keys[0].kid)
    stated = claims(portal)
    jwk = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(other.public_key()))
    forged = [
        jwt.encode(stated, None, "none"),
        jwt.encode(stated, other, "ES256"),
        jwt.encode(stated, rsa_key, "RS256"),
        jwt.encode(stated, "w" * 32, "HS256"),
        jwt.encode(stated, other, "ES256", {"jwk": jwk}),
        raw_token(stated, PUBLIC),
        raw_token(stated, PUBLIC.strip()),
        raw_token(stated, PUBLIC, "ES256"),
        raw_token(stated, secret, "hs256"),
    ]
    if portal.keys[0].public_key:
        forged.append(jwt.encode(stated, secret, "HS256"))
    else:
        forged.append(jwt.encode(stated, PRIVATE, "ES256"))
        forged.append(jwt.encode(stated, secret, "HS512"))
        forged.append(jwt.encode(stated, secret, "HS384"))
    assert {refusal(records, token) for token in forged} == {"token-invalid"}
    assert TOKENS.read(signed(portal), records).portal == portal


def test_portals_do_not_sign_for_each_other(records: Records) -> None:
    """A portal's secret is its own, also for one that is called by the other's id."""
    one = added(records)
    two = records.portals.add(one.id, CONFIG)
    secrets = [SETTINGS.portal_secret(each.keys[0].kid) for each in (one, two)]
    for stated, secret in ((claims(one), secrets[1]), (claims(two), secrets[0])):
        assert refusal(records, jwt.encode(stated, secret, "HS256")) == "token-invalid"
    assert refusal(records, signed(two, portal=one.name)) == "token-invalid"
    assert TOKENS.read(signed(one), records).portal == one
    assert TOKENS.read(signed(two), records).portal == two


def test_another_services_secret_signs_nothing(records: Records) -> None:
    """What CITEWELL_SECRET derives here is no secret elsewhere."""
    portal = added(records)
    elsewhere = PortalTokens(
        SETTINGS.model_copy(update={"secret": Settings(secret="t" * 32).secret})
    )
    with pytest.raises(UnauthenticatedError):
        elsewhere.read(signed(portal), records)


# -- keys ------------------------------------------------------------------------------------


def test_keys_overlap(records: Records) -> None:
    """Until its end an old key counts beside the new one, named by its kid or not."""
    portal = added(records)
    rotated = records.portals.rotate(portal.name, PUBLIC, 60)
    for key in (0, 1):
        assert TOKENS.read(signed(rotated, key), records).subject == "ada"
        named = signed(rotated, key, kid=rotated.keys[key].kid)
        assert TOKENS.read(named, records).subject == "ada"


def test_several_keys_of_one_algorithm_are_tried(records: Records) -> None:
    """A token without kid counts under any living key, and its other faults are still told."""
    portal = added(records)
    records.portals.rotate(portal.name, None, 60)
    rotated = records.portals.rotate(portal.name, None, 60)
    assert len(rotated.keys) == 3
    for key in (0, 1, 2):
        assert TOKENS.read(signed(rotated, key), records).subject == "ada"
        assert refusal(records, signed(rotated, key, aud="x")) == "token-audience"
    foreign = jwt.encode(claims(rotated), "w" * 32, "HS256")
    assert refusal(records, foreign) == "token-invalid"


def test_an_old_key_ends_with_the_overlap(records: Records) -> None:
    """After it nothing that the old key has signed counts, with or without its kid."""
    portal = added(records)
    kid = portal.keys[0].kid
    rotated = records.portals.rotate(portal.name, None, 0)
    assert refusal(records, signed(portal)) == "token-invalid"
    assert refusal(records, signed(portal, kid=kid)) == "token-invalid"
    assert TOKENS.read(signed(rotated), records).subject == "ada"
    assert len(records.portals.rotate(portal.name, None, 60).keys) == 2, "what ended is dropped"


def test_a_kid_names_its_own_key(records: Records) -> None:
    """A token that names another key than the one it is signed with is refused."""
    portal = added(records)
    rotated = records.portals.rotate(portal.name, None, 60)
    crossed = signed(rotated, 0, kid=rotated.keys[1].kid)
    for token in (
        crossed,
        signed(rotated, kid=added(records).keys[0].kid),
        signed(rotated, kid="x"),
    ):
        assert refusal(records, token) == "token-invalid"


def test_an_overlap_never_lengthens_a_life(records: Records) -> None:
    """A key that ends soon does not live longer by another rotation."""
    portal = added(records)
    soon = records.portals.rotate(portal.name, None, 10).keys[0].expires
    assert records.portals.rotate(portal.name, None, 1000).keys[0].expires == soon


# -- test tokens -----------------------------------------------------------------------------


def test_we_sign_what_we_read(records: Records, portal: Portal) -> None:
    """A test token is what the backend would sign; where only that has the key there is none."""
    token = TOKENS.sign(portal, "ben", ["x"], SITE)
    if portal.keys[0].public_key:
        assert token is None
        return
    assert token is not None
    read = TOKENS.read(token, records)
    assert (read.subject, read.groups, read.origin) == ("ben", ("x",), SITE)
    assert TOKENS.sign(replace(portal, keys=()), "ben", [], SITE) is None
