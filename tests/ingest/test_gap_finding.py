"""Which numbers are missing: the same in the end, whatever the order, and never too soon."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from ingest.gap_finding import FORGETS, look
from store.gap import Hole, Island

T0 = datetime(2026, 3, 4, 8, tzinfo=UTC)
QUIET = timedelta(minutes=3)


def at(seconds: float) -> datetime:
    """So many seconds after the beginning."""
    return T0 + timedelta(seconds=seconds)


def islands(arrived: dict[int, datetime], since: int = 0) -> list[Island]:
    """What the database says: unbroken ranges from a number on."""
    found: list[list[int]] = []
    for seq in sorted(seq for seq in arrived if seq >= since):
        if found and found[-1][-1] == seq - 1:
            found[-1].append(seq)
        else:
            found.append([seq])
    return [
        Island(one[0], one[-1], arrived[one[0]], arrived[one[-1]], max(arrived[n] for n in one))
        for one in found
    ]


def pairs(holes: Sequence[Hole]) -> list[tuple[int, int]]:
    """Just the numbers."""
    return [(hole.low, hole.high) for hole in holes]


def test_a_hole_is_a_gap_after_the_quiet_time_and_not_before() -> None:
    """The look says when to look again."""
    came = islands({n: at(n) for n in (0, 1, 2, 6, 7)})
    young = look(-1, came, now=at(100), quiet=QUIET)
    assert (young.settled_to, young.holes, young.again_at) == (2, (), at(6) + QUIET)
    old = look(-1, came, now=at(6) + QUIET, quiet=QUIET)
    assert old.holes == (Hole(3, 5, at(2), at(6)),)
    assert (old.settled_to, old.again_at) == (7, None)


def test_a_backlog_that_still_comes_below_makes_everything_above_wait() -> None:
    """Oldest first: the first hole shrinks from its low end, the second is not touched yet."""
    arrived = {0: at(0), 100: at(10), 101: at(11), 200: at(12)}
    backlog = {n: at(1000 + n) for n in range(1, 50)}
    seen = look(-1, islands(arrived | backlog), now=at(1100), quiet=QUIET)
    assert (seen.settled_to, seen.holes) == (49, ())
    assert seen.again_at == at(1049) + QUIET
    later = look(49, islands(arrived | backlog, 49), now=at(2000), quiet=QUIET)
    assert pairs(later.holes) == [(50, 99), (102, 199)]


def test_a_boot_begins_at_zero_unless_its_beginning_is_forgotten() -> None:
    """Identities are kept for 60 days: what lies below one so old may have been there."""
    fresh = look(-1, islands({5: at(0)}), now=at(9999), quiet=QUIET)
    assert fresh.holes == (Hole(0, 4, None, at(0)),)
    forgotten = look(-1, islands({5: at(0), 9: at(1)}), now=at(0) + FORGETS * 2, quiet=QUIET)
    assert pairs(forgotten.holes) == [(6, 8)]


def test_a_count_that_jumps_is_one_hole() -> None:
    """However far."""
    seen = look(-1, islands({0: at(0), 2**53: at(1)}), now=at(9999), quiet=QUIET)
    assert pairs(seen.holes) == [(1, 2**53 - 1)]
    assert seen.settled_to == 2**53


@given(
    arrivals=st.lists(st.tuples(st.integers(0, 40), st.integers(0, 30)), min_size=1, max_size=60),
    looks=st.sets(st.integers(0, 2000), max_size=12),
    quiet_s=st.integers(0, 300),
)
def test_any_order_split_and_repetition_gives_the_same_gaps(
    arrivals: list[tuple[int, int]], looks: set[int], quiet_s: int
) -> None:
    """Messages come in any order, again, and in any rhythm; looks fall anywhere between them. In
    the end exactly the numbers below the highest that never came are missing, each once."""
    quiet = timedelta(seconds=quiet_s)
    arrived: dict[int, datetime] = {}
    settled_to, gaps, clock = -1, set[int](), 0
    schedule: list[tuple[int, int | None]] = [(moment, None) for moment in looks]
    for number, wait in arrivals:
        clock += wait
        schedule.append((clock, number))
    schedule.append((clock + quiet_s + 3000, None))
    for moment, seq in sorted(schedule, key=lambda one: (one[0], one[1] is None)):
        if seq is not None:
            arrived.setdefault(seq, at(moment))
            gaps.discard(seq)
            continue
        seen = look(settled_to, islands(arrived, max(settled_to, 0)), now=at(moment), quiet=quiet)
        new = {n for hole in seen.holes for n in range(hole.low, hole.high + 1)}
        assert not new & gaps
        assert not new & arrived.keys()
        settled_to, gaps = seen.settled_to, gaps | new
    assert gaps == set(range(max(arrived))) - arrived.keys()
    assert settled_to == max(arrived)
