"""Gaps in the database: found once, shrunk by what comes, lost by what the node says."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from store import gap, message, resend
from store.gap import Count, Hole
from store.message import Boot, Incoming, Key
from store.pool import Connection

NODE = "gapnode00001"
BOOT = Boot(NODE, 7)
AT = datetime(2026, 3, 4, 8, tzinfo=UTC)


@pytest.fixture
async def db(conn: Connection) -> Connection:
    """A database with one node that is ready."""
    await conn.execute(
        b"INSERT INTO area (level, name) VALUES ('village', 'v');"
        b"INSERT INTO node (id, area_id) VALUES ('gapnode00001', 1);"
        b"INSERT INTO node_state (node_id, state, con, state_at, seen_at)"
        b" VALUES ('gapnode00001', 'ready', 1, '2026-03-04 07:00Z', '2026-03-04 07:00Z')"
    )
    return conn


async def take(conn: Connection, numbers: Iterable[int], *, boot: int = 7) -> None:
    """These messages came."""
    rows = [Incoming(Key(NODE, boot, seq), "obs", seq + 1, AT) for seq in numbers]
    async with conn.transaction():
        await message.take(conn, rows)


async def found(conn: Connection, *holes: tuple[int, int], boot: Boot = BOOT) -> int:
    """A look has found these holes."""
    made = tuple(Hole(low, high, AT, AT) for low, high in holes)
    return await gap.note(conn, [Count(boot, max(h for _, h in holes) + 1, AT, made)], now=AT)


async def rows(conn: Connection) -> list[tuple[Any, ...]]:
    """Every gap: its ends, how many are missing and gone, and how it was closed."""
    told = await gap.of_node(conn, NODE)
    return sorted((one.first, one.last, one.missing, one.gone, one.how) for one in told)


async def test_a_gap_of_ten_of_which_four_come(db: Connection) -> None:
    """What comes shrinks it wherever it lies; when all has come it is closed."""
    await found(db, (5, 14))
    await take(db, [5, 8, 9, 14])
    assert await gap.close_what_came(db, [BOOT], now=AT) == 1
    assert await rows(db) == [(5, 14, 6, 0, None)]
    assert (await resend.due(db, now=AT, limit=9))[0].missing == [(6, 7), (10, 13)]
    assert await gap.close_what_came(db, [BOOT], now=AT) == 0
    await take(db, range(5, 15))
    await gap.close_what_came(db, [BOOT], now=AT)
    assert await rows(db) == [(5, 14, 0, 0, "came")]
    assert await gap.open_gaps(db) == 0


async def test_what_is_gone_in_part_is_lost_in_part(db: Connection) -> None:
    """What has come is not gone, whatever the node says; what comes later is not lost."""
    await found(db, (5, 14))
    await take(db, [5])
    assert await resend.gone(db, BOOT, [(0, 7), (13, 10**9)], now=AT) == 1
    assert await rows(db) == [(5, 14, 5, 4, None)]
    await resend.gone(db, BOOT, [(8, 12)], now=AT)
    assert await rows(db) == [(5, 14, 0, 9, "gone")]
    await take(db, range(5, 14))
    await gap.close_what_came(db, [BOOT], now=AT)
    assert await rows(db) == [(5, 14, 0, 1, "gone")]
    await take(db, [14])
    await gap.close_what_came(db, [BOOT], now=AT)
    assert await rows(db) == [(5, 14, 0, 0, "came")]


async def test_a_number_lies_in_one_gap(db: Connection) -> None:
    """Two looks at once find it once, and the schema refuses the rest."""
    assert await found(db, (5, 14), (20, 29)) == 2
    assert await found(db, (14, 20)) == 0
    assert await found(db, (14, 20), boot=Boot(NODE, 8)) == 1
    with pytest.raises(psycopg.errors.ExclusionViolation):
        await db.execute("UPDATE gap SET numbers = '[14,30)' WHERE lower(numbers) = 20")
    with pytest.raises(psycopg.errors.CheckViolation):
        await db.execute("UPDATE gap SET gone = missing")


async def test_a_node_that_counts_wildly_is_bounded(db: Connection) -> None:
    """A jump is one row that is not asked for; too many gaps are only counted."""
    await found(db, (1, 2**40))
    assert await rows(db) == [(1, 2**40, 2**40, 0, "given_up")]
    holes = [(2**41 + 3 * n, 2**41 + 3 * n + 1) for n in range(500)]
    assert await found(db, *holes) == gap.MOST - 1
    counted = await gap.counts_of_node(db, NODE)
    assert counted[0].unfollowed == 2 * (500 - gap.MOST + 1)
    assert len(await gap.of_node(db, NODE, limit=1000)) == gap.MOST


async def test_a_gap_in_too_many_pieces_is_given_up(db: Connection) -> None:
    """Every second number came: nobody goes on splitting."""
    await found(db, (0, 1000))
    await take(db, range(0, 1001, 2))
    await gap.close_what_came(db, [BOOT], now=AT)
    assert await rows(db) == [(0, 1000, 500, 0, "given_up")]


async def test_a_boot_that_is_counted_anew_has_other_gaps(db: Connection) -> None:
    """The same numbers may be missing again; the old ones are over."""
    await found(db, (5, 14))
    await gap.count_anew(db, [BOOT], now=AT)
    assert await found(db, (5, 6)) == 1
    assert await rows(db) == [(5, 6, 2, 0, None), (5, 14, 10, 0, "given_up")]


async def test_a_node_is_asked_only_while_it_is_there(db: Connection) -> None:
    """Offline it waits; back, it is asked after it has settled; revoked never."""
    await found(db, (5, 14))
    await db.execute("UPDATE node_state SET state = 'offline'")
    await resend.park(db, now=AT)
    assert await resend.due(db, now=AT, limit=9) == []
    await db.execute("UPDATE node_state SET state = 'ready', seen_at = %s", (AT,))
    settling = timedelta(seconds=60)
    for _ in range(2):
        await resend.node_is_back(db, NODE, settling=settling)
        assert await resend.due(db, now=AT + timedelta(seconds=59), limit=9) == []
    assert len(await resend.due(db, now=AT + settling, limit=9)) == 1
    await db.execute("UPDATE node SET revoked_at = now()")
    await resend.park(db, now=AT + settling)
    assert await resend.due(db, now=AT + timedelta(days=9), limit=9) == []
    assert await resend.give_up_old(db, now=AT + timedelta(days=61)) == 1


async def test_the_sweep_names_every_count_once(db: Connection) -> None:
    """In pages; what was looked at to its end and has no open gap is not worth another look."""
    for boot in (3, 7, 9):
        await take(db, range(3), boot=boot)
    seen: list[tuple[Boot, bool]] = []
    after = Boot("", -1)
    while page := await gap.sweep(db, after, limit=2):
        seen, after = seen + page, page[-1][0]
    assert seen == [(Boot(NODE, boot), True) for boot in (3, 7, 9)]
    await gap.note(db, [Count(Boot(NODE, 3), 2, AT, ())], now=AT)
    assert (await gap.sweep(db, Boot("", -1), limit=9))[0] == (Boot(NODE, 3), False)
    await gap.prune(db, now=AT + timedelta(days=121))
    assert (await gap.sweep(db, Boot("", -1), limit=9))[0] == (Boot(NODE, 3), True)


async def test_what_came_is_looked_for_in_the_gap_only(db: Connection) -> None:
    """A small gap in a long count: the rest of the count is not read."""
    await take(db, range(0, 20_000, 1))
    await found(db, (30_000, 30_009))
    await db.execute("ANALYZE message")
    before = await _rows_read(db)
    await gap.close_what_came(db, [BOOT], now=AT)
    assert await _rows_read(db) - before < 1000


async def _rows_read(conn: Connection) -> int:
    await conn.execute("SELECT pg_stat_force_next_flush()")
    row = await (
        await conn.execute(
            "SELECT max(seq_tup_read) + sum(of_index.idx_tup_read) FROM pg_stat_user_tables whole"
            " JOIN pg_stat_user_indexes of_index USING (relid) WHERE whole.relname = 'message'"
        )
    ).fetchone()
    assert row is not None
    return int(row[0])
