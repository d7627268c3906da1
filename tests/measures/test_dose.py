"""A dose's state: the same for every order and repetition of what was said of it."""

import itertools
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from measures.dose import FINAL, SAID, STATES, Report, next_state, settle

DUE = datetime(2026, 11, 23, 0, 0, tzinfo=UTC)
END = DUE + timedelta(hours=1)
IN, AFTER = DUE + timedelta(minutes=5), END + timedelta(minutes=5)


@pytest.mark.parametrize(
    ("current", "said", "at", "state"),
    [
        ("scheduled", "received", IN, "received"),
        ("received", "shown", IN, "shown"),
        ("shown", "snoozed", IN, "snoozed"),
        ("snoozed", "shown", IN, "snoozed"),  # what came before does not come again
        ("shown", "taken", IN, "taken"),
        ("scheduled", "taken", IN, "taken"),  # the steps between may be lost
        ("shown", "taken", END, "taken"),  # the end of the window is in it
        ("shown", "taken", AFTER, "late_taken"),
        ("shown", "late_taken", IN, "taken"),  # its time tells, not the word
        ("shown", "late_taken", AFTER, "late_taken"),
        ("shown", "skipped", IN, "skipped"),
        ("shown", "missed", AFTER, "missed"),
        ("shown", "failed", IN, "failed"),
        ("missed", "taken", IN, "taken"),  # said late, taken in time
        ("missed", "taken", AFTER, "late_taken"),
        ("missed", "skipped", IN, "skipped"),
        ("missed", "shown", IN, "missed"),
        ("taken", "missed", AFTER, "taken"),
        ("taken", "skipped", AFTER, "taken"),
        ("taken", "taken", AFTER, "taken"),
        ("late_taken", "missed", AFTER, "late_taken"),
        ("skipped", "missed", AFTER, "skipped"),
        ("skipped", "taken", IN, "taken"),  # a tablet in the body is a fact
        ("withdrawn", "shown", IN, "withdrawn"),
        ("withdrawn", "skipped", IN, "withdrawn"),
        ("withdrawn", "taken", IN, "taken"),  # taken before the device heard of it
        ("shown", "levitated", IN, "shown"),  # a word of a newer device changes nothing
    ],
)
def test_one_report(current: str, said: str, at: datetime, state: str) -> None:
    """What one more report makes of a dose."""
    assert next_state(current, said, at=at, window_to=END) == state


REPORTS = st.lists(
    st.builds(
        Report,
        state=st.sampled_from([*sorted(SAID), "withdrawn", "levitated"]),
        at=st.sampled_from([IN, IN + timedelta(minutes=1), END, AFTER]),
        by=st.sampled_from([None, "button", "voice"]),
    ),
    max_size=6,
)


def after(reports: list[Report]) -> str:
    """The state after the reports, one by one."""
    state = "scheduled"
    for report in reports:
        state = next_state(state, report.state, at=report.at, window_to=END)
    return state


@settings(max_examples=200, deadline=None)
@given(reports=REPORTS, data=st.data())
def test_order_and_repetition_change_nothing(reports: list[Report], data: st.DataObject) -> None:
    """Any permutation, with any of them repeated: the same state, and the same report to stand
    by, which is the one all of them together settle on."""
    again = data.draw(st.lists(st.sampled_from(reports), max_size=4)) if reports else []
    shuffled = data.draw(st.permutations(reports + again))
    assert after(shuffled) == after(reports)
    settled = settle(shuffled, window_to=END)
    assert settled == settle(reports, window_to=END)
    assert after(reports) == (settled.state if settled else "scheduled")


@settings(max_examples=100, deadline=None)
@given(reports=REPORTS)
def test_a_dose_never_opens_again(reports: list[Report]) -> None:
    """Once final, final; once taken, taken; and the rank never falls."""
    path = ["scheduled"]
    for report in reports:
        path.append(next_state(path[-1], report.state, at=report.at, window_to=END))
    for before, later in itertools.pairwise(path):
        assert STATES.index(later) >= STATES.index(before)
        assert before not in FINAL or later in FINAL
        assert before != "taken" or later == "taken"


def test_among_equals_the_earliest_stands() -> None:
    """The time shown for a dose is when it was first taken, by whom it was said first."""
    early, late = Report("taken", IN, "voice"), Report("taken", END, "button")
    assert settle([late, early], window_to=END) == early
    assert settle([], window_to=END) is None
