"""Exactly once in effect: what is stored depends on what was said, not on how it was delivered.

Values, corrections, contradictions, slots of a shared cuff, wrong clocks, dense series that
overlap, nonsense: shuffled, repeated, cut into other batches, written by several writers at once,
with pauses and restarts between.
"""

import json
from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import Struct

from runtime.clock import SystemClock
from store import feed
from store.feed import ReadingItem
from store.pool import Connection
from tests.ingest.conftest import now_ms
from tests.ingest.stages import Came, take

NOW = SystemClock().now()
BASE = now_ms() - 6 * 3_600_000
MINUTE = 60_000
TABLES = "reading, reading_conflict, reading_history, block, message, batch, event, reject"


class Said(Struct, frozen=True):
    """One message: its kind and what it says beside its numbers and time."""

    kind: str
    body: dict[str, Any]

    def payload(self, seq: int) -> bytes:
        """With its own number, sent a second after the one before."""
        envelope = {"v": 0, "boot": 1, "seq": seq, "t": BASE + seq * 1000, "clk": "ntp"}
        said = envelope | self.body
        if "at" in said:  # a minute: the instant measured, whenever it is sent
            offset = BASE + said.pop("at") * MINUTE - envelope["t"]
            said["ser"] = [series | {"o": [offset]} for series in said["ser"]]
        return json.dumps({k: v for k, v in said.items() if v is not None}).encode()


def pressure(minute: int, sys: int, fix: int, who: str | None, rec: int | None) -> Said:
    """A pressure of the shared cuff at a minute of this morning, perhaps as a correction."""
    own = {"who": who, "rec": rec, "fix": fix or None}
    series = {"k": "bp", "dev": "cuff1", "c": {"sys": [sys], "dia": [60]}}
    series |= {key: value for key, value in own.items() if value is not None}
    return Said("obs", {"at": minute, "ser": [series]})


def wrong_clock(t: int | None, up: int | None, sys: int) -> Said:
    """A pressure whose time is impossible, unknown, or counted from the device's own start."""
    series = {"k": "bp", "o": [1000], "c": {"sys": [sys], "dia": [60]}}
    return Said("obs", {"t": t, "up": up, "clk": None if t else "none", "ser": [series]})


def oximetry(minute: int, step: int, values: list[float | None], who: str | None) -> Said:
    """A dense series that may overlap others or contradict them, also in other steps."""
    series: dict[str, Any] = {"k": "spo2", "dev": "cuff1", "dt": step, "y": values}
    series |= {"who": who} if who else {}
    return Said("obs", {"t": BASE + minute * MINUTE, "ser": [series]})


WHO = st.sampled_from([None, "A", "B", "grandma"])
MESSAGES = st.lists(
    st.builds(
        pressure,
        st.integers(0, 3),
        st.sampled_from([118, 150, 199]),
        st.sampled_from([0, 0, 1]),
        WHO,
        st.sampled_from([None, None, 7]),
    )
    | st.builds(
        wrong_clock,
        st.sampled_from([0, 4_070_908_800_000, None]),
        st.sampled_from([None, 5000]),
        st.integers(100, 220),
    )
    | st.builds(
        oximetry,
        st.integers(0, 3),
        st.sampled_from([30_000, 30_000, 30_000, 60_000, 45_000]),
        st.lists(st.sampled_from([None, 96.5, 97]), min_size=1, max_size=5).filter(any),
        WHO,
    )
    | st.sampled_from(
        [
            Said("obs", {"ser": [{"k": "aura", "o": [0], "y": [1]}]}),
            Said("obs", {"ser": [{"k": "wt", "dev": "scale9", "o": [0], "y": [70]}]}),
            Said("obs", {"at": 1, "ser": [{"k": "wt", "y": [71]}]}),
            Said("obs", {"ser": "nonsense"}),
            Said("event", {"type": "sos", "id": "e1"}),
            Said("event", {"type": "sos"}),
        ]
    ),
    min_size=1,
    max_size=10,
)


async def found(conn: Connection, sql: str) -> list[tuple[Any, ...]]:
    """Rows."""
    return await (await conn.execute(sql.encode())).fetchall()


IDENTITY = "device_id, kind, CASE WHEN ordinal < 0 THEN NULL ELSE measured_at END, ordinal"


