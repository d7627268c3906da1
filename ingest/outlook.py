"""What is seen of ingest from outside, beside its work: its role, and who is behind in the feed."""

import asyncio
from typing import Final

import structlog

from ingest.health import Health
from ingest.hub_status import StatusBoard
from ingest.standby import Standby
from runtime import metrics
from runtime.metrics import Readiness
from store import feed_lag
from store.failure import UnavailableError, UnstorableError
from store.line import Line

_LOG = structlog.get_logger()
_EVERY_S: Final = 10.0


def watch_role(standby: Standby) -> None:
    """Let the role be read whenever somebody looks."""
    active = metrics.gauge("ingest_active", "1 for the process that acts, 0 for one that waits")
    active.set_function(lambda: float(standby.acts))
    waiting = metrics.gauge("ingest_standbys", "Processes that wait, as the active one sees them")
    waiting.set_function(lambda: standby.standbys)


def took_over(why: str) -> None:
    """This process acts from now on: first, released, gone or silent."""
    metrics.counter("ingest_takeovers_total", "Times this process began to act", ("why",)).labels(
        why
    ).inc()


def waiting(standby: Standby) -> Readiness:
    """A standby is ready when it can see the lease."""
    reasons = standby.waits_because
    return Readiness(not reasons, "standby", reasons)


def acting(board: StatusBoard, health: Health) -> Readiness:
    """Who acts is ready when hub/status says so."""
    reasons = health.reasons()
    if not board.ready and not reasons:
        reasons = {"status": "not settled yet"}
    return Readiness(board.ready, "active", reasons)


async def watch_feed(line: Line) -> None:
    """Measure how far the consumers of the feed are behind, now and then, until cancelled."""
    batches = metrics.gauge(
        "feed_waiting_batches", "Batches a consumer has not taken", ("consumer",)
    )
    seconds = metrics.gauge("feed_waiting_seconds", "Age of the oldest of them", ("consumer",))
    while True:
        try:
            async with line.transaction() as conn:
                found = await feed_lag.lags(conn)
        except (UnavailableError, UnstorableError) as error:
            _LOG.debug("feed_not_watched", reason=str(error))
        else:
            for lag in found:
                batches.labels(lag.consumer).set(lag.batches)
                seconds.labels(lag.consumer).set(lag.seconds)
        await asyncio.sleep(_EVERY_S)
