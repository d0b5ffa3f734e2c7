"""The command line, as installed, beside a running server and alone."""

from __future__ import annotations

import json
import re
import shutil
import signal
import time
from pathlib import Path

import httpx
import pytest

from tests.app.conftest import EXAMPLES, Server, run_citewell, start, wait_until_ready

NEWS = Path(__file__).parents[3] / "shared" / "articles"


def test_help_is_quick_and_names_the_commands(tmp_path: Path) -> None:
    """`citewell --help` lists every command; bench/speed.py measures how fast."""
    shown = run_citewell(tmp_path, "--help").stdout
    for command in ("ingest", "ask", "search", "articles", "collections", "serve"):
        assert command in shown


def test_version(tmp_path: Path) -> None:
    """`--version` prints name and version."""
    assert re.fullmatch(r"citewell \d+\.\d+\.\d+\n", run_citewell(tmp_path, "--version").stdout)


def test_the_data_folder_may_be_named_after_the_command(server: Server, tmp_path: Path) -> None:
    """`--data-dir` is understood before and after the command, and the last one counts."""
    result = run_citewell(tmp_path, "collections", "list", "--data-dir", server.data_dir)
    assert result.stdout.startswith("articles: 18 articles")


def test_ask_prints_the_sentence_and_its_source(server: Server) -> None:
    """A question is answered with numbered sentences and their articles."""
    shown = server.citewell("ask", "When did the James Webb Space Telescope take off?").stdout
    assert re.search(r"25 December 2021.*\[1\]", shown)
    assert re.search(r"^\[1\] .*, 2022-07-14$", shown, re.MULTILINE)


def test_ask_json_quotes_what_the_article_says(server: Server) -> None:
    """Each citation's quote is found in its article at the offsets given."""
    answer = server.citewell_json("ask", "How many tree species are there on Earth?", "--json")
    assert answer["outcome"] == "answered"
    assert "60,065" in answer["text"]
    assert "73,000" in answer["text"]
    for citation in answer["citations"]:
        article = server.citewell_json("articles", "show", citation["article_id"], "--json")
        assert article["text"][citation["start"] : citation["end"]] == citation["quote"]
    assert answer["timings_ms"]["first_sentence"] > 0


def test_ask_refuses_what_is_not_there(server: Server) -> None:
    """A question about something else gives the refusal and the closest articles, status 0."""
    result = server.citewell("ask", "How do I reset my VPN password?")
    assert result.returncode == 0
    assert result.stdout.startswith("The articles do not say.")


def test_ask_names_the_days_that_were_asked_for(server: Server) -> None:
    """Articles of a year are asked where a question speaks of them, and that is shown."""
    shown = server.citewell("ask", "How many tree species do articles from 2017 count?").stdout
    assert shown.startswith("Only articles of 2017:\n")
    assert "60,065" in shown
    assert "73,000" not in shown
    shown = server.citewell("ask", "How many tree species do articles from 1905 count?").stdout
    assert shown == "Only articles of 1905:\n\nThe articles of 1905 do not say.\n"


def test_a_conversation_goes_on(server: Server) -> None:
    """A question in a conversation may lean on the one before; a strange id is an error."""
    first = server.citewell_json(
        "ask", "How long is the London Underground?", "--conversation", "new", "--json"
    )
    known = first["conversation_id"]
    text = server.citewell("ask", "And when was it opened?", "--conversation", known).stdout
    assert text.startswith("Understood as: And when was it opened? (")
    assert "Underground" in text.splitlines()[0]
    assert f"Go on with: --conversation {known}" in text
    wrong = server.citewell("ask", "Why?", "--conversation", "v0")
    assert wrong.returncode == 1
    assert "v0" in wrong.stderr


def test_search_ranks_passages(server: Server) -> None:
    """`search` gives as many passages as asked for, ranked, in the documented form."""
    found = server.citewell_json("search", "definition of the kilogram", "--top-k", "3", "--json")
    assert found["query"] == "definition of the kilogram"
    assert [passage["rank"] for passage in found["passages"]] == [1, 2, 3]
    assert found["passages"][0]["uri"] == "kilogram-redefined.md"


