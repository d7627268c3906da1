"""Kill -9 anything at any moment: nothing the gateway took is lost, doubled or left untold."""

import asyncio
import json
import os
import random
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, timedelta
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import pytest
import structlog
from psycopg import AsyncConnection

from firmware_sim.physiology import Pressure
from hub.demo_home import LiveHome
from hub.doctor import Doctor
from runtime.clock import SystemClock
from tests.fixtures.fix_hub import ROOMS, HubProcess
from tests.loop.county import VICTIMS, County, Measured, past, severe_pairs, shown

_FULL: Final = os.environ.get("HEARTHBEAT_SCALE") == "full"
_FIRST_SEED: Final = int(os.environ.get("HEARTHBEAT_SEED", "20261122"))
_SEEDS: Final = range(_FIRST_SEED, _FIRST_SEED + (10 if _FULL else 1))
_KILLS: Final = 20
_HOMES: Final = 8
# The first homes measure severe values all the time, the others normal ones.
_SEVERE_HOMES: Final = 2
_KEPT: Final = 190
_LIVE: Final = 60
# Long enough for two readings of one home to be a minute apart on the cuff's own clock.
_RUN_S: Final = 62.0
_SETTLE_S: Final = 60.0
_ZONE: Final = ZoneInfo("Asia/Shanghai")
_LOG: Final = structlog.get_logger()


@pytest.mark.loop
@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", _SEEDS)
async def test_p07_kill_anything_at_random_moments(
    start_hub: Callable[..., HubProcess], tmp_path: Path, seed: int
) -> None:
    """2,000 readings, 20 kills of seven kinds of process: every reading stored exactly once,
    every severe pair in exactly one episode that somebody was told of."""
    scale = {"readings": _HOMES * (_KEPT + _LIVE), "kills": _KILLS}
    _LOG.info("scale", runs=len(_SEEDS), seed=seed, **scale)
    dice = random.Random(seed)
    hub = start_hub("county", rooms=ROOMS).wait_up()
    until = SystemClock().now() - timedelta(minutes=20)
    kept = [past(seed + n, _KEPT, until) for n in range(_HOMES)]
    county = County(hub, tmp_path, _HOMES, _KEPT + _LIVE)
    county.remember(kept)
    async with county:
        live = await _run(county, dice)
        await _until_stored(county, _HOMES * (_KEPT + _LIVE))
        await _check(county, kept, live)


async def _run(county: County, dice: random.Random) -> list[list[Measured]]:
    """Everybody measures, things die, and a doctor closes what she sees."""
    doctor = asyncio.create_task(_doctor(county))
    victims = [*VICTIMS, *VICTIMS, *dice.choices(VICTIMS, k=_KILLS - 2 * len(VICTIMS))]
    dice.shuffle(victims)
    async with asyncio.TaskGroup() as group:
        people = [
            group.create_task(_person(home, dice, severe=n < _SEVERE_HOMES))
            for n, home in enumerate(county.homes)
        ]
        for victim in victims:
            await asyncio.sleep(dice.uniform(0.5, 1.3) * _RUN_S / len(victims))
            await county.kill(victim, dice)
    doctor.cancel()
    return [person.result() for person in people]


async def _person(home: LiveHome, dice: random.Random, *, severe: bool) -> list[Measured]:
    measured = []
    for _ in range(_LIVE):
        stored = home.household.measure(shown(dice, severe=severe))
        at = stored.at.replace(tzinfo=_ZONE).astimezone(UTC)
        measured.append(Measured(at, Pressure(stored.sys, stored.dia, stored.pulse)))
        await asyncio.sleep(_RUN_S / _LIVE)
    return measured


async def _doctor(county: County) -> None:
    """Closes confirmed episodes, so that the next pair needs an episode of its own."""
    assert county.village is not None
    doctor = Doctor(county.hub.addresses()["http_url"], county.village.doctor_token)
    ill = {home.home.patient_id for home in county.homes[:_SEVERE_HOMES]}
    ending = {"outcome": "called", "next_step": "Measure again tomorrow."}
    while True:
        await asyncio.sleep(2.0)
        try:
            found = (await doctor.get("/api/episodes", state="open"))["episodes"]
            for episode in found:
                # What goes on happening is one emergency: she leaves those open.
                if episode["confirmation"] == "confirmed" and episode["patient_id"] not in ill:
                    await doctor.post(f"/api/episodes/{episode['id']}/resolve", ending)
        except (OSError, LookupError):
            continue  # the API is dead at this moment, which is the point of the test


