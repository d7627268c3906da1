"""A fleet against a real broker and a real ingest: its books are what the database holds."""

import asyncio
import itertools
from pathlib import Path

import pytest

from firmware_sim.fleet import Fleet, Mischief, Mix, Proxy
from firmware_sim.fleet.ledger import Again, End, Head, Node, Receipted, Refused, Sent, read
from ingest.settings import IngestSettings
from store.pool import Connection
from tests.firmware_sim.fleet.conftest import Place, ingesting, until


async def rows(conn: Connection, sql: str) -> list[tuple]:
    """What the database says."""
    return await (await conn.execute(sql.encode())).fetchall()


def names(place: Place) -> dict[int, str]:
    """Node ids by number."""
    return {one.number: one.id for one in place.records() if isinstance(one, Node)}


def sent(place: Place) -> dict[tuple[str, int, int], Sent]:
    """Every counted message of the books."""
    of = names(place)
    found = [one for one in place.records() if isinstance(one, Sent) and one.seq >= 0]
    return {(of[one.node], one.boot, one.seq): one for one in found}


def receipted(place: Place) -> set[tuple[str, int, int]]:
    """Every number the hub has receipted."""
    of = names(place)
    return {
        (of[one.node], one.boot, seq)
        for one in place.records()
        if isinstance(one, Receipted)
        for seq in range(one.first, one.last + 1)
    }


_READINGS = """
SELECT r.node_id, r.boot, r.seq, d.dev, r.kind, (extract(epoch FROM r.measured_at) * 1000)::bigint,
       r.ordinal, r.v0, r.v1, r.v2, r.v3, r.who, r.patient_id, r.clock::text
FROM reading r JOIN device d ON d.id = r.device_id"""


async def stored(conn: Connection) -> list[tuple]:
    """Every reading, as the books would say it."""
    return sorted(await rows(conn, _READINGS), key=repr)


def expected(place: Place) -> list[tuple]:
    """The anchored readings the books expect."""
    return sorted(
        (
            (
                *key,
                due.dev,
                due.kind,
                due.measured_ms,
                due.ordinal,
                *due.values,
                due.who,
                due.patient,
                due.clock,
            )
            for key, one in sent(place).items()
            for due in one.readings
            if due.anchored
        ),
        key=repr,
    )


async def test_what_is_receipted_is_stored_as_the_books_say(
    place: Place, settings: IngestSettings, conn: Connection
) -> None:
    """Every kind of message, both encodings, both versions of MQTT: rows and books are equal."""
    mix = Mix(single=4, batch=1, block=1, event=0.2, ack=0.2)
    async with ingesting(settings):
        summary = await place.run(mix=mix, share_cbor=0.5, share_v311=0.5)
    assert (summary.open, summary.held, summary.receipted_unsent) == (0, 0, 0)
    assert summary.receipted == summary.sent == len(sent(place)) > 100
    assert receipted(place) == set(sent(place))
    assert await stored(conn) == expected(place)
    blocks = [block for one in sent(place).values() for block in one.blocks]
    found = await rows(
        conn,
        "SELECT (extract(epoch FROM start_at) * 1000)::bigint, step_ms, samples, patient_id"
        " FROM block",
    )
    due = [(one.start_ms, one.step_ms, list(one.samples), one.patient) for one in blocks]
    assert sorted(found, key=repr) == sorted(due, key=repr)
    assert summary.receipt_p50_ms is not None
    protocols = {one.protocol for one in place.records() if isinstance(one, Node)}
    assert protocols == {4, 5}


async def test_whose_a_pressure_is_stands_in_the_books(
    shared_place: Place, settings: IngestSettings, conn: Connection
) -> None:
    """Slots, slots nobody has, and no slot: the same patients, and the same that nobody has."""
    mischief = Mischief(unknown_slot=0.2, no_slot=0.2)
    async with ingesting(settings):
        await shared_place.run(mischief=mischief)
    assert await stored(conn) == expected(shared_place)
    owners = {due.who: due.patient for one in sent(shared_place).values() for due in one.readings}
    assert {"A", "B", "H", None} <= set(owners)
    assert None in {due.patient for one in sent(shared_place).values() for due in one.readings}


async def test_bad_behaviour_ends_as_the_books_say(
    place: Place, settings: IngestSettings, conn: Connection
) -> None:
    """Tenfold, late, wrong clocks, corrections, conflicts, broken payloads."""
    mischief = Mischief(
        tenfold=0.1, late=0.1, malformed=0.1, clock_1970=0.05, clock_2099=0.05,
        clock_tomorrow=0.05, clock_none=0.05, fix=0.1, conflict=0.1,
    )  # fmt: skip
    async with ingesting(settings):
        summary = await place.run(mischief=mischief, rate=150.0)
    assert (summary.open, summary.held, summary.receipted_unsent) == (0, 0, 0)
    books = [one for one in place.records() if isinstance(one, Sent)]
    due = [(one, reading) for one in books for reading in one.readings]
    identities = {
        (one.node, d.dev, d.kind, d.measured_ms, d.ordinal) for one, d in due if d.anchored
    }
    unanchored = sum(not d.anchored for _, d in due)
    [(readings,)] = await rows(conn, "SELECT count(*) FROM reading")
    assert readings == len(identities) + unanchored
    conflicts = sum(d.role == "conflict" for _, d in due)
    [(kept,)] = await rows(conn, "SELECT count(*) FROM reading_conflict")
    assert kept == conflicts > 0
    [(history,)] = await rows(conn, "SELECT count(*) FROM reading_history")
    assert history == sum(d.role == "fix" for _, d in due) > 0
    [(untrusted,)] = await rows(conn, "SELECT count(*) FROM reading WHERE clock = 'untrusted'")
    assert untrusted == sum(d.clock == "untrusted" for _, d in due) > 0
    [(rejects,)] = await rows(conn, "SELECT count(DISTINCT payload) FROM reject")
    assert rejects == len({one.sha256 for one in books if one.fate == "rejected"}) > 0
    assert {one.copies for one in books} == {1, 10}


