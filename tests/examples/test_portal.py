"""The example portal by itself: logins, its headers, and the tokens it gives out."""

from __future__ import annotations

import re
from pathlib import Path

import jwt
import pytest
from starlette.testclient import TestClient

from examples.portal.__main__ import USERS
from examples.portal.mint import Assistant
from examples.portal.people import People
from examples.portal.portal import COOKIE, HERE, PAGES, Portal

ORIGIN = "http://localhost:8080"
ASSISTANT = Assistant("http://127.0.0.1:7861", "halden", ORIGIN, "k" * 64)
PEOPLE = [tuple(line.split()) for line in USERS.splitlines()[1:]]


@pytest.fixture
def client() -> TestClient:
    """A browser on the portal's pages: it says where its writes come from."""
    app = Portal(ASSISTANT).application()
    return TestClient(app, ORIGIN, headers={"origin": ORIGIN}, follow_redirects=False)


@pytest.fixture
def mara(client: TestClient) -> TestClient:
    """A browser in which Mara is logged in."""
    reply = client.post("/login", data={"name": "mara", "password": "lantern-quay-41"})
    assert reply.headers["location"] == "/"
    return client


def test_the_three_who_are_printed_can_log_in() -> None:
    """Each name, password and group that the start prints is the portal's."""
    people = People(HERE / "people.json")
    assert len(PEOPLE) == 3
    for name, password, group in PEOPLE:
        person = people.check(name, password)
        assert person is not None
        assert person.groups == (group,)
        assert people.check(name, password + "x") is None


def test_the_readme_names_the_same_three() -> None:
    """The example's README has the table that is printed."""
    readme = (HERE / "README.md").read_text(encoding="utf-8")
    for name, password, group in PEOPLE:
        assert f"| `{name}` | `{password}` | {group} |" in readme


def test_no_password_is_kept() -> None:
    """The file of people holds salted hashes, and the code of the pages no password."""
    for file in ("people.json", "people.py", "portal.py"):
        text = (HERE / file).read_text(encoding="utf-8")
        assert not any(password in text for _, password, _ in PEOPLE)


@pytest.mark.parametrize(
    ("name", "password"), [("mara", "wrong"), ("nobody", "lantern-quay-41"), ("", "")]
)
def test_a_wrong_login_is_refused(client: TestClient, name: str, password: str) -> None:
    """Neither a wrong password nor an unknown name begins a session."""
    reply = client.post("/login", data={"name": name, "password": password})
    assert reply.status_code == 403
    assert "is wrong" in reply.text
    assert "set-cookie" not in reply.headers


def test_the_cookie_is_out_of_reach(client: TestClient) -> None:
    """Scripts cannot read the session's cookie, and other sites' requests do not carry it."""
    reply = client.post("/login", data={"name": "mara", "password": "lantern-quay-41"})
    said = reply.headers["set-cookie"].lower()
    assert "httponly" in said
    assert "samesite=lax" in said


@pytest.mark.parametrize("path", PAGES)
def test_pages_are_for_those_who_are_logged_in(client: TestClient, path: str) -> None:
    """A stranger is led to the login, and gets no content either."""
    assert client.get(path).headers["location"] == "/login"
    assert client.get("/api/pages", params={"path": path}).status_code == 401


@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_the_same_whole_and_by_navigation(mara: TestClient, path: str) -> None:
    """What the navigation fetches is what the whole page shows."""
    page = mara.get("/api/pages", params={"path": path}).json()
    whole = mara.get(path).text
    assert f'<h1 tabindex="-1">{page["title"]}</h1>' in whole
    for section in page["sections"]:
        assert f"<h2>{section['heading']}</h2>" in whole


