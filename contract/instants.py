"""Instants on the wire are whole UTC milliseconds since 1970; inside they are aware datetimes."""

from datetime import UTC, datetime, timedelta
from typing import Final

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
# Two days inside what a datetime can say, so that any time zone still fits.
_EARLIEST: Final = (datetime(1, 1, 3, tzinfo=UTC) - EPOCH) // _MILLISECOND
_LATEST: Final = (datetime(9999, 12, 29, tzinfo=UTC) - EPOCH) // _MILLISECOND


def to_millis(at: datetime) -> int:
    """Milliseconds since 1970 of an aware datetime, rounded down."""
    return (at - EPOCH) // _MILLISECOND


def from_millis(millis: int) -> datetime:
    """The UTC datetime of an instant; what no calendar holds is moved to its nearest end.

    Saturating, because a wrong clock may get no event, state or acknowledgement refused.
    """
    return EPOCH + _MILLISECOND * max(_EARLIEST, min(millis, _LATEST))
