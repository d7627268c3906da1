"""The back-off of sign-ins, as an algebra."""

from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from care.people.backoff import ACCOUNT, ADDRESS, PAIR, wait_s
from store.audit import FailedSignIns

NOW = datetime(2026, 3, 4, tzinfo=UTC)
ago = st.integers(0, 3600).map(lambda s: NOW - timedelta(seconds=s))
counts = st.integers(0, 10_000)


@settings(max_examples=60)
@given(counts, ago, counts, ago, counts, ago)
def test_the_wait_is_bounded(
    pair: int, pair_at: datetime, acc: int, acc_at: datetime, addr: int, addr_at: datetime
) -> None:
    """Never negative, never longer than a quarter of an hour, whatever was tried."""
    failed = FailedSignIns(
        pair=pair, pair_at=pair_at, account=acc, account_at=acc_at, address=addr, address_at=addr_at
    )
    assert 0 <= wait_s(failed, now=NOW) <= 900


@settings(max_examples=60)
@given(counts)
def test_more_failures_never_wait_less(failures: int) -> None:
    """Each counter only grows, and the account as a whole never costs more than a minute."""
    for patience in (PAIR, ACCOUNT, ADDRESS):
        assert patience.wait(failures) <= patience.wait(failures + 1)
    assert ACCOUNT.wait(failures) <= timedelta(minutes=1)


def test_nothing_failed_waits_for_nothing() -> None:
    """A first sign-in is looked at immediately."""
    nothing = FailedSignIns(
        pair=0, pair_at=None, account=0, account_at=None, address=0, address_at=None
    )
    assert wait_s(nothing, now=NOW) == 0
