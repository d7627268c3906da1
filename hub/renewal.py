"""The certificate of the hub's own listeners is renewed in time, without a restart."""

import asyncio
from collections.abc import Callable

import structlog

from runtime.certificate import ends_at
from runtime.mosquitto_server import MosquittoServer, Secured

_LOG = structlog.get_logger()
_LOOK_EVERY_S = 6 * 3600.0


async def keep_renewed(
    secured: Callable[[], Secured | None],
    broker: MosquittoServer,
    every_s: float = _LOOK_EVERY_S,
) -> None:
    """Look every few hours, until cancelled.

    `secured` makes the certificate new when it is about to expire; the broker then reads it. The
    console takes it with its next start.
    """
    while True:
        await asyncio.sleep(every_s)
        await asyncio.to_thread(renew, secured, broker)


def renew(secured: Callable[[], Secured | None], broker: MosquittoServer) -> bool:
    """Make it new if it is time and let the broker read it; whether it was time."""
    if broker.secured is None:
        return False
    kept = broker.secured.server.certificate
    before = kept.read_bytes()
    secured()
    if kept.read_bytes() == before:
        return False
    broker.reload()
    _LOG.info("certificate_renewed", until=ends_at(kept).isoformat())
    return True
