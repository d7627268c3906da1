"""From the cuff to the spool: read the meter's memory, take what is new, once and for all.

The reading, the memory of having taken it and its place in a guided session are one transaction.
If the disk refuses, nothing was taken and the meter still has it: its memory is the backup.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final

import structlog
from msgspec import structs

from gateway.drivers.driver import DriverError, Memory, NoAnswer
from gateway.guide import Guide
from gateway.meter_clock import Placed, place
from gateway.novelty import NewRecord
from gateway.observing import Taken, observations
from gateway.settings import GatewaySettings
from gateway.spool import Key, Spool
from gateway.storage import Storage, StorageUnavailableError
from gateway.taken import Register
from gateway.timekeeper import Timekeeper
from gateway.transports.serial_port import PortUnavailableError, SerialPort
from gateway.uptime import uptime_ms

_LOG = structlog.get_logger()
_MILLISECOND: Final = timedelta(milliseconds=1)

OnTaken = Callable[[Sequence[Taken]], None]
OnAnswer = Callable[[str, str, Key], None]


class Collector:
    """Watches one meter. `link` is `ready`, `sleeping` while its port is there and nothing
    answers, else `lost`."""

    def __init__(
        self,
        settings: GatewaySettings,
        storage: Storage,
        spool: Spool,
        timekeeper: Timekeeper,
        guide: Guide,
        port: SerialPort,
        *,
        on_answer: OnAnswer,
        on_taken: OnTaken,
        changed: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._storage = storage
        self._spool = spool
        self._time = timekeeper
        self._guide = guide
        self._port = port
        self._on_answer = on_answer
        self._on_taken = on_taken
        self._changed = changed
        self._register = Register(storage, settings.device)
        self._read_all_at = float("-inf")
        self._told: set[bytes] = set()
        self._off = False
        self.link = "lost"
        self.identity: str | None = None

    async def run(self) -> None:
        """Look at the meter again and again until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(self._settings.poll_seconds)

    async def look(self) -> None:
        """Read the meter once and take what is new."""
        last = None if time.monotonic() >= self._read_all_at else self._register.frames
        try:
            memory = await asyncio.to_thread(self._port.read, last)
        except (PortUnavailableError, DriverError) as error:
            asleep = isinstance(error, NoAnswer)
            self._set_link("sleeping" if asleep else "lost", type(error).__name__)
            # Whoever comes back may be another meter, or hold another memory.
            self._read_all_at = float("-inf")
            return
        self._set_link("ready", None)
        now = self._time.now()
        if memory is None:
            self._register.unchanged(now)
            return
        try:
            self._take(memory, now)
        except StorageUnavailableError as error:
            _LOG.error("readings_left_in_the_meter", error=str(error))

    def _set_link(self, link: str, reason: str | None) -> None:
        if link != self.link:
            self.link = link
            _LOG.info("cuff", device=self._settings.device, link=link, reason=reason)
            self._changed()

    def _take(self, memory: Memory, now: datetime) -> None:
        self._tell_refused(memory)
        new = self._register.new(memory)
        placed = self._place(new, now)
        marked = self._guide.mark(
            [self._pressures(one, at) for one, at in zip(new, placed, strict=True)]
        )
        asked = None if self._guide.session is None else self._guide.session.who
        taken = [
            Taken(
                record=one.record,
                ordinal=one.ordinal,
                placed=at,
                session=mark,
                # The one person of this cuff, or the one who was asked to sit down for it.
                who=self._settings.who or (asked if mark is not None else None),
            )
            for one, at, mark in zip(new, placed, marked.marks, strict=True)
        ]
        answered = marked.answered
        with self._storage.transaction():
            for obs in observations(
                taken,
                dev=self._settings.device,
                fetched_at=now,
                uptime_ms=uptime_ms(),
            ):
                stored = self._spool.add("obs", obs, now)
                ses = stored.ser[0].ses
                if ses is not None and answered is not None:
                    self._on_answer(answered, ses.id, (stored.boot, stored.seq))
                    answered = None
            self._register.take([one.record for one in new], memory, now)
        self._register.adopt(memory, now)
        self._guide.adopt(marked)
        self._read_all_at = time.monotonic() + self._settings.full_read_seconds
        self.identity = memory.identity or None
        if taken:
            _LOG.info("readings_taken", device=self._settings.device, count=len(taken))
            self._on_taken(taken)

    def _place(self, new: Sequence[NewRecord], now: datetime) -> list[Placed]:
        """Each record's time; those placed by their arrival stay apart from each other."""
        result = []
        for index, one in enumerate(new):
            placed = place(
                one.record.local,
                self._settings.time_zone,
                absent_at=self._register.read_at,
                fetched_at=now,
                gateway_clk=self._time.clk,
            )
            if placed.coincident:
                placed = structs.replace(placed, at=now - (len(new) - 1 - index) * _MILLISECOND)
            self._tell_clock(placed)
            result.append(placed)
        return result

    def _pressures(self, new: NewRecord, placed: Placed) -> tuple[float, float] | None:
        values = new.record.values
        sys, dia = values.get("sys"), values.get("dia")
        if sys is None or dia is None:
            return None
        belongs = self._guide.belongs(placed.at, self._register.read_at)
        return (sys, dia) if belongs else None

    def _tell_refused(self, memory: Memory) -> None:
        for refused in memory.refused:
            if refused.raw not in self._told:
                self._told.add(refused.raw)
                reason = type(refused.error).__name__
                _LOG.warning("record_refused", slot=refused.slot, reason=reason)
        for record in memory.records:
            if record.findings and record.raw not in self._told:
                self._told.add(record.raw)
                _LOG.warning("record_odd", findings=record.findings)

    def _tell_clock(self, placed: Placed) -> None:
        if placed.clk in {"manual", "none"} or placed.coincident == self._off:
            return
        self._off = placed.coincident
        off_by = placed.meter_is_off
        seconds = None if off_by is None else round(off_by.total_seconds())
        _LOG.warning("cuff_clock", device=self._settings.device, wrong=self._off, seconds=seconds)

    def forget(self) -> None:
        """Let go of what no memory holds any more."""
        self._register.forget(self._time.now())
