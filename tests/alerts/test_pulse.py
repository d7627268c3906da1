"""A room that hangs is not ready, although nothing has failed."""

import asyncio
import time
from contextlib import suppress

from runtime.pulse import Pulse
from store.pool import Connection


def test_ready_while_turns_are_finished():
    """Not before the first, not long after the last, and again after the next."""
    now = [100.0]
    pulse = Pulse(lambda: now[0], still_s=15.0)
    assert pulse.readiness().reasons == {"database": "no turn finished yet"}
    pulse.beat()
    now[0] += 15.0
    assert pulse.readiness().ready
    now[0] += 5.0
    assert not pulse.readiness().ready
    assert pulse.readiness().reasons == {"database": "no turn finished for 20 s"}
    pulse.beat()
    assert pulse.readiness().ready


async def test_an_engine_whose_database_hangs_is_not_ready(engine, conn: Connection) -> None:
    """The database takes the question and does not answer: a lock does that here."""
    engine.pulse = Pulse(time.monotonic, still_s=0.5)
    running = asyncio.create_task(engine.run())
    try:
        await became(engine, ready=True)
        async with conn.transaction():
            await conn.execute("LOCK TABLE batch, feed_cursor, episode IN ACCESS EXCLUSIVE MODE")
            await became(engine, ready=False)
        await became(engine, ready=True)
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


async def became(engine, *, ready: bool) -> None:
    """Wait for it."""
    async with asyncio.timeout(30):
        while engine.pulse.readiness().ready is not ready:
            engine.wake.set()
            await asyncio.sleep(0.05)
