"""A shop window for firmware: a real HTTPS server with a certificate of an authority of its own."""

import http.server
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

from runtime.authority import Authority
from runtime.clock import SystemClock

IMAGE = bytes(range(256)) * 2000


class Shelf(http.server.BaseHTTPRequestHandler):
    """Serves IMAGE at any path; `/moved` leaves HTTPS, `/short` breaks off, `/away` is 404."""

    asked: ClassVar[list[tuple[str, str | None]]] = []
    broken: ClassVar[int] = 0

    def do_GET(self) -> None:
        """A whole or a part of the image."""
        span = self.headers.get("Range")
        type(self).asked.append((self.path, span))
        if self.path == "/away":
            self.send_error(404)
            return
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", "http://127.0.0.1:9/x")
            self.end_headers()
            return
        start = int(span.removeprefix("bytes=").rstrip("-")) if span else 0
        body = IMAGE[start:]
        self.send_response(206 if span else 200)
        if self.path == "/short" and type(self).broken > 0:
            type(self).broken -= 1
            body = body[:200_000]
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Quiet."""


@contextmanager
def standing_shelf(place: Path) -> Iterator[tuple[str, Path]]:
    """Its address, and the certificate to trust."""
    Shelf.asked.clear()
    authority = Authority.prepare(place / "authority", SystemClock())
    tls = authority.serve_as(place / "https", ["127.0.0.1"], SystemClock())
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Shelf)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tls.certificate, tls.key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"https://127.0.0.1:{server.server_address[1]}", place / "authority" / "ca.crt"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
