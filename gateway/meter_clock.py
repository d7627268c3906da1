"""When was a record measured? The meter's word, judged against the gateway's clock. Pure.

A meter's clock is set by hand, has no zone and counts minutes; the protocol does not tell its
present time. But the gateway knows two instants: when the record was not there yet, and when it
was. The measurement lies between them, so the meter's word can be checked:

- it fits: it is kept as said, so that the same record has the same time even after the gateway
  lost its memory. If the two instants are close, the gateway's clock vouches for it;
- it does not fit and the two instants are close: the gateway saw the reading come, and its own
  time counts (the coincident timestamp);
- otherwise nobody knows better than the meter, and its word is passed on as a clock set by hand.
  What it places in the future the hub keeps at its received time, as untrusted, with the claimed
  time beside it. A date that no calendar has is passed on as no clock at all, and the hub derives
  the time from when the record was fetched.
"""

from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from msgspec import Struct

TOLERANCE: Final = timedelta(seconds=120)
RESOLUTION: Final = timedelta(seconds=60)
CLOSE: Final = timedelta(minutes=15)


class Placed(Struct, frozen=True):
    """The instant to report, the quality of its clock, and its error in milliseconds.

    `at` is None for `clk` none: the hub derives the time from when the record was fetched.
    `coincident`: the time is when the gateway saw it come; `meter_is_off` is then the deviation
    of the meter, where it said a time at all.
    """

    at: datetime | None
    clk: str
    error_ms: int | None = None
    coincident: bool = False
    meter_is_off: timedelta | None = None


def place(
    local: datetime | None,
    zone: ZoneInfo,
    *,
    absent_at: datetime | None,
    fetched_at: datetime,
    gateway_clk: str,
) -> Placed:
    """Place a record in time.

    `absent_at` is the last instant at which the meter did not hold it (None: not known),
    `gateway_clk` the quality of the gateway's own clock (`none`: it cannot judge).
    """
    instants = _instants(local, zone)
    if gateway_clk == "none":
        return _as_said(instants)
    since = absent_at or datetime.min.replace(tzinfo=UTC) + TOLERANCE
    fitting = [at for at in instants if _fits(at, since, fetched_at)]
    close = absent_at is not None and fetched_at - absent_at <= CLOSE
    if fitting and close:
        return Placed(fitting[0], gateway_clk, _millis(RESOLUTION + TOLERANCE))
    if fitting:
        return Placed(fitting[0], "manual")
    if absent_at is not None and close:
        return Placed(
            fetched_at,
            gateway_clk,
            _millis(fetched_at - absent_at + RESOLUTION),
            coincident=True,
            meter_is_off=instants[0] - fetched_at if instants else None,
        )
    return _as_said(instants)


def _as_said(instants: list[datetime]) -> Placed:
    return Placed(instants[0], "manual") if instants else Placed(None, "none")


def _fits(at: datetime, since: datetime, until: datetime) -> bool:
    """The minute that begins at `at` touches the time in which it must have been measured."""
    return at + RESOLUTION >= since - TOLERANCE and at <= until + TOLERANCE


def _instants(local: datetime | None, zone: ZoneInfo) -> list[datetime]:
    """What the meter's minute can mean in UTC: two instants when the clock went back."""
    if local is None:
        return []
    both = [local.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1)]
    return both[:1] if both[0] == both[1] else both


def _millis(span: timedelta) -> int:
    return span // timedelta(milliseconds=1)
