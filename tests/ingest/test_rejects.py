"""What cannot be taken: kept as it came, told why, and never in the way of what can."""

import asyncio
import json
import struct
from typing import Any

import pytest
from psycopg import OperationalError

from ingest import short_way, storing, write
from ingest.settings import IngestSettings
from store.pool import Connection
from tests.ingest.conftest import Device, count, running, until, until_count

BP = {"k": "bp", "o": [0], "c": {"sys": [148], "dia": [91]}}
GOOD = {"v": 0, "boot": 1, "seq": 0, "t": 1795354700000, "clk": "ntp", "rc": 1, "ser": [BP]}


def changed(**keys: Any) -> bytes:
    """A good batch with some keys changed; None takes a key away."""
    return json.dumps({k: v for k, v in (GOOD | keys).items() if v is not None}).encode()


WAVE = {"v": 0, "boot": 1, "seq": 0, "t": 1795354700000, "clk": "ntp", "rc": 1, "k": "ecg",
        "ch": ["I"], "hz": 250, "n": 1, "enc": "i16le", "ep": "e", "cs": 0,
        "d": "AAA="}  # fmt: skip


def wave(**keys: Any) -> bytes:
    """A good chunk with some keys changed."""
    return json.dumps(WAVE | keys).encode()


REFUSED = [
    ("misspelt topic", "observation", changed(), "E1001", "", False),
    ("bad report", "config", changed(), "E2102", "/rev", True),
    ("lossy", "diag", b'{"rss":5}', "E2102", "/v", False),
    ("wave too short", "wave", wave(n=2), "E3109", "/d", True),
    ("wave too long", "wave", wave(n=20_000), "E2104", "/n", True),
    ("wave of nothing", "wave", wave(ch=[]), "E3106", "/ch", True),
    ("wave in an unknown encoding", "wave", wave(enc="i12"), "E3110", "/enc", True),
    ("wave of an unknown device", "wave", wave(dev="patch9"), "E4001", "/dev", True),
    ("wave that is no base64", "wave", wave(d="!"), "E2105", "/d", True),
    ("broken wave", "wave", b"{}", "E2102", "/v", False),
    ("torn", "obs", changed()[:-5], "E2001", "", False),
    ("empty", "obs", b"", "E2007", "", False),
    ("binary", "obs", bytes(range(256)), "E2001", "", False),
    ("not UTF-8", "obs", b'{"v":"\xb0"}', "E2002", "", False),
    ("CBOR cut short", "obs", b"\xa1\x61v", "E2010", "", False),
    ("deep", "obs", b'{"a":' + b"[" * 20_000 + b"]" * 20_000 + b"}", "E2003",
     "/a/0/0/0/0/0", False),
    ("NaN", "obs", changed().replace(b"148", b"NaN"), "E2004", "/ser/0/c/sys/0", False),
    ("NUL", "obs", changed(clk="a\x00"), "E2009", "/clk", True),
    ("no seq", "obs", changed(seq=None), "E2102", "/seq", False),
    ("wrong type", "obs", changed(ser="none"), "E2101", "/ser", True),
    ("text for a number", "obs", changed(ser=[BP | {"c": {"sys": ["148"], "dia": [91]}}]), "E2101",
     "/ser/0/c/sys/0", True),
    ("wrong unit", "obs", changed(ser=[BP | {"u": "kPa2"}]), "E3102", "/ser/0/u", True),
    ("impossible", "obs", changed(ser=[BP | {"c": {"sys": [1480], "dia": [91]}}]), "E3101",
     "/ser/0/c/sys/0", True),
    ("columns", "obs", changed(ser=[BP | {"c": {"sys": [148, 1], "dia": [91]}}]), "E3103",
     "/ser/0/o", True),
    ("unknown device", "obs", changed(ser=[BP | {"dev": "cuff9"}]), "E4001", "/ser/0/dev", True),
    ("bad state", "state", b'{"v":0,"s":"ready"}', "E2102", "/con", False),
    ("bad birth", "birth", changed(), "E2102", "/maker", True),
    ("bad ack", "ack", changed(acks=[{"id": "x"}]), "E2102", "/acks/0/st", True),
    ("bad result", "res", changed(id="c1"), "E2102", "/st", True),
    ("bad time", "time", b'{"t1":"now"}', "E2101", "/t1", False),
]  # fmt: skip