def test_a_batch_prints_one_line_each(server: Server, tmp_path: Path) -> None:
    """Each line of a batch gets one line of JSON with its id; a bad line stops nothing."""
    batch = tmp_path / "batch.jsonl"
    batch.write_text(
        '{"id": 1, "question": "Who invented the watt balance?", "more": true}\n'
        "not json\n"
        '{"id": "x", "question": ""}\n'
        '{"id": "y", "question": "hello"}\n'
    )
    result = server.citewell("ask", "--batch", batch)
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [line["id"] for line in lines] == [1, None, "x", "y"]
    assert ["error" in line for line in lines] == [False, True, True, False]
    assert result.returncode == 1
    found = server.citewell("search", "--batch", batch)
    assert json.loads(found.stdout.splitlines()[0])["id"] == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("ask",), "--batch"),
        (("ask", ""), "empty"),
        (("ask", "x" * 3000), "3000"),
        (("ask", "why?", "--collection", "nope"), "'nope'"),
        (("articles", "show", "nope"), "'nope'"),
        (("articles", "remove", "kilogram-redefined.md", "nope"), "'nope'"),
        (("ask", "--batch", "/does/not/exist"), "/does/not/exist"),
    ],
)
def test_mistakes_are_told_in_one_line(
    server: Server, arguments: tuple[str, ...], words: str
) -> None:
    """A mistake gives status 1 and one line that names the value, and changes nothing."""
    result = server.citewell(*arguments)
    assert result.returncode == 1
    assert words in result.stderr
    assert "Traceback" not in result.stderr
    assert len(server.citewell_json("articles", "list", "--json")["articles"]) >= 18


def test_commands_work_beside_the_server(server: Server, tmp_path: Path) -> None:
    """While the server runs, articles can be added, answered from, listed and removed."""
    source = tmp_path / "wells"
    source.mkdir()
    (source / "well.md").write_text(
        "---\ntitle: The village well\ndate: 2024-05-06\n---\n"
        "The village well of Oberdorf was dug by Anna Kessler in 1743.\n"
    )
    (source / "bad.txt").write_bytes(b"\xff\xfe\x00")
    result = server.citewell("ingest", source, "--collection", "wells", "--json")
    report = json.loads(result.stdout)
    assert result.returncode == 1
    assert (report["added"], len(report["failed"])) == (1, 1)
    assert report["failed"][0]["source"].endswith("bad.txt")
    again = json.loads(server.citewell("ingest", source, "--collection", "wells", "--json").stdout)
    assert (again["unchanged"], again["chunks"]) == (1, 0)

    answer = server.citewell_json("ask", "Who dug the well of Oberdorf?", "--json")
    assert "Anna Kessler" in answer["sentences"][0]["text"]
    other = server.citewell_json(
        "ask", "Who dug the well of Oberdorf?", "--collection", "articles", "--json"
    )
    assert "Kessler" not in json.dumps(other)
    listed = server.citewell_json("collections", "list", "--json")["collections"]
    assert {entry["name"]: entry["articles"] for entry in listed} == {"articles": 18, "wells": 1}

    removed = server.citewell_json(
        "articles", "remove", "well.md", "--collection", "wells", "--json"
    )
    assert [head["uri"] for head in removed["removed"]] == ["well.md"]
    gone = server.citewell_json("ask", "Who dug the well of Oberdorf?", "--json")
    assert "Kessler" not in json.dumps(gone)
    assert server.citewell("collections", "delete", "wells").returncode == 0  # all share the server


def test_a_second_ingest_embeds_nothing(server: Server) -> None:
    """Ingesting the demo articles again finds all of them unchanged."""
    report = server.citewell_json("ingest", EXAMPLES, "--json")
    assert (report["unchanged"], report["chunks"], report["added"]) == (18, 0, 0)


def test_newsroom_lines_are_never_retrieved(server: Server) -> None:
    """No passage holds the contact and newsletter lines of the article that has them."""
    found = server.citewell_json(
        "search", "get in touch with our news team, sign up, more stories", "--top-k", "100",
        "--json",
    )  # fmt: skip
    text = " ".join(passage["text"] for passage in found["passages"]).lower()
    for words in ("get in touch", "for more stories", "newsletter", "follow us"):
        assert words not in text


def test_nothing_was_sent_out(server: Server) -> None:
    """The server, warm and asked, has looked up and reached no address but its own machine's."""
    server.citewell_json("ask", "What is the Montreal Protocol about?", "--json")
    assert server.watched.read_text() == ""


def test_health_and_the_article(server: Server) -> None:
    """The endpoints answer as documented, and a missing article is a problem document."""
    assert httpx.get(f"{server.url}/healthz").json() == {"status": "ok"}
    assert httpx.get(f"{server.url}/readyz").json()["ready"] is True
    head = server.citewell_json("articles", "list", "--json")["articles"][0]
    article = httpx.get(f"{server.url}/api/v1/articles/{head['article_id']}").json()
    assert (article["title"], article["link"]) == (head["title"], head["url"])
    missing = httpx.get(f"{server.url}/api/v1/articles/none")
    assert missing.status_code == 404
    assert missing.headers["content-type"] == "application/problem+json"


