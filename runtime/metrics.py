"""What an operator watches: counters, gauges and histograms, and where they are read.

prometheus-client belongs to the server's installation, so nothing here imports it before a room
makes its first metric.
"""

import asyncio
import importlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import cache, partial
from typing import TYPE_CHECKING, Any

import structlog

if TYPE_CHECKING:
    from prometheus_client import Counter, Gauge, Histogram

_LOG = structlog.get_logger()
# Who answers for the health of each port this process serves.
_HEALTH: dict[int, Callable[[], bool]] = {}
_PREFIX = "hearthbeat_"
# Seconds: from a local commit to the slowest thing a person still waits for.
_SECONDS = (0.001, 0.005, 0.02, 0.1, 0.5, 1.0, 3.0, 10.0, 60.0)


def _client() -> Any:
    return importlib.import_module("prometheus_client")


@cache
def counter(name: str, what: str, labels: tuple[str, ...] = ()) -> "Counter":
    """A count that only grows; `hearthbeat_` is put before its name. Same name, same metric."""
    made: Counter = _client().Counter(_PREFIX + name, what, labels)
    return made


@cache
def gauge(name: str, what: str, labels: tuple[str, ...] = ()) -> "Gauge":
    """A value that goes up and down."""
    made: Gauge = _client().Gauge(_PREFIX + name, what, labels)
    return made


@cache
def seconds(
    name: str, what: str, labels: tuple[str, ...] = (), buckets: Sequence[float] = _SECONDS
) -> "Histogram":
    """A histogram of durations in seconds."""
    made: Histogram = _client().Histogram(_PREFIX + name, what, labels, buckets=tuple(buckets))
    return made


@asynccontextmanager
async def served(
    port: int | None, healthy: Callable[[], bool] = lambda: True
) -> AsyncIterator[None]:
    """While open, `GET /metrics` and `GET /health` answer on this loopback port; None: nothing.

    `/health` is 200 while `healthy()`, else 503. Opened again inside, on the same port, the
    inner one answers for health: a room serves itself, and so does whoever runs it.
    """
    if port is None:
        yield
    elif port in _HEALTH:
        outer, _HEALTH[port] = _HEALTH[port], healthy
        try:
            yield
        finally:
            _HEALTH[port] = outer
    else:
        _HEALTH[port] = healthy
        try:
            async with await asyncio.start_server(partial(_serve, port), "127.0.0.1", port):
                yield
        finally:
            del _HEALTH[port]


async def _serve(port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        async with asyncio.timeout(5.0):
            request = (await reader.readline()).split()
            path = request[1] if len(request) > 1 else b""
            writer.write(_answer(path, _HEALTH[port]))
            await writer.drain()
    except (OSError, TimeoutError, ValueError) as error:
        _LOG.debug("metrics_request_failed", error=str(error))
    finally:
        writer.close()


def _answer(path: bytes, healthy: Callable[[], bool]) -> bytes:
    if path == b"/metrics":
        return _response("200 OK", _client().generate_latest())
    if path == b"/health":
        return _response("200 OK", b"ok\n") if healthy() else _response("503 No", b"not well\n")
    return _response("404 Not Found", b"/metrics or /health\n")


def _response(status: str, body: bytes) -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"
    head += f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    return head.encode("ascii") + body