async def test_different_mistakes_are_each_told_at_once(
    device: Device, people: Connection, ingest: None
) -> None:
    """Five keys forgotten one after the other: five answers, each naming its key, none merged."""
    for n, key in enumerate(("boot", "seq", "v", "ser")):
        device.raw("obs", changed(**({"seq": n} | {key: None})))
    device.raw("obs", changed(seq=9, ser=[{"o": [0], "c": {"sys": [148], "dia": [91]}}]))
    paths = ["/boot", "/seq", "/v", "/ser", "/ser/0/k"]
    await until(lambda: len(device.feedback()) >= len(paths), within_s=1.5)
    assert [fb["path"] for fb in device.feedback() if "code" in fb] == paths


def refusals(device: Device) -> list[dict[str, Any]]:
    """What was refused; a busy machine may ask for a pause at any moment, with a warning."""
    return [fb for fb in device.feedback() if fb.get("code", "").startswith("E")]


async def test_every_refusal_says_why(
    device: Device, people: Connection, settings: IngestSettings
) -> None:
    """Code, place, what came, what to do; the bytes are kept; where the numbers could be read, a
    receipt lets the device drop it; no row is written; and a good reading right after is stored."""
    async with running(
        settings.model_copy(update={"merge_rejects_s": 0.01, "receipt_every_s": 0.02})
    ):
        await until(lambda: "ready" in device.statuses())
        for boot, (name, kind, payload, code, path, receipted) in enumerate(REFUSED, 1):
            sent = payload.replace(b'"boot": 1', b'"boot": %d' % boot)
            await people.execute("TRUNCATE reject, reading")
            device.heard.clear()
            device.raw(kind, sent)
            told = (await until(lambda: refusals(device)))[0]
            expected = (code, path, False, False, f"errors#{code}", kind)
            said = (told["code"], told["path"], told["ok"], told["retry"], told["doc"])
            assert (*said, told["ref"]["topic"]) == expected, name
            assert told["hint"], name
            cursor = await people.execute("SELECT code, path, payload, node_id FROM reject")
            assert await cursor.fetchall() == [(code, path, sent, "testnode1")], name
            assert await count(people, "reading") == 0, name
            if receipted:
                await until(lambda boot=boot: {"boot": boot, "upto": 0} in device.receipts())
            device.pressure(120, boot=boot, seq=1)
            await until_count(people, "reading", 1)


async def test_the_good_part_of_a_message_is_kept(
    ingest: None, device: Device, people: Connection
) -> None:
    """One of three series has an impossible value: two are stored, the maker learns which and how
    many."""
    bad = {"k": "bp", "o": [1], "c": {"sys": [5], "dia": [3]}}
    device.send("obs", {"ser": [BP, bad, {"k": "wt", "o": [0], "y": [70]}]})
    await until_count(people, "reading", 2)
    (told,) = await until(lambda: [fb for fb in device.feedback() if "code" in fb])
    assert (told["code"], told["kept"], told["dropped"]) == ("E3101", 2, 1)
    assert await count(people, "reject", "kept = 2 AND dropped = 1") == 1
    await until(lambda: {"boot": 1, "upto": 0} in device.receipts())