def test_the_token_says_who_is_logged_in(mara: TestClient) -> None:
    """It is signed, for one minute, for Citewell and this origin, and is kept by nobody."""
    reply = mara.post("/api/assistant-token")
    assert reply.headers["cache-control"] == "no-store"
    claims = jwt.decode(reply.json()["token"], ASSISTANT.key, ["HS256"], audience=ASSISTANT.service)
    assert (claims["sub"], claims["groups"]) == ("mara", ["hr"])
    assert (claims["iss"], claims["portal"], claims["origin"]) == ("halden", "halden", ORIGIN)
    assert claims["exp"] - claims["iat"] == 60
    again = jwt.decode(
        mara.post("/api/assistant-token").json()["token"],
        ASSISTANT.key,
        ["HS256"],
        audience=ASSISTANT.service,
    )
    assert again["jti"] != claims["jti"]


def test_a_stranger_gets_no_token(client: TestClient) -> None:
    """Without a login there is none, and the refusal is not kept."""
    reply = client.post("/api/assistant-token")
    assert reply.status_code == 401
    assert "token" not in reply.json()
    assert reply.headers["cache-control"] == "no-store"


def test_after_logging_out_there_is_no_token(mara: TestClient) -> None:
    """The old cookie, brought back, is worth nothing."""
    cookie = mara.cookies[COOKIE]
    mara.post("/logout")
    assert COOKIE not in mara.cookies
    reply = mara.post("/api/assistant-token", headers={"cookie": f"{COOKIE}={cookie}"})
    assert reply.status_code == 401


@pytest.mark.parametrize("path", ["/login", "/logout", "/api/assistant-token"])
@pytest.mark.parametrize("origin", ["https://evil.example", "null", ""])
def test_other_sites_cannot_write(mara: TestClient, path: str, origin: str) -> None:
    """A write that does not come from the portal's own pages is refused, cookie or not."""
    reply = mara.post(path, headers={"origin": origin})
    assert reply.status_code == 403
    assert ORIGIN in reply.text
    assert mara.get("/").status_code == 200


def test_a_token_is_not_given_to_a_link(mara: TestClient) -> None:
    """GET, which another site can cause, mints nothing."""
    assert mara.get("/api/assistant-token").status_code == 405


def test_another_name_is_not_served(client: TestClient) -> None:
    """A foreign name that resolves to this machine gets nothing."""
    assert client.get("/login", headers={"host": "evil.example"}).status_code == 400


def test_the_policy_is_strict(mara: TestClient) -> None:
    """Scripts need the reply's own nonce, connections lead to Citewell only, nothing is unsafe."""
    replies = [mara.get("/"), mara.get("/")]
    policies = [reply.headers["content-security-policy"] for reply in replies]
    nonces = [re.search(r"script-src 'nonce-([\w-]+)';", policy)[1] for policy in policies]  # type: ignore[index]
    assert nonces[0] != nonces[1]
    assert f"connect-src 'self' {ASSISTANT.service};" in policies[0]
    assert "unsafe" not in policies[0]
    assert "require-trusted-types-for 'script'" in policies[0]
    scripts = re.findall(r"<script[^>]*>", replies[0].text)
    assert len(scripts) == 2
    assert all(f'nonce="{nonces[0]}"' in script for script in scripts)
    assert not re.search(r"<style|\sstyle=|\son\w+=", replies[0].text)


def test_the_page_embeds_the_widget(mara: TestClient) -> None:
    """The snippet names the portal, the address of its tokens and Citewell's module."""
    page = mara.get("/").text
    assert f'src="{ASSISTANT.service}/widget/1/citewell.js"' in page
    assert '<citewell-chat portal="halden" token-url="/api/assistant-token"' in page


def test_the_pages_hold_nothing_of_a_user_after_logout(mara: TestClient) -> None:
    """Pages are not stored, so that going back after logging out shows none."""
    assert mara.get("/").headers["cache-control"] == "no-store"
    mara.post("/logout")
    assert mara.get("/").headers["location"] == "/login"


def test_the_articles_are_filed_for_their_group() -> None:
    """The folders are the collections that the portal is added with."""
    folders = {path.name for path in Path(HERE / "articles").iterdir()}
    assert folders == {"handbook", "hr", "it"}
