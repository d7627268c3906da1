"""A hub in processes of its own with some homes whose people measure much faster than people do."""

import asyncio
import os
import random
import signal
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from msgspec import Struct
from psycopg import AsyncConnection

from firmware_sim.physiology import Pressure
from hub.credentials import wait_applied
from hub.demo_home import LiveHome
from hub.demo_village import PEOPLE, Village, settle
from runtime.clock import SystemClock
from runtime.free_port import free_port
from tests.fixtures.fix_hub import HubProcess

SERVERS: Final = ("ingest", "downlink", "alerts", "care", "postgres", "mosquitto")
VICTIMS: Final = (*SERVERS, "gateway")
_BRISK: Final = {
    "HEARTHBEAT_GATEWAY_POLL_SECONDS": "0.5",
    "HEARTHBEAT_GATEWAY_RECONNECT_BASE": "0.2",
    "HEARTHBEAT_GATEWAY_RECONNECT_CAP": "2",
    "HEARTHBEAT_GATEWAY_RECONNECT_PAUSE": "0.2",
    "HEARTHBEAT_GATEWAY_RESEND_SECONDS": "5",
    "HEARTHBEAT_GATEWAY_REST_SECONDS": "1",
    "HEARTHBEAT_GATEWAY_VOICE": "none",
    # A flood of the past is the whole run here, so it need not wait behind live readings.
    "HEARTHBEAT_GATEWAY_BACKLOG_PER_SECOND": "200",
}
_EVERY_NTH_PAIR: Final = 40
_ZONE: Final = ZoneInfo("Asia/Shanghai")


class Measured(Struct, frozen=True):
    """One entry of the ledger: what the cuff showed, at the minute its clock showed."""

    at: datetime
    shown: Pressure

    @property
    def severe(self) -> bool:
        """At or over the limit of the `cn` profile."""
        return self.shown.sys >= 180 or self.shown.dia >= 110


def past(seed: int, count: int, until: datetime) -> list[Measured]:
    """What a cuff kept while nobody read it: a minute apart up to `until`, with severe pairs."""
    dice = random.Random(seed)
    start = until.replace(second=0, microsecond=0) - timedelta(minutes=count)
    last_two = (_EVERY_NTH_PAIR - 2, _EVERY_NTH_PAIR - 1)
    return [
        Measured(start + timedelta(minutes=n), shown(dice, severe=n % _EVERY_NTH_PAIR in last_two))
        for n in range(count)
    ]


def shown(dice: random.Random, *, severe: bool) -> Pressure:
    """A reading that is clearly normal, or clearly at or over the limit of the `cn` profile."""
    sys = dice.randint(182, 196) if severe else dice.randint(112, 148)
    dia = dice.randint(100, 116) if severe else dice.randint(62, 88)
    return Pressure(sys, dia, dice.randint(55, 95))


def severe_pairs(readings: Sequence[Measured]) -> list[tuple[Measured, Measured]]:
    """Two severe readings one after the other."""
    return [(one, two) for one, two in pairwise(readings) if one.severe and two.severe]


class County:
    """The hub and its homes, for the time of an `async with` block."""

    def __init__(self, hub: HubProcess, folder: Path, homes: int, cuff_holds: int) -> None:
        self.hub = hub
        self.homes: list[LiveHome] = []
        self.village: Village | None = None
        self._folder = folder
        self._count = homes
        self._holds = cuff_holds
        self._kept: list[list[Measured]] = []

    def remember(self, kept: list[list[Measured]]) -> None:
        """What each home's cuff holds before its gateway meets it for the first time."""
        self._kept = kept

    @property
    def database_url(self) -> str:
        """The hub's database."""
        return str(self.hub.addresses()["database_url"])

    async def __aenter__(self) -> "County":
        now = SystemClock().now()
        async with await AsyncConnection.connect(self.database_url, autocommit=True) as conn:
            self.village = await settle(conn, now, people=PEOPLE[: self._count])
            assert await wait_applied(conn, 20.0)
        where = self.hub.addresses()
        for home in self.village.homes:
            live = LiveHome(
                home,
                self._folder / home.node_id,
                SystemClock(),
                broker=(where["mqtt_host"], where["mqtt_port"]),
                screen_port=free_port(),
                cuff_holds=self._holds,
                environment=_BRISK,
            )
            for reading in self._kept[len(self.homes)] if self._kept else []:
                live.household.cuff.set_clock(reading.at.astimezone(_ZONE))
                live.household.measure(reading.shown)
            live.household.cuff.set_clock(SystemClock().now().astimezone(_ZONE))
            await live.__aenter__()
            self.homes.append(live)
        return self

    async def __aexit__(self, *_: object) -> None:
        for home in self.homes:
            await home.__aexit__(None, None, None)

    async def kill(self, victim: str, dice: random.Random) -> None:
        """Kill -9 one part; a gateway gets its power back after a moment."""
        if victim == "gateway":
            home = dice.choice(self.homes)
            await asyncio.to_thread(home.cut_power)
            await asyncio.sleep(dice.uniform(0.1, 1.0))
            home.start()
            return
        pid = self.hub.pid(victim)
        if pid:
            os.kill(pid, signal.SIGKILL)

    async def unsent(self) -> int:
        """What the gateways still hold; a gateway that is starting counts as holding."""
        views = [await home.robot.view() for home in self.homes]
        return sum(int(view["unsent"]) for view in views)
