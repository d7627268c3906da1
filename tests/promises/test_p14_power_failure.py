"""Promise 14: power fails, and what was not synced is gone; what was receipted is there.

The hub lies on a file system of its own. At a cut every process of it is killed and the file
system is shut down without another write, so that what comes back is what had been synced.
"""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from hub.soak import plan
from tests.fixtures.fix_trial import FULL, SEED, Trial, scale

pytestmark = [pytest.mark.loop, pytest.mark.timeout(1800)]
_CUTS = 10 if FULL else 1
_SECONDS = 20.0 * _CUTS if FULL else 6.0


def _write(path: Path, *, synced: bool) -> None:
    with path.open("wb") as file:
        file.write(b"here")
        if synced:
            file.flush()
            os.fsync(file.fileno())
    if synced:
        folder = os.open(path.parent, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)


async def test_p14_what_was_receipted_survives_a_power_failure(
    on_a_disk: Trial, tmp_path: Path
) -> None:
    """Power cuts under load: 0 receipted messages lost, and the cut really loses what it should."""
    disk = on_a_disk.disk
    assert disk is not None
    cuts = plan.kill_points(SEED, _CUTS, _SECONDS, ["power-cut"])
    _write(disk.place / "synced", synced=True)
    _write(disk.place / "unsynced", synced=False)
    tried = await on_a_disk.run(tmp_path / "ledger", cuts, seconds=_SECONDS, rate=100.0)
    scale("p14", cuts=_CUTS, messages=tried.fleet.sent)
    assert (disk.place / "synced").read_bytes() == b"here"
    unsynced = disk.place / "unsynced"
    assert not unsynced.exists() or unsynced.read_bytes() == b"", "nothing was lost: no power cut"
    tried.demand_exact()


@pytest.mark.soak
async def test_p14_a_server_that_does_not_sync_is_caught(on_a_disk: Trial, tmp_path: Path) -> None:
    """The same cut, and PostgreSQL set to sync nothing: what the hub receipted is gone, and the
    verdict says so. Otherwise the test above would prove nothing."""
    disk, hub = on_a_disk.disk, on_a_disk.hub
    assert disk is not None
    accounts = await on_a_disk.accounts(6)
    loose = hub.data / "postgres" / "data" / "local.conf"
    loose.write_text("fsync = off\n")
    owner = loose.parent.stat()
    os.chown(loose, owner.st_uid, owner.st_gid)
    os.kill(hub.pid("postgres"), signal.SIGHUP)
    await asyncio.sleep(1.0)
    disk.sync()
    async with on_a_disk.load(accounts, tmp_path / "ledger", seconds=3600.0) as load:
        loading = asyncio.create_task(load.run())
        await asyncio.sleep(5.0)
        lost = load.fleet.summary().receipted
        await asyncio.to_thread(hub.kill_everything)
        disk.cut_power()
        loose.unlink()
        hub.start_again()
        await asyncio.to_thread(hub.until_up)
        load.fleet.stop()
        fleet = await loading
    tried = await on_a_disk.judged(load.ledger, fleet, 0.0)
    scale("p14", receipted_and_lost=tried.verdict.faults.get("forgotten"))
    assert lost > 0
    assert tried.verdict.faults["forgotten"] > 0
    assert tried.verdict.faults["missing"] > 0
