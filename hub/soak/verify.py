"""The verdict: a ledger against the database behind the hub it was sent to."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from msgspec import Struct, field

from hub.soak import books, compare
from hub.soak.books import Books
from store import ledger_check
from store.pool import Connection

_SAMPLES: Final = 10

Spans = Sequence[tuple[int, int]]


class Verdict(Struct, kw_only=True):
    """Ledger and database side by side: messages, rows, the feed, and what is not as it must be.

    `unreceipted` messages have neither a receipt nor a refusal: they may be stored or not.
    `faults` counts by name:

    missing: receipted and not there. duplicate: there twice. wrong: another value, patient, slot
    or clock. extra: nobody sent it. forgotten: receipted, and its number is not remembered.
    unsent: a number is remembered that nobody sent. reject_missing: broken, receipted, and not
    kept as a reject. refused_wrongly: a good message was refused for good. feed_missing,
    feed_repeated, feed_extra, feed_disordered: a reading is not fed, or twice, or not stored;
    a batch out of the order of commit.

    `samples` name some of each.
    """

    sent: int = 0
    receipted: int = 0
    unreceipted: int = 0
    due: int = 0
    stored: int = 0
    rejects: int = 0
    batches: int = 0
    fed: int = 0
    faults: dict[str, int] = field(default_factory=dict)
    samples: dict[str, list[str]] = field(default_factory=dict)

    @property
    def exact(self) -> bool:
        """Whether everything receipted is there once, as it was sent, and was fed once."""
        return not self.faults

    def add(self, fault: str, says: str, count: int = 1) -> None:
        """Note a fault."""
        self.faults[fault] = self.faults.get(fault, 0) + count
        found = self.samples.setdefault(fault, [])
        if len(found) < _SAMPLES:
            found.append(says)


async def verify(path: Path, database_url: str) -> Verdict:
    """Compare a ledger with a database. Raises LedgerError, OSError or psycopg.Error."""
    return await verify_all([path], database_url)


async def verify_all(paths: Sequence[Path], database_url: str) -> Verdict:
    """Compare the ledgers of several fleets, whose nodes are different ones, with a database.

    The feed is compared as a whole, whoever filled it.
    """
    verdict = Verdict()
    for path in paths:
        kept = books.opened(path)
        async with ledger_check.snapshot(database_url) as conn:
            await _measurements(conn, path, kept, verdict)
            await _identities(conn, kept, verdict)
            await _rejects(conn, kept, verdict)
    async with ledger_check.snapshot(database_url) as conn:
        await _feed(conn, verdict)
    return verdict


async def _measurements(conn: Connection, path: Path, kept: Books, verdict: Verdict) -> None:
    verdict.sent += kept.sent
    verdict.receipted += kept.receipted
    verdict.unreceipted += kept.unsettled
    verdict.due += await ledger_check.put_due(conn, books.due_rows(path, kept))
    nodes = sorted(kept.nodes.values())
    streams = ledger_check.due(conn), ledger_check.held(conn, nodes)
    async for group, due, held in compare.together(*streams):
        verdict.stored += len(held)
        for finding in compare.judge(group, due, held):
            verdict.add(finding.what, str(finding))


async def _identities(conn: Connection, kept: Books, verdict: Verdict) -> None:
    """Every receipted number is remembered, and none that was never sent."""
    async for boot, remembered in ledger_check.taken(conn, sorted(kept.highest)):
        where = f"{boot.node_id}, boot {boot.boot}"
        for first, last in without(kept.receipts.get(boot, []), remembered):
            verdict.add("forgotten", f"{where}: {first} to {last}", last - first + 1)
        for first, last in without(remembered, [(0, kept.highest[boot])]):
            verdict.add("unsent", f"{where}: {first} to {last}", last - first + 1)


def without(spans: Spans, others: Spans) -> list[tuple[int, int]]:
    """What of ascending ranges is not in other ascending ranges; both ends included."""
    left: list[tuple[int, int]] = []
    place = 0
    for first, last in spans:
        start = first
        while place < len(others) and others[place][1] < start:
            place += 1
        at = place
        while at < len(others) and others[at][0] <= last:
            if others[at][0] > start:
                left.append((start, others[at][0] - 1))
            start = max(start, others[at][1] + 1)
            at += 1
        if start <= last:
            left.append((start, last))
    return left


async def _rejects(conn: Connection, kept: Books, verdict: Verdict) -> None:
    due = kept.must_be_refused
    async for message in ledger_check.refused(conn, sorted(kept.nodes.values())):
        verdict.rejects += 1
        due.discard(message)
    for node_id, boot, seq in sorted(due):
        verdict.add("reject_missing", f"{node_id}, message {boot}/{seq}")
    for node_id, boot, seq in sorted(kept.refused - kept.broken):
        verdict.add("refused_wrongly", f"{node_id}, message {boot}/{seq}")


async def _feed(conn: Connection, verdict: Verdict) -> None:
    order = await ledger_check.read_feed(conn)
    verdict.batches, verdict.fed = order.batches, order.readings
    if order.disordered:
        verdict.add("feed_disordered", "batches out of the order of commit", order.disordered)
    async for fed in ledger_check.fed_otherwise(conn):
        says = f"device {fed.device_id} {fed.kind} at {fed.at_us} us, ordinal {fed.ordinal}"
        verdict.add(_feed_fault(fed), f"{says}: stored {fed.rows}, fed {fed.fed}")


def _feed_fault(fed: ledger_check.Fed) -> str:
    if fed.rows == 0:
        return "feed_extra"
    return "feed_missing" if fed.fed == 0 else "feed_repeated"
