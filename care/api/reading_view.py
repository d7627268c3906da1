"""A stored reading as the API tells it: values by the name of their part. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from care.api.reading_ref import text_of
from care.api.shapes import Number, Told, number
from contract.identity import record_of
from contract.vitals import VITALS, Vital, flag_names
from store.reading_query import Block, Conflict, Stored

_COLUMNS: Final = ("v0", "v1", "v2", "v3")


class ConflictBody(Told):
    """Another value sent under the same identity: kept, never taken over in silence."""

    id: int
    values: dict[str, Number]
    flags: list[str]
    node: str
    boot: int
    seq: int
    received_at: datetime


class ReadingBody(Told):
    """One reading. `values` and `units` are by part; `unit` is that of the first part.

    `record` is the number the device gave it, null without one; `id` names the reading here.
    """

    id: str
    kind: str
    measured_at: datetime
    values: dict[str, Number]
    unit: str | None
    units: dict[str, str]
    flags: list[str]
    clock: str
    claimed_at: datetime | None
    received_at: datetime
    stored_at: datetime
    late_s: float
    node: str
    device: str | None
    model: str | None
    who: str | None
    session: str | None
    record: int | None
    context: dict[str, Any] | None
    original: dict[str, Any] | None
    boot: int
    seq: int
    patient_id: int | None
    corrected: bool
    conflicts: list[ConflictBody]


class BlockBody(Told):
    """One series with a regular step; a missing sample is null."""

    kind: str
    part: str
    unit: str | None
    start_at: datetime
    end_at: datetime
    step_ms: int
    samples: list[Number | None]
    quality: list[int | None] | None
    flags: list[str]
    clock: str
    claimed_at: datetime | None
    received_at: datetime
    stored_at: datetime
    node: str
    device: str | None
    model: str | None
    who: str | None
    context: dict[str, Any] | None


def _part_names(vital: Vital | None) -> Sequence[str]:
    return [part.key for part in vital.parts] if vital else _COLUMNS


def values_by_part(kind: str, row: Stored | Conflict) -> dict[str, Number]:
    """The values that are there, by the name of their part."""
    columns = (row.v0, row.v1, row.v2, row.v3)
    told = zip(_part_names(VITALS.get(kind)), map(number, columns), strict=False)
    return {name: value for name, value in told if value is not None}


def _units(kind: str, names: Mapping[str, Number]) -> dict[str, str]:
    vital = VITALS.get(kind)
    parts = vital.parts if vital else ()
    return {part.key: part.units[0].ucum for part in parts if part.key in names}


def _unit(kind: str, part: int = 0) -> str | None:
    vital = VITALS.get(kind)
    return vital.parts[part].units[0].ucum if vital and part < len(vital.parts) else None


def reading(row: Stored, conflicts: Sequence[Conflict]) -> ReadingBody:
    """The reading with what else was said under its identity."""
    values = values_by_part(row.kind, row)
    return ReadingBody(
        id=text_of(*row.identity),
        kind=row.kind,
        measured_at=row.measured_at,
        values=values,
        unit=_unit(row.kind),
        units=_units(row.kind, values),
        flags=flag_names(row.flags),
        clock=row.clock,
        claimed_at=row.claimed_at,
        received_at=row.received_at,
        stored_at=row.stored_at,
        late_s=max(0.0, (row.received_at - row.measured_at).total_seconds()),
        node=row.node_id,
        device=row.dev,
        model=row.model,
        who=row.who,
        session=row.session_id,
        record=record_of(row.ordinal),
        context=row.context,
        original=row.original,
        boot=row.boot,
        seq=row.seq,
        patient_id=row.patient_id,
        corrected=row.corrected,
        conflicts=[_conflict(other) for other in conflicts],
    )


def _conflict(row: Conflict) -> ConflictBody:
    return ConflictBody(
        id=row.id,
        values=values_by_part(row.kind, row),
        flags=flag_names(row.flags),
        node=row.node_id,
        boot=row.boot,
        seq=row.seq,
        received_at=row.received_at,
    )


def block(row: Block) -> BlockBody:
    """The series with its part by name."""
    vital = VITALS.get(row.kind)
    names = _part_names(vital)
    return BlockBody(
        kind=row.kind,
        part=names[row.part] if row.part < len(names) else str(row.part),
        unit=_unit(row.kind, row.part),
        start_at=row.start_at,
        end_at=row.start_at + timedelta(milliseconds=row.step_ms * len(row.samples)),
        step_ms=row.step_ms,
        samples=[number(sample) for sample in row.samples],
        quality=row.quality,
        flags=flag_names(row.flags),
        clock=row.clock,
        claimed_at=row.claimed_at,
        received_at=row.received_at,
        stored_at=row.stored_at,
        node=row.node_id,
        device=row.dev,
        model=row.model,
        who=row.who,
        context=row.context,
    )
