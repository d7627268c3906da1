"""A real HTTP server that a webhook is sent to: keeps what came, answers as it is told."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import Sequence
from typing import Any, NamedTuple, Self


class Received(NamedTuple):
    """One request."""

    headers: dict[str, str]
    body: bytes

    @property
    def said(self) -> dict[str, Any]:
        """The body as JSON."""
        return json.loads(self.body)

    def is_signed_with(self, secret: str) -> bool:
        """What a receiver does: recompute the signature from the time and the raw body."""
        parts = dict(
            part.split("=", 1) for part in self.headers["x-hearthbeat-signature"].split(",")
        )
        expected = hmac.new(
            secret.encode(), parts["t"].encode() + b"." + self.body, hashlib.sha256
        ).hexdigest()
        return hmac.compare_digest(expected, parts["v1"])


class Listener:
    """`answers` are given in turn, the last one for ever: a status, or 0 to hang."""

    def __init__(self, answers: Sequence[int] = (200,)) -> None:
        self.answers = list(answers)
        self.received: list[Received] = []
        self._came = asyncio.Condition()
        self._open: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *error: object) -> None:
        self._server.close()
        for writer in self._open:
            writer.close()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}/hook"

    async def until(self, count: int, timeout_s: float = 30.0) -> None:
        """Wait until so many requests have come."""
        async with asyncio.timeout(timeout_s), self._came:
            await self._came.wait_for(lambda: len(self.received) >= count)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {
            name.lower(): value.strip()
            for name, _, value in (line.partition(":") for line in head[1:] if line)
        }
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        async with self._came:
            self.received.append(Received(headers, body))
            self._came.notify_all()
        status = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if status == 0:
            return
        extra = "Location: http://127.0.0.1:9/else\r\n" if 300 <= status < 400 else ""
        reply = f"HTTP/1.1 {status} X\r\n{extra}Content-Length: 0\r\nConnection: close\r\n\r\n"
        writer.write(reply.encode())
        await writer.drain()
        writer.close()
        self._open.discard(writer)
