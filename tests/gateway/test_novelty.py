"""Which records are new, through shifting memories, equal frames and another user's memory."""

from collections import Counter
from datetime import datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.drivers.driver import MeterRecord
from gateway.novelty import new_records, overlap


def record(minute: int, sys: int) -> MeterRecord:
    """A record of one minute; equal arguments are equal bytes."""
    return MeterRecord(
        k="bp",
        values={"sys": float(sys), "dia": 80.0, "pr": None},
        local=datetime(2026, 3, 4, 8, minute),  # noqa: DTZ001 - the meter's own clock
        raw=bytes((minute, sys)),
    )


class Taker:
    """Takes what is new from one reading of the memory to the next, as the gateway does."""

    def __init__(self) -> None:
        self.before: list[bytes] = []
        self.seen: Counter[bytes] = Counter()
        self.minutes: Counter[datetime | None] = Counter()
        self.identities: list[tuple[datetime | None, int, bytes]] = []

    def read(self, memory: list[MeterRecord]) -> list[bytes]:
        """Read the memory; the frames taken."""
        new = new_records(
            memory,
            before=self.before,
            seen=self.seen,
            next_ordinal=lambda r: self.minutes[r.local],
        )
        for one in new:
            self.seen[one.record.raw] += 1
            self.minutes[one.record.local] += 1
            self.identities.append((one.record.local, one.ordinal, one.record.raw))
        self.before = [r.raw for r in memory]
        return [one.record.raw for one in new]


@given(st.lists(st.sampled_from([(0, 0), (0, 1), (1, 0), (1, 1)]), max_size=25), st.integers(3, 8))
@settings(max_examples=150)
def test_every_measurement_is_taken_once_though_many_look_alike(
    steps: list[tuple[int, int]], capacity: int
) -> None:
    """Read after each measurement: equal bytes, shifting memory, still each exactly once, and no
    two share a minute and an ordinal. (Only a full memory of nothing but equal records hides.)"""
    taker, history, minute = Taker(), list[MeterRecord](), 0
    for forward, sys in steps:
        minute += forward
        history.append(record(minute, sys))
        memory = history[-capacity:]
        alike = len(memory) == capacity and len({r.raw for r in memory}) == 1
        before = history[:-1][-capacity:]
        if alike and len(before) == capacity and len({r.raw for r in before}) == 1:
            return
        assert taker.read(memory) == [history[-1].raw]
        assert taker.read(memory) == []
    kept = [(minute, ordinal) for minute, ordinal, _ in taker.identities]
    assert len(set(kept)) == len(history)


@given(st.lists(st.integers(0, 5), max_size=12))
@settings(max_examples=100)
def test_several_at_once_are_taken_in_order(steps: list[int]) -> None:
    """Whatever came since the last look, as long as it fits the memory, is taken in order."""
    taker, history, taken = Taker(), list[MeterRecord](), list[bytes]()
    for count in steps:
        history.extend(record(len(history) + n, 140) for n in range(count))
        taken += taker.read(history[-6:])
    assert taken == [one.raw for one in history]


def test_equal_frames_in_one_minute_are_two_measurements() -> None:
    """Two equal records are two, with ordinals 0 and 1."""
    taker = Taker()
    twin = record(1, 140)
    assert taker.read([twin]) == [twin.raw]
    assert taker.read([twin, twin]) == [twin.raw]
    assert taker.read([twin, twin]) == []
    assert [ordinal for _, ordinal, _ in taker.identities] == [0, 1]


def test_ordinals_stay_when_the_memory_shifts() -> None:
    """The older twin of a minute falls out of the memory; a third keeps counting."""
    taker = Taker()
    taker.read([record(1, 140), record(1, 141)])
    taker.read([record(1, 141), record(1, 142)])
    assert [(ordinal, raw[1]) for _, ordinal, raw in taker.identities] == [
        (0, 140),
        (1, 141),
        (2, 142),
    ]


def test_another_users_memory_and_back() -> None:
    """Switching the meter to another user shows other records; switching back shows no news."""
    taker = Taker()
    mine, theirs = [record(1, 140), record(2, 150)], [record(1, 120)]
    assert len(taker.read(mine)) == 2
    assert len(taker.read(theirs)) == 1
    assert taker.read(mine) == []
    assert taker.read([*mine, record(3, 144)]) == [record(3, 144).raw]


def test_a_cleared_memory_is_no_news() -> None:
    """An empty memory takes nothing and loses nothing."""
    taker = Taker()
    taker.read([record(1, 140)])
    assert taker.read([]) == []
    assert taker.read([record(2, 140)]) == [record(2, 140).raw]


def test_overlap_is_the_longest() -> None:
    """The end of before is the beginning of now."""
    a, b, c = b"a", b"b", b"c"
    assert overlap([a, b, c], [b, c, a]) == 2
    assert overlap([a, a, a], [a, a, a]) == 3
    assert overlap([a], [b]) == 0
    assert overlap([], [a]) == 0
