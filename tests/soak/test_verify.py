"""A ledger against a real database: exact when all is there, and each loss has its name."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from firmware_sim.fleet import ledger
from hub.soak.verify import Verdict, verify
from store import feed, ledger_check, message, reading
from store.feed import ReadingItem
from store.message import Incoming, Key
from store.pool import Connection
from tests.fixtures.factories import Factory
from tests.store.series import reading_row, with_months

BOOT = 7
START_MS = 1_772_600_000_000  # in the month the rows of these tests have
COUNT = 5


def at(n: int) -> datetime:
    """When reading number `n` was measured."""
    return datetime.fromtimestamp((START_MS + n * 60_000) / 1000, UTC)


class Told:
    """A node with a cuff, its ledger, and a database that holds what the ledger says."""

    def __init__(self, conn: Connection, path: Path) -> None:
        self.conn = conn
        self.path = path

    async def settle(self) -> None:
        """Who measures whom."""
        factory = Factory(self.conn)
        area = await factory.area()
        self.patient = await factory.patient(area)
        self.node = await factory.node(area)
        self.device = await factory.device(self.node)
        await with_months(self.conn)

    async def store(self, n: int) -> None:
        """One reading as the hub stores it: identity, row, feed."""
        values = (120.0 + n, 80.0, None, None)
        row = reading_row(
            device_id=self.device,
            measured_at=at(n),
            values=values,
            patient_id=self.patient,
            node_id=self.node,
            boot=BOOT,
            seq=n,
            who=None,
            flags=0,
            clock="ntp",
        )
        item = ReadingItem(
            change="inserted",
            device_id=self.device,
            node_id=self.node,
            kind="bp",
            measured_at=at(n),
            ordinal=row.ordinal,
            patient_id=self.patient,
            values=values,
            flags=0,
            clock="ntp",
            received_at=at(n),
        )
        async with self.conn.transaction():
            await message.take(self.conn, [Incoming(Key(self.node, BOOT, n), "obs", 1 + n, at(n))])
            await reading.write(self.conn, [row])
            await feed.append(self.conn, "ingest", [item])

    def write(self, *, receipted: int) -> None:
        """The ledger: all were sent, and the first ones receipted."""
        with ledger.Ledger(self.path) as books:
            books.note(ledger.Head(ledger.VERSION, 1, BOOT, START_MS, {}))
            books.note(ledger.Node(0, self.node, 5, "json"))
            for n in range(COUNT):
                books.note(ledger.Sent(0, BOOT, n, "obs", b"", START_MS, START_MS, (self._due(n),)))
            books.note(ledger.Receipted(0, BOOT, 0, receipted - 1, START_MS))

    def _due(self, n: int) -> ledger.ReadingDue:
        values = (120.0 + n, 80.0)
        when = START_MS + n * 60_000
        return ledger.ReadingDue(
            "cuff1", "bp", when, 0, values, None, self.patient, "ntp", anchored=True
        )


@pytest.fixture
async def told(conn: Connection, tmp_path: Path) -> Told:
    """Five readings, sent, stored and fed."""
    made = Told(conn, tmp_path / "ledger")
    await made.settle()
    for n in range(COUNT):
        await made.store(n)
    return made


async def verdict(told: Told, url: str) -> Verdict:
    """What comes out."""
    return await verify(told.path, url)


async def test_what_is_there_as_it_was_sent_is_exact(told: Told, database_url: str) -> None:
    """All receipted or not: exact, with the counts of both sides."""
    told.write(receipted=3)
    found = await verdict(told, database_url)
    assert (found.exact, found.faults, found.samples) == (True, {}, {})
    assert (found.sent, found.receipted, found.unreceipted) == (COUNT, 3, 2)
    assert (found.due, found.stored, found.fed, found.batches) == (COUNT,) * 4


@pytest.mark.parametrize(
    ("how", "faults"),
    [
        ("lose", {"missing": 1, "feed_extra": 1}),
        ("double", {"extra": 1, "feed_missing": 1}),
        ("alter", {"wrong": 1}),
        ("unfeed", {"feed_missing": 1}),
    ],
)
async def test_one_row_changed_behind_the_hubs_back_is_named(
    told: Told, database_url: str, how: str, faults: dict[str, int]
) -> None:
    """Lost, doubled, altered, not fed: the verdict says which, and where."""
    told.write(receipted=COUNT)
    await ledger_check.spoil(database_url, how)
    found = await verdict(told, database_url)
    assert found.faults == faults
    assert not found.exact
    assert all(len(samples) == 1 for samples in found.samples.values())


async def test_fed_twice_is_named(told: Told, database_url: str, conn: Connection) -> None:
    """A second batch with the same reading."""
    told.write(receipted=COUNT)
    copied = b"INSERT INTO batch (id, kind, payload, items) SELECT nextval('batch_id'), kind,"
    await conn.execute(copied + b" payload, items FROM batch ORDER BY id LIMIT 1")
    assert (await verdict(told, database_url)).faults == {"feed_repeated": 1}


async def test_a_number_that_is_not_remembered_or_was_never_sent(
    told: Told, database_url: str, conn: Connection
) -> None:
    """What was receipted must be known when it comes again; what nobody sent must not."""
    told.write(receipted=COUNT)
    await conn.execute(b"DELETE FROM message WHERE seq = 2")
    numbers = Incoming(Key(told.node, BOOT, COUNT + 3), "obs", 9, at(0))
    async with conn.transaction():
        await message.take(conn, [numbers])
    assert (await verdict(told, database_url)).faults == {"forgotten": 1, "unsent": 1}


async def test_a_ledger_that_is_none_is_refused(tmp_path: Path, database_url: str) -> None:
    """A file of something else."""
    path = tmp_path / "ledger"
    path.write_bytes(b"\x00\x00\x00\x02hi")
    with pytest.raises(ledger.LedgerError):
        await verify(path, database_url)
