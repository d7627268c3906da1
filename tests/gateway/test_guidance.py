"""The guided session: rest, two readings, a third when they differ."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway import guidance
from gateway.guidance import Session, Times
from gateway.severity import level
from gateway.texts import ADVICE, LANGUAGES, MISSED_ADVICE

TIMES = Times(rest=60, reading=300)


def run(pressures: list[tuple[float, float]], command: str | None = None) -> tuple[Session, list]:
    """A session that gets these readings, a minute apart; the session and the marks."""
    now, marks = 0.0, []
    session = guidance.start("s1", now, TIMES, command_id=command)
    for sys, dia in pressures:
        now += 60
        session = guidance.tick(session, now, TIMES)
        assert session.stage == "waiting"
        session, mark = guidance.reading(session, sys, dia, now, TIMES)
        marks.append((mark.n, mark.of, mark.done))
    return session, marks


@pytest.mark.parametrize(
    ("pressures", "marks", "stage"),
    [
        ([(140, 80)], [(1, 2, None)], "resting"),
        ([(140, 80), (150, 90)], [(1, 2, None), (2, 2, 1)], "done"),
        ([(140, 80), (151, 80)], [(1, 2, None), (2, 3, None)], "resting"),
        ([(140, 80), (140, 91)], [(1, 2, None), (2, 3, None)], "resting"),
        ([(140, 80), (129, 80), (160, 99)], [(1, 2, None), (2, 3, None), (3, 3, 1)], "done"),
    ],
)
def test_two_readings_and_a_third_when_they_differ(
    pressures: list[tuple[float, float]], marks: list[tuple[int, int, int | None]], stage: str
) -> None:
    """Over 10 mmHg in either number: a third, and the session is done with it."""
    session, found = run(pressures)
    assert (found, session.stage) == (marks, stage)


def test_a_session_for_the_hub_has_one_reading() -> None:
    """The repeat that the hub asks for is one reading, and says it is done."""
    session, marks = run([(185, 90)], command="c1")
    assert (marks, session.stage) == ([(1, 1, 1)], "done")


def test_a_session_gives_up_after_its_window() -> None:
    """Sixty seconds of rest, five minutes for the reading, then it ends without one."""
    session = guidance.start("s1", 0, TIMES)
    assert guidance.tick(session, 59, TIMES).stage == "resting"
    waiting = guidance.tick(session, 60, TIMES)
    assert guidance.tick(waiting, 360, TIMES).stage == "waiting"
    assert guidance.tick(waiting, 360.1, TIMES).stage == "given_up"
    assert guidance.stop(waiting).stage == "given_up"


def test_whoever_measures_before_the_rest_is_over_is_not_turned_away() -> None:
    """A reading during the rest counts."""
    session, mark = guidance.reading(guidance.start("s1", 0, TIMES), 140, 80, 5, TIMES)
    assert (mark.n, session.stage) == (1, "resting")


@given(st.lists(st.tuples(st.integers(60, 220), st.integers(40, 130)), min_size=1, max_size=6))
@settings(max_examples=100)
def test_a_session_always_ends(pressures: list[tuple[int, int]]) -> None:
    """Never more than three readings, and exactly the last one says `done`."""
    now, session, marks = 0.0, guidance.start("s1", 0, TIMES), []
    for sys, dia in pressures:
        if not session.open:
            break
        now += 60
        session, mark = guidance.reading(session, sys, dia, now, TIMES)
        marks.append(mark)
    assert len(marks) <= 3
    assert [bool(mark.done) for mark in marks] == [False] * (len(marks) - 1) + [not session.open]


@pytest.mark.parametrize(
    ("sys", "dia", "profile", "expected"),
    [
        (179, 109, "cn", None),
        (180, 80, "cn", "severe"),
        (150, 110, "cn", "severe"),
        (150, 112, "us_uk", None),
        (180, 80, "us_uk", None),
        (181, 80, "us_uk", "severe"),
        (200, 80, "cn", "emergency"),
        (150, 120, "us_uk", "emergency"),
        (89, 60, "cn", "low"),
        (90, 60, "cn", None),
        (None, None, "cn", None),
    ],
)
def test_safety_09_the_edge_knows_its_limits(
    sys: int | None, dia: int | None, profile: str, expected: str | None
) -> None:
    """Without a hub the limits of the dictionary hold: the profile's severe line, 200/120, 90."""
    assert level(sys, dia, profile) == expected


def test_safety_17_advice_is_to_rest_measure_again_and_call() -> None:
    """Every advice names the telephone number in both languages and never a change of a drug;
    what is said of a missed dose is not to take it."""
    for advice in ADVICE.values():
        assert set(advice) == set(LANGUAGES)
        assert all("{number}" in words for words in advice.values())
        assert "measure again" in advice["en"] or "rest" in advice["en"].lower()
        drugs = ("药", "pill", "tablet", "medicine", "dose", "加量", "double")
        assert not any(word in words for words in advice.values() for word in drugs)
    assert "do not take it now" in MISSED_ADVICE["en"]
