"""Ingest as processes of their own, to be killed and frozen, and what they say of themselves."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from runtime.free_port import free_port
from tests.ingest.conftest import Device, now_ms

QUICK = {
    "HEARTHBEAT_INGEST_RECEIPT_EVERY_S": "0.2",
    "HEARTHBEAT_INGEST_PROBE_EVERY_S": "0.2",
    "HEARTHBEAT_INGEST_BACKOFF_CAP_S": "0.3",
    "HEARTHBEAT_INGEST_FLOW_EVERY_S": "1",
}


class Ingest:
    """One `hearthbeat ingest`, with the lease's times as they are by default."""

    def __init__(self, database_url: str, broker_url: str, log: Path, **more: str) -> None:
        """`more` is environment; what the process says is added to `log`."""
        self.port = free_port()
        self.log = log
        urls = {"HEARTHBEAT_DATABASE_URL": database_url, "HEARTHBEAT_BROKER_URL": broker_url}
        env = os.environ | urls | QUICK | {"HEARTHBEAT_METRICS_PORT": str(self.port)} | more
        with log.open("ab") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "hub.main", "ingest"], env=env, stderr=out, stdout=out
            )

    def _get(self, path: str) -> tuple[int, str]:
        url = f"http://127.0.0.1:{self.port}/{path}"
        try:
            with urllib.request.urlopen(url, timeout=2) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    async def get(self, path: str) -> tuple[int, str]:
        """Status and body; 0 when nobody answers."""
        return await asyncio.to_thread(self._get, path)

    async def ready(self) -> tuple[int, dict[str, Any]]:
        """What /ready says."""
        status, body = await self.get("ready")
        return status, json.loads(body) if body else {}

    async def becomes(self, role: str, within_s: float = 60.0) -> float:
        """Wait until it is ready as that; how long it took, in seconds."""
        began = time.monotonic()
        while True:
            status, said = await self.ready()
            if status == 200 and said["role"] == role:
                return time.monotonic() - began
            assert time.monotonic() - began < within_s, (status, said, self.log.read_text()[-3000:])
            await asyncio.sleep(0.05)

    def send(self, number: signal.Signals) -> None:
        """Send a signal; after a deadly one, wait for the end."""
        self.process.send_signal(number)
        if number in (signal.SIGKILL, signal.SIGTERM):
            self.process.wait(20)

    def close(self) -> None:
        """Leave nothing behind."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


@contextlib.contextmanager
def several(
    number: int, database_url: str, broker_url: str, place: Path, **more: str
) -> Iterator[list[Ingest]]:
    """So many processes for one hub, started at once."""
    made: list[Ingest] = []
    try:
        logs = [place / f"ingest-{n}.log" for n in range(number)]
        made.extend(Ingest(database_url, broker_url, log, **more) for log in logs)
        yield made
    finally:
        for one in made:
            one.close()


async def roles(processes: list[Ingest]) -> tuple[Ingest, list[Ingest]]:
    """Who acts, and who stands by; waits until exactly one acts and the others are ready too."""
    until = time.monotonic() + 180
    while True:
        said = [(one, *await one.ready()) for one in processes]
        acting = [one for one, status, body in said if status == 200 and body["role"] == "active"]
        waiting = [one for one, status, body in said if status == 200 and body["role"] == "standby"]
        if len(acting) == 1 and len(waiting) == len(processes) - 1:
            return acting[0], waiting
        assert time.monotonic() < until, [(status, body) for _, status, body in said]
        await asyncio.sleep(0.05)


class Load:
    """A device that goes on publishing readings, all different, until it is stopped."""

    def __init__(self, device: Device, *, per_s: int = 100) -> None:
        self.device = device
        self.sent = 0
        self._pause_s = 10 / per_s
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Load":
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    async def _run(self) -> None:
        base = now_ms() - 3_600_000
        while True:
            for _ in range(10):
                n = self.sent
                series = {"k": "bp", "o": [0], "c": {"sys": [60 + n % 200], "dia": [50]}}
                body = {"v": 0, "boot": 1, "seq": n, "t": base + n, "clk": "ntp", "rc": 1}
                payload = json.dumps(body | {"ser": [series]}).encode()
                self.device._client.publish(f"hh/1/up/{self.device.node}/obs", payload, 1)
                self.sent += 1
            await asyncio.sleep(self._pause_s)

    def receipted(self) -> int:
        """Up to where the hub has said it has everything."""
        return max((one["upto"] for one in self.device.receipts() if "upto" in one), default=-1)