async def readings(conn: Connection) -> dict[Any, Any]:
    """By identity: what holds, what stands beside it and what was before. Where nothing was
    corrected the value that came first holds, so then all of them together. What is placed by its
    arrival has no instant of its own, and keeps its message."""
    value = "v0, v1, flags, who, patient_id"
    kept: dict[Any, dict[str, Any]] = defaultdict(dict)
    place = "concat_ws(' ', boot, seq, clock, claimed_at)"
    own = f"CASE WHEN ordinal < 0 THEN {place} END"
    for *key, v0, v1, flags, who, patient, fix, place in await found(
        conn, f"SELECT {IDENTITY}, {value}, fix, {own} FROM reading"
    ):
        mine = kept[tuple(key)]
        mine |= {"holds": (v0, v1, flags, who, patient, fix, place), "said": [], "before": set()}
        if not fix:
            mine["said"].append((v0, v1, flags, who, patient))
    for *key, v0, v1, flags, who, patient in await found(
        conn, f"SELECT {IDENTITY}, {value} FROM reading_conflict"
    ):
        kept[tuple(key)]["said"].append((v0, v1, flags, who, patient))
    for *key, before in await found(conn, f"SELECT {IDENTITY}, before FROM reading_history"):
        was = (*before["values"][:2], before["flags"], before["who"])
        kept[tuple(key)]["before"].add(was)
    for mine in kept.values():
        mine["said"].sort(key=repr)
        mine["before"].discard(mine["holds"][:4])
        if not mine["holds"][5]:
            mine["holds"] = mine["holds"][5:]
    return dict(kept)


async def blocks(conn: Connection, said: Sequence[Said]) -> dict[int, set[Any]]:
    """What was said of each instant, stored or kept as a reject: the first to come is stored, once,
    and where series are cut depends on which came first."""
    kept: dict[int, set[Any]] = {}
    for start_at, step, samples, who in await found(
        conn, "SELECT start_at, step_ms, samples, who FROM block"
    ):
        start = round(start_at.timestamp() * 1000)
        for n, value in enumerate(samples):
            assert start + n * step not in kept, "stored twice"
            kept[start + n * step] = {(value, who)}
    refused = "SELECT seq FROM reject WHERE code = 'W3301' AND path LIKE '/ser/%'"
    for (seq,) in await found(conn, refused):
        series = said[seq].body["ser"][0]
        if "dt" in series:
            start, step = said[seq].body["t"], series["dt"]
            who = "?" if series.get("who") == "grandma" else series.get("who")
            for n, value in enumerate(series["y"]):
                kept[start + n * step].add((value, who))  # something is stored of each
    return kept


async def fed(conn: Connection) -> dict[Any, Any]:
    """The readings as somebody knows them who follows the feed from its beginning."""
    known: dict[Any, Any] = {}
    items = [item for batch in await feed.read_after(conn, 0, limit=10_000) for item in batch.items]
    for item in items:
        if isinstance(item, ReadingItem) and not item.conflicting and item.change != "withdrawn":
            key = (item.device_id, item.kind, item.measured_at, item.ordinal)
            assert (key in known) == (item.change == "corrected"), item
            known[key] = (item.values, item.flags, item.patient_id)
    return known


async def outcome(conn: Connection, said: Sequence[Said]) -> dict[str, Any]:
    """Everything that is to be the same; and what the feed said is what the tables hold."""
    stored = await found(
        conn,
        "SELECT device_id, kind, measured_at, ordinal, v0, v1, v2, v3, flags, patient_id"
        " FROM reading",
    )
    assert await fed(conn) == {row[:4]: (row[4:8], *row[8:]) for row in stored}
    return {
        "readings": await readings(conn),
        "blocks": await blocks(conn, said),
        "events": await found(conn, "SELECT event_id, type, patient_id FROM event ORDER BY 1"),
        "messages": await found(conn, "SELECT boot, seq, kind, digest FROM message ORDER BY seq"),
        "refused": set(
            await found(conn, "SELECT seq, code, path FROM reject WHERE code <> 'W3301'")
        ),
    }


def lives(data: st.DataObject, came: list[Came]) -> list[tuple[list[list[Came]], int]]:
    """The deliveries in any order, some many times, cut into the lives of an ingest, each with
    its batches and its number of writers."""
    many = [one for one in came for _ in range(data.draw(st.sampled_from([1, 1, 2, 10])))]
    shuffled = data.draw(st.permutations(many))
    pauses = data.draw(st.lists(st.integers(0, 40), min_size=len(many), max_size=len(many)))
    now, told = NOW, []
    for one, pause in zip(shuffled, pauses, strict=True):
        now += timedelta(seconds=pause)
        told.append(one._replace(at=now))
    found_lives = []
    while told:
        length, cut = data.draw(st.integers(1, len(told))), data.draw(st.integers(1, 8))
        life, told = told[:length], told[length:]
        batches = [life[at : at + cut] for at in range(0, len(life), cut)]
        found_lives.append((batches, data.draw(st.sampled_from([1, 1, 2, 4]))))
    return found_lives


@given(said=MESSAGES, data=st.data())
@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
async def test_the_same_messages_end_in_the_same_rows(
    people: Connection, database_url: str, said: list[Said], data: st.DataObject
) -> None:
    """Once and in order by one writer, and then in any other way: the same rows, and the feed
    told each of them."""
    came = [Came(one.kind, one.payload(seq), NOW) for seq, one in enumerate(said)]
    await people.execute(f"TRUNCATE {TABLES}".encode())
    await take(database_url, [[one] for one in came])
    expected = await outcome(people, said)
    await people.execute(f"TRUNCATE {TABLES}".encode())
    for batches, writers in lives(data, came):
        await take(database_url, batches, writers=writers)
    assert await outcome(people, said) == expected
