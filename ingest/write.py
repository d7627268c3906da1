"""Stage: a batch into the database, in one transaction, the feed last.

Identities first: what was taken before writes nothing again. Then readings, blocks, waveforms,
events, states, births, reports and rejects; then one batch of the feed with everything new.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

import msgspec

from contract.errors import Defect, defect
from contract.pointer import pointer
from ingest.entry import Entry, Outcome
from ingest.rejects import reject_rows
from store import (
    block,
    event,
    feed,
    identity,
    message,
    node_config,
    node_diag,
    node_state,
    reading,
    reject,
    wave,
)
from store.block import BlockRow
from store.event import EventRow, Recorded
from store.message import Incoming, Verdict
from store.pool import Connection
from store.reading import Change, ReadingRow

FEED = "ingest"
NUMBERS_REUSED = "W4002"
VALUE_CONFLICTS = "W3301"

Batch = Mapping[int, Entry]  # by place; only what is not a resend
Remarks = dict[int, list[Defect]]  # by place


async def write(conn: Connection, entries: Sequence[Entry]) -> list[Outcome]:
    """Write a batch; one outcome each. The last statements of a transaction."""
    verdicts = await _take(conn, entries)
    fresh = {n: e for n, e in enumerate(entries) if verdicts.get(n) is not Verdict.RESENT}
    conflicts: Remarks = defaultdict(list)
    aside: Remarks = defaultdict(list)
    news: Counter[int] = Counter()
    items = await _write_readings(conn, fresh, conflicts, news)
    blocks = await _write_blocks(conn, fresh, aside, news)
    items += map(_block_item, blocks)
    await _write_chunks(conn, fresh, aside, news)
    events = await _write_events(conn, entries, items)
    items += await _write_states(conn, fresh, news)
    items += await _write_births(conn, fresh, news)
    await _write_reports(conn, fresh, news)
    items += [item for entry in fresh.values() for item in entry.said]
    await reject.keep(
        conn, [row for n, entry in fresh.items() for row in reject_rows(entry, aside[n])]
    )
    await feed.append(conn, FEED, items)
    await block.alone(conn, blocks)
    reused = {n for n, verdict in verdicts.items() if verdict is Verdict.REUSED}
    return [
        Outcome(
            entry=entry,
            fresh=n in fresh,
            recounts=n in reused,
            event=events.get(n),
            warnings=_remarks(entry, n in reused, conflicts[n], aside[n]),
            news=news[n] + len(entry.said),
        )
        for n, entry in enumerate(entries)
    ]


def _remarks(
    entry: Entry, reused: bool, conflicts: list[Defect], aside: list[Defect]
) -> tuple[Defect, ...]:
    again = [defect(NUMBERS_REUSED, "/seq")] if reused else []
    return (*entry.warnings, *again, *conflicts, *aside)


async def _take(conn: Connection, entries: Sequence[Entry]) -> dict[int, Verdict]:
    counted = [
        (n, Incoming(e.key, e.kind, e.digest, e.arrival.received_at))
        for n, e in enumerate(entries)
        if e.key is not None
    ]
    if not counted:
        return {}
    verdicts = await message.take(conn, [incoming for _, incoming in counted])
    return {n: verdict for (n, _), verdict in zip(counted, verdicts, strict=True)}


# --- measurements -----------------------------------------------------------------------------


async def _write_readings(
    conn: Connection, fresh: Batch, conflicts: Remarks, news: Counter[int]
) -> list[feed.FeedItem]:
    rows: list[ReadingRow] = []
    places: list[int] = []
    series: list[int] = []
    for n, entry in fresh.items():
        rows += entry.readings
        places += [n] * len(entry.readings)
        series += entry.series_of_readings
    items: list[feed.FeedItem] = []
    for change in await reading.write(conn, rows):
        row = rows[change.n]
        items.append(_reading_item(row, change))
        news[places[change.n]] += 1
        if change.what == "conflicting":
            _note_conflict(conflicts[places[change.n]], row, series[change.n])
    return items


def _note_conflict(conflicts: list[Defect], row: ReadingRow, series: int) -> None:
    """The first one of each series."""
    path = pointer(["ser", series])
    if all(told.path != path for told in conflicts):
        got = f"{row.kind} {row.measured_at.isoformat()}"
        conflicts.append(defect(VALUE_CONFLICTS, path, got=got))


def _reading_item(row: ReadingRow, change: Change) -> feed.ReadingItem:
    session = (row.context or {}).get("session") or {}
    beside = {"conflicting": "inserted", "uncontested": "withdrawn"}
    return feed.ReadingItem(
        change=beside.get(change.what, change.what),
        device_id=row.device_id,
        node_id=row.node_id,
        kind=row.kind,
        measured_at=row.measured_at,
        ordinal=row.ordinal,
        patient_id=change.patient_id,
        values=change.values,
        flags=change.flags,
        clock=row.clock,
        received_at=row.received_at,
        who=row.who,
        session_id=row.session_id,
        session_done=bool(session.get("done")),
        conflicting=change.what in beside,
    )


async def _write_blocks(
    conn: Connection, fresh: Batch, aside: Remarks, news: Counter[int]
) -> list[BlockRow]:
    rows = [
        (n, row, series)
        for n, entry in fresh.items()
        for row, series in zip(entry.blocks, entry.series_of_blocks, strict=True)
    ]
    written = await block.write(conn, [row for _, row, _ in rows])
    for at in written.differing:
        n, row, series = rows[at]
        got = f"{row.kind} {row.start_at.isoformat()}"
        aside[n].append(defect(VALUE_CONFLICTS, pointer(["ser", series]), got=got))
    news.update(rows[at][0] for at in written.inserted)
    return [row for _, row in written.stored]


async def _write_chunks(conn: Connection, fresh: Batch, aside: Remarks, news: Counter[int]) -> None:
    rows = [(n, entry.chunk) for n, entry in fresh.items() if entry.chunk is not None]
    written = await wave.write(conn, [row for _, row in rows])
    news.update(rows[at][0] for at in written.inserted)
    for at in written.differing:
        n, row = rows[at]
        aside[n].append(defect(VALUE_CONFLICTS, "/cs", got=f"{row.recording} {row.chunk}"))


def _block_item(row: BlockRow) -> feed.BlockItem:
    return feed.BlockItem(
        device_id=row.device_id,
        node_id=row.node_id,
        kind=row.kind,
        part=row.part,
        start_at=row.start_at,
        step_ms=row.step_ms,
        samples=len(row.samples),
        patient_id=row.patient_id,
        received_at=row.received_at,
    )


# --- everything else ----------------------------------------------------------------------------


async def _write_events(
    conn: Connection, entries: Sequence[Entry], items: list[feed.FeedItem]
) -> dict[int, Recorded]:
    """Every event, whatever its numbers: its own id tells whether it was here before."""
    rows = {n: entry.event for n, entry in enumerate(entries) if entry.event is not None}
    recorded = dict(zip(rows, await event.record(conn, list(rows.values())), strict=True))
    items += [_event_item(rows[n], kept) for n, kept in recorded.items() if kept.new]
    return recorded


def _event_item(row: EventRow, kept: Recorded) -> feed.EventItem:
    return feed.EventItem(
        row_id=kept.row_id,
        node_id=row.node_id,
        event_id=kept.event_id,
        type=row.type,
        patient_id=row.patient_id,
        occurred_at=row.occurred_at,
        received_at=row.received_at,
        ref=row.ref,
        body=msgspec.json.decode(row.body),
    )


async def _write_states(conn: Connection, fresh: Batch, news: Counter[int]) -> list[feed.FeedItem]:
    places = [n for n, entry in fresh.items() if entry.state is not None]
    rows = [entry.state for entry in fresh.values() if entry.state is not None]
    taken = await node_state.take_over(conn, rows)
    news.update(n for n, over in zip(places, taken, strict=True) if over)
    return [
        feed.StateItem(
            node_id=row.node_id,
            state=row.state,
            con=row.con,
            plan_revision=row.plan_revision,
            received_at=row.seen_at,
        )
        for row, over in zip(rows, taken, strict=True)
        if over
    ]


async def _write_births(conn: Connection, fresh: Batch, news: Counter[int]) -> list[feed.FeedItem]:
    rows = [entry.birth for entry in fresh.values() if entry.birth is not None]
    await identity.record_births(conn, rows)
    news.update(n for n, entry in fresh.items() if entry.birth is not None)
    return [feed.BirthItem(node_id=row.node_id, received_at=row.at) for row in rows]


async def _write_reports(conn: Connection, fresh: Batch, news: Counter[int]) -> None:
    """What nodes are set to, and their diagnostics."""
    reports = [(n, entry.report) for n, entry in fresh.items() if entry.report is not None]
    taken = await node_config.take_over(conn, [row for _, row in reports])
    news.update(n for (n, _), over in zip(reports, taken, strict=True) if over)
    diags = [(n, entry.diag) for n, entry in fresh.items() if entry.diag is not None]
    await node_diag.keep(conn, [row for _, row in diags])
    news.update(n for n, _ in diags)
