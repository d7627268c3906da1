"""What a person's home pressure should be, and where it becomes severe or too low. Pure.

Every number that medicine may revise stands once, in `Limits` or `Profile`, with its source.
Source grades: [S] seen in its source, [S2] seen on a secondary page, [M] from memory; [M] and
[S2] are to be confirmed by a clinician before use in care. Pressures in mmHg.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal

from msgspec import Struct

ProfileName = Literal["cn", "esc", "us_uk"]


class Target(Struct, frozen=True):
    """Home pressure is in hand below both numbers. `reason` names the rule that chose them."""

    sys: int
    dia: int
    reason: str

    def met(self, sys: float, dia: float) -> bool:
        """Both numbers below the target."""
        return sys < self.sys and dia < self.dia


class AgeTarget(Struct, frozen=True):
    """The home target from an age on."""

    from_age: int
    sys: int
    dia: int


class Severe(Struct, frozen=True):
    """Where a home reading is severe. `inclusive`: the number itself already counts."""

    sys: int
    dia: int
    inclusive: bool

    def reached(self, sys: float | None, dia: float | None) -> bool:
        """Either number is severe; a missing one says nothing."""
        if self.inclusive:
            return (sys is not None and sys >= self.sys) or (dia is not None and dia >= self.dia)
        return (sys is not None and sys > self.sys) or (dia is not None and dia > self.dia)


class Profile(Struct, frozen=True, kw_only=True):
    """The limits of one body of guidelines. `by_age` is in rising order of age."""

    by_age: tuple[AgeTarget, ...]
    frail: AgeTarget
    severe: Severe


# Home numbers: an office target of 140/90 is taken as 135/85 at home ([S] for the diagnostic
# pair), 130/80 as 130/80 [M], 150/90 as 145/85 (NICE home target from 80 years on) [M].
PROFILES: Final[Mapping[ProfileName, Profile]] = MappingProxyType(
    {
        # China 2024: below 140/90 in the office at 65..79 [S], below 150/90 from 80 on [M]; the
        # frail very old below 150 and not below 130 [S2]. Severe: the referral line of the
        # national public-health specification, 180 and/or 110, the numbers included [S].
        "cn": Profile(
            by_age=(AgeTarget(0, 135, 85), AgeTarget(80, 145, 85)),
            frail=AgeTarget(0, 145, 85),
            severe=Severe(180, 110, inclusive=True),
        ),
        # ESC 2024: 120..129 in the office by default [S], so below 130 at home [M]; below 140
        # from 85 years on and with moderate to severe frailty [S].
        "esc": Profile(
            by_age=(AgeTarget(0, 130, 80), AgeTarget(85, 135, 85)),
            frail=AgeTarget(0, 135, 85),
            severe=Severe(180, 120, inclusive=False),
        ),
        # NICE: home below 135/85 before 80 [S], below 145/85 from 80 on [M]. Severe: over
        # 180/120 (AHA home page) [S].
        "us_uk": Profile(
            by_age=(AgeTarget(0, 135, 85), AgeTarget(80, 145, 85)),
            frail=AgeTarget(0, 145, 85),
            severe=Severe(180, 120, inclusive=False),
        ),
    }
)


class Limits(Struct, frozen=True, kw_only=True):
    """Limits that hold in every profile; a team may configure others."""

    emergency: Severe = Severe(200, 120, inclusive=True)  # no waiting for a repeat: safety rule 6
    low_sys: int = 90  # below it, with or without complaint: [M], NEWS2 gives 3 points at 90 [S]
    low_sys_with_symptom: int = 100  # below it with dizziness or a fall: [M]
    home_high_sys: int = 135  # home hypertension, China 2024 and others [S2]
    home_high_dia: int = 85


LIMITS: Final = Limits()


def _profile(name: str) -> Profile:
    for known, profile in PROFILES.items():
        if known == name:
            return profile
    raise ValueError(f"unknown profile {name!r}: one of {', '.join(PROFILES)}")


def home_target(
    profile: str, age: int | None, frail: bool, override: tuple[int, int] | None = None
) -> Target:
    """The home target of a person: the doctor's own first, then frailty, then age.

    An unknown age is taken as the youngest band: the stricter target, never the laxer one.
    """
    if override is not None:
        return Target(override[0], override[1], "set by the doctor")
    chosen = _profile(profile)
    if frail:
        return Target(chosen.frail.sys, chosen.frail.dia, f"{profile}: frail")
    if age is None:
        first = chosen.by_age[0]
        return Target(first.sys, first.dia, f"{profile}: age unknown")
    band = next(band for band in reversed(chosen.by_age) if max(age, 0) >= band.from_age)
    return Target(band.sys, band.dia, f"{profile}: {_words(band, chosen.by_age)}")


def _words(band: AgeTarget, bands: tuple[AgeTarget, ...]) -> str:
    if band.from_age > 0:
        return f"{band.from_age} years or older"
    return f"younger than {bands[1].from_age}" if len(bands) > 1 else "any age"


def severe_limits(profile: str) -> Severe:
    """Where a confirmed home reading is severe in this profile."""
    return _profile(profile).severe


def is_severe(profile: str, sys: float | None, dia: float | None) -> bool:
    """One reading, or a session's mean, is at (`cn`) or over the severe limit."""
    return severe_limits(profile).reached(sys, dia)


def is_emergency(sys: float | None, dia: float | None, limits: Limits = LIMITS) -> bool:
    """At 200/120 or over nobody waits for a repeat (safety rule 6)."""
    return limits.emergency.reached(sys, dia)


def is_low(sys: float | None, *, symptom: bool = False, limits: Limits = LIMITS) -> bool:
    """Too low: below 90, or below 100 with dizziness or a fall. `symptom` is True only when
    said: unknown is not no, and it is not yes either (safety rule 8)."""
    if sys is None:
        return False
    return sys < (limits.low_sys_with_symptom if symptom else limits.low_sys)
