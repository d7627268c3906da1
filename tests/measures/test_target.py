"""Targets by profile, age and frailty; severe, emergency and low limits at their edges."""

import pytest

from measures.target import (
    PROFILES,
    Limits,
    Target,
    home_target,
    is_emergency,
    is_low,
    is_severe,
    severe_limits,
)


@pytest.mark.parametrize(
    ("profile", "age", "frail", "target", "reason"),
    [
        ("cn", 70, False, (135, 85), "cn: younger than 80"),
        ("cn", 79, False, (135, 85), "cn: younger than 80"),
        ("cn", 80, False, (145, 85), "cn: 80 years or older"),
        ("cn", 101, False, (145, 85), "cn: 80 years or older"),
        ("cn", 70, True, (145, 85), "cn: frail"),
        ("cn", None, False, (135, 85), "cn: age unknown"),
        ("cn", None, True, (145, 85), "cn: frail"),
        ("esc", 84, False, (130, 80), "esc: younger than 85"),
        ("esc", 85, False, (135, 85), "esc: 85 years or older"),
        ("esc", 60, True, (135, 85), "esc: frail"),
        ("us_uk", 79, False, (135, 85), "us_uk: younger than 80"),
        ("us_uk", 80, False, (145, 85), "us_uk: 80 years or older"),
    ],
)
def test_the_target_and_the_rule_that_chose_it(
    profile: str, age: int | None, frail: bool, target: tuple[int, int], reason: str
) -> None:
    """Profile and age choose; frailty comes before age; an unknown age is never the laxer one."""
    chosen = home_target(profile, age, frail)
    assert (chosen.sys, chosen.dia) == target
    assert chosen.reason == reason


def test_the_doctor_comes_first() -> None:
    """An own target overrides profile, age and frailty, and says so."""
    assert home_target("cn", 90, True, (130, 75)) == Target(130, 75, "set by the doctor")


def test_a_target_is_met_below_both_numbers() -> None:
    """The numbers themselves are no longer in hand."""
    target = home_target("cn", 70, False)
    assert target.met(134.9, 84.9)
    assert not target.met(135, 80)
    assert not target.met(120, 85)


@pytest.mark.parametrize(
    ("sys", "dia", "cn", "us_uk"),
    [
        (179, 109, False, False),
        (180, 100, True, False),  # 180 itself counts in China, and not over 180 elsewhere
        (181, 100, True, True),
        (150, 110, True, False),
        (150, 112, True, False),  # the worked case: severe in China and not in the US profile
        (150, 120, True, False),
        (150, 121, True, True),
        (None, 112, True, False),
        (185, None, True, True),
        (None, None, False, False),
    ],
)
def test_severe_by_profile(sys: float | None, dia: float | None, cn: bool, us_uk: bool) -> None:
    """China: at 180 or 110. The others: over 180 or 120."""
    assert is_severe("cn", sys, dia) is cn
    assert is_severe("us_uk", sys, dia) is us_uk
    assert is_severe("esc", sys, dia) is us_uk
    assert severe_limits("cn").reached(sys, dia) is cn


@pytest.mark.parametrize(
    ("sys", "dia", "emergency"),
    [(199, 119, False), (200, 80, True), (150, 120, True), (None, 125, True), (None, None, False)],
)
def test_safety_06_at_200_or_120_nobody_waits(
    sys: float | None, dia: float | None, emergency: bool
) -> None:
    """Safety rule 6: the limit itself counts, either number alone."""
    assert is_emergency(sys, dia) is emergency


@pytest.mark.parametrize(
    ("sys", "symptom", "low"),
    [
        (89, False, True),
        (90, False, False),
        (95, False, False),
        (99, True, True),
        (100, True, False),
        (89, True, True),
        (None, True, False),
    ],
)
def test_low_with_and_without_complaint(sys: float | None, symptom: bool, low: bool) -> None:
    """Below 90 always, below 100 with dizziness or a fall."""
    assert is_low(sys, symptom=symptom) is low


def test_limits_can_be_set_otherwise() -> None:
    """A team's own numbers take the place of the defaults."""
    own = Limits(low_sys=95)
    assert is_low(92, limits=own)
    assert not is_low(92)


def test_an_unknown_profile_is_refused() -> None:
    """No guessing of limits."""
    with pytest.raises(ValueError, match="unknown profile 'xx'"):
        home_target("xx", 70, False)
    with pytest.raises(ValueError, match="cn, esc, us_uk"):
        severe_limits("xx")


def test_profiles_are_in_order_and_severe_is_above_every_target() -> None:
    """Bands start at 0 and rise; no target reaches into the severe."""
    for profile in PROFILES.values():
        ages = [band.from_age for band in profile.by_age]
        assert ages[0] == 0
        assert ages == sorted(set(ages))
        for band in (*profile.by_age, profile.frail):
            assert band.sys < profile.severe.sys
            assert band.dia < profile.severe.dia
