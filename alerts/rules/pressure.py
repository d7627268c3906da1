"""How a pressure is confirmed or refuted: the part severe and low pressure share (rule 6). Pure.

The verdict on a reading depends only on the readings, answers and falls around it in measured
time, so it is the same in whatever order they arrived.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from msgspec import Struct

from alerts.reasons import Reason
from alerts.verdict import Lateness, Stance, Tier, Verdict, lateness
from alerts.window import PRESSURE, SignKind, Window, evidence_of, has, pressure, rivals
from measures.session import LENGTH, Sample, sessions
from measures.target import is_emergency, is_low, is_severe
from store.window import WindowReading

# An answer or a fall this near speaks about a reading. Our choice.
SIGNS: Final = timedelta(hours=1)


class Repeat(Struct, frozen=True, kw_only=True):
    """When a second reading counts as the repeat of a first. Source: safety rule 6."""

    nearest: timedelta = timedelta(minutes=1)
    farthest: timedelta = timedelta(minutes=15)
    # Up to the deadline the hub waits for the end of a guided session.
    guided: timedelta = timedelta(minutes=6)
    signs: timedelta = SIGNS


class Grade(Struct, frozen=True):
    """How grave a single reading is. `at_once`: nobody waits for a repeat."""

    tier: Tier
    reason: Reason
    at_once: bool


class Criterion(Struct, frozen=True, kw_only=True):
    """What makes one rule different from the other.

    `over` tells whether a pressure is beyond the limit, as repeats and means are judged;
    `grade` how grave a reading is with its signs, None where it is nothing.
    """

    rule: str
    version: int
    over: Callable[[float, float], bool]
    grade: Callable[[WindowReading, frozenset[SignKind]], Grade | None]
    repeat: Repeat = Repeat()


# A session reaches this far; so far back a new reading can change what an older one means.
REACH: Final = LENGTH + timedelta(minutes=1)
_UNTRUSTED: Final = "untrusted"


def judge(window: Window, criterion: Criterion, now: datetime) -> list[Verdict]:
    """One verdict on each reading beyond the limit, in measured order."""
    newest = _newest_normal(window)
    verdicts = []
    for reading in window.judged():
        if reading.kind != PRESSURE:
            continue
        signs = window.signs_around(reading.measured_at, criterion.repeat.signs)
        grade = criterion.grade(reading, signs)
        if grade is not None:
            verdicts.append(_verdict(window, criterion, reading, grade, newest, now))
    return verdicts


def _verdict(
    window: Window,
    criterion: Criterion,
    reading: WindowReading,
    grade: Grade,
    newest_normal: datetime | None,
    now: datetime,
) -> Verdict:
    guided = _session_is_open(window, criterion.repeat, reading, now)
    stance = _stance(window, criterion, reading, grade, guided=guided)
    late = lateness(reading.measured_at, reading.received_at)
    superseded = (
        late is Lateness.LATE and newest_normal is not None and newest_normal > reading.measured_at
    )
    tier = Tier.WORKLIST if late is Lateness.OLD or superseded else grade.tier
    detail = {} if window.owned else {"candidates": list(window.candidates)}
    return Verdict(
        rule=criterion.rule,
        version=criterion.version,
        stance=stance,
        tier=tier,
        reason=grade.reason,
        evidence=(evidence_of(reading, stance=stance, tier=tier, lateness=late, **detail),),
        guided=guided,
        superseded=superseded,
        subject="" if window.owned else (reading.who or ""),
    )


def _stance(
    window: Window, criterion: Criterion, reading: WindowReading, grade: Grade, *, guided: bool
) -> Stance:
    if _paired(window, criterion, reading) or _mean_over(window, criterion, reading, guided=guided):
        return Stance.CONFIRMED
    if grade.at_once:
        return Stance.AT_ONCE
    if not guided and _refuted(window, criterion, reading):
        return Stance.REFUTED
    return Stance.WAITING


def _paired(window: Window, criterion: Criterion, reading: WindowReading) -> bool:
    """Another reading 1 to 15 min before or after is over the limit too."""
    if not _over(criterion, reading):
        return False
    repeat = criterion.repeat
    return any(
        _over(criterion, other) and repeat.nearest <= abs(other.measured_at - reading.measured_at)
        for other in window.near(reading.measured_at, repeat.farthest, repeat.farthest)
        if _same_person(window, reading, other)
    )


def _mean_over(
    window: Window, criterion: Criterion, reading: WindowReading, *, guided: bool
) -> bool:
    """The mean of its session is over the limit.

    A guided session counts when it has ended. Any other has no end, so its mean counts as soon
    as its readings span the minute between a reading and its repeat: two within seconds are one
    look at the same moment. What was confirmed once stays so when more follow.
    """
    if guided:
        return False
    if reading.session_id is not None:
        sitting = [
            value
            for other in window.near(reading.measured_at, LENGTH, LENGTH)
            if other.session_id == reading.session_id
            if (value := pressure(other)) is not None
        ]
        return len(sitting) > 1 and _mean(criterion, sitting)
    chain = _chain(window, reading)
    return any(
        _mean(criterion, [(sample.sys, sample.dia) for sample in chain[: end + 1]])
        for end in range(1, len(chain))
        if chain[end].at >= reading.measured_at
        if chain[end].at - chain[0].at >= criterion.repeat.nearest
    )


def _chain(window: Window, reading: WindowReading) -> tuple[Sample, ...]:
    samples = [
        Sample(other.measured_at, value[0], value[1])
        for other in window.near(reading.measured_at, 2 * LENGTH, LENGTH)
        if other.session_id is None and other.beside == reading.beside
        if not rivals(reading, other)
        if _same_person(window, reading, other)
        if (value := pressure(other)) is not None
    ]
    for session in sessions(samples):
        if session.start <= reading.measured_at <= session.end:
            return session.samples
    return ()


def _mean(criterion: Criterion, values: list[tuple[float, float]]) -> bool:
    count = len(values)
    return criterion.over(sum(v[0] for v in values) / count, sum(v[1] for v in values) / count)


def _refuted(window: Window, criterion: Criterion, reading: WindowReading) -> bool:
    """A normal reading 1 to 15 min later, of the same person, at a time that can be trusted."""
    repeat = criterion.repeat
    return any(
        _normal(window, other) and other.measured_at - reading.measured_at >= repeat.nearest
        for other in window.near(reading.measured_at, timedelta(0), repeat.farthest)
        if _same_person(window, reading, other)
        if window.owned or (other.session_id is not None)
    )


def _same_person(window: Window, reading: WindowReading, other: WindowReading) -> bool:
    """Owned readings are one person's. Unowned ones only where slot, and session, say so."""
    if window.owned:
        return True
    if reading.session_id is not None or other.session_id is not None:
        return reading.session_id == other.session_id
    return reading.who == other.who


def _session_is_open(window: Window, repeat: Repeat, reading: WindowReading, now: datetime) -> bool:
    if reading.session_id is None or now >= reading.received_at + repeat.guided:
        return False
    return not any(
        other.session_done
        for other in window.near(reading.measured_at, LENGTH, LENGTH)
        if other.session_id == reading.session_id
    )


def _over(criterion: Criterion, reading: WindowReading) -> bool:
    value = pressure(reading)
    return value is not None and criterion.over(*value)


def _normal(window: Window, reading: WindowReading) -> bool:
    """Good enough to set another reading aside: believable, timed, neither severe nor low."""
    value = pressure(reading)
    if value is None or has(reading, "implausible") or reading.clock == _UNTRUSTED:
        return False
    # One that claims another reading's place may alarm, but sets nothing aside.
    severe = is_severe(window.profile, *value) or is_emergency(*value)
    return not (reading.beside or severe or is_low(value[0]))


def _newest_normal(window: Window) -> datetime | None:
    """When the newest reading was measured, if that one is normal and surely this person's."""
    counted = [r for r in window.readings if pressure(r) is not None]
    if not window.owned or not counted or not _normal(window, counted[-1]):
        return None
    return counted[-1].measured_at
