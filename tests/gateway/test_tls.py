"""The uplink over TLS: only with a certificate it trusts, and with nothing left in the buffer."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from contract.acl import ACL
from contract.instants import to_millis
from contract.messages import Plan, PlanItem
from gateway.settings import GatewaySettings
from runtime.account import service_account
from runtime.authority import Authority
from runtime.clock import ManualClock, SystemClock
from runtime.mosquitto_server import MosquittoServer
from tests.fixtures.fix_broker import SERVICES, LiveBroker
from tests.fixtures.fix_place import short_lived_directory
from tests.gateway.conftest import NODE, PASSWORD, QUICK, Running, until
from tests.gateway.meter_on_pty import MeterOnPty, frame
from tests.gateway.scripted_hub import ScriptedHub


@pytest.fixture
def secure_hub() -> Iterator[tuple[ScriptedHub, str, Path]]:
    """A hub whose devices' listener speaks TLS, the node's URL there, and the certificate."""
    with short_lived_directory("tls") as home:
        authority = Authority.prepare(home / "authority", SystemClock())
        tls = authority.serve_as(home / "tls", ["127.0.0.1"], SystemClock(), service_account())
        server = MosquittoServer(home, acl=ACL, services=SERVICES, tls=tls)
        server.start()
        broker = LiveBroker(server)
        broker.add_node(NODE, PASSWORD)
        hub = ScriptedHub(broker, NODE)
        hub.status("ready")
        try:
            yield hub, broker.url(NODE).replace("mqtt://", "mqtts://"), tls.certificate
        finally:
            hub.close()
            server.stop()


async def test_readings_and_large_plans_travel_over_tls(
    secure_hub: tuple[ScriptedHub, str, Path],
    meter: MeterOnPty,
    tmp_path: Path,
    clock: ManualClock,
) -> None:
    """Both ways, also when much arrives in one TLS record; an unknown issuer is refused."""
    hub, url, certificate = secure_hub
    values = {**QUICK, "broker": url, "serial": str(meter.link), "state": tmp_path / "state"}
    stranger = Running(GatewaySettings(**{**values, "state": tmp_path / "other"}), clock)
    await asyncio.sleep(0.5)
    assert not stranger.gateway.uplink.online
    await stranger.stop()
    running = Running(GatewaySettings(**values, ca_file=certificate), clock)
    try:
        await until(lambda: running.gateway.uplink.online)
        now = to_millis(clock.now())
        for rev in range(1, 21):
            occ = [(now + n * 60_000, f"d{n}") for n in range(1, 600)]
            item = PlanItem(rid="r1", occ=occ, text={"zh-CN": "药"})
            plan = Plan(v=0, rev=rev, tz="UTC", since=now, to=now, exp=now + 10**9, items=[item])
            hub.publish("plan", plan)
        await until(lambda: running.robot.reminders.revision == 20)
        meter.measured(frame(138, 86, 72, (2026, 3, 4, 8, 0)))
        await until(lambda: hub.of("obs"))
        await until(lambda: running.gateway.spool.depth() == 0)
    finally:
        await running.stop()
