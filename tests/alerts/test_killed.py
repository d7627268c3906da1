"""Promises 8 and 40: an engine killed with -9 at random moments loses no alarm and doubles none."""

import asyncio
import os
import random
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from runtime.clock import ManualClock
from store.pool import Connection
from tests.alerts.home import Home
from tests.alerts.listener import Listener

_SERVE = """
from alerts.service import serve
from alerts.settings import AlertsSettings
from runtime.clock import SystemClock
from runtime.supervision import run_service
raise SystemExit(run_service("alerts", lambda: serve(AlertsSettings(), SystemClock())))
"""
PEOPLE = 24
KILLS = 5


class Process:
    """The alerts service as a process of its own."""

    def __init__(self, database_url: str) -> None:
        self._environment = {
            **os.environ,
            "HEARTHBEAT_DATABASE_URL": database_url,
            "HEARTHBEAT_ALERTS_CONFIRM_S": "1.5",
            "HEARTHBEAT_ALERTS_LEASE_S": "1",
            "HEARTHBEAT_ALERTS_POLL_S": "0.2",
        }
        self._running: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it."""
        self._running = subprocess.Popen(
            [sys.executable, "-c", _SERVE], env=self._environment, stderr=subprocess.DEVNULL
        )

    def kill(self) -> None:
        """Kill -9, and wait for the end."""
        if self._running is not None:
            self._running.kill()
            self._running.wait()

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        assert self._running is not None
        self._running.send_signal(signal.SIGTERM)
        return self._running.wait(timeout=10)


@pytest.mark.loop
async def test_promise_08_every_severe_pair_has_one_episode_and_a_notification(
    conn: Connection, database_url: str
) -> None:
    """Pairs, single readings and calls stream in while the engine dies again and again."""
    chance = random.Random(20260304)
    home = await Home(conn, ManualClock(datetime.now(UTC))).build(steps=2)
    people = [(home.patient, home.device)]
    for number in range(1, PEOPLE):
        patient = await home.make.patient(home.area, team_id=home.team)
        people.append((patient, await home.make.device(home.node, f"meter{number}")))
    async with Listener() as listener:
        await home.webhook(listener.url)
        process = Process(database_url)
        process.start()
        try:
            await _stream(home, people, process, chance)
            await _settled(home, listener)
            assert process.stop() == 0
        finally:
            process.kill()
        keys = {request.headers["idempotency-key"] for request in listener.received}
    await _check(home, people, keys)


async def _stream(
    home: Home, people: list[tuple[int, int]], process: Process, chance: random.Random
) -> None:
    """Two readings each, a few minutes apart by their own clock, in a random order; and calls."""
    kill_at = set(chance.sample(range(4, 2 * PEOPLE), KILLS))
    sittings = [(person, turn) for person in people for turn in (0, 1)]
    chance.shuffle(sittings)
    start = datetime.now(UTC) - timedelta(minutes=6)
    for place, ((patient, device), turn) in enumerate(sittings):
        home.clock.set(datetime.now(UTC))
        at = start + timedelta(minutes=3 * turn)
        await home.bp(184 + turn, 112, at=at, patient=patient, device=device)
        if place % 12 == 0:
            await home.happens("sos", f"call{place}")
        await asyncio.sleep(chance.uniform(0, 0.12))
        if place in kill_at:
            process.kill()
            process.start()
            await asyncio.sleep(chance.uniform(0.0, 1.2))


async def _settled(home: Home, listener: Listener) -> None:
    """Until the feed is read, no page waits, and nothing is left in the outbox."""
    async with asyncio.timeout(30):
        while True:
            left = await home.one(
                "SELECT (SELECT max(id) FROM batch)"
                " - (SELECT position FROM feed_cursor WHERE consumer = 'alerts')"
                " + (SELECT count(*) FROM episode WHERE state = 'pending')"
                " + (SELECT count(*) FROM notification WHERE state = 'queued') AS n"
            )
            if left["n"] == 0:
                return
            await asyncio.sleep(0.1)


async def _check(home: Home, people: list[tuple[int, int]], keys: set[str]) -> None:
    severe = await home.episodes("severe_pressure")
    assert sorted(e["patient_id"] for e in severe) == sorted(patient for patient, _ in people)
    assert {e["confirmation"] for e in severe} == {"confirmed"}
    assert all(len([p for p in e["evidence"] if p["type"] == "reading"]) == 2 for e in severe)
    calls = await home.episodes("call_for_help")
    assert len(calls) == len(range(0, 2 * PEOPLE, 12))
    assert await home.episodes("engine_fault") == []
    told = await home.all(
        "SELECT episode_id, count(*) FILTER (WHERE channel = 'console') AS console,"
        " count(*) FILTER (WHERE channel = 'webhook' AND state = 'delivered') AS webhook"
        " FROM notification WHERE step = 1 AND round = 0 GROUP BY episode_id"
    )
    assert {row["episode_id"] for row in told} == {e["id"] for e in [*severe, *calls]}
    assert all(row["console"] == row["webhook"] == 1 for row in told)
    sent = await home.all("SELECT idempotency_key FROM notification WHERE channel = 'webhook'")
    assert {row["idempotency_key"] for row in sent} <= keys
