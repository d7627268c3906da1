"""The gateway as a process: killed at any moment, it has taken each reading once or not yet."""

import asyncio
import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from contract.messages import Command
from tests.fixtures.fix_broker import LiveBroker
from tests.fixtures.promised import promised
from tests.gateway.conftest import NODE, until
from tests.gateway.meter_on_pty import MeterOnPty, frame
from tests.gateway.scripted_hub import ScriptedHub

ROOT = Path(__file__).parents[2]
KNOBS = {
    "POLL_SECONDS": "0.05",
    "TICK_SECONDS": "0.1",
    "RESEND_SECONDS": "1",
    "RECONNECT_BASE": "0.1",
    "RECONNECT_CAP": "0.5",
    "RECONNECT_PAUSE": "0",
    "VOICE": "none",
    "SCREEN_PORT": "0",
}
READINGS = 60
KILLS = 5


class Process:
    """A gateway started from its command line."""

    def __init__(self, broker: LiveBroker, meter: MeterOnPty, state: Path) -> None:
        knobs = {f"HEARTHBEAT_GATEWAY_{name}": value for name, value in KNOBS.items()}
        self._environment = {
            **os.environ,
            **knobs,
            "HEARTHBEAT_GATEWAY_BROKER": broker.url(NODE),
            "PYTHONPATH": str(ROOT),
        }
        options = ["--serial", str(meter.link), "--state", str(state)]
        self._command = [sys.executable, "-m", "gateway.cli", *options]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Power on."""
        self._process = subprocess.Popen(
            self._command, env=self._environment, cwd=ROOT, stderr=subprocess.DEVNULL
        )

    @property
    def pid(self) -> int:
        """Its number."""
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        """Kill -9."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(10)

    def resident_mb(self) -> float:
        """Its memory now."""
        statm = Path(f"/proc/{self.pid}/statm").read_text(encoding="ascii")
        return int(statm.split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1_000_000

    def libraries(self) -> str:
        """What is mapped into it."""
        return Path(f"/proc/{self.pid}/maps").read_text(encoding="utf-8")


@pytest.fixture
def process(
    broker: LiveBroker, hub: ScriptedHub, meter: MeterOnPty, tmp_path: Path
) -> Iterator[Process]:
    """A gateway process, not started yet."""
    made = Process(broker, meter, tmp_path / "state")
    yield made
    with contextlib.suppress(AssertionError, ProcessLookupError):
        made.kill()


def measured(number: int) -> bytes:
    """Reading `number`: three in each minute of yesterday's meter clock, two of them alike."""
    minute, turn = divmod(number, 3)
    when = datetime.now(ZoneInfo("Asia/Shanghai")) - timedelta(minutes=READINGS - minute)
    stamp = (when.year, when.month, when.day, when.hour, when.minute)
    return frame(120 + (turn > 1), 80, 60 + minute % 30, stamp)


async def test_kill_9_of_the_gateway_loses_and_doubles_nothing(
    process: Process, hub: ScriptedHub, meter: MeterOnPty
) -> None:
    """Sixty readings, five kills at random moments: each reading reaches the hub under one
    number and one identity."""
    rng = random.Random(20261122)
    process.start()
    kills = sorted(rng.sample(range(5, READINGS), KILLS))
    frames = [measured(number) for number in range(READINGS)]
    for number, raw in enumerate(frames):
        meter.measured(raw)
        await asyncio.sleep(0.03)
        if number in kills:
            await asyncio.sleep(rng.random() * 0.8)
            process.kill()
            process.start()

    def identities() -> dict[tuple[int, int], set[tuple[int, int]]]:
        found = defaultdict(set)
        for body in hub.of("obs"):
            for series in body["ser"]:
                for offset in series["o"]:
                    key = (body["t"] + offset, series.get("rec", 0))
                    found[key].add((body["boot"], body["seq"]))
        return found

    await until(lambda: len(identities()) >= READINGS, within=20)
    assert len(identities()) == READINGS
    doubled = {key: numbers for key, numbers in identities().items() if len(numbers) > 1}
    assert doubled == {}
    expected = sorted((120 + (n % 3 > 1)) for n in range(READINGS))
    once = {(b["boot"], b["seq"]): b for b in hub.of("obs")}.values()
    assert sorted(v for b in once for s in b["ser"] for v in s["c"]["sys"]) == expected
    assert process.stop() == 0


async def test_small_enough_for_a_small_computer(
    process: Process, hub: ScriptedHub, capsys: pytest.CaptureFixture[str]
) -> None:
    """Resident memory of a connected gateway, printed; well under 100 MB. A key for a certificate
    is made in a process of its own: the library for it never comes into this one."""
    process.start()
    await until(lambda: hub.of("state"))
    await asyncio.sleep(0.5)
    before = process.resident_mb()
    hub.publish("cmd", Command(v=0, id="r1", op="rotate", exp=2**52))
    await until(lambda: hub.results("r1"))
    assert "CERTIFICATE REQUEST" in hub.results("r1")[-1]["out"]["csr"]
    after = process.resident_mb()
    with capsys.disabled():
        print(f"\nresident memory of a gateway: {before:.0f} MB, with a new key {after:.0f} MB")  # noqa: T201 - asked for
    assert after < 100
    libraries = process.libraries()
    assert "_cbor2" in libraries, "this is where a library would show"
    assert "cryptography" not in libraries


def test_the_base_install_is_enough() -> None:
    """The gateway imports no database, web framework or numerics."""
    heavy = ["psycopg", "fastapi", "uvicorn", "nicegui", "numpy", "scipy", "aiomqtt", "httpx"]
    script = (
        "import sys, gateway.cli, gateway.service; "
        f"print([name for name in {heavy!r} if name in sys.modules])"
    )
    shown = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert shown.stdout.strip() == "[]"


def test_start_is_quick(process: Process) -> None:
    """Its memory exists within seconds, readable by its owner only."""
    began = time.monotonic()
    process.start()
    state = Path(process._command[-1])
    while not (state / "gateway.db").exists():
        assert time.monotonic() - began < promised(15)
        time.sleep(0.05)
    assert (state / "gateway.db").stat().st_mode & 0o077 == 0
