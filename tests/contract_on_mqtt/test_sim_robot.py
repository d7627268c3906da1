"""`hearthbeat sim robot` as somebody types it, on the real hub."""

import asyncio
import subprocess
import sys
from pathlib import Path

from tests.contract_on_mqtt.conftest import LiveHub, Rows
from tests.contract_on_mqtt.test_error_claims import door, new_unit


async def run(*words: str) -> subprocess.CompletedProcess[str]:
    """The command, to its end."""
    command = [sys.executable, "-m", "hub.main", "sim", "robot", *words]
    root = Path(__file__).parents[2]
    return await asyncio.to_thread(
        subprocess.run, command, capture_output=True, text=True, timeout=60, cwd=root, check=False
    )


async def test_it_claims_measures_and_stays_the_same_node(
    hub: LiveHub, rows: Rows, tmp_path: Path
) -> None:
    """With the text of the label it becomes a node and tells so; started again it still is."""
    unit, at, state = await new_unit(hub, let_in=True), door(hub), tmp_path / "robot.json"
    where = ("--host", at.host, "--port", str(at.port), "--tls", "--state", str(state))
    label = ("--claim", f"HH1:{unit.serial}:{unit.code}", "--secret", unit.secret)
    first = await run(*where, *label, "--batches", "1", "--ecg", "--encoding", "cbor")
    assert first.returncode == 0, first.stderr
    assert f"claiming as unit {unit.serial}" in first.stdout
    assert "1 batches receipted by the hub" in first.stdout
    again = await run(*where, "--batches", "1", "--call", "--mqtt", "3")
    assert again.returncode == 0, again.stderr
    ((node,),) = await rows.all("SELECT node_id FROM claim WHERE serial = %s", unit.serial)
    counts = "SELECT count(*) FROM reading WHERE node_id = %s"
    assert await rows.all(counts, node) == [(2,)]
    assert await rows.all("SELECT count(*) FROM wave_chunk WHERE node_id = %s", node) == [(5,)]
    assert await rows.all("SELECT type FROM event WHERE node_id = %s", node) == [("call_doctor",)]


async def test_it_says_why_it_cannot(hub: LiveHub) -> None:
    """Nobody there, wrong credentials: exit code 1 and a line that says which."""
    gone = await run("--port", "1", "--node", "nobody000001", "--password", "x")
    assert gone.returncode == 1
    assert "ConnectionRefusedError" in gone.stderr
    wrong = await run("--port", str(hub.port), "--node", "nobody000001", "--password", "x")
    assert wrong.returncode == 1
    assert "refuses these credentials" in wrong.stderr
