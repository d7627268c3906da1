"""Records with their place in time become messages for the hub. Pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, Final

from msgspec import Struct

from contract.instants import to_millis
from contract.messages import GuidedSession, Obs, Series
from gateway.drivers.driver import MeterRecord
from gateway.meter_clock import Placed

SPEC_MINOR: Final = 0
MOST_IN_ONE: Final = 50
LIVE: Final = timedelta(minutes=15)  # safety rule 1: up to here a reading is live


class Taken(Struct, frozen=True, kw_only=True):
    """A record that was taken: its number within its minute, its time, its session if any, and
    whose it is, where that is known."""

    record: MeterRecord
    ordinal: int
    placed: Placed
    session: GuidedSession | None = None
    who: str | None = None


def observations(
    taken: Sequence[Taken], *, dev: str, fetched_at: datetime, uptime_ms: int
) -> list[Obs]:
    """The messages that carry these records, in order; the spool numbers them.

    Records that share everything but time and values travel together. A record without a clock
    is placed by the uptime at which it was fetched (`clk` none).
    """
    result = []
    for _, group in groupby(taken, key=_alike):
        together = list(group)
        for start in range(0, len(together), MOST_IN_ONE):
            part = together[start : start + MOST_IN_ONE]
            series = _series(part, dev=dev, uptime_ms=uptime_ms)
            result.append(_message(part, series, fetched_at))
    return result


def _alike(one: Taken) -> Any:
    # What has a number or a session of its own travels alone: both are said once per series.
    alone = id(one) if one.ordinal or one.session else 0
    return (one.record.k, one.record.flags, one.who, one.placed.clk, one.placed.error_ms, alone)


def _series(part: list[Taken], *, dev: str, uptime_ms: int) -> Series:
    first = part[0]
    base = 0 if first.placed.at is None else to_millis(first.placed.at)
    instants = [uptime_ms if one.placed.at is None else to_millis(one.placed.at) for one in part]
    return Series(
        k=first.record.k,
        dev=dev,
        o=[instant - base for instant in instants],
        c={
            key: [one.record.values[key] for one in part]
            for key in first.record.values
            if any(one.record.values[key] is not None for one in part)
        },
        fl=list(first.record.flags) or None,
        how="spot",
        who=first.who,
        ses=first.session,
        rec=first.ordinal or None,
    )


def _message(part: list[Taken], series: Series, fetched_at: datetime) -> Obs:
    placed = part[0].placed
    newest = max((one.placed.at for one in part if one.placed.at is not None), default=fetched_at)
    return Obs(
        v=SPEC_MINOR,
        boot=0,
        seq=0,
        t=None if placed.at is None else to_millis(placed.at),
        clk=placed.clk,
        cerr=placed.error_ms,
        hist=1 if fetched_at - newest > LIVE else None,
        ser=[series],
    )
