"""What a message became, as its sender is told in developer mode: values in the canonical unit,
times as they were placed, flags by name. Of a person only whether one is known. Pure."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from contract.instants import to_millis
from contract.vitals import VITALS, flag_names
from ingest.entry import Entry
from store.block import BlockRow
from store.event import EventRow
from store.feed import AnswerItem, ResultItem
from store.reading import ReadingRow
from store.wave import ChunkRow

MOST: Final = 20
# A device must be able to hold it beside everything else it does.
MAX_BYTES: Final = 6_000

Told = dict[str, Any]


def echo(entry: Entry) -> Told:
    """What was stored, in lists by what it became: some twenty entries, six kilobytes at most;
    `more` says how many were left out."""
    names = entry.echoed or {}
    rows = _rows(entry, names)
    told: dict[str, list[Told]] = {}
    size = 0
    for name, row, tell in rows[:MOST]:
        one = tell(row)
        size += len(msgspec.json.encode(one))
        if size > MAX_BYTES:
            break
        told.setdefault(name, []).append(one)
    left_out = len(rows) - sum(map(len, told.values()))
    return told | ({"more": left_out} if left_out else {})


def _rows(entry: Entry, names: Mapping[int, str]) -> list[tuple[str, Any, Callable[[Any], Told]]]:
    single: tuple[tuple[str, Any, Callable[[Any], Told]], ...] = (
        ("waves", entry.chunk, lambda row: _chunk(row, names)),
        ("events", entry.event, _event),
        ("births", entry.birth, _some("maker", "model", "hardware", "firmware")),
        ("states", entry.state, _some("state", "con", "boot")),
        ("reports", entry.report, _some("revision", "applied", "errors")),
        ("diagnostics", entry.diag, _some("metrics")),
    )
    return [
        *(("readings", row, lambda row: _reading(row, names)) for row in entry.readings),
        *(("blocks", row, lambda row: _block(row, names)) for row in entry.blocks),
        *(("answers", item, _answer) for item in entry.said if isinstance(item, AnswerItem)),
        *(
            ("results", item, _some("command_id", "state"))
            for item in entry.said
            if isinstance(item, ResultItem)
        ),
        *(one for one in single if one[1] is not None),
    ]


def _some(*fields: str) -> Callable[[Any], Told]:
    return lambda row: {
        name: getattr(row, name) for name in fields if getattr(row, name) is not None
    }


def _reading(row: ReadingRow, names: Mapping[int, str]) -> Told:
    vital = VITALS[row.kind]
    values = {
        part.key: value
        for part, value in zip(vital.parts, row.values, strict=False)
        if value is not None
    }
    said = {
        "k": row.kind,
        "dev": names.get(row.device_id),
        "at": to_millis(row.measured_at),
        "values": values,
        "u": vital.parts[0].units[0].ucum,
        "clk": row.clock,
        "fl": flag_names(row.flags) or None,
        "who": row.who,
        "patient": row.patient_id is not None,
    }
    return _there(said)


def _block(row: BlockRow, names: Mapping[int, str]) -> Told:
    part = VITALS[row.kind].parts[row.part]
    said = {
        "k": row.kind,
        "part": part.key,
        "dev": names.get(row.device_id),
        "at": to_millis(row.start_at),
        "dt": row.step_ms,
        "n": len(row.samples),
        "first": next((value for value in row.samples if value is not None), None),
        "u": part.units[0].ucum,
        "clk": row.clock,
        "fl": flag_names(row.flags) or None,
        "who": row.who,
        "patient": row.patient_id is not None,
    }
    return _there(said)


def _chunk(row: ChunkRow, names: Mapping[int, str]) -> Told:
    said = {
        "k": row.kind,
        "dev": names.get(row.device_id),
        "ep": row.recording,
        "cs": row.chunk,
        "at": to_millis(row.started_at),
        "hz": row.hz,
        "n": row.samples,
        "ch": row.channels,
        "u": row.unit,
        "clk": row.clock,
        "patient": row.patient_id is not None,
    }
    return _there(said)


def _event(row: EventRow) -> Told:
    said = {
        "id": row.event_id,
        "type": row.type,
        "at": to_millis(row.occurred_at),
        "clk": row.clock,
        "patient": row.patient_id is not None,
    }
    return _there(said)


def _answer(item: AnswerItem) -> Told:
    return _there({"id": item.id, "st": item.state, "at": to_millis(item.at), "by": item.by})


def _there(said: Told) -> Told:
    return {name: value for name, value in said.items() if value is not None}
