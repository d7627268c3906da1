"""The watch over the hub's clock: a time that cannot be is told, and the hub runs all the same."""

import asyncio
import contextlib
import json
from datetime import UTC, datetime
from pathlib import Path

from structlog.testing import capture_logs

from hub.clock_watch import ALARM, tell_at_start, watch_clock
from hub.technical import TechnicalAlarms
from hub.watch import WatchSettings
from runtime.clock import RELEASED, ManualClock
from tests.ingest.conftest import until

RULES = WatchSettings(every_s=0.05, away_after_s=0.0, repeat_every_s=600.0)
LONG_AGO = datetime(1970, 1, 1, 0, 5, tzinfo=UTC)


async def test_a_clock_that_cannot_be_right_is_told_until_it_is_set(tmp_path: Path) -> None:
    """At the first look, once; and when it is over."""
    log = tmp_path / "technical.log"
    clock = ManualClock(LONG_AGO)

    def told() -> list[tuple[str, str]]:
        lines = map(json.loads, log.read_text().splitlines()) if log.exists() else []
        return [(line["alarm"], line["phase"]) for line in lines]

    watch = asyncio.create_task(watch_clock(clock, TechnicalAlarms(log, None, clock), RULES))
    try:
        await until(lambda: told() == [(ALARM, "begin")])
        clock.set(RELEASED)
        await until(lambda: told() == [(ALARM, "begin"), (ALARM, "over")])
    finally:
        watch.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watch


def test_a_process_that_begins_with_it_says_so_and_goes_on() -> None:
    """An error in the log; nothing is raised, and a right clock says nothing."""
    with capture_logs() as logs:
        tell_at_start(ManualClock(LONG_AGO))
        tell_at_start(ManualClock(RELEASED))
    assert [(log["event"], log["log_level"]) for log in logs] == [("clock_wrong", "error")]
