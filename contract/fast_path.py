"""Most messages are right: those are decoded and proved right in one go, by C, value by value.

`prove` says of a batch of measurements that `codec.decode` would take it and that
`observation.observe` would find no defect, no warning, nothing to convert and nothing to doubt.
The columns of what it returns are final: checked, in canonical units, ready to be stored. For
every other payload it is None, which means nothing: those two say what the message is, to the
last detail. A test compares the two ways.
"""

from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import Struct

from contract import cbor
from contract.clocks import EARLIEST_MS, FUTURE_MS, OLD_MS
from contract.codec import MAX_SAMPLES
from contract.errors import Refused
from contract.identity import Sample, ordinals
from contract.instants import EPOCH, to_millis
from contract.messages import Obs
from contract.observation import context_of
from contract.readings import Block, Observation, Reading
from contract.strict import FLAG_BITS, STRICT
from contract.vitals import MAX_PARTS

# So few bytes cannot hold more samples than a message may (codec.MAX_SAMPLES).
_SHORT: Final = 40_000
_MILLISECOND: Final = timedelta(milliseconds=1)
_SPAN: Final = timedelta(seconds=10)
_BACKSLASH: Final = ord("\\")
_AT_ONCE: Final = [0]
_WRONG: Final = (msgspec.MsgspecError, UnicodeDecodeError)
_decode: Final = STRICT.decode

Values = list[float | None]


class Proven(Struct, frozen=True, gc=False):
    """A right batch. `obs.ser` holds its columns; its `t` is where its times count from."""

    obs: Obs

    def observation(self) -> Observation:
        """The same as `observation.observe` makes of it: one reading a row, one block a column."""
        obs: Any = self.obs
        start, clock = EPOCH + _MILLISECOND * obs.t, obs.clk or "other"
        readings: list[Reading] = []
        blocks: list[Block] = []
        for at, series in enumerate(obs.ser):
            if series.o is None:
                blocks += _blocks(series, at, start, clock)
            else:
                readings += _readings(series, at, obs, start, clock)
        return Observation(readings=readings, blocks=blocks, kept=len(obs.ser))


class _Window(NamedTuple):
    """The times `t` (ms) that are right whenever from `since` to `until` a message arrives."""

    since: datetime
    until: datetime
    earliest: int
    latest: int


def _window(received_at: datetime) -> _Window:
    until = received_at + _SPAN
    return _Window(
        received_at,
        until,
        max(EARLIEST_MS, to_millis(until) - OLD_MS),
        to_millis(received_at) + FUTURE_MS,
    )


# The last window: made anew every few seconds, not for every message. It decides only which
# way a message goes; both ways end in the same place.
_latest: Final = [_window(EPOCH)]


def prove(  # noqa: C901 - a call for each check would cost as much as the check
    payload: bytes, received_at: datetime
) -> Proven | None:
    """A right batch, understood; None for every other payload."""
    try:
        if _BACKSLASH in payload or len(payload) > _SHORT:
            obs = _from_cbor(payload)
        else:
            obs = _decode(payload)
    except _WRONG:
        obs = _from_cbor(payload)
    if obs is None:
        return None
    since, until, earliest, latest = _latest[0]
    if not since <= received_at < until:
        since, until, earliest, latest = _latest[0] = _window(received_at)
    base: int = obs.t
    if not earliest <= base <= latest:
        return None
    for series in obs.ser:
        y = series.y
        if y is None or series.o is not None:
            if not _proved(series, earliest - base, latest - base):
                return None
        else:
            step = series.dt
            if not step or (len(y) - 1) * step > latest - base:
                return None
            if series.q is not None and len(series.q) != len(y):
                return None
    return Proven(obs)


def _from_cbor(payload: bytes) -> Any:
    """The same of CBOR, or None. A value takes one byte at least."""
    if not cbor.announced(payload) or len(payload) > MAX_SAMPLES:
        return None
    try:
        return msgspec.convert(cbor.read(payload), STRICT.type, builtin_types=(bytes,))
    except (Refused, msgspec.ValidationError):
        return None


def _proved(series: Any, earliest: int, latest: int) -> bool:  # noqa: PLR0911 - likewise
    """Lengths, relations and times of a series of readings, or of one with parts. Offsets may
    reach from `earliest` to `latest`."""
    columns = series.columns(series.c) if series.named else (series.y,)
    first = columns[0]
    if first is None:
        return False
    length = len(first)
    for column in columns:
        if column is not None and len(column) != length:
            return False
    if series.q is not None and len(series.q) != length:
        return False
    for above, below, least in series.rules:
        high, low = columns[above], columns[below]
        if high is not None and low is not None and not _apart(high, low, least):
            return False
    offsets = series.o
    if offsets is None:
        step: int = series.dt
        return step > 0 and (length - 1) * step <= latest
    # A row without any value is no reading; which rows are is not told here.
    if series.dt or None in first or len(offsets) != length:
        return False
    return bool(offsets == _AT_ONCE or (min(offsets) >= earliest and max(offsets) <= latest))


def _apart(above: Values, below: Values, least: float) -> bool:
    for high, low in zip(above, below):  # noqa: B905 - as long as each other, and called often
        if high is not None and low is not None and high - low < least:
            return False
    return True


# --- rows and columns, from what is proved --------------------------------------------------


def _flags(series: Any) -> int:
    flags = 0
    for name in series.fl or ():
        flags |= FLAG_BITS[name]
    return flags


def _blocks(series: Any, at: int, start: datetime, clock: str) -> list[Block]:
    columns = series.columns(series.c) if series.named else (series.y,)
    flags, context = _flags(series), context_of(series, None)
    return [
        Block(
            kind=series.k,
            dev=series.dev,
            part=part,
            start_at=start,
            step_ms=series.dt,
            samples=column,
            quality=series.q,
            flags=flags,
            clock=clock,
            who=series.who,
            context=context,
            anchored=True,
            series=at,
        )
        for part, column in enumerate(columns)
        if column is not None
    ]


def _readings(series: Any, at: int, obs: Obs, start: datetime, clock: str) -> list[Reading]:
    columns = series.columns(series.c) if series.named else (series.y,)
    nothing = (None,) * len(series.o)
    padded = [column or nothing for column in columns] + [nothing] * (MAX_PARTS - len(columns))
    flags, context, session = _flags(series), context_of(series, None), series.ses
    numbers = _ordinals(series, obs, at)
    return [
        Reading(
            kind=series.k,
            dev=series.dev,
            measured_at=start + _MILLISECOND * offset if offset else start,
            ordinal=number,
            values=values,
            flags=flags,
            clock=clock,
            who=series.who,
            session_id=session.id if session else None,
            session_n=session.n if session else None,
            session_of=session.of if session else None,
            session_done=bool(session and session.done),
            context=context if quality is None else {**(context or {}), "q": quality},
            fix=bool(series.fix),
            sent_at=start,
            anchored=True,
            series=at,
        )
        for values, offset, number, quality in zip(
            zip(*padded, strict=True), series.o, numbers, series.q or nothing, strict=True
        )
    ]


def _ordinals(series: Any, obs: Obs, at: int) -> list[int]:
    if len(series.o) == 1:
        return [series.rec or 0]
    samples = [Sample(index, offset, anchored=True) for index, offset in enumerate(series.o)]
    return ordinals(samples, record=series.rec, place=(obs.boot, obs.seq, at))
