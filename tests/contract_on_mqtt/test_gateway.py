"""The gateway's own uplink on a real hub, four ways: what it says is stored, what the hub says is
understood and answered."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from firmware_sim.robot.access import Access
from gateway.service import Gateway
from gateway.settings import GatewaySettings
from gateway.storage import Storage
from runtime.clock import SystemClock
from store import configuration
from tests.contract_on_mqtt.conftest import LiveHub, Rows
from tests.contract_on_mqtt.test_down_kinds import order, outcome
from tests.contract_on_mqtt.test_up_kinds import every_way


@asynccontextmanager
async def at_home(access: Access, state: Path, **more: Any) -> AsyncIterator[Gateway]:
    """A gateway without a cuff, with a screen nobody looks at."""
    settings = GatewaySettings(
        broker=f"mqtt://{access.node}:{access.password}@{access.host}:{access.port}",
        state=state,
        screen_port=0,
        voice="none",
        resend_seconds=3.0,
        diag_seconds=1.0,
        **more,
    )
    storage = Storage(state / "gateway.db")
    gateway = Gateway(settings, SystemClock(), storage)
    task = asyncio.create_task(gateway.run())
    try:
        yield gateway
        if task.done():
            task.result()
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        storage.close()


class Told:
    """A robot by its access only, for what orders a command."""

    def __init__(self, access: Access) -> None:
        self.access = access


@every_way
async def test_the_gateway_speaks_and_understands(
    hub: LiveHub, rows: Rows, tmp_path: Path, mqtt: int, encoding: str
) -> None:
    """Description, state, event, diagnostics up; plan, commands and configuration down."""
    access = await asyncio.to_thread(hub.node)
    node = access.node
    async with at_home(access, tmp_path, mqtt_version=mqtt, enc=encoding) as gateway:
        ready = "SELECT con FROM node_state WHERE node_id = %s AND state = 'ready'"
        await rows.until(ready, node)
        product = "SELECT maker FROM node WHERE id = %s AND model = 'gateway'"
        await rows.until(product, node)
        gateway.reports.event("call_doctor", sev="critical")
        await rows.until("SELECT 1 FROM event WHERE node_id = %s AND type = 'call_doctor'", node)
        await rows.until("SELECT 1 FROM node_diag WHERE node_id = %s", node)
        item = {"drug": "氨氯地平", "times": ["08:00"], "node_id": node}
        path = f"/patients/{hub.patient}/plan/items"
        await asyncio.to_thread(hub.api, "POST", path, json=item)
        confirmed = "SELECT 1 FROM plan WHERE node_id = %s AND confirmed_revision = revision"
        await rows.until(confirmed, node)
        speaks: Any = Told(access)
        spoken = await order(rows, speaks, "speak", text={"zh-CN": "早上好", "en": "Good morning"})
        assert (await outcome(rows, spoken, "ok", "unsupported"))[0]
        reborn = await order(rows, speaks, "rebirth")
        assert (await outcome(rows, reborn))[0] == "ok"
        now = datetime.now(UTC)
        put = {"volume": 30, "enc": "json" if encoding == "cbor" else "cbor"}
        wanted = await configuration.change(rows.conn, node, put=put, by="test", now=now)
        report = (
            "SELECT applied, errors FROM node_config WHERE (node_id, reported_revision) = (%s, %s)"
        )
        ((applied, errors),) = await rows.until(report, node, wanted.revision)
        assert (applied["volume"], applied["enc"], errors) == (30, put["enc"], [])
    away = "SELECT 1 FROM node_state WHERE node_id = %s AND state = 'offline'"
    await rows.until(away, node)
    assert await rows.all("SELECT code, path FROM reject WHERE node_id = %s", node) == []
