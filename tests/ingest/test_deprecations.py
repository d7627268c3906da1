"""Who still sends what a later version will not take is counted, beside everything else."""

import json

import pytest
from psycopg import OperationalError

from ingest.settings import IngestSettings
from store import deprecation
from store.pool import Connection
from tests.ingest.conftest import Device, count, running, until, until_count


async def test_who_sends_what_is_deprecated_is_counted(
    device: Device, people: Connection, settings: IngestSettings
) -> None:
    """By the product behind the series; a resend counts once; the data is kept; what was not
    written yet is written when ingest ends."""
    old = {"k": "steps", "u": "1", "o": [0], "y": [500]}
    cuff = {"dev": "cuff1", "maker": "Beurer", "model": "BM 65"}
    often = settings.model_copy(update={"deprecations_every_s": 0.05})
    async with running(often):
        await until(lambda: "ready" in device.statuses())
        device.send("obs", {"ser": [old]})
        await until_count(people, "deprecated_use", 1)
        device.heard.clear()
        device.send("birth", {"maker": "a" * 512, "model": "G2", "fw": "2.4.1", "devs": [cuff]})
        await until(device.receipts)
        sent = device.send("obs", {"ser": [old | {"y": [501]}, old | {"dev": "cuff1"}]})
        device.raw("obs", json.dumps(sent).encode())
        device.send("obs", {"ser": [old | {"u": "{steps}"}]})
        await until_count(people, "deprecated_use", 3)
    async with running(settings.model_copy(update={"deprecations_every_s": 3600})):
        device.send("obs", {"ser": [old | {"dev": "cuff1"}]})
        await until_count(people, "reading", 5)
    cursor = await people.execute(
        "SELECT maker, model, firmware, times, last_at > first_at FROM deprecated_use"
        " ORDER BY first_at, maker"
    )
    assert await cursor.fetchall() == [
        (None, None, None, 1, False),
        ("Beurer", "BM 65", "2.4.1", 2, True),
        ("a" * 100, "G2", "2.4.1", 1, False),
    ]
    cursor = await people.execute(
        "SELECT DISTINCT node_id, code, place, detail FROM deprecated_use"
    )
    what = "unit 1 of steps is deprecated: use {steps}"
    assert await cursor.fetchall() == [("testnode1", "W1001", "/ser/*/u", what)]


async def test_what_is_counted_outlives_a_database_that_is_away(
    device: Device, people: Connection, settings: IngestSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is written at a later round, once, and other messages do not wait for it."""
    honest, away = deprecation.note, True

    async def note(conn: Connection, uses: object) -> None:
        if away:
            raise OperationalError("the server closed the connection unexpectedly")
        await honest(conn, uses)

    monkeypatch.setattr(deprecation, "note", note)
    async with running(settings.model_copy(update={"deprecations_every_s": 0.05})):
        await until(lambda: "ready" in device.statuses())
        for n in range(3):
            device.send("obs", {"ser": [{"k": "steps", "u": "1", "o": [0], "y": [n]}]})
        await until_count(people, "reading", 3)
        assert await count(people, "deprecated_use") == 0
        away = False
        await until_count(people, "deprecated_use", 1)
        assert await count(people, "deprecated_use", "times = 3") == 1
