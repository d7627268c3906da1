"""How long wrong proofs lock, how often a unit may ask, and how long a nonce is good. Pure."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from downlink.claim_patience import Pace, locked_until
from downlink.nonces import Nonces

NOW = datetime(2026, 3, 4, tzinfo=UTC)


@pytest.mark.parametrize(
    ("wrong", "minutes"),
    [(0, None), (4, None), (5, 15), (6, 30), (7, 60), (11, 960), (12, 1440), (60, 1440)],
)
def test_the_lock_doubles_up_to_a_day(wrong: int, minutes: int | None) -> None:
    """The fifth locks for a quarter of an hour, from the newest on."""
    times = [NOW - timedelta(hours=number) for number in range(wrong)]
    expected = None if minutes is None else NOW + timedelta(minutes=minutes)
    assert locked_until(times) == expected


def test_asking_is_paced_for_each_unit_alone() -> None:
    """Ten at once, then one every two seconds; another unit is not slowed down by it."""
    pace = Pace()
    assert [pace.wait_s("A", NOW) for _ in range(10)] == [0.0] * 10
    assert 0 < pace.wait_s("A", NOW) <= 2.0
    assert pace.wait_s("B", NOW) == 0.0
    assert pace.wait_s("A", NOW + timedelta(seconds=2)) == 0.0
    assert pace.wait_s("A", NOW + timedelta(seconds=2)) > 0


def test_memory_stays_bounded() -> None:
    """A flood of units forgets the oldest, it does not grow."""
    pace, nonces = Pace(most=10), Nonces(most=10)
    first = nonces.give("S0", NOW)
    for number in range(100):
        pace.wait_s(f"S{number}", NOW)
        nonces.give(f"S{number}", NOW)
    assert len(pace._full_at) == len(nonces._out) == 10
    assert not nonces.take("S0", first.text, NOW)


@given(st.integers(0, 1000))
def test_a_nonce_is_good_once_for_its_unit_for_five_minutes(seconds: int) -> None:
    """Neither twice, nor for another unit, nor later."""
    nonces = Nonces()
    given_ = nonces.give("A", NOW)
    later = NOW + timedelta(seconds=seconds)
    assert not nonces.take("B", given_.text, later)
    assert nonces.take("A", given_.text, later) == (seconds < 300)
    assert not nonces.take("A", given_.text, NOW)


def test_a_unit_that_asks_again_may_use_its_earlier_nonce() -> None:
    """Somebody else's question in between does not take the nonce away; the fifth does."""
    nonces = Nonces()
    first = nonces.give("A", NOW)
    for _ in range(3):
        nonces.give("A", NOW)
    assert nonces.take("A", first.text, NOW)
    second = nonces.give("A", NOW)
    for _ in range(4):
        nonces.give("A", NOW)
    assert not nonces.take("A", second.text, NOW)
