"""The name of one reading in the API: device, kind, measured time in µs, ordinal. Pure."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

from pydantic import AfterValidator, Field

from store.deed import Ref

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
PATTERN: Final = r"^[0-9]{1,18}\.[a-z0-9_]{1,32}\.-?[0-9]{1,18}\.-?[0-9]{1,19}$"


def text_of(device_id: int, kind: str, measured_at: datetime, ordinal: int) -> str:
    """`12.bp.1795354700000000.0`."""
    return f"{device_id}.{kind}.{(measured_at - _EPOCH) // _MICROSECOND}.{ordinal}"


def ref_of(text: str) -> Ref:
    """The identity behind a name. Raises ValueError."""
    device_id, kind, micros, ordinal = text.split(".")
    try:
        at = _EPOCH + timedelta(microseconds=int(micros))
    except OverflowError as error:
        raise ValueError("there is no such time") from error
    return Ref(int(device_id), kind, at, int(ordinal))


def _checked(text: str) -> str:
    ref_of(text)
    return text


ReadingRef = Annotated[str, Field(pattern=PATTERN), AfterValidator(_checked)]
