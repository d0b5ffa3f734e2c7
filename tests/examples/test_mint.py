"""Tokens that the example mints, in Python and in Node, are what the service accepts."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from starlette.testclient import TestClient

from app.api.runtime import Runtime
from app.portals import PortalAdmin
from examples.portal import mint as minting
from examples.portal.mint import Assistant
from tests.app.api.conftest import client_of
from tests.app.runtimes import SECRET, opened

HERE = Path(minting.__file__).parent
ORIGIN = "http://localhost:8080"
NODE = shutil.which("node")
SCRIPT = """
import { mint } from "./mint.mjs";
const { assistant, user, groups } = JSON.parse(process.argv[1]);
process.stdout.write(await mint(assistant, user, groups));
"""

Mint = Callable[[Assistant, str, list[str]], str]


def by_node(assistant: Assistant, user: str, groups: list[str]) -> str:
    """Mint with mint.mjs."""
    assert (HERE / "node_modules" / "jose").exists(), f"Run `npm ci` in {HERE}."
    sent = json.dumps({"assistant": asdict(assistant), "user": user, "groups": groups})
    result = subprocess.run(
        ["node", "--input-type=module", "--eval", SCRIPT, sent],
        capture_output=True, text=True, timeout=60, cwd=HERE, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.fixture(
    params=[
        pytest.param(minting.mint, id="python"),
        pytest.param(
            by_node,
            id="node",
            marks=pytest.mark.skipif(
                NODE is None and "CI" not in os.environ, reason="node is not installed"
            ),
        ),
    ]
)
def mint(request: pytest.FixtureRequest) -> Mint:
    """Both ways of minting."""
    found: Mint = request.param
    return found


@dataclass(frozen=True)
class Service:
    """A service that knows the portal twice: by a shared secret, and by a key of the portal's."""

    runtime: Runtime
    assistants: dict[str, Assistant]

    def begin(self, token: str, origin: str = ORIGIN) -> Any:  # noqa: ANN401
        """Exchange a token as the widget does."""
        client = client_of(self.runtime, {"origin": origin})
        return client.post("/api/v1/sessions", json={"token": token})


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The real service; the group `works` sees what lies in `tunnel`."""
    key = ec.generate_private_key(ec.SECP256R1())
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()
    public = (
        key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )
    config: dict[str, Any] = {
        "origins": [ORIGIN], "collections": ["bridge"], "groups": {"works": ["tunnel"]},
        "is_public": False, "has_login": False, "welcome": "", "starters": [], "limit_user": None,
        "limit_portal": None,
    }  # fmt: skip
    with opened(tmp_path_factory.mktemp("mint"), auth="keys", secret=SECRET) as runtime:
        portals = PortalAdmin(runtime.service())
        secret = portals.add("shared", config, None)["secret"]
        portals.add("own", config, public)
        url = runtime.settings.public_origin
        assistants = {
            "HS256": Assistant(url, "shared", ORIGIN, secret, "HS256"),
            "ES256": Assistant(url, "own", ORIGIN, private, "ES256"),
        }
        yield Service(runtime, assistants)


@pytest.fixture(params=["HS256", "ES256"])
def assistant(request: pytest.FixtureRequest, service: Service) -> Assistant:
    """Both ways of signing."""
    return service.assistants[request.param]


def test_the_service_accepts_it(service: Service, assistant: Assistant, mint: Mint) -> None:
    """The user that was named asks what their group may, by name and nobody else's."""
    token = mint(assistant, "tomasz", ["works"])
    reply = service.begin(token)
    assert reply.status_code == 201, reply.text
    bearer = {"authorization": f"Bearer {reply.json()['access_token']}", "origin": ORIGIN}
    client: TestClient = client_of(service.runtime, bearer)
    assert client.get("/api/v1/me").json()["subject"].endswith("/tomasz")
    names = {each["name"] for each in client.get("/api/v1/collections").json()["items"]}
    assert names == {"bridge", "tunnel"}
    assert service.begin(token).json()["type"].endswith(":token-used")


def test_it_says_what_the_documents_say(assistant: Assistant, mint: Mint) -> None:
    """Its claims are those of the documents, for a minute, with another jti each time."""
    decoded = [
        jwt.decode(mint(assistant, "ines", []), options={"verify_signature": False})
        for _ in range(2)
    ]
    assert set(decoded[0]) == {
        "iss", "aud", "sub", "groups", "portal", "origin", "iat", "exp", "jti"
    }  # fmt: skip
    assert decoded[0]["exp"] - decoded[0]["iat"] == 60
    assert decoded[0]["jti"] != decoded[1]["jti"]
    assert (decoded[0]["sub"], decoded[0]["groups"]) == ("ines", [])


def test_another_key_signs_nothing(service: Service, assistant: Assistant, mint: Mint) -> None:
    """The secret of one portal does not sign for the other, nor does the public key."""
    forged = replace(assistant, key="f" * 64, algorithm="HS256")
    reply = service.begin(mint(forged, "mara", ["works"]))
    assert reply.status_code == 401
    assert reply.json()["type"].endswith(":token-invalid")


@pytest.mark.parametrize("name", ["mint.py", "mint.mjs"])
def test_minting_is_short(name: str) -> None:
    """The function that a portal copies has at most sixteen lines."""
    text = (HERE / name).read_text(encoding="utf-8")
    _, _, body = text.partition("def mint(" if name.endswith(".py") else "function mint(")
    assert 0 < len(body.strip().splitlines()) <= 16
