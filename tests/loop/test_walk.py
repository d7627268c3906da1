"""`hearthbeat demo --check` passes, and without a room it fails and names the missing hop."""

import pytest

from tests.loop.conftest import Walks

pytestmark = [pytest.mark.loop, pytest.mark.timeout(600)]


def test_the_whole_loop_is_walked(walks: Walks) -> None:
    """Every hop of both loops on real parts."""
    code, output = walks.result(None)
    assert code == 0, output
    assert "all 30 hops" in output
    assert "missing" not in output


@pytest.mark.parametrize(
    ("room", "hop"),
    [
        ("ingest", "ingest: the node's birth and state are stored"),
        ("downlink", "downlink: the robot asks about symptoms"),
        ("alerts", "alerts: episode waits for the repeat"),
        ("care", "care: the API answers"),
    ],
)
def test_without_a_room_the_walk_names_the_missing_hop(walks: Walks, room: str, hop: str) -> None:
    """A hop that is missing is named, and the exit code says so."""
    code, output = walks.result(room)
    assert code == 1, output
    assert f"missing hop: {hop}" in output
