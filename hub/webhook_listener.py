"""The other end of a webhook for the demo: takes signed posts and keeps those that verify."""

import hashlib
import hmac
import json
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


def verify(secret: str, header: str, body: bytes) -> bool:
    """Whether `X-Hearthbeat-Signature: t=<unix>,v1=<hex>` signs this body with this secret."""
    fields = dict(part.split("=", 1) for part in header.split(",") if "=" in part)
    signed = fields.get("t", "").encode() + b"." + body
    expected = hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected, fields.get("v1", ""))


class WebhookListener:
    """Listens on a free loopback port until closed; `received` holds the verified posts."""

    def __init__(self, secret: str) -> None:
        """Bind at once, so that the address can be given away."""
        self.received: list[dict[str, Any]] = []
        self.refused = 0
        listener = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                """Verify, keep, answer."""
                body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
                ok = verify(secret, self.headers.get("X-Hearthbeat-Signature", ""), body)
                if ok:
                    listener.received.append(json.loads(body))
                else:
                    listener.refused += 1
                self.send_response(HTTPStatus.NO_CONTENT if ok else HTTPStatus.UNAUTHORIZED)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Stay silent: the walk prints what arrived."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, name="webhook", daemon=True).start()

    @property
    def url(self) -> str:
        """Where to post."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/hearthbeat"

    def of_episode(self, episode_id: int) -> list[dict[str, Any]]:
        """The posts about one episode."""
        return [post for post in self.received if post.get("episode") == episode_id]

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
