"""A home: a person with a cuff, the network to the hub, and a gateway that has a plug. The
controls say what happens next; everything else goes on by itself.
"""

import asyncio
import json
import subprocess
import threading
import urllib.request
from collections import deque
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self
from zoneinfo import ZoneInfo

import structlog

from firmware_sim.cuff import SimulatedCuff
from firmware_sim.models.beurer_bm65 import Stored
from firmware_sim.physiology import Person, Pressure, draw, pressure
from runtime.clock import Clock

_LOG = structlog.get_logger()
_SITTING_S: Final = 600.0
_STOP_S: Final = 5.0


class Household:
    """One home for the time of a `with` block; its methods may be called from any thread."""

    def __init__(
        self,
        clock: Clock,
        *,
        people: Sequence[Person] = (),
        zone: str = "Asia/Shanghai",
        link: Path | None = None,
        real_time: bool = False,
        next_readings: Iterable[Pressure] = (),
        capacity: int = 30,
    ) -> None:
        """Two people share the cuff in turn unless told who measures."""
        self.people = tuple(people) or (draw(1),)
        self._clock = clock
        self._zone = ZoneInfo(zone)
        self._lock = threading.Lock()
        self._next = deque(next_readings)
        self._last_at: float | None = None
        self._nth = 0
        self.cuff = SimulatedCuff(
            clock, zone=zone, link=link, real_time=real_time, capacity=capacity
        )

    def __enter__(self) -> Self:
        self.cuff.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.cuff.__exit__(kind, error, trace)

    @property
    def next_readings(self) -> tuple[Pressure, ...]:
        """What the next measurements will show."""
        with self._lock:
            return tuple(self._next)

    def choose(self, readings: Iterable[Pressure]) -> None:
        """What the next measurements will show, one after the other; then the person's own."""
        with self._lock:
            self._next.extend(readings)

    def measure(self, shown: Pressure | None = None, *, person: int = 0) -> Stored:
        """Somebody presses the cuff's button. Raises ValueError for what no cuff stores."""
        with self._lock:
            reading = shown or (self._next.popleft() if self._next else self._own(person))
        stored = self.cuff.measure(reading.sys, reading.dia, reading.pulse)
        _LOG.info("measured", records=len(self.cuff.memory))
        return stored

    def _own(self, person: int) -> Pressure:
        now = self._clock.now()
        again = self._last_at is not None and now.timestamp() - self._last_at < _SITTING_S
        self._nth = self._nth + 1 if again else 1
        self._last_at = now.timestamp()
        local = now.astimezone(self._zone).replace(tzinfo=None)
        return pressure(self.people[person % len(self.people)], local, nth=self._nth)


class Appliance:
    """A process with a plug, the gateway: its power can be cut (kill -9) and comes back."""

    def __init__(self, command: Sequence[str]) -> None:
        self._command = list(command)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def on(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.poll() is None

    def power(self, *, on: bool) -> None:
        """Plug it in, or pull the plug."""
        if on and not self.on:
            self._process = subprocess.Popen(self._command)
        elif not on and self._process is not None:
            self._process.kill()
            self._process.wait()

    def stop(self) -> None:
        """Switch it off properly."""
        if self._process is not None and self.on:
            self._process.terminate()
            try:
                self._process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                self.power(on=False)


async def do_as_the_screen_says(
    home: Household, screen_url: str, *, after_s: float = 3.0, poll_s: float = 0.5
) -> None:
    """Play the person in front of the robot: whenever its screen says to press the cuff's
    button, press it, `after_s` later. Runs until cancelled.
    """
    answered = None
    while True:
        await asyncio.sleep(poll_s)
        asked = await asyncio.to_thread(_asked, screen_url)
        if asked is not None and asked != answered:
            await asyncio.sleep(after_s)
            home.measure()
            answered = asked


def _asked(screen_url: str) -> str | None:
    """What the screen asks to measure, once for each reading of a session; None for nothing."""
    try:
        with urllib.request.urlopen(f"{screen_url.rstrip('/')}/state", timeout=5) as answer:  # noqa: S310 - a loopback address we were given
            view: dict[str, Any] = json.load(answer)
    except (OSError, ValueError):
        return None  # the robot is off, or starting
    card = view.get("card") or {}
    if card.get("kind") != "session" or card.get("seconds_left") is not None:
        return None
    return json.dumps([card.get("id"), card.get("note")])
