"""Simulated people: statistics as published, the same for the same seed, messages as the hub
takes them."""

import itertools
import statistics
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from contract.codec import decode, encode
from contract.messages import Ack, Obs
from contract.observation import observe
from firmware_sim import parameters as p
from firmware_sim.history import DueDose, History, live_through
from firmware_sim.physiology import Person, Pressure, draw, exposure, pressure

START = datetime(2026, 1, 1, 7, 30, tzinfo=UTC).replace(tzinfo=None)
UNTIL = datetime(2026, 11, 22, 0, 0, tzinfo=UTC)
WEEKS = timedelta(weeks=4)


def mornings(person: Person, days: int, **more: float) -> list[Pressure]:
    """The second reading of so many mornings."""
    return [pressure(person, START + timedelta(days=n), nth=2, **more) for n in range(days)]


def test_within_one_person_readings_vary_as_in_ohasama() -> None:
    """SD of morning readings 8.6 / 5.8 mmHg around the person's level."""
    found = mornings(Person(seed=1), 1200)
    systolic, diastolic = [r.sys for r in found], [r.dia for r in found]
    assert statistics.stdev(systolic) == pytest.approx(p.WITHIN_SD_SYS, rel=0.08)
    assert statistics.stdev(diastolic) == pytest.approx(p.WITHIN_SD_DIA, rel=0.08)
    offset = p.MORNING_OVER_EVENING_SYS / 2 - p.FIRST_OVER_SECOND / 2
    assert statistics.mean(systolic) == pytest.approx(p.LEVEL_SYS + offset, abs=1.6)


def test_a_day_resembles_the_day_before() -> None:
    """The correlation of successive mornings is that of the day's share; distant days have none."""
    systolic = [r.sys for r in mornings(Person(seed=2), 1200)]
    near = statistics.correlation(systolic[:-1], systolic[1:])
    far = statistics.correlation(systolic[:-20], systolic[20:])
    assert near == pytest.approx(p.DAY_SHARE * p.DAY_TO_DAY, abs=0.09)
    assert abs(far) < 0.09


def test_both_pressures_move_together() -> None:
    """Correlation of systolic and diastolic within one person."""
    found = mornings(Person(seed=3), 1200)
    together = statistics.correlation([r.sys for r in found], [r.dia for r in found])
    assert together == pytest.approx(p.SYS_DIA_CORRELATION, abs=0.08)


def test_mornings_are_higher_than_evenings() -> None:
    """By the difference in the parameters."""
    person = Person(seed=4)
    evening = [pressure(person, START + timedelta(days=n, hours=12), nth=2).sys for n in range(800)]
    difference = statistics.mean(r.sys for r in mornings(person, 800)) - statistics.mean(evening)
    assert difference == pytest.approx(p.MORNING_OVER_EVENING_SYS, abs=1.5)


def test_a_sitting_is_more_alike_than_two_days() -> None:
    """Two readings a minute apart differ less than two mornings; the first is the higher."""
    person = Person(seed=5)
    pairs = [
        [pressure(person, START + timedelta(days=n, minutes=m), nth=m + 1).sys for m in (0, 1)]
        for n in range(800)
    ]
    within = statistics.stdev(first - second for first, second in pairs)
    between = statistics.stdev(a[1] - b[1] for a, b in itertools.pairwise(pairs))
    assert within < 0.75 * between
    higher = statistics.mean(first - second for first, second in pairs)
    assert higher == pytest.approx(p.FIRST_OVER_SECOND, abs=0.9)


def test_missed_doses_raise_the_pressure_and_wear_off() -> None:
    """Full treatment 1, none 0; in between it decays with the drug's half-life."""
    day = timedelta(days=1)
    taken = [UNTIL - n * day for n in range(1, 40)]
    at = UNTIL - timedelta(hours=12)
    assert exposure(taken, at, every=day) == pytest.approx(1.0, abs=0.02)
    stopped = [each for each in taken if each < UNTIL - 4 * day]
    assert exposure(stopped, at, every=day) < 0.35
    assert exposure([], at, every=day) == 0.0
    person = Person(seed=6)
    risen = statistics.mean(r.sys for r in mornings(person, 600, exposure=0.0)) - statistics.mean(
        r.sys for r in mornings(person, 600)
    )
    assert risen == pytest.approx(p.DRUG_EFFECT_SYS, abs=0.5)


