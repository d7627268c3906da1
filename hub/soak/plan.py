"""What breaks when: a plan of faults made from a seed. Pure, and the same for the same seed."""

import random
from collections.abc import Sequence
from typing import Final

from msgspec import Struct


class Fault(Struct, frozen=True, kw_only=True):
    """One way to break things: its name, what happens, and how long it lasts (0: a moment)."""

    name: str
    says: str
    shortest_s: float = 0.0
    longest_s: float = 0.0
    # What it needs: `disk` a file system of its own (root), `proxy` the line of the devices.
    needs: str = ""


CATALOGUE: Final[tuple[Fault, ...]] = (
    Fault(name="kill-ingest", says="kill -9 of ingest"),
    Fault(name="kill-downlink", says="kill -9 of downlink"),
    Fault(name="kill-alerts", says="kill -9 of alerts"),
    Fault(name="kill-care", says="kill -9 of care"),
    Fault(name="kill-broker", says="kill -9 of Mosquitto"),
    Fault(name="kill-postgres", says="kill -9 of the postmaster"),
    Fault(name="stop-postgres-immediate", says="immediate stop of PostgreSQL"),
    Fault(name="freeze-ingest", says="ingest stands still", shortest_s=2.0, longest_s=15.0),
    Fault(name="freeze-broker", says="Mosquitto stands still", shortest_s=2.0, longest_s=15.0),
    Fault(name="freeze-postgres", says="PostgreSQL stands still", shortest_s=2.0, longest_s=15.0),
    Fault(name="postgres-away", says="PostgreSQL is down", shortest_s=10.0, longest_s=45.0),
    Fault(name="restart-hub", says="the hub is stopped and started"),
    Fault(name="kill-hub", says="kill -9 of the hub, and a start"),
    Fault(name="cut", says="every connection of a device is cut", needs="proxy"),
    Fault(
        name="stall",
        says="the devices' line stalls",
        shortest_s=2.0,
        longest_s=20.0,
        needs="proxy",
    ),
    Fault(
        name="delay",
        says="the devices' line is slow: 500 ms",
        shortest_s=5.0,
        longest_s=30.0,
        needs="proxy",
    ),
    Fault(
        name="half-open",
        says="connections stay open and carry nothing",
        shortest_s=5.0,
        longest_s=20.0,
        needs="proxy",
    ),
    Fault(name="disk-full", says="the disk is full", shortest_s=5.0, longest_s=20.0, needs="disk"),
    Fault(name="power-cut", says="power is lost, with what was not synced", needs="disk"),
)
BY_NAME: Final = {fault.name: fault for fault in CATALOGUE}
# Seconds: how far apart faults begin on average, and how long nothing breaks at both ends.
_APART_S: Final = 12.0
_CALM_S: Final = 3.0


class Planned(Struct, frozen=True):
    """One fault in its place: seconds after the beginning, and for how long."""

    at_s: float
    name: str
    lasts_s: float

    def __str__(self) -> str:
        lasting = f" for {self.lasts_s:.1f} s" if self.lasts_s else ""
        return f"{self.at_s:8.1f} s  {self.name}{lasting}"


class UnknownFaultError(ValueError):
    """A name that no fault has; the message lists those there are."""


def chosen(names: str) -> tuple[str, ...]:
    """The faults of `all`, `none` or a list with commas. Raises UnknownFaultError."""
    if names == "none":
        return ()
    if names == "all":
        return tuple(BY_NAME)
    asked = tuple(dict.fromkeys(name.strip() for name in names.split(",") if name.strip()))
    unknown = [name for name in asked if name not in BY_NAME]
    if unknown or not asked:
        what = ", ".join(unknown) or "nothing"
        raise UnknownFaultError(f"no such fault: {what}. There are: {', '.join(BY_NAME)}")
    return asked


def plan(
    seed: int, seconds: float, names: Sequence[str], *, apart_s: float = _APART_S
) -> list[Planned]:
    """A plan for so many seconds: each fault in turn in a shuffled order, one at a time.

    Every fault comes once before any comes twice, if there is time. None begins in the last part
    of the run, and each ends before the next begins.
    """
    if not names:
        return []
    dice = random.Random(seed)  # noqa: S311 - a plan is to be repeatable
    planned: list[Planned] = []
    waiting: list[str] = []
    at = min(_CALM_S, seconds * 0.1)
    while True:
        if not waiting:
            waiting = list(names)
            dice.shuffle(waiting)
        fault = BY_NAME[waiting.pop()]
        # A short run has short faults, so that several fit.
        longest = min(fault.longest_s, max(fault.shortest_s, seconds * 0.2))
        lasts = round(dice.uniform(min(fault.shortest_s, longest), longest), 1)
        at += dice.uniform(0.5, 1.5) * apart_s
        if at + lasts > seconds - min(_CALM_S, seconds * 0.1):
            return planned
        planned.append(Planned(round(at, 1), fault.name, lasts))
        at += lasts


def kill_points(seed: int, count: int, seconds: float, victims: Sequence[str]) -> list[Planned]:
    """`count` kills of the victims (names of faults) in turn, at random moments."""
    dice = random.Random(seed)  # noqa: S311 - a plan is to be repeatable
    moments = sorted(round(dice.uniform(0.02, 0.95) * seconds, 3) for _ in range(count))
    return [Planned(at, victims[n % len(victims)], 0.0) for n, at in enumerate(moments)]