async def test_nothing_is_lost_through_a_network_that_fails(
    place: Place, settings: IngestSettings, conn: Connection
) -> None:
    """Cuts in the middle of packets, stalls and a black hole: the same rows as without."""
    async with ingesting(settings), Proxy(0, "127.0.0.1", place.broker.port) as proxy:
        fleet = Fleet(
            place.options(
                broker=f"mqtt://127.0.0.1:{proxy.port}", minutes=4 / 60, keep_alive_s=2, resend_s=2
            )
        )
        running = asyncio.create_task(fleet.run())
        await until(lambda: fleet.counts.receipted > 20)
        proxy.cut_after(300)
        await until(lambda: fleet.counts.connects >= 8)
        proxy.half_open(0.5)
        await until(lambda: fleet.counts.trouble.get("the broker is silent", 0) >= 2)
        proxy.stall(1.0)
        summary = await running
    assert (summary.open, summary.held) == (0, 0)
    assert receipted(place) == set(sent(place))
    assert await stored(conn) == expected(place)
    assert any(isinstance(one, Again) for one in place.records())


async def test_measurements_wait_while_the_hub_is_away_and_events_do_not(
    place: Place, settings: IngestSettings, conn: Connection
) -> None:
    """Without a hub only what is no measurement leaves; with it, everything, marked as backlog."""
    fleet = Fleet(place.options(mix=Mix(single=1, event=0.2)))
    running = asyncio.create_task(fleet.run())
    await until(lambda: fleet.counts.made >= 150)
    kinds = {one.kind for one in place.records() if isinstance(one, Sent)}
    assert kinds == {"birth", "event"}
    async with ingesting(settings):
        summary = await running
    assert (summary.open, summary.held) == (0, 0)
    assert await stored(conn) == expected(place)


async def test_two_runs_of_a_seed_say_the_same(place: Place, tmp_path: Path) -> None:
    """Same seed, boot and start: the same messages, byte for byte, as far as both came."""
    mischief = Mischief(tenfold=0.1, late=0.1, malformed=0.1, clock_2099=0.1, fix=0.1)
    said = []
    for name in ("one", "two"):
        options = place.options(
            ledger=tmp_path / name, boot=9, start_ms=1_795_354_700_000, mischief=mischief,
            mix=Mix(single=2, batch=1, block=1), obey_hub_status=False, settle_s=0.0,
        )  # fmt: skip
        await Fleet(options).run()
        messages = [one for one in read(options.ledger) if isinstance(one, Sent)]
        said.append([(m.node, m.seq, m.sha256) for m in messages if m.kind == "obs"])
    short = min(map(len, said))
    assert short > 100
    by_node = [{n: [m for m in run if m[0] == n] for n in range(4)} for run in said]
    for number in range(4):
        pairs = itertools.zip_longest(*(run[number] for run in by_node))
        both = [pair for pair in pairs if None not in pair]
        assert len(both) > 20
        assert all(one == other for one, other in both)


async def test_a_wrong_password_is_tried_slowly(place: Place) -> None:
    """Nothing is sent, and nobody hammers the broker."""
    wrong = tuple(type(one)(node=one.node, password="no", devs=one.devs) for one in place.accounts)
    summary = await place.run(accounts=wrong, minutes=1 / 60, settle_s=1.0)
    assert (summary.sent, summary.connects) == (0, len(wrong))
    assert summary.trouble in ({"refused: 0x87": 4}, {"refused: 0x86": 4})
    assert summary.held > 0


async def test_the_books_begin_and_end(place: Place) -> None:
    """The head repeats the run; no password stands in it; a second fleet writes no second time."""
    await place.run(minutes=0.5 / 60, settle_s=0.0)
    records = place.records()
    assert isinstance(records[0], Head)
    assert (records[0].seed, records[0].options["rate"]) == (3, 100.0)
    assert isinstance(records[-1], End)
    raw = place.ledger.read_bytes()
    assert not any(one.password.encode() in raw for one in place.accounts)
    with pytest.raises(FileExistsError):
        await place.run()


async def test_what_is_refused_for_good_is_dropped_and_noted(
    place: Place, settings: IngestSettings
) -> None:
    """The hub's no is heard: the message is not sent again."""
    async with ingesting(settings):
        summary = await place.run(mischief=Mischief(malformed=1.0), minutes=1 / 60)
    assert summary.refused >= 1
    assert summary.open == 0
    assert [one.code for one in place.records() if isinstance(one, Refused)]