def test_the_same_seed_is_the_same_person_whatever_is_asked_first() -> None:
    """Nothing depends on the order of asking."""
    assert draw(7) == draw(7)
    assert draw(7) != draw(8)
    forward = [pressure(draw(7), START + timedelta(days=n)) for n in range(5)]
    backward = [pressure(draw(7), START + timedelta(days=n)) for n in reversed(range(5))]
    assert forward == backward[::-1]


def test_a_village_is_made_of_different_people() -> None:
    """Levels spread as assumed; every reading is one a cuff can store and the hub believes."""
    people = [draw(seed) for seed in range(300)]
    assert 8 < statistics.stdev(person.sys for person in people) < 16
    for person in people:
        shown = pressure(person, START)
        assert 60 <= shown.sys <= 279
        assert shown.dia <= shown.sys - 15


def past(seed: int = 1, *, doses_a_day: int = 2, **more: object) -> tuple[Person, History]:
    """Four weeks of one person."""
    person = Person(seed=seed, **more)  # type: ignore[arg-type]
    since = UNTIL - WEEKS
    doses = [
        DueDose(f"r1-{n}", since + n * timedelta(days=1) / doses_a_day)
        for n in range(28 * doses_a_day)
    ]
    return person, live_through(person, since=since, until=UNTIL, doses=doses, who="A")


def test_history_is_what_the_hub_takes() -> None:
    """Every message decodes, nothing is refused, every reading comes back with its instant."""
    _, history = past()
    readings = []
    for message in history.observations:
        decoded = decode("obs", encode(message))
        assert isinstance(decoded, Obs)
        assert decoded.hist == 1
        seen = observe(decoded, received_at=UNTIL)
        assert seen.defects == []
        readings += seen.readings
    assert sorted((r.measured_at, r.values[0]) for r in readings) == [
        (m.at.replace(microsecond=m.at.microsecond // 1000 * 1000), m.pressure.sys)
        for m in history.measured
    ]
    assert {r.who for r in readings} == {"A"}
    assert {r.dev for r in readings} == {"cuff1"}


def test_history_says_what_became_of_every_dose() -> None:
    """Each dose whose window is over once, in messages of bounded size, within its time."""
    _, history = past(doses_a_day=4)
    said = []
    for message in history.acknowledgements:
        decoded = decode("ack", encode(message))
        assert isinstance(decoded, Ack)
        assert len(decoded.acks) <= 100
        said += decoded.acks
    assert [each.id for each in said] == [f"r1-{n}" for n in range(112)]
    assert set(Counter(each.st for each in said)) <= {"taken", "late_taken", "skipped", "missed"}
    for each in history.doses:
        late = each.at - each.dose.due_at > timedelta(hours=1)
        assert late == (each.state == "late_taken")


def test_people_take_and_measure_as_often_as_said() -> None:
    """Adherence 50 % and 100 % are seen in the doses; who measures seldom has few readings."""
    _, half = past(seed=11, takes=0.5, measures=0.3)
    _, always = past(seed=11, takes=1.0, measures=1.0)
    share = sum(each.state in ("taken", "late_taken") for each in half.doses) / len(half.doses)
    assert 0.3 < share < 0.7
    assert {each.state for each in always.doses} <= {"taken", "late_taken"}
    assert len(half.measured) < 0.6 * len(always.measured)
    assert len(always.measured) >= 28 * 2 * 2 - 4


def test_whoever_does_not_take_the_drug_has_a_higher_pressure() -> None:
    """The link between doses and pressure is in the history."""
    _, never = past(seed=12, takes=0.0, measures=1.0)
    _, always = past(seed=12, takes=1.0, measures=1.0)
    mean = [statistics.mean(m.pressure.sys for m in h.measured) for h in (never, always)]
    assert mean[0] - mean[1] == pytest.approx(p.DRUG_EFFECT_SYS, abs=2.5)


def test_a_third_reading_is_taken_only_when_the_first_two_differ() -> None:
    """The rule of the guideline: more than 10 mmHg apart."""
    _, history = past(seed=13, measures=1.0)
    sittings: list[list[Pressure]] = []
    last = UNTIL - 2 * WEEKS
    for each in history.measured:
        if each.at - last > timedelta(minutes=10):
            sittings.append([])
        sittings[-1].append(each.pressure)
        last = each.at
    thirds = [sitting for sitting in sittings if len(sitting) == 3]
    assert thirds
    for first, second, _ in thirds:
        assert abs(first.sys - second.sys) > 10 or abs(first.dia - second.dia) > 10
