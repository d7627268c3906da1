"""The spool keeps every message until the hub's receipt, whatever becomes of process and disk."""

import os
import random
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from contract.messages import (
    Ack,
    Acknowledgement,
    Birth,
    Event,
    Feedback,
    Obs,
    Receipt,
    Reference,
    Series,
)
from gateway.dressing import dressed
from gateway.spool import DROPPED, Spool, Stored
from gateway.storage import Storage, StorageUnavailableError
from tests.gateway.kept_alive import reading

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 3, 4, tzinfo=UTC)
HEAD: dict[str, Any] = {"v": 0, "boot": 0, "seq": 0, "t": 1, "clk": "ntp"}


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    """An empty file."""
    return Storage(tmp_path / "gateway.db")


def add(
    spool: Spool, storage: Storage, kind: str = "obs", at: datetime = NOW, **fields: Any
) -> Any:
    """One message of a kind in its own transaction."""
    made = {
        "obs": lambda: reading(fields.get("number", 1)),
        "event": lambda: Event(**HEAD, type="call_doctor", id="e1"),
        "ack": lambda: Ack(**HEAD, acks=[Acknowledgement(id="d1", st="taken")]),
        "birth": lambda: Birth(**HEAD, maker="m", model="g"),
    }[kind]()
    with storage.transaction():
        return spool.add(kind, made, at)


def kinds(spool: Spool, live_since: datetime = NOW) -> list[str]:
    """What would be sent, in order."""
    return [m.kind for m in spool.waiting(NOW, live_since=live_since, limit=100)]


def body(message: Stored) -> dict[str, Any]:
    """The payload, decoded."""
    return msgspec.json.decode(message.payload)


def test_numbers_count_up_and_survive_a_restart(storage: Storage) -> None:
    """(boot, seq) starts at 0, has no gap, and a resend after a restart keeps it."""
    spool = Spool(storage)
    numbered = [add(spool, storage) for _ in range(3)]
    assert [m.seq for m in numbered] == [0, 1, 2]
    again = Spool(Storage(storage.path))
    assert again.boot != spool.boot
    found = again.waiting(NOW, live_since=NOW, limit=10)
    assert [(m.boot, m.seq, body(m)["seq"]) for m in found] == [
        (spool.boot, n, n) for n in range(3)
    ]
    assert add(again, again._storage).seq == 0


def test_a_number_is_given_back_when_nothing_was_stored(storage: Storage) -> None:
    """What was rolled back leaves no gap."""
    spool = Spool(storage)

    def fail() -> None:
        with storage.transaction():
            spool.add("obs", reading(1), NOW)
            spool.add("obs", reading(2), NOW)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert add(spool, storage).seq == 0
    assert spool.depth() == 1


def test_events_first_then_answers_then_fresh_then_backlog(storage: Storage) -> None:
    """A call for help overtakes ten thousand readings; fresh ones overtake the backlog."""
    spool = Spool(storage)
    old = NOW - timedelta(hours=3)
    for number in range(3):
        add(spool, storage, at=old + timedelta(minutes=number), number=number)
    add(spool, storage, number=99)
    for kind in ("ack", "birth", "event"):
        add(spool, storage, kind)
    assert kinds(spool) == ["event", "birth", "ack", "obs", "obs", "obs", "obs"]
    order = [m for m in spool.waiting(NOW, live_since=NOW, limit=100) if m.kind == "obs"]
    assert [body(m)["ser"][0]["rec"] for m in order] == [99, 0, 1, 2]


def test_only_a_receipt_deletes(storage: Storage) -> None:
    """Cumulative, with ranges beyond, per boot; an unknown boot deletes nothing."""
    spool = Spool(storage, boot=7)
    for number in range(6):
        add(spool, storage, number=number)
    assert spool.receive(Receipt(boot=8, upto=99)) == set()
    assert spool.receive(Receipt(boot=7, upto=1, also=[(4, 4)])) == {(7, 0), (7, 1), (7, 4)}
    assert spool.receive(Receipt(boot=7, upto=-1)) == set()
    left = spool.waiting(NOW, live_since=NOW, limit=9)
    assert [m.seq for m in left] == [2, 3, 5]


