"""A cuff on the table: a meter with a wall clock of its own, on a cable that can be pulled out."""

import threading
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Final, Self
from zoneinfo import ZoneInfo

from firmware_sim.models.beurer_bm65 import BAUD, BeurerBM65, Stored
from firmware_sim.serial_line import SerialLine
from runtime.clock import Clock

# Where the clock of a meter stands after its batteries were changed.
RESET_TO: Final = datetime(2012, 1, 1)  # noqa: DTZ001 - a wall clock without a zone


class SimulatedCuff:
    """A Beurer BM 65 for the time of a `with` block. Safe to use from any thread."""

    def __init__(
        self,
        clock: Clock,
        *,
        zone: str = "Asia/Shanghai",
        link: Path | None = None,
        real_time: bool = False,
        capacity: int = 30,
        seed: int = 0,
    ) -> None:
        """`real_time`: bytes take as long as at 4800 baud."""
        self._clock = clock
        self._zone = ZoneInfo(zone)
        self._lock = threading.Lock()
        self._offset = timedelta()
        self._meter = BeurerBM65(capacity=capacity)
        self.line = SerialLine(self._hear, link=link, baud=BAUD if real_time else None, seed=seed)

    def __enter__(self) -> Self:
        self.line.plug_in()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.line.pull_out()

    @property
    def path(self) -> Path:
        """The serial port to open."""
        return self.line.path

    @property
    def memory(self) -> tuple[Stored, ...]:
        """What the meter has stored, the newest first."""
        with self._lock:
            return self._meter.memory

    def measure(self, sys: int, dia: int, pulse: int) -> Stored:
        """Somebody sat down and measured; raises ValueError for what the meter cannot store."""
        with self._lock:
            return self._meter.measure(sys, dia, pulse, at=self.shows())

    def erase(self) -> None:
        """Somebody cleared the memory."""
        with self._lock:
            self._meter.erase()

    def shows(self) -> datetime:
        """What the meter's own clock shows; no zone, like the meter."""
        return self._wall() + self._offset

    def set_clock(self, shows: datetime) -> None:
        """Set the meter's clock, rightly or wrongly."""
        self._offset = shows.replace(tzinfo=None) - self._wall()

    def set_right(self, offset: timedelta = timedelta()) -> None:
        """Set the meter's clock right, or off by so much."""
        self._offset = offset

    def change_batteries(self) -> None:
        """The clock starts again at its factory date; the memory stays."""
        self.set_clock(RESET_TO)

    def _wall(self) -> datetime:
        return self._clock.now().astimezone(self._zone).replace(tzinfo=None)

    def _hear(self, data: bytes) -> bytes:
        with self._lock:
            return self._meter.hear(data)
