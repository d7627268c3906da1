"""What an operator watches of care; docs/operations/metrics.md says when to worry.

Routes are told as they are written (`/api/patients/{patient_id}`), never as they were asked for:
no id, name or search is in a label, and their number does not grow.
"""

import time
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager
from typing import Final

from psycopg_pool import PoolTimeout
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from runtime import metrics
from store.pool import Connection, Pool

_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_OTHER: Final = "other"
# The programs of open pages; and their sockets, which wait on purpose.
_PROGRAMS: Final = "/_nicegui"
_SOCKETS: Final = "/_nicegui_ws"
_FAULT: Final = 500


class Requests:
    """Counts and times every request: the outermost layer of the application."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and note what became of it."""
        # Mounted applications change the path on their way.
        path = str(scope.get("path", ""))
        if scope["type"] != "http" or path.startswith(_SOCKETS):
            await self._app(scope, receive, send)
            return
        status, began = _FAULT, time.perf_counter()

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noted)
        finally:
            _note(scope["method"], template(scope, path), status, time.perf_counter() - began)


def template(scope: Scope, path: str) -> str:
    """The route that took a request, as it is written; "other" for what nobody took."""
    if path.startswith(_PROGRAMS):
        return _PROGRAMS
    return str(getattr(scope.get("route"), "path", _OTHER))


def _note(method: str, route: str, status: int, seconds: float) -> None:
    known = method if method in _METHODS else _OTHER
    metrics.counter(
        "care_requests_total", "Requests answered", ("method", "route", "status")
    ).labels(known, route, f"{status // 100}xx").inc()
    metrics.seconds(
        "care_request_seconds", "From a request to the end of its answer", ("route",)
    ).labels(route).observe(seconds)


def open_page() -> AbstractContextManager[None]:
    """Counts one page as open for as long as the block is."""
    return metrics.gauge("care_live_pages", "Pages that are open and keep fresh").track_inprogress()


@asynccontextmanager
async def connection(pool: Pool, timeout_s: float) -> AsyncIterator[Connection]:
    """A connection in one transaction; notes how long it was waited for. Raises PoolTimeout."""
    began, waits = time.perf_counter(), True
    try:
        async with pool.connection(timeout_s) as conn:
            _note_wait(began)
            waits = False
            yield conn
    except PoolTimeout:
        if waits:
            _note_wait(began)
        raise


def _note_wait(began: float) -> None:
    metrics.seconds("care_database_wait_seconds", "Until a connection was there").observe(
        time.perf_counter() - began
    )
