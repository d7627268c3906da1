"""What was refused over HTTP: as it came, by product, in detail, and taken again after a fix."""

from datetime import timedelta
from typing import Any

from runtime.clock import ManualClock
from store import deprecation, reject
from store.pool import Connection
from tests.care.api.conftest import Caller
from tests.care.village import Village

OBS = b'{"v":0,"boot":3,"seq":7,"ser":[{"k":"bp","u":"kPa"},{"k":"hr","y":[970]}]}'


async def refused(
    conn: Connection, clock: ManualClock, node: str | None, firmware: str | None, **values: Any
) -> int:
    """One row of the reject table, as ingest writes it."""
    row = {
        "received_at": clock.now(),
        "node_id": node,
        "topic": f"hh/1/up/{node}/obs",
        "boot": 3,
        "seq": 7,
        "code": "E3102",
        "path": "/ser/0/u",
        "got": "kPa",
        "reason": "bp.sys must be in mm[Hg]",
        "payload": OBS,
        "maker": "acme" if firmware else None,
        "model": "G2" if firmware else None,
        "firmware": firmware,
    } | values
    columns = ", ".join(row)
    places = ", ".join(f"%({name})s" for name in row)
    sql = f"INSERT INTO reject ({columns}) VALUES ({places}) RETURNING id"
    cursor = await conn.execute(sql.encode(), row)
    return int((await cursor.fetchall())[0][0])


async def test_rejects_show_the_message_as_it_came(
    api: Caller, conn: Connection, village: Village, clock: ManualClock
) -> None:
    """Code, path, reason and payload, for those who mend nodes, in their scope only."""
    for name, payload in (("zhang", b'{"v":0'), ("zhao", b"\xff\x00")):
        row = reject.RejectRow(
            received_at=clock.now(),
            node_id=village.nodes[name],
            topic=f"hh/1/up/{village.nodes[name]}/obs",
            boot=None,
            seq=None,
            code="E2001",
            path="",
            got=None,
            reason="broken JSON",
            payload=payload,
        )
        await reject.keep(conn, [row])
    mine = (await api.get("lead", "/api/rejects")).json()["rejects"]
    assert [(r["code"], r["payload"], r["payload_is"]) for r in mine] == [
        ("E2001", '{"v":0', "text")
    ]
    every = (await api.get("admin", "/api/rejects?limit=1")).json()
    assert every["rejects"][0]["payload_is"] == "base64"
    rest = (await api.get("admin", f"/api/rejects?before={every['next_before']}")).json()
    assert [r["node"] for r in rest["rejects"]] == [village.nodes["zhang"]]
    other = await api.get("lead", f"/api/rejects?node={village.nodes['zhao']}")
    assert other.status_code == 404


async def test_by_product_entries_of_lists_are_one_place(
    api: Caller, conn: Connection, village: Village, clock: ManualClock
) -> None:
    """One line a maker, model and firmware; below it one a code and place, with an example."""
    zhang, zhao = village.nodes["zhang"], village.nodes["zhao"]
    for place in ("/ser/0/u", "/ser/12/u"):
        newest = await refused(conn, clock, zhang, "2.4.1", path=place)
    await refused(conn, clock, zhang, "2.4.1", code="E2101", path="/ser/0/y/3")
    await refused(conn, clock, zhang, "2.5.0")
    await refused(conn, clock, zhao, "9.9")
    told = (await api.get("lead", "/api/rejects?group=product")).json()["products"]
    assert [(p["maker"], p["firmware"], p["times"]) for p in told] == [
        ("acme", "2.4.1", 3),
        ("acme", "2.5.0", 1),
    ]
    first, second = told[0]["kinds"]
    assert (first["code"], first["place"], first["times"]) == ("E3102", "/ser/*/u", 2)
    assert first["newest"] == newest
    assert (second["code"], second["place"]) == ("E2101", "/ser/*/y/*")
    narrowed = (await api.get("lead", "/api/rejects?group=product&text=2.5")).json()["products"]
    assert [p["firmware"] for p in narrowed] == ["2.5.0"]
    by_code = (await api.get("lead", "/api/rejects?group=product&code=E2101")).json()["products"]
    assert [len(p["kinds"]) for p in by_code] == [1]
    assert len((await api.get("admin", "/api/rejects?group=product")).json()["products"]) == 3


