"""Aggregates are what the stored rows say, whatever happened to them on the way."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from store import aggregate, block, feed, reading, series, vital
from store.aggregate import NOT_COUNTING, Day, Minute
from store.block import BlockRow
from store.feed import BlockItem, ReadingItem
from store.partition import Partitions, month_of
from store.pool import Connection
from store.reading import ReadingRow
from tests.fixtures.factories import Factory
from tests.store.series import AT, block_row, reading_row

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
FAR = AT - timedelta(days=9999)
FLAG = NOT_COUNTING & -NOT_COUNTING  # one that does not count
ZONES = ("Asia/Shanghai", "America/New_York", "Asia/Kathmandu", "UTC")


async def computed(conn: Connection) -> None:
    """Everything that is due is computed."""
    await aggregate.begin(conn)
    while (
        await aggregate.advance(conn, limit=3)
        + await aggregate.refresh_days(conn, limit=4)
        + await aggregate.refresh_hours(conn, kept_since=FAR, limit=4)
        + await aggregate.advance_again(conn)
    ):
        pass


def items_of(rows: Sequence[ReadingRow], changes: Sequence[reading.Change]) -> list[ReadingItem]:
    """As ingest tells the feed."""
    return [
        ReadingItem(
            change=change.what,
            device_id=rows[change.n].device_id,
            node_id="n",
            kind=rows[change.n].kind,
            measured_at=rows[change.n].measured_at,
            ordinal=rows[change.n].ordinal,
            patient_id=change.patient_id,
            values=change.values,
            flags=change.flags,
            clock="ntp",
            received_at=AT,
        )
        for change in changes
    ]


async def store_readings(conn: Connection, rows: Sequence[ReadingRow]) -> None:
    """As ingest stores them."""
    await Partitions().ensure(conn, "reading", {month_of(row.measured_at) for row in rows})
    async with conn.transaction():
        changes = await reading.write(conn, rows)
        await feed.append(conn, "ingest", items_of(rows, changes))


def block_item(row: BlockRow, **given: Any) -> BlockItem:
    """As ingest tells the feed."""
    usual = {"patient_id": row.patient_id, "change": "inserted"} | given
    return BlockItem(
        device_id=row.device_id,
        node_id="n",
        kind=row.kind,
        part=row.part,
        start_at=row.start_at,
        step_ms=row.step_ms,
        samples=len(row.samples),
        received_at=AT,
        **usual,  # type: ignore[arg-type]
    )


async def store_blocks(conn: Connection, rows: Sequence[BlockRow]) -> None:
    """As ingest stores them."""
    await Partitions().ensure(conn, "block", {month_of(row.start_at) for row in rows})
    async with conn.transaction():
        written = await block.write(conn, rows)
        await feed.append(conn, "ingest", [block_item(rows[n]) for n in written.inserted])


async def reassign(conn: Connection, table: str, row: Any, to: int | None) -> None:
    """As a person does it."""
    at = "measured_at" if table == "reading" else "start_at"
    async with conn.transaction():
        query = f"""UPDATE {table} SET patient_id = %s FROM (
            SELECT patient_id FROM {table} WHERE device_id = %s AND {at} = %s) AS was
            WHERE {table}.device_id = %s AND {table}.{at} = %s RETURNING was.patient_id"""
        when = getattr(row, at)
        key = (row.device_id, when)
        found = await (await conn.execute(query.encode(), (to, *key, *key))).fetchone()
        if found is None:
            return
        if table == "block":
            await feed.append(conn, "care", [
                block_item(row, patient_id=who, change="reassigned") for who in (found[0], to)
            ])  # fmt: skip
        else:
            changes = [
                reading.Change(0, what, who, row.values, 0)  # type: ignore[arg-type]
                for what, who in (("withdrawn", found[0]), ("reassigned", to))
            ]
            await feed.append(conn, "care", items_of([row], changes))


# --- the same from the rows ---------------------------------------------------------------------


async def days_by_hand(conn: Connection, patient_id: int, zones: list[Any]) -> list[Day]:
    """What `aggregate.days` is to say; `zones` are (since, name), the first one since ever."""
    cursor = await conn.execute(
        "SELECT measured_at, device_id, ordinal, ARRAY[v0, v1, v2, v3], flags, clock::text"
        " FROM reading WHERE patient_id = %s ORDER BY measured_at, device_id, ordinal",
        (patient_id,),
    )
    found: dict[date, list[Any]] = defaultdict(list)
    for row in await cursor.fetchall():
        zone = [name for since, name in zones if since <= row[0]][-1]
        found[row[0].astimezone(ZoneInfo(zone)).date()].append(row)
    return [_day(day, rows) for day, rows in sorted(found.items())]


def _day(day: date, rows: list[Any]) -> Day:
    good = [row for row in rows if not row[4] & NOT_COUNTING and row[5] != "untrusted"]
    parts = [[row[3][n] for row in good if row[3][n] is not None] for n in range(4)]
    return Day(
        day=day,
        n=len(good),
        left_out=len(rows) - len(good),
        low=[min(part, default=None) for part in parts],
        high=[max(part, default=None) for part in parts],
        mean=[pytest.approx(sum(part) / len(part)) if part else None for part in parts],
        first=good[0][3] if good else [None] * 4,
        last=good[-1][3] if good else [None] * 4,
        first_at=good[0][0] if good else None,
        last_at=good[-1][0] if good else None,
    )


async def minutes_by_hand(conn: Connection, patient_id: int) -> list[Minute]:
    """What `aggregate.minutes` is to say."""
    cursor = await conn.execute(
        "SELECT device_id, part, start_at, step_ms, samples, quality, flags FROM block"
        " WHERE patient_id = %s", (patient_id,),
    )  # fmt: skip
    found: dict[Any, list[tuple[float, int]]] = defaultdict(list)
    for device_id, part, start, step, samples, quality, flags in await cursor.fetchall():
        for n, value in enumerate(samples):
            at = start + n * step * timedelta(milliseconds=1)
            key = at.replace(second=0, microsecond=0), part, device_id, bool(flags & NOT_COUNTING)
            if value is not None and (quality is None or quality[n] != 0):
                found[key].append((value, flags))
    return [
        Minute(
            device_id=device_id, part=part, at=at, left_out=left_out, flags=rows[0][1],
            n=len(rows), low=min(rows)[0], high=max(rows)[0],
            mean=pytest.approx(sum(value for value, _ in rows) / len(rows), rel=1e-5),
        )
        for (at, part, device_id, left_out), rows in sorted(found.items())
    ]  # fmt: skip


# --- random lives -------------------------------------------------------------------------------

READINGS = st.lists(
    st.builds(
        lambda hours, device, sys, flags, fix, who: reading_row(
            measured_at=AT + hours * HOUR, device_id=device, flags=flags, fix=fix,
            values=(sys, 80.0, None, sys / 2), who=who, sent_at=AT + sys * MINUTE,
        ),
        st.integers(-40, 40), st.integers(1, 2), st.sampled_from([110.0, 150.0, 190.0]),
        st.sampled_from([0, 0, 0, FLAG]), st.booleans(), st.just(None),
    ),
    max_size=6,
)  # fmt: skip
BLOCKS = st.lists(
    st.builds(
        lambda minute, part, step, samples, flags: block_row(
            start_at=AT + minute * MINUTE, part=part, step_ms=step, samples=samples, flags=flags,
            quality=[0 if n % 3 else 90 for n in range(len(samples))] if part else None,
        ),
        st.integers(-90, 90), st.integers(0, 1), st.sampled_from([1000, 45_000, 5_400_000]),
        st.lists(st.sampled_from([None, 95.0, 97.5]), min_size=1, max_size=5),
        st.sampled_from([0, FLAG]),
    ),
    max_size=5,
)  # fmt: skip
OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("readings"), READINGS),
        st.tuples(st.just("blocks"), BLOCKS),
        st.tuples(st.just("reassign"), st.sampled_from([1, 2, None])),
        st.tuples(st.just("move house"), st.tuples(st.integers(-2, 2), st.sampled_from(ZONES))),
        st.tuples(st.just("compute"), st.none()),
        st.tuples(st.just("columns"), st.none()),
    ),
    min_size=2,
    max_size=8,
)


class Life:
    """Two people, and what happens to what they measure."""

    def __init__(self, conn: Connection, people: Sequence[int]) -> None:
        self.conn, self.people = conn, people
        self.readings: list[ReadingRow] = []
        self.blocks: list[BlockRow] = []
        self.zones: dict[datetime, str] = {FAR: "Asia/Shanghai"}

    async def do(self, what: str, with_: Any) -> None:
        """One operation."""
        if what == "readings":
            own = [self._owned(row) for row in with_]
            self.readings += own
            await store_readings(self.conn, own)
        elif what == "blocks":
            own = [self._owned(row) for row in with_]
            self.blocks += own
            await store_blocks(self.conn, own)
        elif what == "reassign":
            to = None if with_ is None else self.people[with_ - 1]
            for table, rows in (("reading", self.readings), ("block", self.blocks)):
                for row in rows[-1:]:  # type: ignore[var-annotated]
                    await reassign(self.conn, table, row, to)
        elif what == "move house":
            await self._move_house(AT + with_[0] * 24 * HOUR, with_[1])
        elif what == "compute":
            await computed(self.conn)
        else:
            for table in ("reading", "block"):
                await series.compress_before(self.conn, table, AT + 9999 * HOUR)  # type: ignore[arg-type]

    def _owned(self, row: Any) -> Any:
        return replace(row, patient_id=self.people[0])

    async def _move_house(self, since: datetime, zone: str) -> None:
        self.zones[since] = zone
        await self.conn.execute(
            "INSERT INTO patient_time_zone VALUES (%s, %s, %s) ON CONFLICT (patient_id, since)"
            " DO UPDATE SET time_zone = excluded.time_zone", (self.people[0], since, zone),
        )  # fmt: skip


@given(operations=OPERATIONS)
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
async def test_whatever_happened_they_say_what_the_rows_say(
    conn: Connection, operations: list[tuple[str, Any]]
) -> None:
    """Late rows, corrections, reassignments, withdrawals, other zones: after the next round both
    are what they would be if computed from the rows at once."""
    await conn.execute("TRUNCATE reading, reading_conflict, reading_history, block, reading_day,"
                       " block_hour, batch, patient_time_zone")  # fmt: skip
    make = Factory(conn, AT)
    area = await make.area("Willow")
    life = Life(conn, [await make.patient(area), await make.patient(area)])
    for operation in operations:
        await life.do(*operation)
    await computed(conn)
    zones = [sorted(life.zones.items()), [(FAR, "Asia/Shanghai")]]
    for who, own in zip(life.people, zones, strict=True):
        span = {"since": date(2026, 1, 1), "until": date(2026, 6, 1)}
        assert await aggregate.days(conn, patient_id=who, kind="bp", **span) == await days_by_hand(
            conn, who, own
        )
        minutes = await aggregate.minutes(
            conn, patient_id=who, kind="spo2", since=AT - 99 * HOUR, until=AT + 99 * HOUR
        )
        assert minutes == await minutes_by_hand(conn, who)
        assert all(earlier.at <= later.at for earlier, later in pairwise(minutes))


async def test_what_was_there_before_is_computed(conn: Connection) -> None:
    """Rows from before there were aggregates, or whose place in the feed is gone."""
    make = Factory(conn, AT)
    patient_id = await make.patient(await make.area("Willow"))
    own = reading_row(patient_id=patient_id, measured_at=AT - 200 * 24 * HOUR)
    await store_readings(conn, [own])
    await store_blocks(conn, [block_row(patient_id=patient_id)])
    await conn.execute("TRUNCATE batch")
    await computed(conn)
    span = {"since": date(2025, 1, 1), "until": date(2027, 1, 1)}
    (day,) = await aggregate.days(conn, patient_id=patient_id, kind="bp", **span)
    assert (day.n, day.mean[:2]) == (1, [148.0, 91.0])
    minutes = await aggregate.minutes(
        conn, patient_id=patient_id, kind="spo2", since=AT, until=AT + HOUR
    )
    assert [minute.n for minute in minutes] == [4]


async def test_what_has_no_source_any_more_stays(conn: Connection) -> None:
    """The minutes of dense series that have had their time are kept, whatever comes late."""
    first, late = block_row(), block_row(start_at=AT + MINUTE)
    span = {"patient_id": 1, "kind": "spo2", "since": AT, "until": AT + HOUR}
    await store_blocks(conn, [first])
    await computed(conn)
    kept = await aggregate.minutes(conn, **span)
    await conn.execute("DELETE FROM block")
    await store_blocks(conn, [late])
    while await aggregate.advance(conn) + await aggregate.refresh_hours(conn, kept_since=AT + HOUR):
        pass
    assert await aggregate.minutes(conn, **span) == kept


@pytest.mark.parametrize("back", [HOUR * 2, HOUR * 30, HOUR * 24 * 9])
async def test_a_chart_reads_the_same_from_minutes_and_samples(
    conn: Connection, back: timedelta
) -> None:
    """A long span from what was computed, its end and a short one from the samples."""
    rows = [
        block_row(start_at=AT - n * back / 40, samples=[90.0 + n, None, 95.0], step_ms=40_000)
        for n in range(41)
    ]
    await store_blocks(conn, rows)
    span = {"patient_id": 1, "since": AT - back, "until": AT + HOUR, "width": 5 * MINUTE, "now": AT}
    before = await vital.buckets(conn, **span)
    await computed(conn)
    after = await vital.buckets(conn, **span)
    assert sum(bucket.samples for bucket in after) == 2 * len(rows)
    assert [(b.at, b.low, b.high, b.samples, round(b.mean, 3)) for b in after] == [
        (b.at, b.low, b.high, b.samples, round(b.mean, 3)) for b in before
    ]