def test_a_refusal_for_good_is_kept_with_its_reason(storage: Storage) -> None:
    """`retry:false`: out of the spool, into the rejects, never sent again."""
    spool = Spool(storage, boot=7)
    add(spool, storage)
    refusal = Feedback(
        v=0, t=0, ok=False, code="E3102", path="/ser/0/u", ref=Reference(boot=7, seq=0)
    )
    assert spool.refuse(refusal, NOW) == {(7, 0)}
    assert spool.depth() == 0
    row = storage.row("SELECT code, path FROM reject")
    assert tuple(row) == ("E3102", "/ser/0/u")


def test_the_content_under_a_number_never_changes(storage: Storage) -> None:
    """A resend adds `hist`, `try` or `up`, and nothing else."""
    spool = Spool(storage)
    add(spool, storage, at=NOW - timedelta(minutes=5))
    add(spool, storage, "event")
    event, obs = spool.waiting(NOW, live_since=NOW, limit=9)

    def sent(message: Stored, sendings: int) -> dict[str, Any]:
        waits_since = NOW - timedelta(seconds=60)
        raw = dressed(message, sendings=sendings, waits_since=waits_since, uptime_ms=5)
        return msgspec.json.decode(raw)

    assert sent(obs, 1) == body(obs) | {"hist": 1}
    assert sent(event, 3) == body(event) | {"try": 3}
    manual = Obs(v=0, boot=0, seq=0, t=1, clk="manual", ser=[Series(k="bp", o=[0])])
    with storage.transaction():
        spool.add("obs", manual, NOW)
    fresh = spool.waiting(NOW, live_since=NOW, limit=9)[1]
    assert sent(fresh, 1) == body(fresh) | {"up": 5}


def test_a_flipped_bit_in_a_message_is_quarantined_and_the_others_are_intact(
    storage: Storage,
) -> None:
    """Promise 16: found by its digest, set aside, never sent."""
    spool = Spool(storage)
    for number in range(5):
        add(spool, storage, number=number)
    with storage.transaction():
        payload = storage.row("SELECT payload FROM message WHERE id = 3")["payload"]
        flipped = bytes((payload[0] ^ 1, *payload[1:]))
        storage.change("UPDATE message SET payload = :p WHERE id = 3", {"p": flipped})
    sound = spool.waiting(NOW, live_since=NOW, limit=9)
    assert [body(m)["ser"][0]["rec"] for m in sound] == [0, 1, 3, 4]
    assert storage.row("SELECT id, payload FROM quarantine")["payload"] == flipped
    assert spool.depth() == 4
    assert spool.waits((spool.boot, 2)), "a call in quarantine has not been heard"


@pytest.mark.parametrize("seed", range(16))
def test_a_flipped_bit_anywhere_in_the_file_loses_at_most_a_page(tmp_path: Path, seed: int) -> None:
    """One bit of the file itself: what is still sent is exactly what was added, and nearly all
    of it is still there."""
    storage = Storage(tmp_path / "gateway.db")
    spool = Spool(storage)
    added = {}
    with storage.transaction():
        for number in range(400):
            added[spool.add("obs", reading(number), NOW).seq] = number
    storage.close()
    raw = bytearray(storage.path.read_bytes())
    rng = random.Random(seed)
    # Every other one in the first page, which holds the schema.
    place = rng.randrange(len(raw) if seed % 2 else 4096)
    raw[place] ^= 1 << rng.randrange(8)
    storage.path.write_bytes(raw)
    mended = Storage(storage.path)
    found = Spool(mended).waiting(NOW, live_since=NOW, limit=1000)
    assert all(added[m.seq] == body(m)["ser"][0]["rec"] for m in found)
    assert len(found) >= 350, f"byte {place} cost {400 - len(found)} messages"
    mended.close()


def test_a_full_disk_refuses_a_reading_and_changes_nothing(storage: Storage) -> None:
    """The reading stays in the meter; its number is given back; when there is room it is taken."""
    spool = Spool(storage)
    add(spool, storage)
    fill(storage)
    with pytest.raises(StorageUnavailableError, match="full"):
        add_many(spool, storage)
    kept = spool.depth()
    storage.connection.execute("PRAGMA max_page_count = 1000000")
    assert add(spool, storage).seq == kept
    assert [m.seq for m in spool.waiting(NOW, live_since=NOW, limit=9999)] == list(range(kept + 1))


