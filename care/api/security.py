"""What holds for every request: headers for browsers, a limit on bodies, an answer to faults."""

import traceback
from pathlib import Path
from typing import Final

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from care.api.problem import Problem, hub_fault

log = structlog.get_logger()

MAX_BODY: Final = 64 * 1024

_EVERYWHERE: Final = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(), geolocation=(), payment=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_API: Final = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}
_TLS: Final = {"Strict-Transport-Security": "max-age=31536000"}


def _is_api(scope: Scope) -> bool:
    return str(scope["path"]).startswith("/api/")


class SecurityHeaders:
    """Adds the headers to every response; what a page set itself stays."""

    def __init__(self, app: ASGIApp, *, secure: bool) -> None:
        self._app = app
        self._always = _EVERYWHERE | (_TLS if secure else {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and complete the response."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        wanted = self._always | (_API if _is_api(scope) else {})

        async def completed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in wanted.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, completed)


class Faults:
    """Turns what nobody expected into a 500 problem.

    The log gets the type and the places, not the message: it may hold what a patient is called.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; answer for it when it fails."""
        started = False

        async def noticed(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, noticed)
        except Exception as error:  # noqa: BLE001 - whatever it was, it is logged and answered
            told = {"error": type(error).__name__, "at": _places(error)}
            log.error("request_failed", **told)  # noqa: TRY400 - the message may name a patient
            if scope["type"] == "http" and not started:
                await hub_fault().answer()(scope, receive, send)


def _places(error: Exception) -> list[str]:
    frames = traceback.extract_tb(error.__traceback__)
    return [f"{Path(f.filename).name}:{f.lineno} {f.name}" for f in frames[-8:]]


class BodyLimit:
    """Refuses bodies of the API above MAX_BODY before they are read, or as soon as they are."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on while it is small."""
        if scope["type"] != "http" or not _is_api(scope):
            await self._app(scope, receive, send)
            return
        said = Headers(scope=scope).get("content-length", "0")
        if not said.isdigit() or int(said) > MAX_BODY:
            await _too_large().answer()(scope, receive, send)
            return
        seen = 0

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > MAX_BODY:
                # FastAPI lets its own exceptions through while it reads a body, and only those.
                raise HTTPException(413, f"A request has at most {MAX_BODY} bytes.")
            return message

        await self._app(scope, counted, send)


def _too_large() -> Problem:
    return Problem(
        413,
        "body-too-large",
        f"A request has at most {MAX_BODY} bytes.",
        hint="Send less at once.",
    )
