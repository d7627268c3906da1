"""Readings of one sitting belong together: a session, and the one value it stands for. Pure.

A session is a chain of readings at most 10 min apart and at most 30 min long from its first to
its last; its value is the mean of all of them. When the first two differ by more than 10 mmHg in
either number, a third is wanted. Pressures in mmHg, pulse per minute.
"""

from collections.abc import Iterable
from datetime import datetime, time, timedelta
from typing import Final, Literal
from zoneinfo import ZoneInfo

from msgspec import Struct

from measures.statistics import mean

GAP: Final = timedelta(minutes=10)  # clinical default [M]
LENGTH: Final = timedelta(minutes=30)  # clinical default [M]
THIRD_WHEN_OVER: Final = 10.0  # China 2024 [S]


class Sample(Struct, frozen=True):
    """One blood pressure with a value."""

    at: datetime
    sys: float
    dia: float
    pr: float | None = None


class Session(Struct, frozen=True):
    """The samples of one sitting in order of time, and their means."""

    samples: tuple[Sample, ...]

    @property
    def start(self) -> datetime:
        """Measured time of the first sample."""
        return self.samples[0].at

    @property
    def end(self) -> datetime:
        """Measured time of the last sample."""
        return self.samples[-1].at

    @property
    def sys(self) -> float:
        """Mean systolic of all samples."""
        return mean([sample.sys for sample in self.samples])

    @property
    def dia(self) -> float:
        """Mean diastolic of all samples."""
        return mean([sample.dia for sample in self.samples])

    @property
    def pr(self) -> float | None:
        """Mean pulse of the samples that have one."""
        pulses = [sample.pr for sample in self.samples if sample.pr is not None]
        return mean(pulses) if pulses else None

    @property
    def needs_third(self) -> bool:
        """Two samples so far that differ by more than 10 mmHg in either number."""
        return len(self.samples) == 2 and differ(self.samples[0], self.samples[1])


def differ(first: Sample, second: Sample) -> bool:
    """The two readings differ by more than 10 mmHg in either number."""
    return (
        abs(first.sys - second.sys) > THIRD_WHEN_OVER
        or abs(first.dia - second.dia) > THIRD_WHEN_OVER
    )


def sessions(samples: Iterable[Sample]) -> list[Session]:
    """Cut samples, given in any order, into sessions in order of time."""
    found: list[list[Sample]] = []
    for sample in sorted(samples, key=lambda one: one.at):
        if found and _belongs(sample, found[-1]):
            found[-1].append(sample)
        else:
            found.append([sample])
    return [Session(tuple(group)) for group in found]


def _belongs(sample: Sample, group: list[Sample]) -> bool:
    return sample.at - group[-1].at <= GAP and sample.at - group[0].at <= LENGTH


PartOfDay = Literal["morning", "evening", "other"]

# Measured at home after waking and before bed; clinical defaults of the Chinese home guide [S2].
MORNING: Final = (time(5), time(10))
EVENING: Final = (time(17), time(23))


def part_of_day(
    at: datetime,
    zone: ZoneInfo,
    *,
    morning: tuple[time, time] = MORNING,
    evening: tuple[time, time] = EVENING,
) -> PartOfDay:
    """Morning or evening on the person's own clock; the start counts, the end does not."""
    local = at.astimezone(zone).time()
    if morning[0] <= local < morning[1]:
        return "morning"
    return "evening" if evening[0] <= local < evening[1] else "other"
