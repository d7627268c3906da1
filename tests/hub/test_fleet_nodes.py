"""The nodes of a fleet: many at once, and each as good as one that was added by hand."""

import json
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hub.admin import node
from hub.fleet_nodes import make_fleet
from store import credential
from store.pool import Connection


async def count(conn: Connection, sql: str) -> int:
    """One number."""
    [(found,)] = await (await conn.execute(sql.encode())).fetchall()
    return int(found)


async def test_every_node_has_devices_people_and_a_password(conn: Connection) -> None:
    """The accounts say what the database holds; the shared cuffs are as many as asked for."""
    accounts = await make_fleet(conn, count=20, now=datetime.now(UTC), shared=0.25)
    assert len({one.node for one in accounts}) == 20
    assert {one.node_id for one in await credential.live(conn)} == {one.node for one in accounts}
    bound = await (
        await conn.execute(
            "SELECT node_id, dev, who, patient_id FROM device_binding"
            " JOIN device ON device.id = device_id"
        )
    ).fetchall()
    said = [
        (one.node, device.dev, who, patient)
        for one in accounts
        for device in one.devs
        for who, patient in device.who.items()
    ]
    assert sorted(bound) == sorted(said)
    shared = [one for one in accounts if set(one.devs[0].who) == {"A", "B"}]
    assert len(shared) == 5
    assert await count(conn, "SELECT count(*) FROM patient") == 25
    assert await count(conn, "SELECT count(expect_reading_every_s) FROM patient") == 0
    assert (await credential.revision(conn)).wanted == 1


async def test_two_fleets_live_side_by_side(conn: Connection) -> None:
    """Nothing of the first stands in the way of the second, also in the same area."""
    first = await make_fleet(conn, count=3, now=datetime.now(UTC))
    area = await count(conn, "SELECT id FROM area")
    second = await make_fleet(conn, count=3, now=datetime.now(UTC), area_id=area)
    assert not {one.node for one in first} & {one.node for one in second}
    assert await count(conn, "SELECT count(*) FROM area") == 1


@pytest.mark.soak
async def test_ten_thousand_nodes_are_made_at_once(conn: Connection) -> None:
    """Prints how long it took; the limit is far above what it takes."""
    began = time.monotonic()
    async with conn.transaction():
        accounts = await make_fleet(conn, count=10_000, now=datetime.now(UTC), shared=0.1)
    took = time.monotonic() - began
    print(f"10,000 nodes in {took:.1f} s")  # noqa: T201 - the scale is to be seen
    assert len(accounts) == 10_000


def test_the_command_writes_the_accounts_once(database_url: str, tmp_path: Path) -> None:
    """For its owner only, and never over a file that is there."""
    out = tmp_path / "fleet.json"
    arguments = ["fleet", "--count", "3", "--out", str(out), "--database-url", database_url]
    runner = CliRunner()
    done = runner.invoke(node, [*arguments, "--no-wait", "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.output)["count"] == 3
    assert len(json.loads(out.read_text())) == 3
    assert out.stat().st_mode & 0o077 == 0
    again = runner.invoke(node, [*arguments, "--no-wait"])
    assert again.exit_code == 1
    assert "choose another file" in again.output
