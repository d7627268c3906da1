"""The plan of faults: the same for a seed, one fault at a time, all of them in turn."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.soak import plan

NAMES = st.lists(st.sampled_from(sorted(plan.BY_NAME)), min_size=1, unique=True)


@given(st.integers(), st.floats(5, 7200), NAMES)
def test_a_plan_is_repeatable_and_has_one_fault_at_a_time(seed, seconds, names):
    """Same seed, same plan; each ends before the next begins, and within the run."""
    planned = plan.plan(seed, seconds, names)
    assert planned == plan.plan(seed, seconds, names)
    end = 0.0
    for one in planned:
        assert one.at_s >= end
        assert one.name in names
        assert one.lasts_s <= plan.BY_NAME[one.name].longest_s
        end = one.at_s + one.lasts_s
    assert end <= seconds + 0.1


@given(st.integers(), NAMES)
def test_each_fault_comes_once_before_any_comes_twice(seed, names):
    """An hour has room for all."""
    planned = [one.name for one in plan.plan(seed, 3600, names)]
    assert set(planned[: len(names)]) == set(names)


def test_names_are_read_and_refused():
    """all, none, a list; a wrong name says which there are."""
    assert plan.chosen("none") == ()
    assert plan.chosen("all") == tuple(plan.BY_NAME)
    assert plan.chosen("cut, kill-ingest,cut") == ("cut", "kill-ingest")
    with pytest.raises(plan.UnknownFaultError, match=r"meteor.*kill-ingest"):
        plan.chosen("cut,meteor")
    with pytest.raises(plan.UnknownFaultError):
        plan.chosen(",")


def test_kill_points_take_the_victims_in_turn():
    """Twenty kills of three victims, in the order of time, within the run."""
    points = plan.kill_points(3, 20, 10.0, ["kill-ingest", "kill-broker", "kill-postgres"])
    assert len(points) == 20
    assert [p.at_s for p in points] == sorted(p.at_s for p in points)
    assert all(0.0 < p.at_s < 10.0 for p in points)
    assert sum(p.name == "kill-ingest" for p in points) == 7
