"""When a dead process is started again, and when somebody is told; logs that stay bounded."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.logs import turn_over
from hub.restart import Deaths


def die(*deaths):
    state = Deaths()
    for at, lived in deaths:
        state = state.died(at, lived)
    return state


@pytest.mark.parametrize(
    ("deaths", "wait_s", "loud"),
    [
        ([(100, 1000)], 0.2, False),
        ([(100, 1000), (101, 1)], 0.4, False),
        ([(t, 1) for t in range(100, 104)], 1.6, False),
        ([(t, 1) for t in range(100, 105)], 3.2, True),
        ([(t, 1) for t in range(100, 130)], 15.0, True),
        ([(100, 1), (200, 100), (300, 100)], 0.2, False),
    ],
)
def test_restarts_slow_down_and_get_loud(deaths, wait_s, loud):
    """At once, then doubling to 15 s; five deaths in a minute are loud; a long life forgives."""
    state = die(*deaths)
    assert state.wait_s == pytest.approx(wait_s)
    assert state.loud is loud


@settings(max_examples=50)
@given(st.lists(st.floats(0, 200), min_size=1, max_size=40))
def test_it_never_gives_up_and_never_spins(lives):
    """Whatever the lives, the wait stays between 0.2 and 15 seconds."""
    at, state = 0.0, Deaths()
    for lived in lives:
        at += lived
        state = state.died(at, lived)
        assert 0.2 <= state.wait_s <= 15.0
        at += state.wait_s


def test_once_loud_it_stays_so_until_a_long_life():
    """Slow restarts of something still broken are no news, and no end of it either."""
    state = die(*((t, 1) for t in range(100, 106)))
    assert state.died(200, 15).loud
    assert not state.died(300, 90).loud


def test_a_long_log_is_turned_over_and_its_writer_goes_on(tmp_path):
    """The old text moves to `.1`, and what the writer says next stands in the file."""
    log = tmp_path / "ingest.log"
    with log.open("ab", buffering=0) as writer:
        writer.write(b"x" * 2000)
        assert turn_over(tmp_path, 1000) == ["ingest.log"]
        writer.write(b"next\n")
    assert log.read_bytes() == b"next\n"
    assert (tmp_path / "ingest.log.1").stat().st_size == 2000
    assert turn_over(tmp_path, 1000) == []


def test_a_full_disk_gets_its_room_back(tmp_path):
    """Where the old lines cannot be kept they are given up: the hub goes on."""
    (tmp_path / "ingest.log").write_bytes(b"x" * 2000)
    (tmp_path / "ingest.log.1").symlink_to("/dev/full")
    assert turn_over(tmp_path, 1000) == ["ingest.log"]
    assert (tmp_path / "ingest.log").stat().st_size == 0