def test_safety_04_a_call_for_help_needs_no_disk(storage: Storage) -> None:
    """With the disk full an event is kept in memory and sent from there, first of all; it goes to
    disk when there is room, with the same number, and is forgotten on its receipt."""
    spool = Spool(storage)
    fill(storage)
    with pytest.raises(StorageUnavailableError):
        add_many(spool, storage)
    event = spool.add_urgent("event", Event(**HEAD, type="call_doctor", id="e1"), NOW)
    first = spool.waiting(NOW, live_since=NOW, limit=5)[0]
    assert (first.kind, first.key) == ("event", (event.boot, event.seq))
    assert spool.waits(first.key)
    storage.connection.execute("PRAGMA max_page_count = 1000000")
    spool.settle()
    assert Spool(Storage(storage.path)).waiting(NOW, live_since=NOW, limit=1)[0].key == first.key
    spool.receive(Receipt(boot=event.boot, upto=-1, also=[(event.seq, event.seq)]))
    assert not spool.waits(first.key)


def add_many(spool: Spool, storage: Storage) -> None:
    """Readings, one transaction each, more than a full disk takes."""
    for number in range(5000):
        add(spool, storage, number=number)


def fill(storage: Storage) -> None:
    """Leave room for a few more pages and no more."""
    (pages,) = storage.connection.execute("PRAGMA page_count").fetchone()
    storage.connection.execute(f"PRAGMA max_page_count = {pages + 4}")


def test_limits_drop_the_oldest_readings_only_and_count_them(storage: Storage) -> None:
    """By age and by size; events and answers stay whatever the limits."""
    spool = Spool(storage, boot=7)
    for number in range(10):
        add(spool, storage, number=number, at=NOW - timedelta(days=40 - number))
    for kind in ("event", "ack"):
        add(spool, storage, kind, at=NOW - timedelta(days=400))
    size = len(spool.waiting(NOW, live_since=NOW, limit=3)[2].payload)
    dropped = spool.trim(older_than=NOW - timedelta(days=38), max_bytes=1 << 20)
    assert dropped == {(7, 0), (7, 1)}
    dropped = spool.trim(older_than=NOW - timedelta(days=38), max_bytes=3 * size)
    assert dropped == {(7, n) for n in range(2, 7)}
    assert kinds(spool) == ["event", "ack", "obs", "obs", "obs"]
    assert storage.fact(DROPPED) == 7


def test_kill_9_at_any_point_loses_nothing_and_doubles_nothing(tmp_path: Path) -> None:
    """Promise 14, the process part: killed 8 times at random moments, everything the process
    said it had taken is in the spool or was receipted, once, with the number it was given."""
    rng = random.Random(4711)
    said: list[int] = []
    receipted: set[tuple[int, int]] = set()
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    for _ in range(8):
        command = [sys.executable, "-m", "tests.gateway.kept_alive", str(tmp_path)]
        first = said[-1] + 2 if said else 0
        with subprocess.Popen(
            [*command, str(first)], stdout=subprocess.PIPE, text=True, env=environment, cwd=ROOT
        ) as process:
            assert process.stdout is not None
            for _ in range(rng.randrange(1, 40)):
                note(process.stdout.readline(), said, receipted)
            process.kill()
            for line in process.stdout:
                note(line, said, receipted)
    storage = Storage(tmp_path / "gateway.db")
    spool = Spool(storage)
    found = spool.waiting(NOW, live_since=NOW, limit=100_000)
    numbers = [body(m)["ser"][0]["rec"] for m in found]
    facts = {
        row["value"] for row in storage.rows("SELECT value FROM fact WHERE name LIKE 'taken:%'")
    }
    assert len(said) > 50
    assert set(said) <= facts, "taken and forgotten"
    assert len(set(numbers)) == len(numbers)
    assert not {m.key for m in found} & receipted
    # At most the receipt being written when it was killed is not on our list.
    assert 0 <= len(facts) - len(numbers) - len(receipted) <= 8
    assert set(numbers) <= facts


def note(line: str, said: list[int], receipted: set[tuple[int, int]]) -> None:
    """Keep what a complete line says."""
    if line.startswith("receipted") and line.endswith("\n"):
        _, boot, seq = line.split()
        receipted.add((int(boot), int(seq)))
    elif line.endswith("\n") and line.strip():
        said.append(int(line))