async def _until_stored(county: County, readings: int) -> None:
    """Wait until the gateways are empty, the rows are there and the engine has seen them all."""
    deadline = time.monotonic() + _SETTLE_S
    state: tuple[int, ...] = ()
    while time.monotonic() < deadline:
        try:
            state = await _standing(county)
        except OSError:
            await asyncio.sleep(0.5)
            continue
        if state == (0, readings, 0):
            return
        await asyncio.sleep(0.5)
    pytest.fail(f"{await _surplus(county)} not settled: unsent, stored, feed behind = {state}")


async def _surplus(county: County) -> list[Any]:
    """The identities stored more often than measured, for whoever reads the failure."""
    async with await AsyncConnection.connect(county.database_url) as conn:
        cursor = await conn.execute(
            "SELECT device_id, date_trunc('minute', measured_at), array_agg(measured_at),"
            " array_agg(ordinal), array_agg(clock), array_agg(seq), array_agg(boot),"
            " array_agg(claimed_at), array_agg(v0) FROM reading"
            " GROUP BY 1, 2 HAVING count(*) > 1 LIMIT 5"
        )
        return await cursor.fetchall()


async def _standing(county: County) -> tuple[int, int, int]:
    unsent = await county.unsent()
    async with await AsyncConnection.connect(county.database_url) as conn:
        stored = await (await conn.execute("SELECT count(*) FROM reading")).fetchone()
        behind = await (
            await conn.execute(
                "SELECT (SELECT max(id) FROM batch) - position FROM feed_cursor"
                " WHERE consumer = 'alerts'"
            )
        ).fetchone()
    return unsent, stored[0] if stored else -1, behind[0] if behind else -1


async def _check(county: County, kept: list[list[Measured]], live: list[list[Measured]]) -> None:
    async with await AsyncConnection.connect(county.database_url) as conn:
        for n, home in enumerate(county.homes):
            patient_id = home.home.patient_id
            await _stored_once(conn, patient_id, [*kept[n], *live[n]])
            episodes = await _episodes(conn, patient_id)
            for one, two in severe_pairs(kept[n]):
                _told_once(episodes, {_text(one), _text(two)})
            if n < _SEVERE_HOMES:
                _told_once(episodes, {_text(each) for each in live[n]})


async def _stored_once(conn: Any, patient_id: int, readings: list[Measured]) -> None:
    cursor = await conn.execute(
        "SELECT measured_at, v0, v1, v3 FROM reading WHERE patient_id = %s AND kind = 'bp'",
        (patient_id,),
    )
    rows = Counter((at, int(s), int(d), int(p)) for at, s, d, p in await cursor.fetchall())
    wanted = Counter(
        (each.at, each.shown.sys, each.shown.dia, each.shown.pulse) for each in readings
    )
    assert rows == wanted


async def _episodes(conn: Any, patient_id: int) -> list[tuple[int, set[str], int]]:
    """The severe episodes of a patient: id, when its readings were measured, how many told."""
    cursor = await conn.execute(
        "SELECT id, evidence::text,"
        " (SELECT count(*) FROM notification WHERE episode_id = episode.id)"
        " FROM episode WHERE patient_id = %s AND rule = 'severe_pressure'",
        (patient_id,),
    )
    return [
        (id_, {e["at"] for e in json.loads(evidence) if e["type"] == "reading"}, told)
        for id_, evidence, told in await cursor.fetchall()
    ]


def _told_once(episodes: list[tuple[int, set[str], int]], measured: set[str]) -> None:
    touching = [(id_, at, told) for id_, at, told in episodes if measured & at]
    assert len(touching) == 1, (measured, touching)
    (id_, at, told) = touching[0]
    assert measured <= at, (id_, measured - at)
    assert told >= 1, f"nobody was told of episode {id_}"


def _text(reading: Measured) -> str:
    return reading.at.strftime("%Y-%m-%dT%H:%M:%SZ")
