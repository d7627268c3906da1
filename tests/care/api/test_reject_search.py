"""Looking through refusals: every narrowing, pages, files, figures, and a replay's progress."""

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from runtime.clock import ManualClock
from store import replay
from store.named import queries
from store.pool import Connection
from store.reject_query import Wanted
from store.replay import Result
from tests.care.api.conftest import Caller
from tests.care.api.test_rejects import OBS, refused
from tests.care.village import Village


async def found(api: Caller, query: str, who: str = "lead") -> list[int]:
    """The ids a search finds, by pages of two."""
    ids: list[int] = []
    before = ""
    while True:
        answer = await api.get(who, f"/api/rejects?limit=2&{query}{before}")
        assert answer.status_code == 200, answer.text
        page = answer.json()
        ids += [one["id"] for one in page["rejects"]]
        if page["next_before"] is None:
            return ids
        before = f"&before={page['next_before']}"


async def test_every_word_narrows_what_is_found(
    api: Caller, conn: Connection, village: Village, clock: ManualClock
) -> None:
    """By node, code, product, time, words and the letters of the message; pages lose nothing."""
    zhang, zhao = village.nodes["zhang"], village.nodes["zhao"]
    old = await refused(conn, clock, zhang, "1.0", received_at=clock.now() - timedelta(days=9))
    one = await refused(conn, clock, zhang, "1.0")
    two = await refused(conn, clock, zhang, "1.1", code="E2001", payload=b'{"v":0,"x":"100%_\'"')
    three = await refused(conn, clock, zhang, None, payload=b"\xff\x00<script>", got="970")
    theirs = await refused(conn, clock, zhao, "1.0")
    assert await found(api, "") == [three, two, one, old]
    assert await found(api, f"node={zhang}&code=E2001") == [two]
    assert await found(api, "maker=acme&model=G2&firmware=1.0") == [one, old]
    since = (clock.now() - timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert await found(api, f"since={since}") == [three, two, one]
    assert await found(api, f"until={since}") == [old]
    assert await found(api, "text=970") == [three]
    # Nothing in what is looked for has a meaning of its own.
    assert await found(api, "payload=100%25_'") == [two]
    assert await found(api, "payload=%3Cscript%3E") == [three]
    assert await found(api, "payload=nowhere") == []
    assert await found(api, "", who="stranger") == [theirs]


async def test_messages_are_taken_home(
    api: Caller, conn: Connection, village: Village, clock: ManualClock
) -> None:
    """One as it came, many as lines; saved, never shown; bounded, and noted in the audit."""
    node = village.nodes["zhang"]
    ids = [await refused(conn, clock, node, "1.0", payload=OBS + b"\xff" * n) for n in range(3)]
    one = await api.get("lead", f"/api/rejects/{ids[1]}/payload")
    assert one.content == OBS + b"\xff"
    assert one.headers["content-disposition"] == f'attachment; filename="reject-{ids[1]}.json"'
    assert one.headers["content-type"] == "application/octet-stream"
    assert (await api.get("stranger", f"/api/rejects/{ids[1]}/payload")).status_code == 404
    many = await api.get("lead", "/api/rejects/export?limit=2")
    lines = [json.loads(line) for line in many.text.splitlines()]
    assert [line["id"] for line in lines[:-1]] == ids[:0:-1]
    assert base64.b64decode(lines[0]["payload"]) == OBS + b"\xff\xff"
    rest = await api.get("lead", f"/api/rejects/export?before={lines[-1]['next_before']}")
    assert [json.loads(x).get("id") for x in rest.text.splitlines()] == [ids[0], None]
    cursor = await conn.execute("SELECT count(*) FROM audit WHERE action = 'export'")
    assert await cursor.fetchone() == (3,)


async def test_counts_by_code_over_time(
    api: Caller, conn: Connection, village: Village, clock: ManualClock
) -> None:
    """By hour or day in UTC, of what is in scope."""
    node = village.nodes["zhang"]
    for hours, code in ((0, "E2001"), (0, "E3102"), (0, "E3102"), (50, "E3102")):
        at = clock.now() - timedelta(hours=hours)
        await refused(conn, clock, node, "1.0", code=code, received_at=at)
    told = (await api.get("doctor", "/api/rejects/counts")).json()
    assert [(c["code"], c["times"]) for c in told["counts"]] == [
        *(("E3102", 1), ("E2001", 1), ("E3102", 2)),
    ]
    hourly = (await api.get("doctor", "/api/rejects/counts?step=hour&code=E3102")).json()
    assert [c["times"] for c in hourly["counts"]] == [1, 2]
    assert (await api.get("stranger", "/api/rejects/counts")).json()["counts"] == []


async def test_what_a_search_finds_is_replayed_and_its_progress_told(
    api: Caller, conn: Connection, village: Village, clock: ManualClock
) -> None:
    """Asked for once, by those who manage nodes; then how many are done and what came of them."""
    node = village.nodes["zhang"]
    ids = [await refused(conn, clock, node, "1.0", seq=n) for n in range(4)]
    await refused(conn, clock, node, "1.0", code="E2001", seq=9)
    body = {"search": {"code": "E3102"}}
    assert (await api.post("nurse", "/api/rejects/replay", body)).status_code == 403
    asked = (await api.post("lead", "/api/rejects/replay", body)).json()["asked"]
    assert sorted(asked) == ids
    again = await api.post("lead", "/api/rejects/replay", body)
    assert again.json()["asked"] == []
    results = ("stored", "stored in part, refused: E3102", "refused: E3102 /ser/0/u")
    done = [Result(id_, result) for id_, result in zip(ids, results, strict=False)]
    await replay.note(conn, done, now=clock.now())
    (told,) = (await api.get("lead", "/api/rejects/replays")).json()["replays"]
    known = {name: told[name] for name in ("by", "asked", "done", "stored", "in_part", "refused")}
    assert known == {"by": "lead", "asked": 4, "done": 3, "stored": 2, "in_part": 1, "refused": 1}
    assert (await api.get("stranger", "/api/rejects/replays")).json()["replays"] == []


@pytest.mark.parametrize("narrowed", [{}, {"code": "E2001"}, {"payload": b"seq"}])
async def test_a_page_of_many_thousands_reads_what_it_shows(
    conn: Connection, village: Village, narrowed: dict[str, Any]
) -> None:
    """Whatever the load of the machine: a page is read along an index, never from the whole."""
    await conn.execute(
        "INSERT INTO reject (received_at, node_id, topic, code, reason, payload)"
        " SELECT '2026-03-04'::timestamptz - n * interval '1 minute', %s, 't',"
        " CASE WHEN n %% 50 = 0 THEN 'E2001' ELSE 'E3102' END, 'r', %s"
        " FROM generate_series(10000, 1, -1) AS n",
        (village.nodes["zhang"], OBS),
    )
    await conn.execute("ANALYZE reject")
    wanted = Wanted(since=datetime(2026, 1, 1, tzinfo=UTC), **narrowed)
    values = {name: getattr(wanted, name) for name in Wanted.__struct_fields__}
    values |= {"staff_id": village.staff["lead"], "before": 2**63 - 1, "limit": 50}
    explain = b"EXPLAIN (FORMAT JSON) " + queries("reject_query")["page"]
    plan = (await (await conn.execute(explain, values)).fetchall())[0][0][0]["Plan"]
    ways = [node["Node Type"] for node in nodes(plan) if node.get("Relation Name") == "reject"]
    assert ways
    assert "Seq Scan" not in ways


def nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    """Every step of a plan."""
    return [plan, *(node for child in plan.get("Plans", ()) for node in nodes(child))]
