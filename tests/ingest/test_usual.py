"""The short way and the long way end in the same place: rows, identities, feed, receipts."""

import json
import time
from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest.catch_up import CatchUp
from ingest.decode import decode
from ingest.health import Health
from ingest.heard import Heard
from ingest.identify import Identifier
from ingest.measured import measured
from ingest.mqtt_session import Arrival
from ingest.storing import Patience, Writer
from ingest.throttle import Limits, Throttle
from ingest.usual import sort_out
from ingest.validate import validate
from runtime.clock import SystemClock
from store import feed, message
from store.line import Line
from store.message import Boot
from store.partition import Partitions
from store.pool import Connection
from tests.ingest.conftest import NODE, now_ms

NOW = SystemClock().now()
BASE = now_ms() - 3_600_000


def series(draw: Any) -> dict[str, Any]:
    """One series, most of them usual."""
    kind = draw(st.sampled_from(["bp", "bp", "wt", "pulses", "block", "wave of parts"]))
    minute = draw(st.integers(0, 3)) * 60_000
    made: dict[str, Any] = {"k": "bp", "dev": "cuff1", "o": [minute]}
    if kind == "bp":
        dia = draw(st.integers(50, 80))
        made["c"] = {"sys": [draw(st.integers(100, 102))], "dia": [dia if dia % 7 else None]}
    elif kind == "wt":
        made = {"k": "wt", "o": [minute], "y": [draw(st.sampled_from([70, 70.5]))]}
    elif kind == "pulses":
        offsets = draw(st.lists(st.integers(0, 3), min_size=1, max_size=4))
        made = {"k": "pr", "o": offsets, "y": [70 + n for n in offsets]}
    elif kind == "block":
        made = {"k": "pr", "dt": 1000, "y": draw(st.sampled_from([[70, 71], [70, None, 72.25]]))}
    else:
        made = {"k": "bp", "dt": 900_000, "c": {"sys": [120, 130], "dia": [70, 80]}}
    extra: dict[str, Any] = {"who": "A", "pos": "sitting", "rec": 7, "fl": ["motion"], "fix": 1}
    extra |= {"q": [50], "ses": {"id": "s", "n": 1}, "site": "arm"}
    for key in draw(st.lists(st.sampled_from(sorted(extra)), max_size=2)):
        made[key] = extra[key]
    if "q" in made:
        made["q"] = [50] * len(made.get("o") or made.get("y") or [1, 2])
    return made


@st.composite
def messages(draw: Any) -> bytes:
    """A batch of measurements under one of a few numbers."""
    body = {"v": 0, "boot": draw(st.integers(1, 2)), "seq": draw(st.integers(0, 9))}
    body["t"] = BASE + draw(st.sampled_from([0, 0, 1000]))  # so that dense series overlap
    body |= draw(st.sampled_from([{"clk": "ntp"}, {}, {"clk": "ntp", "rc": 1}]))
    body["ser"] = [series(draw) for _ in range(draw(st.integers(1, 2)))]
    return json.dumps(body).encode()


class Ways:
    """Both ways into one database, one at a time."""

    def __init__(self, people: Connection, url: str) -> None:
        self.conn = people
        self.line = Line(url, name="test")
        self.identifier = Identifier(self.line, ttl_s=600, monotonic=time.monotonic)
        self.throttle = Throttle(
            Limits(), monotonic=time.monotonic, catch_up=CatchUp(time.monotonic, enough=1)
        )
        self.writer = Writer(
            self.line,
            name="test",
            partitions=Partitions(),
            heard=Heard(time.monotonic),
            health=Health(time.monotonic),
            metrics=measured(),
            patience=Patience(base_s=0.01, cap_s=0.02),
            monotonic=time.monotonic,
        )

    async def take(self, batches: list[list[bytes]], *, short: bool) -> Any:
        """What is there in the end, and the batches in which it was written."""
        tables = "reading, block, reading_conflict, reading_history, message, batch, reject"
        await self.conn.execute(f"TRUNCATE {tables}".encode())
        written: list[list[bytes]] = []
        for batch in batches:
            arrivals = [Arrival(f"hh/1/up/{NODE}/obs", payload, NOW) for payload in batch]
            if short:
                await self.identifier.know(arrivals)
                usual, arrivals = sort_out(arrivals, self.identifier.ways, None)
                stored, left = await self.writer.copy(usual)
                written.append([one.arrival.payload for one in stored.messages])
                arrivals = left + arrivals
            written.append([arrival.payload for arrival in arrivals])
            checked = [validate(decode(arrival)) for arrival in arrivals]
            await self.writer.store(await self.identifier.identify(checked))
        return await self.found(), written

    async def found(self) -> dict[str, Any]:
        """Every row and every item of the feed, in an order of their own."""
        made: dict[str, Any] = {}
        for table in ("reading", "block", "message"):
            sql = f"SELECT to_jsonb({table}) - 'stored_at' FROM {table}"
            cursor = await self.conn.execute(sql.encode())
            made[table] = sorted(
                json.dumps(row, sort_keys=True) for (row,) in await cursor.fetchall()
            )
        items = [item for one in await feed.read_after(self.conn, 0) for item in one.items]
        made["feed"] = sorted(map(msgspec.json.encode, items))
        boots = [Boot(NODE, boot) for boot in (1, 2)]
        made["ranges"] = await message.ranges(self.conn, boots)
        return made


@given(said=st.lists(messages(), max_size=8), again=st.booleans(), cut=st.integers(1, 8))
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
async def test_both_ways_end_in_the_same_place(
    people: Connection, database_url: str, said: list[bytes], again: bool, cut: int
) -> None:
    """Usual and unusual messages, resent, under numbers used twice, with values that differ: the
    same rows, identities, feed and receipts, whichever way they went."""
    # One content for each number: of several it would matter which one came first.
    firsts = {(m["boot"], m["seq"]): m for m in map(json.loads, reversed(said))}
    kept = [payload for payload in said if firsts[numbers(payload)] == json.loads(payload)]
    kept = kept * 2 if again else kept
    batches = [kept[at : at + cut] for at in range(0, len(kept), cut)]
    ways = Ways(people, database_url)
    try:
        # In a batch the usual ones are first: no order is promised, and first come is first kept.
        short, written = await ways.take(batches, short=True)
        long, _ = await ways.take(written, short=False)
    finally:
        await ways.line.close()
    for what, rows in long.items():
        assert short[what] == rows, what


def numbers(payload: bytes) -> tuple[int, int]:
    """Boot and number."""
    said = json.loads(payload)
    return said["boot"], said["seq"]
