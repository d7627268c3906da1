"""When was it measured: the meter's word against the gateway's clock."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.meter_clock import Placed, place

SHANGHAI = ZoneInfo("Asia/Shanghai")
BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 3, 4, 0, 30, tzinfo=UTC)  # 08:30 in Shanghai


def local(hour: int, minute: int, day: int = 4) -> datetime:
    """The meter's wall clock in March 2026."""
    return datetime(2026, 3, day, hour, minute)  # noqa: DTZ001 - the meter knows no zone


def placed(
    said: datetime | None, *, absent: timedelta | None, clk: str = "ntp", zone: ZoneInfo = SHANGHAI
) -> Placed:
    """A record fetched now that was not there `absent` ago."""
    absent_at = None if absent is None else NOW - absent
    return place(said, zone, absent_at=absent_at, fetched_at=NOW, gateway_clk=clk)


SECONDS, DAYS = timedelta(seconds=2), timedelta(days=3)


@pytest.mark.parametrize(
    ("said", "absent", "at", "clk"),
    [
        # Seen to come, and the meter agrees: its own minute, vouched for.
        (local(8, 30), SECONDS, NOW, "ntp"),
        (local(8, 29), SECONDS, NOW - timedelta(minutes=1), "ntp"),
        (local(8, 31), SECONDS, NOW + timedelta(minutes=1), "ntp"),
        # Seen to come, and the meter is wrong: the gateway saw it.
        (local(8, 20), SECONDS, NOW, "ntp"),
        (local(8, 30, day=5), SECONDS, NOW, "ntp"),
        (datetime(2013, 1, 1), SECONDS, NOW, "ntp"),  # noqa: DTZ001 - the meter's own clock
        (None, SECONDS, NOW, "ntp"),
        # The cable was out for days: the meter's word, which nothing contradicts.
        (local(7, 0), DAYS, NOW - timedelta(minutes=90), "manual"),
        # The first contact: history as the meter tells it.
        (local(7, 0, day=1), None, NOW - timedelta(days=3, minutes=90), "manual"),
        # Contradicted, but nobody knows better: said as it is; the hub marks a future time.
        (local(7, 0, day=9), DAYS, NOW + timedelta(days=5, minutes=-90), "manual"),
        (local(7, 0, day=9), None, NOW + timedelta(days=5, minutes=-90), "manual"),
        # No date at all and nobody saw it come: no clock.
        (None, DAYS, None, "none"),
        (None, None, None, "none"),
    ],
)
def test_table_of_clocks(
    said: datetime | None, absent: timedelta | None, at: datetime | None, clk: str
) -> None:
    """Every case of the module's explanation."""
    found = placed(said, absent=absent)
    assert (found.at, found.clk) == (at, clk)


def test_a_meter_seen_to_be_wrong_is_measured() -> None:
    """How far the meter is off is known the moment a reading is seen to come."""
    assert placed(local(8, 20), absent=SECONDS).meter_is_off == timedelta(minutes=-10)
    assert placed(local(8, 30), absent=SECONDS).meter_is_off is None


def test_a_gateway_without_a_clock_judges_nobody() -> None:
    """Without a time of its own the gateway passes the meter's word on."""
    assert placed(local(8, 20), absent=SECONDS, clk="none") == Placed(
        NOW - timedelta(minutes=10), "manual"
    )


def test_the_hour_that_comes_twice_is_told_by_when_it_came() -> None:
    """On the night the clocks go back 02:30 is two instants; the one that fits is taken."""
    fetched = datetime(2026, 10, 25, 1, 30, 20, tzinfo=UTC)  # the second 02:30 in Berlin
    found = place(
        datetime(2026, 10, 25, 2, 30),  # noqa: DTZ001 - the meter's own clock
        BERLIN,
        absent_at=fetched - SECONDS,
        fetched_at=fetched,
        gateway_clk="ntp",
    )
    assert found.at == datetime(2026, 10, 25, 1, 30, tzinfo=UTC)


@given(
    st.datetimes(datetime(2000, 1, 1), datetime(2099, 12, 31)) | st.none(),  # noqa: DTZ001
    st.timedeltas(timedelta(0), timedelta(days=400)) | st.none(),
    st.sampled_from(["ntp", "hub", "none"]),
)
@settings(max_examples=200)
def test_a_time_is_never_invented(
    said: datetime | None, absent: timedelta | None, clk: str
) -> None:
    """A record's time is what the meter said, or when the gateway saw it come, or none."""
    found = placed(said, absent=absent, clk=clk)
    claims = set()
    if said is not None:
        claims = {said.replace(tzinfo=SHANGHAI, fold=f).astimezone(UTC) for f in (0, 1)}
    assert found.at in claims | {NOW, None}
    assert (found.at is None) == (found.clk == "none")
    if found.at == NOW and NOW not in claims:
        assert absent is not None
        assert absent <= timedelta(minutes=15)
