"""Promise 16, the hub's side: a bit that turns over in the database is noticed, never believed.

What turns over in a message on its way is another matter: TCP and TLS have checksums, and what is
no JSON or CBOR any more is refused with a reason (promise 29). A bit that makes another number of
a number before it is sent, nobody can know of.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest
from psycopg import AsyncConnection

from firmware_sim.fleet import Account, Fleet, FleetOptions
from hub.damage import DAMAGED
from hub.soak.verify import verify_all
from tests.fixtures.fix_place import short_lived_directory
from tests.fixtures.fix_trial import SEED, Trial, trial, until_async
from tests.promises.flipped import administrator_url, files_of, flip

pytestmark = [pytest.mark.loop, pytest.mark.timeout(600)]
_WITHIN_S = 90.0
_RETRIES: Final = "hearthbeat_ingest_retries_total"
# Devices wait longer before they connect, or send again.
_USUAL: Final = {
    "seed": SEED,
    "rate": 200.0,
    "minutes": 0.05,
    "settle_s": 240.0,
    "resend_s": 3.0,
    "reconnect_base_s": 0.2,
    "reconnect_cap_s": 3.0,
    "reconnect_min_s": 0.5,
}
_ROWS = "SELECT ctid::text, device_id, kind, measured_at, ordinal, v0, v1, v2, v3 FROM {}"


@pytest.fixture(scope="module")
def whole() -> Iterator[Trial]:
    """A hub of its own, with ingest only."""
    with short_lived_directory("flipped") as place:
        place.chmod(0o755)
        with trial(place, rooms=("ingest",)) as made:
            yield made


def _fleet(hub: Trial, accounts: tuple[Account, ...], ledger: Path, **more: Any) -> Fleet:
    port = hub.hub.addresses()["mqtt_port"]
    options = {**_USUAL, **more}
    return Fleet(
        FleetOptions(broker=f"mqtt://127.0.0.1:{port}", accounts=accounts, ledger=ledger, **options)
    )


async def _told(hub: Trial) -> None:
    """The alarm has gone out, by a way that needs no database, and an operator's figures say so."""

    async def alarm() -> bool:
        return (DAMAGED, "begin") in hub.told()

    await until_async(alarm, _WITHIN_S)
    assert await hub.metric("hearthbeat_database_page_failures", room="hub") > 0


async def test_p16_a_damaged_index_page_costs_nothing(whole: Trial, tmp_path: Path) -> None:
    """Whoever's readings would go there waits, with the device; all the others are receipted; the
    index made anew, everything is there once."""
    fleet = _fleet(whole, await whole.accounts(12), tmp_path / "ledger", minutes=60.0)
    loading = asyncio.create_task(fleet.run())
    try:
        await _receipts(fleet, 600)
        files = await files_of(whole)
        await asyncio.to_thread(flip, whole, files.index_file, 1)
        await _receipts(fleet, fleet.summary().receipted + 300)
        await _told(whole)
        assert await whole.metric(_RETRIES, unseen=0.0) < 5, "the good wait for the bad"
        async with _administrator(whole) as conn:
            await conn.execute(f"REINDEX INDEX {files.index}".encode())
        fleet.stop()
        ended = await loading
    finally:
        loading.cancel()
    verdict = await verify_all([tmp_path / "ledger"], whole.database_url)
    assert verdict.faults == {}, verdict.samples
    assert verdict.unreceipted == 0, ended


async def _receipts(fleet: Fleet, number: int) -> None:
    async def there() -> bool:
        return fleet.summary().receipted >= number

    await until_async(there, _WITHIN_S)


async def test_p16_a_damaged_page_of_readings_is_never_a_value(
    whole: Trial, tmp_path: Path
) -> None:
    """Reading it fails and says so, every other reading is as it was, and what comes is stored."""
    ledgers = [tmp_path / "before", tmp_path / "after"]
    await _fleet(whole, await whole.accounts(12), ledgers[0]).run()
    files = await files_of(whole)
    before = await _rows(whole, files.table)
    await asyncio.to_thread(flip, whole, files.table_file, 1)
    with pytest.raises(psycopg.errors.DataCorrupted):
        await _rows(whole, files.table)
    await _told(whole)
    lost = {at for at in before if at.startswith("(1,")}
    around = await _rows(whole, files.table, "WHERE ctid < '(1,0)'")
    around |= await _rows(whole, files.table, "WHERE ctid >= '(2,0)'")
    assert around == {at: row for at, row in before.items() if at not in lost}
    fleet = await _fleet(whole, await whole.accounts(12), ledgers[1]).run()
    assert fleet.open == 0
    await _without_the_page(whole, files.table)
    verdict = await verify_all(ledgers, whole.database_url)
    assert verdict.unreceipted == 0
    assert set(verdict.faults) <= {"missing", "feed_extra"}, verdict.samples
    assert 0 < verdict.faults["feed_extra"] == len(lost)


async def _rows(hub: Trial, table: str, where: str = "") -> dict[str, tuple[Any, ...]]:
    async with await AsyncConnection.connect(hub.database_url) as conn:
        cursor = await conn.execute(f"{_ROWS.format(table)} {where}".encode())
        return {str(row[0]): tuple(row[1:]) for row in await cursor.fetchall()}


@asynccontextmanager
async def _administrator(hub: Trial) -> AsyncIterator[AsyncConnection[Any]]:
    async with await AsyncConnection.connect(administrator_url(hub), autocommit=True) as conn:
        yield conn


async def _without_the_page(hub: Trial, table: str) -> None:
    """What an operator does who has no backup: keep all but the damaged page."""
    async with _administrator(hub) as conn:
        await conn.execute("SET zero_damaged_pages = on")
        await conn.execute(f"VACUUM (FULL) {table}".encode())
