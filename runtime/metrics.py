"""What an operator watches: counters, gauges and histograms, and where they are read.

prometheus-client belongs to the server's installation, so nothing here imports it before a room
makes its first metric.
"""

import asyncio
import importlib
import json
from bisect import bisect_left, bisect_right
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import cache, partial
from itertools import accumulate
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import structlog

if TYPE_CHECKING:
    from prometheus_client import Counter, Gauge, Histogram

_LOG = structlog.get_logger()
_METRICS: Final = "text/plain; version=0.0.4; charset=utf-8"
_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})


class Readiness(NamedTuple):
    """Whether a room does its work now, as what, and what stands in its way, by name."""

    ready: bool = True
    role: str = "active"
    reasons: Mapping[str, str] = _NOTHING


# Who answers for the readiness of each port this process serves.
_READINESS: dict[int, Callable[[], Readiness]] = {}
_PREFIX = "hearthbeat_"
# Seconds: from a local commit to the slowest thing a person still waits for.
_SECONDS = (0.001, 0.005, 0.02, 0.1, 0.5, 1.0, 3.0, 10.0, 60.0)


@cache
def _client() -> Any:
    client = importlib.import_module("prometheus_client")
    # When a counter was made says nothing to anybody here, and would double the page.
    client.disable_created_metrics()
    return client


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


class Tally:
    """A histogram that is counted a batch at a time, for what happens thousands of times a second.

    Used by one thread, the event loop's, which also answers who reads it.
    """

    def __init__(self, name: str, what: str, buckets: Sequence[float]) -> None:
        """`buckets` are upper limits, rising; what is beyond the last is counted too."""
        self._name = name
        self._what = what
        self._limits = tuple(buckets)
        self._counts = [0] * (len(self._limits) + 1)
        self._sum = 0.0
        _client().REGISTRY.register(self)

    def add(self, values: Iterable[float], *, times: int = 1) -> None:
        """Count these, each so many times."""
        counts, limits = self._counts, self._limits
        for value in values:
            counts[bisect_left(limits, value)] += times
            self._sum += value * times

    def add_many(self, values: Sequence[float]) -> None:
        """Count these; cheaper where they are hundreds."""
        below = 0
        ordered = sorted(values)
        for place, limit in enumerate(self._limits):
            upto = bisect_right(ordered, limit)
            self._counts[place] += upto - below
            below = upto
        self._counts[-1] += len(ordered) - below
        self._sum += sum(ordered)

    def collect(self) -> Iterator[Any]:
        """As the client library asks for it."""
        family = importlib.import_module("prometheus_client.core").HistogramMetricFamily
        names = [*map(str, self._limits), "+Inf"]
        made = family(self._name, self._what)
        made.add_metric(
            [], list(zip(names, accumulate(self._counts), strict=True)), sum_value=self._sum
        )
        yield made


@cache
def tally(name: str, what: str, buckets: tuple[float, ...] = _SECONDS) -> Tally:
    """A histogram for many values at once; of seconds, unless other limits are given."""
    return Tally(_PREFIX + name, what, buckets)


@asynccontextmanager
async def served(
    port: int | None, readiness: Callable[[], Readiness] = Readiness
) -> AsyncIterator[None]:
    """While open, `GET /metrics`, `/health` and `/ready` answer on this loopback port; None: no.

    `/health` is 200 while the process answers at all, `/ready` while `readiness` says so, else
    503; its body says why, as JSON. Opened again inside, on the same port, the inner one answers:
    a room serves itself, and so does whoever runs it.
    """
    if port is None:
        yield
    elif port in _READINESS:
        outer, _READINESS[port] = _READINESS[port], readiness
        try:
            yield
        finally:
            _READINESS[port] = outer
    else:
        _READINESS[port] = readiness
        try:
            async with await asyncio.start_server(partial(_serve, port), "127.0.0.1", port):
                yield
        finally:
            del _READINESS[port]


async def _serve(port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        async with asyncio.timeout(5.0):
            request = (await reader.readline()).split()
            path = request[1] if len(request) > 1 else b""
            writer.write(_answer(path, _READINESS[port]))
            await writer.drain()
    except (OSError, TimeoutError, ValueError) as error:
        _LOG.debug("metrics_request_failed", error=str(error))
    finally:
        writer.close()


def _answer(path: bytes, readiness: Callable[[], Readiness]) -> bytes:
    if path == b"/metrics":
        return _response("200 OK", _client().generate_latest(), _METRICS)
    if path == b"/health":
        return _response("200 OK", b"ok\n")
    if path == b"/ready":
        now = readiness()
        body = {"ready": now.ready, "role": now.role, "reasons": dict(now.reasons)}
        status = "200 OK" if now.ready else "503 Not Ready"
        return _response(status, json.dumps(body).encode() + b"\n", "application/json")
    return _response("404 Not Found", b"/metrics, /health or /ready\n")


def _response(status: str, body: bytes, kind: str = "text/plain; charset=utf-8") -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\n"
    head += f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    return head.encode("ascii") + body
