"""What a person moves, and from where to where: the words of reassigning. Pure."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple, TypeVar

import msgspec
from msgspec import Struct

from store.feed import BlockItem, ReadingItem

Item = TypeVar("Item", ReadingItem, BlockItem)


class Ref(NamedTuple):
    """The identity of a reading."""

    device_id: int
    kind: str
    measured_at: datetime
    ordinal: int


class BlockRef(NamedTuple):
    """The identity of one column of a dense series."""

    device_id: int
    kind: str
    start_at: datetime
    part: int


class ChunkRef(NamedTuple):
    """The identity of a chunk of a recording."""

    device_id: int
    recording: str
    chunk: int


class Load(Struct, frozen=True):
    """What a deed moves."""

    readings: Sequence[Ref] = ()
    blocks: Sequence[BlockRef] = ()
    chunks: Sequence[ChunkRef] = ()

    def __bool__(self) -> bool:
        return bool(self.readings or self.blocks or self.chunks)


class Place(NamedTuple):
    """With a patient; or, without one, waiting (`aside` None) or set aside for a reason."""

    patient_id: int | None = None
    aside: str | None = None


WAITING: Final = Place()


class Deed(Struct, frozen=True, kw_only=True):
    """Who moves from where to where. `what`: assigned, reassigned, set_aside, put_back, undone.

    The caller has checked that this person may see both patients; what belongs to nobody is
    moved only where its node is in the scope of `staff_id`.
    """

    what: str
    staff_id: int
    at: datetime
    before: Place
    after: Place
    note: str = ""
    undoes: int | None = None

    @property
    def actor(self) -> str:
        """As histories name people."""
        return f"staff:{self.staff_id}"


def _both_sides(now_with: Item, deed: Deed) -> list[Item]:
    if deed.before.patient_id is None:
        return [now_with]
    was_with = msgspec.structs.replace(
        now_with, change="withdrawn", patient_id=deed.before.patient_id
    )
    return [was_with, now_with]


def reading_items(row: Any, deed: Deed) -> list[ReadingItem]:
    """Taken from whom it was with, given to whom it is with now (nobody is somebody here)."""
    now_with = ReadingItem(
        change="reassigned",
        device_id=row.device_id,
        node_id=row.node_id,
        kind=row.kind,
        measured_at=row.measured_at,
        ordinal=row.ordinal,
        patient_id=deed.after.patient_id,
        values=(row.v0, row.v1, row.v2, row.v3),
        flags=row.flags,
        clock=row.clock,
        received_at=row.received_at,
        who=row.who,
        session_id=row.session_id,
        session_done=row.session_done,
    )
    return _both_sides(now_with, deed)


def block_items(row: Any, deed: Deed) -> list[BlockItem]:
    now_with = BlockItem(
        change="reassigned",
        device_id=row.device_id,
        node_id=row.node_id,
        kind=row.kind,
        part=row.part,
        start_at=row.start_at,
        step_ms=row.step_ms,
        samples=row.samples,
        patient_id=deed.after.patient_id,
        received_at=row.received_at,
    )
    return _both_sides(now_with, deed)
