"""A web page on this machine alone, over the standard library's server: who may ask, how much, and what is answered.

What it answers with is a `Desk` (sre.voices.desk). The page is page.html, one file without anything from elsewhere.

Any page that the user visits can make a browser send requests to 127.0.0.1, and a name server can make a foreign name
mean 127.0.0.1. So each request must name this server as its Host, come from this page if it tells its Origin, and have
in its path a token that only the printed address tells.
"""

import hmac
import json
import secrets
import sys
import traceback
from collections.abc import Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import TCPServer
from threading import Lock
from typing import Any, Protocol
from urllib.parse import unquote

from sre import SreError
from sre.io.forms import check_form
from sre.machine.log import sentence_of, show

ADDRESS = "127.0.0.1"
MOST_BYTES = 64 << 20  # of one recording: half an hour of 16 bits at 16 kHz is 58 MB
MOST_JSON_BYTES = 1 << 16
IDLE_S = 30  # without a byte, then a connection is closed
PAGE = Path(__file__).with_name("page.html")
CALLS: Mapping[str, Any] = {  # what the page asks of the desk, and with which JSON
    "compare": {"a": str, "b": str},
    "identify": {"clip": str},
    "enrol": {"name": str, "clips": [str]},
    "remove": {"name": str},
}
POLICY = (
    "default-src 'none'; script-src 'nonce-{nonce}' blob:; style-src 'nonce-{nonce}'; connect-src 'self';"
    " media-src blob:; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class Desk(Protocol):
    """What the page can do. Each method returns what becomes JSON, and raises SreError, whose sentence is shown."""

    def info(self) -> dict:
        """Tell of the model, and of the enrolled voices."""

    def clip(self, content: bytes, name: str) -> dict:
        """Take an audio file; return the name of its voiceprint here, and what is known of its quality."""

    def compare(self, a: str, b: str) -> dict:
        """Compare two clips."""

    def identify(self, clip: str) -> dict:
        """Look for the voice of a clip among the enrolled."""

    def enrol(self, name: str, clips: list[str]) -> dict:
        """Add clips to a voice, which need not be there."""

    def remove(self, name: str) -> dict:
        """Delete a voice."""


class Refused(Exception):
    """A request that is not answered: its status, and a sentence."""

    def __init__(self, status: HTTPStatus, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


class Server(ThreadingHTTPServer):
    """Serves a desk's page at `url` until it is shut down; requests wait for each other at the desk.

    port : 0: any that is free
    Raises SreError where the port cannot be had.
    """

    daemon_threads = True

    def __init__(self, desk: Desk, port: int = 0) -> None:
        self.desk, self.token, self.lock = desk, secrets.token_urlsafe(24), Lock()
        try:
            super().__init__((ADDRESS, port), Handler)
        except OSError as error:
            raise SreError(
                f"port {port}: {error.strerror or error}; give another by --port, or 0 for any that is free"
            ) from None
        self.hosts = [f"{name}:{self.server_port}" for name in (ADDRESS, "localhost")]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a browser that has gone, which is no fault of the program."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)

    @property
    def url(self) -> str:
        """The address of the page, with its token."""
        return f"http://{ADDRESS}:{self.server_port}/{self.token}/"

    def server_bind(self) -> None:
        """Bind without asking a name server for this machine's name, as HTTPServer does."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = ADDRESS, self.server_address[1]


class Handler(BaseHTTPRequestHandler):
    """One connection. It answers with the page, or with JSON; an error is {"error": sentence}."""

    server: Server
    protocol_version = "HTTP/1.1"
    timeout = IDLE_S

    def do_GET(self) -> None:
        self._answer(self._get)

    def do_POST(self) -> None:
        self._answer(self._post)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing of requests, whose paths have the token."""

    def version_string(self) -> str:
        return "sre"

    def _answer(self, do: Any) -> None:
        """Send what `do` returns: bytes of the page, or a dict as JSON."""
        try:
            found = do(self._allowed())
            status = HTTPStatus.OK
        except Refused as error:
            self.close_connection = True  # its body may not have been read
            status, found = error.status, {"error": str(error)}
        except (ConnectionError, TimeoutError):
            self.close_connection = True
            return
        except Exception as error:
            status, found = HTTPStatus.BAD_REQUEST, {"error": sentence_of(error)}
            if found["error"] is None:
                show(traceback.format_exc())
                told = f"the program failed ({type(error).__name__}); where it was started it says at which line"
                status, found = HTTPStatus.INTERNAL_SERVER_ERROR, {"error": told}
        self._send(status, found)

    def _send(self, status: HTTPStatus, found: bytes | dict) -> None:
        nonce = secrets.token_urlsafe(16)
        is_page = isinstance(found, bytes)
        body = found.replace(b"{{nonce}}", nonce.encode()) if isinstance(found, bytes) else json.dumps(found).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8" if is_page else "application/json")
        self.send_header("Content-Length", str(len(body)))
        for name, value in {
            "Content-Security-Policy": POLICY.format(nonce=nonce),
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",  # the address has the token
            "Cache-Control": "no-store",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Cross-Origin-Opener-Policy": "same-origin",
            **({"Connection": "close"} if self.close_connection else {}),
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _allowed(self) -> str:
        """Return the path behind the token. Raises Refused for a request that is not of the page."""
        host, origin = self.headers.get("Host", ""), self.headers.get("Origin")
        if host not in self.server.hosts:
            raise Refused(HTTPStatus.FORBIDDEN, f"the page is at {ADDRESS} alone; open the address that was printed")
        if origin is not None and origin not in [f"http://{name}" for name in self.server.hosts]:
            raise Refused(HTTPStatus.FORBIDDEN, "the request is of another page; open the address that was printed")
        token, _, rest = self.path.removeprefix("/").partition("/")
        if not hmac.compare_digest(token.encode(), self.server.token.encode()):
            raise Refused(HTTPStatus.NOT_FOUND, "no such page; open the whole address that was printed")
        return rest

    def _get(self, path: str) -> bytes | dict:
        if path == "":
            return PAGE.read_bytes()
        if path == "api/info":
            with self.server.lock:
                return self.server.desk.info() | {"most_bytes": MOST_BYTES}
        raise Refused(HTTPStatus.NOT_FOUND, "no such page; open the whole address that was printed")

    def _post(self, path: str) -> dict:
        desk, call = self.server.desk, path.removeprefix("api/")
        if path == "api/clip":
            content = self._body(MOST_BYTES, "application/octet-stream")
            with self.server.lock:
                return desk.clip(content, unquote(self.headers.get("X-Name", ""))[:200])
        if path != f"api/{call}" or call not in CALLS:
            raise Refused(HTTPStatus.NOT_FOUND, "no such call; load the page again")
        body = self._body(MOST_JSON_BYTES, "application/json")
        try:
            given = json.loads(body)
        except (ValueError, RecursionError):
            raise SreError("the request is no JSON; load the page again") from None
        check_form("the request", given, CALLS[call], "load the page again")
        with self.server.lock:
            return getattr(desk, call)(**{name: given[name] for name in CALLS[call]})

    def _body(self, most: int, kind: str) -> bytes:
        """Return what was sent. Raises Refused for another kind, without its length, and for more than `most` bytes."""
        if self.headers.get_content_type() != kind:
            raise Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"{kind} is needed; load the page again")
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit()) or "Transfer-Encoding" in self.headers:
            raise Refused(HTTPStatus.LENGTH_REQUIRED, "the request does not tell its length; load the page again")
        if len(length) > 12 or int(length) > most:
            told = f"{most >> 20} MB are taken at most; give a shorter recording"
            raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, told)
        body = self.rfile.read(int(length))
        if len(body) < int(length):
            raise ConnectionError
        return body