async def test_a_refusal_knows_its_product(
    ingest: None, device: Device, people: Connection
) -> None:
    """The node's as its birth said, a sub-device's where it is known; as it was then: a later
    birth changes nothing of it."""
    meter = {"dev": "meter1", "maker": "Roche", "model": "Guide"}
    device.raw("obs", b"[")
    await until_count(people, "reject", 1)
    device.send("birth", {"maker": "acme", "model": "G2", "fw": "2.4.1", "devs": [meter]})
    await until(device.receipts)
    bad = {"k": "wt", "o": [0], "y": [7000]}
    strange = {"k": "aura", "o": [0], "y": [7]}
    series = [bad, bad | {"dev": "meter1"}, strange | {"dev": "meter1"}, bad | {"dev": "cuff1"}]
    device.send("obs", {"ser": series})
    device.raw("wave", wave(seq=5, n=2))
    device.raw("obs", b"{")
    await until_count(people, "reject", 7)
    device.send("birth", {"maker": "acme", "model": "G3", "fw": "3.0"})
    cursor = await people.execute(
        "SELECT path, maker, model, firmware FROM reject ORDER BY received_at, id"
    )
    node = ("acme", "G2", "2.4.1")
    assert await cursor.fetchall() == [
        ("", None, None, None),
        ("/ser/0/y/0", *node),
        ("/ser/1/y/0", "Roche", "Guide", "2.4.1"),
        ("/ser/3/y/0", *node),
        ("/ser/2/k", "Roche", "Guide", "2.4.1"),
        ("/d", *node),
        ("", *node),
    ]


async def test_the_same_mistake_is_told_once_and_then_counted(
    ingest: None, device: Device, people: Connection
) -> None:
    """The first of a code at once; the following together, with their number; another code at
    once."""
    for n in range(20):
        device.raw("obs", b"rubbish %d" % n)
    device.raw("obs", b"")
    await until_count(people, "reject", 21)
    told = await until(
        lambda: (
            sum(fb["n"] for fb in device.feedback() if fb["code"] == "E2001") == 20
            and device.feedback()
        )
    )
    counted = [fb["n"] for fb in told if fb["code"] == "E2001"]
    assert counted[0] == 1
    assert len(counted) <= 3
    assert [fb["n"] for fb in told if fb["code"] == "E2007"] == [1]


async def test_a_thousand_poisonous_messages_stall_nothing(
    ingest: None, device: Device, people: Connection
) -> None:
    """More poison in a row than Receive Maximum allows in hand, then good messages: all of the
    poison is acknowledged and kept, all of the good is stored."""
    for n in range(1200):
        device._client.publish(f"hh/1/up/{device.node}/obs", b'{"v":0,"boot":' + b"%d" % n, 1)
    for n in range(10):
        device.pressure(120 + n)
    await until_count(people, "reading", 10)
    await until_count(people, "reject", 1200)