def test_the_stream_tells_an_answer(server: Server) -> None:
    """Server-sent events are numbered, begin with start, carry whole citations, end with done."""
    asked = {"question": "How many tree species are there on Earth?", "stream": True}
    reply = httpx.post(f"{server.url}/api/v1/answers", json=asked)
    assert reply.headers["content-type"].startswith("text/event-stream")
    frames = [dict(line.split(": ", 1) for line in frame.split("\n"))
              for frame in reply.text.strip().split("\n\n")]  # fmt: skip
    assert [int(frame["id"]) for frame in frames] == list(range(len(frames)))
    names = [frame["event"] for frame in frames]
    assert (names[:3], names[-1]) == (["start", "passages", "sentence"], "done")
    sentence = json.loads(frames[2]["data"])
    assert sentence["citations"][0]["quote"] == sentence["text"]


@pytest.mark.parametrize(
    ("body", "status"),
    [({"question": " "}, 422), ({"question": "why?", "collection": "nope"}, 404), ({}, 422)],
)
def test_a_bad_question_is_a_problem(server: Server, body: dict[str, str], status: int) -> None:
    """A question that cannot be answered is refused with its status before any stream."""
    assert httpx.post(f"{server.url}/api/v1/answers", json=body).status_code == status


def test_gradios_own_routes_are_guarded(server: Server) -> None:
    """A foreign Host or Origin gets nothing from any route, Gradio's included."""
    for path in ("/", "/config", "/gradio_api/info", "/gradio_api/queue/join", "/healthz"):
        for headers in ({"host": "evil.example"}, {"origin": "http://evil.example"}):
            assert httpx.get(f"{server.url}{path}", headers=headers).status_code == 403


@pytest.mark.parametrize("query", ["", "?page=1", "?view=x&__theme=dark", "?deep_link=none"])
def test_the_page_answers_whatever_the_query(server: Server, query: str) -> None:
    """No parameter makes the page fail."""
    assert httpx.get(f"{server.url}/{query}").status_code == 200


def test_nothing_can_be_uploaded(server: Server) -> None:
    """Gradio's upload route does not exist here."""
    reply = httpx.post(f"{server.url}/gradio_api/upload", files={"files": b"x" * 1000})
    assert reply.status_code == 404


def test_a_taken_port_is_told(server: Server, tmp_path: Path) -> None:
    """A second server on the same port ends with one line that names it."""
    port = server.url.rsplit(":", 1)[1]
    result = run_citewell(tmp_path / "data", "serve", "--port", port)
    assert result.returncode == 1
    assert f"Port {port}" in result.stderr


def test_a_killed_server_leaves_a_working_store(demo_dir: Path, tmp_path: Path) -> None:
    """After kill -9 the next command takes over the lock and the socket and still answers."""
    data_dir = tmp_path / "data"
    shutil.copytree(demo_dir, data_dir, ignore=shutil.ignore_patterns("socket", "lock"))
    running = start(data_dir)
    wait_until_ready(running)
    running.process.send_signal(signal.SIGKILL)
    running.process.wait()
    time.sleep(0.1)
    result = run_citewell(data_dir, "articles", "list", "--json")
    assert result.returncode == 0, result.stderr
    assert len(json.loads(result.stdout)["articles"]) == 18


@pytest.mark.skipif(not NEWS.is_dir(), reason="the shared news article is not beside the checkout")
def test_the_news_article(tmp_path: Path) -> None:
    """Over one real news article the known questions are answered, the others refused."""
    data_dir = tmp_path / "data"
    assert run_citewell(data_dir, "ingest", NEWS).returncode == 0
    batch = tmp_path / "batch.jsonl"
    wanted = {
        "How many troops has North Korea sent to Russia?": "15,000",
        "Where was the footage of the cleaning shared?": "Telegram",
        "When did Kim last visit Russia?": "2023",
        "Who won the 2018 World Cup?": None,
        "How do I reset my VPN password?": None,
    }
    batch.write_text(
        "\n".join(json.dumps({"id": text, "question": text}) for text in wanted), encoding="utf-8"
    )
    result = run_citewell(data_dir, "ask", "--batch", batch)
    for line in result.stdout.splitlines():
        answer = json.loads(line)
        expected = wanted[answer["id"]]
        if expected is None:
            assert answer["outcome"] == "not_found", answer["text"]
        else:
            assert expected in answer["sentences"][0]["text"]
        assert "get in touch" not in json.dumps(answer).lower()
        assert "for more stories" not in json.dumps(answer).lower()