async def test_one_refusal_says_what_its_maker_is_told(
    api: Caller, conn: Connection, village: Village, clock: ManualClock
) -> None:
    """Both languages, and the message also of a second defect; who looked is in the audit."""
    node = village.nodes["zhang"]
    await refused(conn, clock, node, "2.4.1")
    second = await refused(conn, clock, node, "2.4.1", code="E3101", path="/ser/1", payload=b"")
    told = (await api.get("nurse", f"/api/rejects/{second}")).json()
    assert told["payload"] == OBS.decode()
    assert (told["code"], told["name"], told["retry"]) == ("E3101", "out_of_possible_range", False)
    assert told["said"]["zh"]["meaning"].startswith("数值超出")
    assert "physically possible" in told["said"]["en"]["meaning"]
    assert (await api.get("stranger", f"/api/rejects/{second}")).status_code == 404
    cursor = await conn.execute(
        b"SELECT staff_id, subject_id FROM audit WHERE action = 'view' AND subject_kind = 'reject'"
    )
    assert await cursor.fetchall() == [(village.staff["nurse"], str(second))]


async def test_a_replay_is_asked_once_for_each_message(
    api: Caller, conn: Connection, village: Village, clock: ManualClock
) -> None:
    """By id or by kind; only by those who mend nodes, only in their scope; noted in the audit."""
    node = village.nodes["zhang"]
    whole = await refused(conn, clock, node, "2.4.1")
    second = await refused(conn, clock, node, "2.4.1", code="E3101", path="/ser/1", payload=b"")
    other = await refused(conn, clock, village.nodes["zhao"], "2.4.1")
    nobody = await refused(conn, clock, None, None, topic="hh/1/up/x/obs")
    body = {"ids": [second, whole, other, nobody]}
    assert (await api.post("doctor", "/api/rejects/replay", body)).status_code == 403
    await conn.execute(b"LISTEN replay")
    done = await api.post("lead", "/api/rejects/replay", body)
    assert done.json()["asked"] == [whole]
    assert [n.channel async for n in conn.notifies(timeout=5, stop_after=1)] == ["replay"]
    again = {"kind": {"maker": "acme", "model": "G2", "firmware": "2.4.1", "code": "E3102"}}
    again["kind"]["place"] = "/ser/*/u"
    assert (await api.post("lead", "/api/rejects/replay", again)).json()["asked"] == []
    await conn.execute(
        b"UPDATE reject SET replayed_at = now(), replay_result = 'still E3102' WHERE id = %s",
        (whole,),
    )
    told = (await api.get("lead", f"/api/rejects/{second}")).json()
    assert (told["replay_result"], told["replay_asked_by"]) == ("still E3102", "lead")
    assert (await api.post("lead", "/api/rejects/replay", again)).json()["asked"] == [whole]
    cursor = await conn.execute(
        b"SELECT detail->'ids' FROM audit WHERE action = 'rejects_replayed' ORDER BY id"
    )
    assert [row[0] for row in await cursor.fetchall()] == [[whole], [], [whole]]


async def test_what_is_deprecated_is_told_by_product(
    api: Caller, conn: Connection, village: Village, clock: ManualClock
) -> None:
    """One line a product and use, summed over the nodes in one's scope; of the last 30 days."""
    zhang, zhao = village.nodes["zhang"], village.nodes["zhao"]
    use = {"maker": "acme", "model": "G2", "firmware": "2.4.1", "code": "W1001"}
    use |= {"place": "/ser/*/u", "detail": "unit 1 of steps is deprecated: use {steps}"}
    for node, days, times in ((zhang, 2, 5), (zhao, 1, 7)):
        at = clock.now() - timedelta(days=days)
        seen = deprecation.Seen(times=times, first_at=at, last_at=at)
        await deprecation.note(conn, [(deprecation.Use(node_id=node, **use), seen)])
    (told,) = (await api.get("admin", "/api/deprecations")).json()["deprecations"]
    assert {name: told[name] for name in use} == use
    assert (told["times"], told["nodes"], told["newest_node"]) == (12, 2, zhao)
    (mine,) = (await api.get("nurse", "/api/deprecations")).json()["deprecations"]
    assert (mine["times"], mine["nodes"], mine["newest_node"]) == (5, 1, zhang)
    since = (clock.now() - timedelta(days=1)).isoformat().replace("+00:00", "Z")
    assert (await api.get("lead", f"/api/deprecations?since={since}")).json() == {
        "deprecations": []
    }
    of_one = await api.get("admin", f"/api/deprecations?node={zhang}&limit=1")
    assert [one["times"] for one in of_one.json()["deprecations"]] == [5]
    assert (await api.get("lead", f"/api/deprecations?node={zhao}")).status_code == 404