async def test_a_message_that_always_fails_is_found_although_it_looks_like_an_outage(
    device: Device,
    people: Connection,
    settings: IngestSettings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The database answers, and one message runs into its time limit every time: the others are
    stored, the one is set aside for the device to send again, and the hub is ready."""
    honest = write.reading.write

    async def time_out(conn: Connection, rows: Any) -> Any:
        if any(row.values[0] == 199.9 for row in rows):
            await conn.execute("SET LOCAL statement_timeout = 10")
            await conn.execute("SELECT pg_sleep(1)")
        return await honest(conn, rows)

    honest_copy = short_way.reading_copy.copy

    async def copy(conn: Connection, rows: list[bytes]) -> None:
        if holds(rows, 199.9):
            raise OperationalError("canceling statement due to statement timeout")
        await honest_copy(conn, rows)

    monkeypatch.setattr(write.reading, "write", time_out)
    monkeypatch.setattr(short_way.reading_copy, "copy", copy)
    monkeypatch.setattr(storing.Patience, "pause_s", lambda self, attempt: 0.01)
    async with running(settings.model_copy(update={"batch_age_s": 0.2})):
        await until(lambda: "ready" in device.statuses())
        for n in range(40):
            device._client.publish(f"hh/1/up/{device.node}/obs", pressure(n), 1)
        await until_count(people, "reading", 39)
        await until_count(people, "reject", 1)
        cursor = await people.execute("SELECT code, payload FROM reject")
        assert await cursor.fetchall() == [("E9001", pressure(23))]
        await until(lambda: device.statuses()[-1] == "ready")


async def test_the_log_says_no_value(
    ingest: None,
    device: Device,
    people: Connection,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A fault of ours on a message is logged with its place and node, never with what was
    measured."""
    poison(monkeypatch, TypeError, 187.3125)
    device.pressure(187.3125, 113.0625)
    await until_count(people, "reject", 1)
    said = capsys.readouterr().out
    assert "write_failed" in said
    assert "TypeError" in said
    assert "187.3125" not in said
    assert "113.0625" not in said


def holds(rows: list[bytes], value: float) -> bool:
    """Whether a number is in rows of binary COPY."""
    return any(struct.pack(">d", value) in row for row in rows)


def poison(monkeypatch: pytest.MonkeyPatch, error: type[Exception], sys: float) -> None:
    """Let the database refuse every batch that holds this systolic pressure, as it would values
    that slipped through every check."""
    honest = write.reading.write

    async def refuse(conn: Connection, rows: Any) -> Any:
        if any(row.values[0] == sys for row in rows):
            if error is UnicodeError:
                await conn.execute("SELECT %s::text", ("\ud800",))
            raise error("a bug")
        return await honest(conn, rows)

    honest_copy = short_way.reading_copy.copy

    async def copy(conn: Connection, rows: list[bytes]) -> None:
        if holds(rows, sys):
            raise error("a bug") if error is TypeError else UnicodeError("a surrogate")
        await honest_copy(conn, rows)

    monkeypatch.setattr(write.reading, "write", refuse)
    monkeypatch.setattr(short_way.reading_copy, "copy", copy)


@pytest.mark.parametrize(
    ("error", "code", "upto"), [(UnicodeError, "E9002", 39), (TypeError, "E9001", 22)]
)
async def test_what_the_database_refuses_is_found_among_good_ones(
    device: Device,
    people: Connection,
    settings: IngestSettings,
    monkeypatch: pytest.MonkeyPatch,
    error: type[Exception],
    code: str,
    upto: int,
) -> None:
    """One of forty messages in a batch cannot be stored: the thirty-nine are, the one is kept as
    it came. Values nobody can store are receipted; a fault of ours is not, so that the device
    keeps it and sends it again."""
    poison(monkeypatch, error, 999.5 / 5)
    async with running(settings.model_copy(update={"batch_age_s": 0.3})):
        await until(lambda: "ready" in device.statuses())
        for n in range(40):
            device._client.publish(f"hh/1/up/{device.node}/obs", pressure(n), 1)
        await until_count(people, "reading", 39)
        await until_count(people, "reject", 1)
        cursor = await people.execute("SELECT code, payload FROM reject")
        assert await cursor.fetchall() == [(code, pressure(23))]
        (told,) = await until(lambda: [fb for fb in device.feedback() if "code" in fb])
        assert (told["code"], told["retry"]) == (code, code == "E9001")
        await until(lambda: upto in {receipt["upto"] for receipt in device.receipts()})
        await asyncio.sleep(0.3)
        assert max(receipt["upto"] for receipt in device.receipts()) == upto


def pressure(n: int) -> bytes:
    """Number 23 of these is the poisoned one."""
    sys = 199.9 if n == 23 else 100 + n
    series = {"k": "bp", "o": [0], "c": {"sys": [sys], "dia": [80]}}
    message = {"v": 0, "boot": 1, "seq": n, "t": 1795354700000 + n, "rc": 1, "ser": [series]}
    return json.dumps(message).encode()


async def test_when_nothing_can_be_kept_everything_is_held(
    device: Device,
    people: Connection,
    settings: IngestSettings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """If not even the reject can be written, it is not the message: nothing is acknowledged, and
    all is stored once the cause is gone."""
    honest, honest_copy = storing.write, storing.commit
    broken = True

    async def fail(conn: Connection, entries: Any) -> Any:
        if broken:
            raise TypeError("a bug in every batch")
        return await honest(conn, entries)

    async def fail_to_copy(*given: Any, **named: Any) -> None:
        if broken:
            raise TypeError("a bug in every batch")
        await honest_copy(*given, **named)

    monkeypatch.setattr(storing, "write", fail)
    monkeypatch.setattr(storing, "commit", fail_to_copy)
    async with running(settings):
        await until(lambda: "ready" in device.statuses())
        device.pressure(148)
        await until(lambda: "degraded" in device.statuses())
        broken = False
        await until_count(people, "reading", 1)
        assert await count(people, "reject") == 0
        await until(lambda: device.statuses()[-1] == "ready")
