"""What a browser may run on our pages: a Content-Security-Policy with a nonce per response.

NiceGUI puts its own scripts and styles into each page. They get the nonce of that response on
the way out, so nothing that came in as data can run (docs/adr/0006-console-csp.md).
"""

import secrets
from collections.abc import Mapping
from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_NICEGUI_MARK: Final = "x-nicegui-content"

HEADERS: Final[Mapping[str, str]] = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
}


def policy(nonce: str) -> str:
    """The policy of a live page. `unsafe-eval`: Vue compiles its templates in the browser."""
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src 'self' 'nonce-{nonce}' 'unsafe-eval'",
            f"style-src 'self' 'nonce-{nonce}'",
            "style-src-attr 'unsafe-inline'",
            "img-src 'self' data:",
            "font-src 'self'",
            "connect-src 'self'",
            "form-action 'self'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
        )
    )


# A page without scripts, such as the sign-in.
PLAIN_POLICY: Final = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self';"
    " base-uri 'none'; frame-ancestors 'none'"
)

PLAIN_HEADERS: Final[Mapping[str, str]] = {
    **HEADERS,
    "Content-Security-Policy": PLAIN_POLICY,
    "Cache-Control": "no-store",
}


class PagePolicy:
    """ASGI middleware around NiceGUI: adds the nonce to its tags and the policy to the header.

    Only pages NiceGUI marks as its own are touched. In them, data is written with `<` and `>`
    escaped, so that every literal `<script` and `<style` is NiceGUI's own.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        await self.app(scope, receive, _Rewriter(send).send)


class _Rewriter:
    """Holds a page back until it is whole, then sends it with its nonce."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._start: Message | None = None
        self._body = b""

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start" and self._is_page(message):
            self._start = message
        elif self._start is None:
            await self._send(message)
        elif message["type"] == "http.response.body":
            self._body += message.get("body", b"")
            if not message.get("more_body"):
                await self._finish(self._start)

    @staticmethod
    def _is_page(message: Message) -> bool:
        return MutableHeaders(scope=message).get(_NICEGUI_MARK) == "page"

    async def _finish(self, start: Message) -> None:
        nonce = secrets.token_urlsafe(16)
        body = self._body
        for tag in (b"<script", b"<style"):
            body = body.replace(tag, tag + f' nonce="{nonce}"'.encode())
        headers = MutableHeaders(scope=start)
        headers["content-length"] = str(len(body))
        headers["content-security-policy"] = policy(nonce)
        for name, value in HEADERS.items():
            headers[name] = value
        await self._send(start)
        await self._send({"type": "http.response.body", "body": body})
