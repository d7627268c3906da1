"""People with a blood pressure: seeded, the same for the same seed, whatever is asked first. Pure.

A reading is the person's level, plus the time of day, plus the day's own deviation (which
resembles that of the day before), plus the sitting's and the reading's noise, plus what the
medicine that was not taken no longer takes off. The numbers are in `parameters.py`.
"""

import math
import random
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from functools import cache
from typing import Final

from msgspec import Struct

from firmware_sim import parameters as p

# Days that still count in the resemblance: 0.4 to the twelfth is nothing.
_MEMORY_DAYS: Final = 12
_NOON: Final = 12
# The sitting's part of what is left when the day has taken its share.
_SITTING_SHARE: Final = 0.5


class Person(Struct, frozen=True, kw_only=True):
    """One simulated person; `sys` and `dia` are the levels under the prescribed treatment."""

    seed: int
    sys: float = p.LEVEL_SYS
    dia: float = p.LEVEL_DIA
    pulse: float = p.LEVEL_PULSE
    sd_sys: float = p.WITHIN_SD_SYS
    sd_dia: float = p.WITHIN_SD_DIA
    takes: float = p.TAKES
    measures: float = p.MEASURES
    irregular: float = p.IRREGULAR
    on_treatment: bool = True


class Pressure(Struct, frozen=True):
    """One reading: mmHg, mmHg, beats a minute, and whether the beats were irregular."""

    sys: int
    dia: int
    pulse: int
    irregular: bool = False


def draw(seed: int) -> Person:
    """Somebody of a village of people with hypertension."""
    dice = _dice(seed, "person")
    level = dice.gauss(0, 1)
    return Person(
        seed=seed,
        sys=_within(p.LEVEL_SYS + level * p.BETWEEN_SD_SYS * 0.8, 110, 172),
        dia=_within(
            p.LEVEL_DIA + (0.6 * level + 0.8 * dice.gauss(0, 1)) * p.BETWEEN_SD_DIA * 0.8, 62, 102
        ),
        pulse=_within(dice.gauss(p.LEVEL_PULSE, p.BETWEEN_SD_PULSE), 52, 96),
        sd_sys=_within(dice.gauss(p.WITHIN_SD_SYS, p.WITHIN_SD_SPREAD_SYS), 4, 15),
        sd_dia=_within(dice.gauss(p.WITHIN_SD_DIA, p.WITHIN_SD_SPREAD_DIA), 3, 10),
        takes=_within(dice.betavariate(8, 1.7), 0.3, 1.0),
    )


def pressure(
    person: Person,
    at: datetime,
    *,
    nth: int = 1,
    exposure: float = 1.0,
    first_day: date | None = None,
) -> Pressure:
    """The reading a cuff would show.

    `at` is local; `nth` counts the readings of one sitting; `exposure` is how much of the medicine
    is at work (1: taken as prescribed); `first_day` is the day the person began to measure.
    """
    dice = _dice(person.seed, at.isoformat(), nth)
    both, sys_only, dia_only = (_deviation(person, at, part) for part in ("both", "sys", "dia"))
    noise = [dice.gauss(0, 1) for _ in range(4)]
    left = math.sqrt((1 - p.DAY_SHARE) * (1 - _SITTING_SHARE))
    common, apart = math.sqrt(p.SYS_DIA_CORRELATION), math.sqrt(1 - p.SYS_DIA_CORRELATION)
    sys_off = common * (both + left * noise[0]) + apart * (sys_only + left * noise[1])
    dia_off = common * (both + left * noise[0]) + apart * (dia_only + left * noise[2])
    morning = 0.5 if at.hour < _NOON else -0.5
    extra = p.FIRST_OVER_SECOND * (0.5 if nth == 1 else -0.5)
    extra += p.FIRST_DAY if first_day == at.date() else 0.0
    missing = (1 - exposure) if person.on_treatment else 0.0
    systolic = person.sys + sys_off * person.sd_sys + morning * p.MORNING_OVER_EVENING_SYS + extra
    diastolic = person.dia + dia_off * person.sd_dia + morning * p.MORNING_OVER_EVENING_DIA
    systolic += missing * p.DRUG_EFFECT_SYS
    diastolic += missing * p.DRUG_EFFECT_DIA
    pulse = person.pulse + noise[3] * p.WITHIN_SD_PULSE
    sys = round(_within(systolic, 60, 279))
    return Pressure(
        sys=sys,
        dia=round(_within(diastolic, 35, sys - 15)),
        pulse=round(_within(pulse, 40, 180)),
        irregular=dice.random() < person.irregular,
    )


def exposure(taken: Iterable[datetime], at: datetime, *, every: timedelta) -> float:
    """How much of the medicine is at work, 1 when every dose was taken for a long time."""
    half_life = timedelta(hours=p.DRUG_HALF_LIFE_H)
    kept = math.exp2(-(every / half_life))
    level = sum(math.exp2(-((at - dose) / half_life)) for dose in taken if dose <= at)
    # The level of the steady state, halfway between two doses.
    return min(1.0, level * (1 - kept) / math.sqrt(kept))


def _deviation(person: Person, at: datetime, part: str) -> float:
    """The day's and the sitting's deviation, in units of the person's SD."""
    day = math.sqrt(p.DAY_SHARE) * _day(person.seed, part, at.date().toordinal())
    share = math.sqrt((1 - p.DAY_SHARE) * _SITTING_SHARE)
    half_day = "am" if at.hour < _NOON else "pm"
    return day + share * _dice(person.seed, part, at.date().isoformat(), half_day).gauss(0, 1)


@cache
def _day(seed: int, part: str, day: int) -> float:
    """A deviation with variance 1 that resembles that of the day before (autoregressive)."""
    weight, total = math.sqrt(1 - p.DAY_TO_DAY**2), 0.0
    for back in range(_MEMORY_DAYS):
        total += p.DAY_TO_DAY**back * weight * _dice(seed, part, day - back).gauss(0, 1)
    return total


def _dice(*what: object) -> random.Random:
    """Dice of their own for each purpose, so that nothing depends on the order of asking."""
    return random.Random("|".join(map(str, what)))  # noqa: S311 - a simulation, not a secret


def _within(value: float, low: float, high: float) -> float:
    return min(max(value, low), high)
