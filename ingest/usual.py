"""Stage: what is wholly right and usual goes the short way, from its bytes to rows of COPY, without
an object for each message. Of a batch of messages that is most.

Only what `contract.fast_path` proves goes this way, from a node in use, of devices it declared, and
only what nothing is to be said about: no haste, no correction, no session, no pseudonym. All else
is left to the stages that know everything; they would make the same rows, feed and receipts of
what goes this way, and a test compares the two.
"""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from functools import cached_property
from typing import Any, Final, NamedTuple

from contract import fast_path
from contract.instants import EPOCH, to_millis
from ingest.mqtt_session import Arrival
from ingest.numbers import digest_of_proven
from ingest.throttle import Throttle
from ingest.ways import Shape, Way
from store import copying, message
from store.feed_columns import BlockColumns, ReadingColumns, Said
from store.message import Key
from store.overlap import REACH

_EPOCH_US: Final = copying.EPOCH_MS * 1000
_UNSAID: Final = "other"
_REACH_MS: Final = REACH // timedelta(milliseconds=1)

Plan = list[tuple[Any, Shape]]


class Message(NamedTuple):
    """One of them, with its numbers. `asked`: for a receipt."""

    arrival: Arrival
    way: Way
    boot: int
    seq: int
    asked: bool

    @property
    def key(self) -> Key:
        """Its identity."""
        return Key(self.way.node_id, self.boot, self.seq)


class Usual:
    """The usual messages of a batch with their rows, and what the feed says of them.

    `readings` and `blocks` tell of each row, in its order, the place of its message first, then
    what the columns of the feed hold (`of` is shared by them).
    """

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.message_rows: list[bytes] = []
        self.reading_rows: list[bytes] = []
        self.block_rows: list[bytes] = []
        self.readings: list[tuple[int, int, int, int, list[float | None], int]] = []
        self.blocks: list[tuple[int, int, int, int, int, int, int]] = []
        self._of: list[Said] = []
        self._places: dict[object, int] = {}
        self._received_at = EPOCH
        self._received = 0

    def __len__(self) -> int:
        return len(self.messages)

    @property
    def arrivals(self) -> list[Arrival]:
        """As they came."""
        return [message.arrival for message in self.messages]

    @cached_property
    def boots(self) -> set[tuple[str, int]]:
        """Whose they are."""
        return {(way.node_id, boot) for _, way, boot, _, _ in self.messages}

    @cached_property
    def reading_columns(self) -> ReadingColumns:
        """The readings for the feed."""
        columns = ReadingColumns(of=self._of)
        if self.readings:
            _, *own = map(list, zip(*self.readings, strict=True))
            columns.which, columns.at, columns.ordinal, columns.values, columns.received = own
        return columns

    @cached_property
    def block_columns(self) -> BlockColumns:
        """The blocks for the feed."""
        columns = BlockColumns(of=self._of)
        if self.blocks:
            _, *own = map(list, zip(*self.blocks, strict=True))
            columns.which, columns.at, columns.part, columns.step = own[:4]
            columns.samples, columns.received = own[4:]
        return columns

    def add(self, arrival: Arrival, way: Way, obs: Any, plan: Plan) -> None:
        """One more message."""
        if arrival.received_at is not self._received_at:  # many come at once
            at = self._received_at = arrival.received_at
            self._received = to_millis(at) * 1000 + at.microsecond % 1000
        received = self._received
        boot, seq = obs.boot, obs.seq
        # As `Message(...)`, in half the time.
        self.messages.append(tuple.__new__(Message, (arrival, way, boot, seq, bool(obs.rc))))
        digest = digest_of_proven(obs)
        self.message_rows.append(message.row(way.head, boot, seq, digest, received - _EPOCH_US))
        for series, shape in plan:
            if series.o is None:
                self._add_blocks(series, shape, obs, received)
            else:
                self._add_readings(series, shape, obs, received)

    def _add_readings(self, series: Any, shape: Any, obs: Any, received: int) -> None:
        rows, place = shape.rows, len(self.messages) - 1
        which = self._place(rows)
        ordinal, base, boot, seq = series.rec or 0, obs.t, obs.boot, obs.seq
        parts = series.columns(series.c) if series.named else (series.y,)
        for index, offset in enumerate(series.o):
            at = base + offset
            values = [part and part[index] for part in parts]
            row = rows.row(at, ordinal, values, boot, seq, base, received - _EPOCH_US)
            self.reading_rows.append(row)
            self.readings.append((place, which, at, ordinal, values, received))

    def _add_blocks(self, series: Any, shape: Any, obs: Any, received: int) -> None:
        rows, place, at, step = shape.rows, len(self.messages) - 1, obs.t, series.dt
        which = self._place(rows)
        parts = series.columns(series.c) if series.named else (series.y,)
        for part, samples in enumerate(parts):
            if samples is not None:
                row = rows.row(at, part, step, samples, obs.boot, obs.seq, received - _EPOCH_US)
                self.block_rows.append(row)
                self.blocks.append((place, which, at, part, step, len(samples), received))

    def _place(self, rows: Any) -> int:
        place = self._places.get(rows)
        if place is None:
            place = self._places[rows] = len(self._of)
            self._of.append(rows.said)
        return place


def sort_out(
    arrivals: Iterable[Arrival], ways: dict[str, Way], throttle: Throttle | None
) -> tuple[Usual, list[Arrival]]:
    """The usual messages, and all others. `ways` by topic; with a throttle they are counted."""
    usual, others = Usual(), []
    for arrival in arrivals:
        way = ways.get(arrival.topic)
        if way is not None:
            proven = fast_path.prove(arrival.payload, arrival.received_at)
            if proven is not None:
                obs = proven.obs
                plan = _plan(obs, way)
                if plan and (throttle is None or throttle.leisurely(way.node_id, obs)):
                    usual.add(arrival, way, obs, plan)
                    continue
        others.append(arrival)
    return usual, others


def _plan(obs: Any, way: Way) -> Plan | None:
    """Each series with its shape; None if one of them is unusual."""
    clock, base = obs.clk or _UNSAID, obs.t
    plan = []
    for series in obs.ser:
        offsets = series.o
        at = base + offsets[0] if offsets else base
        shape = way.shape(series, clock, at)
        if shape is None:
            return None
        if offsets and len(offsets) > 1 and not _together(offsets, base, shape):
            return None
        if offsets is None and series.dt * _length(series) > _REACH_MS:
            return None
        plan.append((series, shape))
    return plan


def _length(series: Any) -> int:
    """Of its first part, which all have."""
    return len(series.y if series.y is not None else series.columns(series.c)[0])


def _together(offsets: Sequence[int], base: int, shape: Shape) -> bool:
    """Whether the readings of a series are of different instants, and all of one owner."""
    if len(set(offsets)) != len(offsets):
        return False
    return shape.since <= base + min(offsets) and base + max(offsets) < shape.until
