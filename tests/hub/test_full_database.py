"""The watch over the database's room, which may be on another machine: told once, and when over."""

import asyncio
import contextlib
import json
from functools import partial
from pathlib import Path

import psycopg

from hub.full_database import ALARM, watch_room
from hub.technical import TechnicalAlarms
from hub.watch import WatchSettings
from runtime.clock import SystemClock
from runtime.postgres_server import PostgresServer
from store.health import has_room, takes_commits
from tests.ingest.conftest import until

RULES = WatchSettings(every_s=0.1, away_after_s=0.3, repeat_every_s=600.0)


def allow_files(server: PostgresServer, database_url: str, limit: str) -> None:
    """How much the server may put on its disk for a session, beside tables: 0 is a full disk to
    whoever needs some, and the log still takes commits."""
    name = psycopg.conninfo.conninfo_to_dict(database_url)["dbname"]
    with psycopg.connect(server.admin_url, autocommit=True) as conn:
        conn.execute(f"ALTER DATABASE {name} SET temp_file_limit = '{limit}'".encode())


async def test_a_server_without_room_is_told_although_it_answers(
    postgres: PostgresServer, database_url: str, tmp_path: Path
) -> None:
    """It takes commits and has no room: the alarm begins; with room it is over."""
    log = tmp_path / "technical.log"
    alarms = TechnicalAlarms(log, None, SystemClock())

    def told() -> list[tuple[str, str]]:
        lines = map(json.loads, log.read_text().splitlines()) if log.exists() else []
        return [(line["alarm"], line["phase"]) for line in lines]

    assert await has_room(database_url) is True
    watch = asyncio.create_task(watch_room(partial(has_room, database_url), alarms, RULES))
    try:
        allow_files(postgres, database_url, "0")
        await until(lambda: told() == [(ALARM, "begin")])
        assert await takes_commits(database_url)
        allow_files(postgres, database_url, "-1")
        await until(lambda: told() == [(ALARM, "begin"), (ALARM, "over")])
    finally:
        watch.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watch


async def test_a_server_that_is_away_says_nothing_of_its_room() -> None:
    """That has an alarm of its own."""
    assert await has_room("postgresql://127.0.0.1:1/none") is None
