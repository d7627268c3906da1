"""A maker with two command-line clients: the refusal waits until the subscriber is back."""

import asyncio
import json
import subprocess

from store.pool import Connection
from tests.fixtures.fix_broker import LiveBroker
from tests.ingest.conftest import NODE, now_ms


async def test_a_refusal_waits_for_whoever_was_pushed_out(
    ingest: None, people: Connection, broker: LiveBroker
) -> None:
    """mosquitto_pub takes the node's one connection from mosquitto_sub; the answer is there when
    the subscriber comes back, without kept sessions and as often as one publishes."""
    where = ["-h", broker.host, "-p", str(broker.port), "-u", NODE, "-P", NODE, "-q", "1"]
    listener = await asyncio.create_subprocess_exec(
        *("mosquitto_sub", *where, "-t", f"hh/1/dn/{NODE}/fb"), stdout=subprocess.PIPE
    )
    assert listener.stdout is not None
    try:
        await asyncio.sleep(0.5)
        for seq, payload in enumerate((_bp("kPa", 16), _bp("mm[Hg]", "x"), "{broken")):
            body = payload.replace('"seq":0', f'"seq":{seq}')
            topic = f"hh/1/up/{NODE}/obs"
            await asyncio.to_thread(
                subprocess.run, ["mosquitto_pub", *where, "-t", topic, "-m", body], check=True
            )
            answer = json.loads(await asyncio.wait_for(listener.stdout.readline(), 8))
            assert answer["ok"] is False
            assert answer["code"] == ("E3102", "E2101", "E2001")[seq]
            assert answer["hint"]
    finally:
        listener.terminate()
        await listener.wait()


def _bp(unit: str, sys: object) -> str:
    series = {"k": "bp", "u": unit, "o": [0], "c": {"sys": [sys], "dia": [80]}}
    message = {"v": 0, "boot": 7, "seq": 0, "t": now_ms(), "clk": "ntp", "ser": [series]}
    return json.dumps(message, separators=(",", ":"))
