"""up/config and up/diag: what a node says of itself."""

import json

from store.pool import Connection
from tests.ingest.conftest import Device, count, now_ms, until, until_count


async def reported(conn: Connection) -> tuple[object, ...]:
    """What is known of the node's configuration."""
    cursor = await conn.execute("SELECT reported_revision, applied, errors FROM node_config")
    row = await cursor.fetchone()
    return tuple(row) if row else ()


async def test_a_report_is_kept_and_receipted(
    ingest: None, device: Device, people: Connection
) -> None:
    """Which revision, what is in force, what was refused and why."""
    error = {"path": "/volume", "msg": "too loud"}
    device.send("config", {"rev": 7, "applied": {"volume": 60}, "errors": [error]}, retain=True)
    await until(lambda: {"boot": 1, "upto": 0} in device.receipts())
    assert await reported(people) == (7, {"volume": 60}, [error])


async def test_an_earlier_report_changes_nothing(
    ingest: None, device: Device, people: Connection
) -> None:
    """Sent late in the same boot, or left over from the boot before; a new boot's is taken, also
    with a lower revision: the device was reset."""
    t = now_ms() - 60_000
    device.send("config", {"rev": 7, "seq": 5, "t": t})
    device.send("config", {"rev": 6, "seq": 3, "t": t + 5})
    device.send("config", {"rev": 5, "boot": 9, "seq": 0, "t": t - 1000})
    await until(lambda: any(r["boot"] == 9 for r in device.receipts()))
    assert (await reported(people))[0] == 7
    device.send("config", {"rev": 0, "boot": 10, "seq": 0, "t": t + 1000})
    await until(lambda: any(r["boot"] == 10 for r in device.receipts()))
    assert (await reported(people))[0] == 0
    assert await count(people, "reject") == 0


async def test_a_clock_ahead_does_not_shut_out_what_follows(
    ingest: None, device: Device, people: Connection
) -> None:
    """A report of the year 2099 counts at its arrival; the next boot's is newer."""
    device.send("config", {"rev": 1, "t": 4_070_908_800_000})
    await until(device.receipts)
    device.send("config", {"rev": 2, "boot": 2, "seq": 0, "t": now_ms()})
    await until(lambda: any(r["boot"] == 2 for r in device.receipts()))
    assert (await reported(people))[0] == 2


async def test_the_wanted_side_is_left_alone(
    ingest: None, device: Device, people: Connection
) -> None:
    """A report never touches what people want."""
    await people.execute(
        "INSERT INTO node_config (node_id, revision, wanted)"
        " VALUES ('testnode1', 3, '{\"dev\": 0}')"
    )
    device.send("config", {"rev": 3, "applied": {"dev": 0}})
    await until(device.receipts)
    cursor = await people.execute("SELECT revision, wanted, reported_revision FROM node_config")
    assert await cursor.fetchall() == [(3, {"dev": 0}, 3)]


async def test_diagnostics_are_kept_uncounted(
    ingest: None, device: Device, people: Connection
) -> None:
    """At QoS 0, without numbers: metrics, log lines, the device's time where it can be true."""
    log = [{"lvl": "warning", "msg": "reconnected"}]
    body = {"v": 0, "boot": 4, "t": now_ms(), "m": {"heap": 5, "rssi": None}, "log": log}
    device.raw("diag", json.dumps(body).encode(), qos=0)
    device.raw("diag", json.dumps(body | {"t": 5}).encode(), qos=0)
    await until_count(people, "node_diag", 2)
    cursor = await people.execute(
        "SELECT boot, metrics, log -> 0 ->> 'msg', at IS NULL FROM node_diag ORDER BY id"
    )
    expected = (4, {"heap": 5, "rssi": None}, "reconnected")
    assert await cursor.fetchall() == [(*expected, False), (*expected, True)]
    assert await count(people, "message") == 0
    assert device.receipts() == []
