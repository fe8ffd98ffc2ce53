"""The page's server: who is answered, how much is taken, and what an error looks like. Without a browser."""

import http.client
import json
import re
from collections.abc import Iterator
from threading import Thread

import pytest

from sre import SreError
from sre.voices import web
from sre.voices.web import Server


class Fake:
    """A desk that notes what it is asked."""

    def __init__(self) -> None:
        self.asked: list = []

    def info(self) -> dict:
        return {"text": "a model"}

    def clip(self, content: bytes, name: str) -> dict:
        self.asked.append(("clip", content, name))
        return {"clip": "1"}

    def compare(self, a: str, b: str) -> dict:
        self.asked.append(("compare", a, b))
        return {"title": "Same"}

    def identify(self, clip: str) -> dict:
        raise SreError(f"clip {clip}: is no longer here; record it again")

    def enrol(self, name: str, clips: list[str]) -> dict:
        raise KeyError("a fault with a secret in it")

    def remove(self, name: str) -> dict:
        self.asked.append(("remove", name))
        return {}


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(Fake()) as server:
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield server
        server.shutdown()


JSON = {"Content-Type": "application/json"}
SOUND = {"Content-Type": "application/octet-stream"}


Answer = tuple[int, str, dict[str, str]]


def ask(server: Server, path: str, body: bytes | dict | None = None, **headers: str) -> Answer:
    """Return status, text and headers of the answer to a path behind the token; or to one from / on."""
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=10)
    content = json.dumps(body).encode() if isinstance(body, dict) else body
    whole = path if path.startswith("/") else f"/{server.token}/{path}"
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request("GET" if body is None else "POST", whole, content, named)
    answer = connection.getresponse()
    found = answer.status, answer.read().decode(), dict(answer.headers)
    connection.close()
    return found


def error_of(answer: Answer) -> tuple[int, str]:
    return answer[0], json.loads(answer[1])["error"]


def test_the_page_is_one_file_that_runs_its_own_script_alone(server: Server) -> None:
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/[\w-]{32}/", server.url)
    status, page, headers = ask(server, "")
    policy = headers["Content-Security-Policy"]
    nonce = re.search("script-src 'nonce-([^']+)'", policy)[1]
    assert status == 200 and page.count(f'nonce="{nonce}"') == 2 and "{{" not in page
    assert policy.startswith("default-src 'none';") and "frame-ancestors 'none'" in policy
    assert headers["Cache-Control"] == "no-store" and headers["Referrer-Policy"] == "no-referrer"
    assert re.findall(r"(?:src|href)=\"([^\"]*)\"|https?://", page) == ["data:,"]
    assert nonce not in ask(server, "")[1]


def test_each_control_of_the_page_has_a_name(server: Server) -> None:
    """What is told to who does not see it: labels of inputs, a heading of each part, places for what is said."""
    page = ask(server, "")[1]
    static = page.partition("<script")[0]
    assert set(re.findall(r"<label[^>]* for=\"(\w+)\"", static)) == set(re.findall(r"<input[^>]* id=\"(\w+)\"", static))
    assert set(re.findall(r"aria-labelledby=\"([\w-]+)\"", static)) <= set(re.findall(r"id=\"([\w-]+)\"", static))
    assert static.count('aria-live="polite"') == static.count("<section") == 4
    assert '<html lang="en">' in static and 'name="viewport"' in static


@pytest.mark.parametrize("path, headers, status", [
    ("", {"Host": "evil.example:80"}, 403),  # a name that its name server has made mean 127.0.0.1
    ("", {"Host": "127.0.0.1:1"}, 403),
    ("api/info", {"Origin": "http://evil.example"}, 403),
    ("api/info", {"Origin": "null"}, 403),
    ("/", {}, 404),
    ("/wrong/api/info", {}, 404),
    ("api/nothing", {}, 404),
    ("../page.html", {}, 404),
])  # fmt: skip
def test_who_is_not_of_the_page_gets_nothing(server: Server, path: str, headers: dict, status: int) -> None:
    found, sentence = error_of(ask(server, path, **headers))
    assert found == status and "open the " in sentence and server.token not in sentence


def test_a_call_reaches_the_desk(server: Server) -> None:
    own = {"Origin": server.url.removesuffix(f"/{server.token}/")}
    assert ask(server, "api/compare", {"a": "1", "b": "2"}, **JSON, **own)[:2] == (200, '{"title": "Same"}')
    assert ask(server, "api/clip", b"RIFF", X_Name="a%20b.wav", **SOUND)[0] == 200
    assert server.desk.asked == [("compare", "1", "2"), ("clip", b"RIFF", "a b.wav")]
    assert json.loads(ask(server, "api/info")[1]) == {"text": "a model", "most_bytes": web.MOST_BYTES}


def test_an_error_is_a_sentence(server: Server, capsys) -> None:
    assert error_of(ask(server, "api/identify", {"clip": "7"}, **JSON)) == (
        400,
        "clip 7: is no longer here; record it again",
    )
    status, sentence = error_of(ask(server, "api/enrol", {"name": "Ana", "clips": ["1"]}, **JSON))
    assert status == 500 and sentence.startswith("the program failed (KeyError);") and "secret" not in sentence
    assert "KeyError: 'a fault with a secret in it'" in capsys.readouterr().err


@pytest.mark.parametrize("path, body, headers, status, error", [
    ("api/compare", b"{", JSON, 400, "the request is no JSON"),
    ("api/compare", b"[" * 60_000, JSON, 400, "the request is no JSON"),
    ("api/compare", b"[1]", JSON, 400, "which is of another kind"),
    ("api/compare", b'{"a": "1"}', JSON, 400, "b is missing"),
    ("api/enrol", b'{"name": "Ana", "clips": [1]}', JSON, 400, r"clips\[0\] is '1', which is of another kind"),
    ("api/remove", b'{"name": "Ana"}', {"Content-Type": "text/plain"}, 415, "application/json is needed"),
    ("api/remove", b"x" * (1 << 17), JSON, 413, "taken at most"),
    ("api/info", b"{}", JSON, 404, "no such call"),
    ("api/_body", b"{}", JSON, 404, "no such call"),
])  # fmt: skip
def test_a_request_of_another_form_is_refused(server: Server, path, body, headers, status, error) -> None:
    found, sentence = error_of(ask(server, path, body, **headers))
    assert found == status and re.search(error, sentence)
    assert server.desk.asked == []


def test_a_recording_too_large_is_refused_unread(server: Server) -> None:
    """Its length is enough: nothing of it need have arrived."""
    for length, status in ((str(web.MOST_BYTES + 1), 413), ("9" * 30, 413), ("-1", 411), ("1e3", 411)):
        found, _ = error_of(ask(server, "api/clip", b"", **SOUND, Content_Length=length))
        assert found == status


def test_a_port_that_is_taken_is_a_sentence(server: Server) -> None:
    with pytest.raises(SreError, match=f"port {server.server_port}: .* in use; give another by --port, or 0"):
        Server(Fake(), server.server_port)


def test_a_browser_that_has_gone_is_no_traceback(server: Server, capsys) -> None:
    for error in (ConnectionResetError(), TimeoutError()):
        try:
            raise error
        except OSError:
            server.handle_error(None, ("127.0.0.1", 1))
    assert capsys.readouterr().err == ""
    try:
        raise ValueError("a fault")
    except ValueError:
        server.handle_error(None, ("127.0.0.1", 1))
    assert "a fault" in capsys.readouterr().err
