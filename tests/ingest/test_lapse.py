"""When a lease may be taken: judged by looks, not by clocks."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.lapse import Lapse, Rules
from store.lease import Seen

RULES = Rules(silent=10, gone=4)
AT = datetime(2026, 3, 4, tzinfo=UTC)


def seen(renewed_s: float, *, holder: str | None = "one", connected: bool = True) -> Seen:
    """The lease as it was renewed so many seconds after a moment."""
    return Seen(holder, 1, AT + timedelta(seconds=renewed_s), connected)


def after(looks: list[Seen | None]) -> str:
    """Why it may be taken after these looks."""
    lapse = Lapse()
    for look in looks:
        lapse = lapse.looked(look)
    return lapse.why_take(RULES)


@pytest.mark.parametrize(
    ("looks", "why"),
    [
        ([], "first"),
        ([None], "first"),
        ([seen(0, holder=None)], "released"),
        ([seen(0, connected=False)] * 4, ""),
        ([seen(0, connected=False)] * 5, "gone"),
        ([seen(0)] * 10, ""),
        ([seen(0)] * 11, "silent"),
        ([seen(0)] * 10 + [seen(1)], ""),
        ([seen(0)] * 10 + [seen(-3600)] * 10, ""),
    ],
)
def test_it_is_taken_from_whoever_does_not_renew(looks: list[Seen | None], why: str) -> None:
    """Killed sooner than frozen; a clock of the database that jumps is a renewal like any other."""
    assert after(looks) == why


@given(st.lists(st.integers(-1_000_000, 1_000_000), min_size=2, max_size=40), st.booleans())
def test_nothing_is_taken_from_who_renews_before_the_patience_is_over(
    times: list[int], connected: bool
) -> None:
    """Whatever the clock says, in whatever order: three looks between two renewals are too few."""
    different = [t for n, t in enumerate(times) if n == 0 or t != times[n - 1]]
    looks: list[Seen | None] = [seen(t, connected=connected) for t in different for _ in range(3)]
    assert after(looks) == ""
