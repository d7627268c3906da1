"""The screen's web server: one page, one stream of views, one way to press a button.

Standard library only, on loopback unless told otherwise. A page of another site cannot press
anything: a press needs the token that is in our page, the host name must be ours (against DNS
rebinding), and a browser that says where it comes from must come from here.
"""

import asyncio
import http.server
import secrets
import threading
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from importlib import resources
from typing import Any, ClassVar, Final
from urllib.parse import urlsplit

import msgspec
import structlog

from gateway.screen.board import CLOSING, Board

_LOG = structlog.get_logger()
TOKEN_HEADER: Final = "X-Hearthbeat-Token"  # noqa: S105 - its name
_LARGEST_PRESS: Final = 4096
_BEAT_SECONDS: Final = 10.0
_PRESS_SECONDS: Final = 10.0
_MOST_STREAMS: Final = 16
_FILES: Final = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/screen.css": ("screen.css", "text/css; charset=utf-8"),
    "/screen.js": ("screen.js", "text/javascript; charset=utf-8"),
    "/words.js": ("words.js", "text/javascript; charset=utf-8"),
}
_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
_TOKEN_MARK: Final = "{{token}}"  # noqa: S105 - the place of the token in the page


class Press(msgspec.Struct, frozen=True):
    """A button was pressed."""

    do: str
    id: str | None = None
    value: str | None = None


OnPress = Callable[[Press], Awaitable[bool]]


class ScreenServer:
    """Serves the board on its own threads; presses are acted upon in the event loop."""

    def __init__(self, board: Board, host: str, port: int, on_press: OnPress) -> None:
        self._board = board
        self._host = host
        self._on_press = on_press
        self._loop = asyncio.get_running_loop()
        self.stopped = False
        self.token = secrets.token_urlsafe(24)
        self._streams = threading.BoundedSemaphore(_MOST_STREAMS)
        handler = type("Handler", (_Handler,), {"screen": self})
        self._server = http.server.ThreadingHTTPServer((host, port), handler)
        self._server.daemon_threads = True
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, name="screen"
        )

    def start(self) -> None:
        """Serve from now on."""
        self._thread.start()
        _LOG.info("screen", host=self._host, port=self.port)

    def stop(self) -> None:
        """Stop serving and let every stream go."""
        self.stopped = True
        self._board.close()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def is_ours(self, host: str | None) -> bool:
        """Whether a Host header names this server as its visitors may call it."""
        if host is None:
            return False
        name = urlsplit(f"//{host}").hostname
        return name in {"127.0.0.1", "localhost", "::1", self._host} or self._host == "0.0.0.0"  # noqa: S104 - compared, not bound

    def press(self, press: Press) -> bool:
        """Act upon a press; called from a page's thread. Whether it changed anything."""
        acted = asyncio.run_coroutine_threadsafe(_await(self._on_press(press)), self._loop)
        return acted.result(timeout=_PRESS_SECONDS)

    def page(self) -> bytes:
        """The page with its token."""
        return _file("index.html").replace(_TOKEN_MARK.encode(), self.token.encode())

    def enter_stream(self) -> bool:
        """Room for one more stream?"""
        return self._streams.acquire(blocking=False)

    def leave_stream(self) -> None:
        """One stream less."""
        self._streams.release()

    @property
    def board(self) -> Board:
        """What is shown."""
        return self._board


async def _await(pressed: Awaitable[bool]) -> bool:
    return await pressed


def _file(name: str) -> bytes:
    return resources.files("gateway.screen").joinpath(name).read_bytes()


class _Handler(http.server.BaseHTTPRequestHandler):
    """One request."""

    screen: ClassVar[ScreenServer]
    protocol_version = "HTTP/1.1"
    server_version = "Hearthbeat"
    sys_version = ""
    timeout = 30

    def parse_request(self) -> bool:
        """No more requests on connections that outlive the server."""
        if self.screen.stopped:
            self.close_connection = True
            return False
        return super().parse_request()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Not a line per request: the stream is one, the presses are logged by what they do."""

    def do_GET(self) -> None:
        """The page and its parts, the present view, the stream of views."""
        if not self.screen.is_ours(self.headers.get("Host")):
            self._refuse(HTTPStatus.MISDIRECTED_REQUEST, "not a name of this screen")
            return
        path = urlsplit(self.path).path
        if path in _FILES:
            name, kind = _FILES[path]
            self._answer(kind, self.screen.page() if path == "/" else _file(name))
        elif path == "/state":
            _, view = self.screen.board.latest()
            self._answer("application/json", view)
        elif path == "/token":
            self._answer("application/json", msgspec.json.encode({"token": self.screen.token}))
        elif path == "/events":
            self._stream()
        else:
            self._refuse(HTTPStatus.NOT_FOUND, "no such page")

    def do_POST(self) -> None:
        """A press: `{"do": …, "id": …, "value": …}` with the token in its header."""
        length = self.headers.get("Content-Length", "")
        body = b""
        if length.isdecimal() and int(length) <= _LARGEST_PRESS:
            body = self.rfile.read(int(length))
        reason = self._suspicion()
        if reason is not None:
            self._refuse(HTTPStatus.FORBIDDEN, reason)
            return
        try:
            press = msgspec.json.decode(body, type=Press)
        except msgspec.DecodeError as error:
            self._refuse(HTTPStatus.BAD_REQUEST, str(error))
            return
        try:
            changed = self.screen.press(press)
        except TimeoutError:
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, "busy")
            return
        self._answer("application/json", msgspec.json.encode({"ok": changed}))

    def _suspicion(self) -> str | None:
        if urlsplit(self.path).path != "/press":
            return "presses go to /press"
        if not self.screen.is_ours(self.headers.get("Host")):
            return "not a name of this screen"
        if self.headers.get("Sec-Fetch-Site") not in {None, "same-origin"}:
            return "from another site"
        origin = self.headers.get("Origin")
        if origin is not None and urlsplit(origin).netloc != self.headers.get("Host"):
            return "from another site"
        token = self.headers.get(TOKEN_HEADER) or ""
        if not secrets.compare_digest(token.encode(), self.screen.token.encode()):
            return "without the token of the page"
        return None

    def _answer(self, kind: str, body: bytes, status: HTTPStatus = HTTPStatus.OK) -> None:
        self.send_response(status)
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _refuse(self, status: HTTPStatus, reason: str) -> None:
        self.close_connection = True
        self._answer("application/json", msgspec.json.encode({"error": reason}), status)

    def _stream(self) -> None:
        """Server-sent events: every view from now on, and a beat when nothing happens."""
        if not self.screen.enter_stream():
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, "too many screens")
            return
        try:
            self.send_response(HTTPStatus.OK)
            for name, value in _HEADERS.items():
                self.send_header(name, value)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Connection", "close")
            self.end_headers()
            self._follow()
        except OSError:
            self.close_connection = True  # the page was closed
        finally:
            self.screen.leave_stream()

    def _follow(self) -> None:
        number = 0
        self.close_connection = True
        while True:
            news = self.screen.board.after(number, _BEAT_SECONDS)
            if news is None:
                self.wfile.write(b": still here\n\n")
                continue
            number, view = news
            if number == CLOSING:
                return
            self.wfile.write(b"data: " + view + b"\n\n")
            self.wfile.flush()
