"""What a node keeps: never less than the hub has not receipted, whatever happens in between."""

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from firmware_sim.fleet.message import Message
from firmware_sim.fleet.outbox import Outbox, ranges, without

BOOT = 7
NUMBERS = st.sets(st.integers(0, 60))


@given(NUMBERS)
def test_ranges_hold_the_numbers_and_no_others(numbers: set[int]) -> None:
    """They are in order, apart from each other, and say the same."""
    found = ranges(numbers)
    assert {n for low, high in found for n in range(low, high + 1)} == numbers
    assert all(high + 1 < low for (_, high), (low, _) in itertools.pairwise(found))


@given(NUMBERS, st.integers(0, 30), st.integers(0, 30))
def test_what_is_gone_is_what_is_not_there(numbers: set[int], first: int, more: int) -> None:
    """Both together are the range that was asked for."""
    last = first + more
    there = ranges(n for n in numbers if first <= n <= last)
    gone = without(first, last, there)
    of_gone = {n for low, high in gone for n in range(low, high + 1)}
    assert of_gone == set(range(first, last + 1)) - numbers


class Keeping(RuleBasedStateMachine):
    """A node, a network that loses, and a hub that takes some of it: checked against plain sets."""

    def __init__(self) -> None:
        super().__init__()
        self.box = Outbox(BOOT)
        self.now = 0.0
        self.made: set[int] = set()
        self.left: set[int] = set()
        self.settled: set[int] = set()

    def send(self, message: Message) -> None:
        self.box.sent(message, self.now)
        self.left.add(message.seq)

    @rule(held=st.booleans(), event=st.booleans())
    def make(self, held: bool, event: bool) -> None:
        message = Message(self.box.next_seq, "event" if event else "single", 1000)
        self.box.keep(message)
        self.made.add(message.seq)
        if not held:
            self.send(message)
        elif event:
            self.box.urgent.append(message)
        else:
            self.box.hold(message)

    @rule(count=st.integers(1, 5))
    def pump(self, count: int) -> None:
        while (message := self.box.first_of(self.box.urgent)) is not None:
            assert message is self.box.urgent.popleft()
            self.send(message)
        for _ in range(count):
            message = self.box.from_backlog()
            if message is not None:
                self.send(message)

    @rule()
    def cut(self) -> None:
        self.box.cut()

    @rule(seconds=st.floats(0.0, 100.0))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.box.overdue(self.now, 60.0)

    @rule(upto=st.integers(-1, 20), also=st.lists(st.tuples(st.integers(0, 30), st.integers(0, 5))))
    def receipt(self, upto: int, also: list[tuple[int, int]]) -> None:
        spans = [(first, first + more) for first, more in also]
        covered = {n for n in self.made if n <= upto or any(a <= n <= b for a, b in spans)}
        open_ = self.made - self.settled
        told = self.box.settle(BOOT, upto, spans)
        assert {m.seq for m in told.messages} == covered & open_ & self.left
        assert ranges(m.seq for m in told.messages) == told.ranges
        assert told.unsent == len((covered & open_) - self.left)
        self.settled |= covered & self.left

    @precondition(lambda self: self.made)
    @rule(data=st.data())
    def refuse(self, data: st.DataObject) -> None:
        seq = data.draw(st.sampled_from(sorted(self.made)))
        assert (self.box.drop(BOOT, seq) is None) == (seq in self.settled)
        self.settled.add(seq)
        self.left.add(seq)

    @rule(upto=st.integers(0, 30))
    def receipt_of_another_boot(self, upto: int) -> None:
        assert self.box.settle(BOOT + 1, upto, ()).messages == []

    @rule(first=st.integers(0, 20), more=st.integers(0, 10))
    def resend(self, first: int, more: int) -> None:
        there = self.box.resend(first, first + more).ranges
        asked = set(range(first, first + more + 1))
        assert {n for a, b in there for n in range(a, b + 1)} == asked & (self.made - self.settled)

    @invariant()
    def keeps_what_is_not_settled(self) -> None:
        assert self.box.kept == len(self.made - self.settled)
        assert self.box.open == len((self.made & self.left) - self.settled)

    def teardown(self) -> None:
        """After the last trouble everything can still leave, exactly once a round."""
        self.box.cut()
        self.now += 1000.0
        self.box.overdue(self.now, 60.0)
        leaving = []
        while (message := self.box.first_of(self.box.urgent)) is not None:
            leaving.append(self.box.urgent.popleft().seq)
        while (message := self.box.from_backlog()) is not None:
            leaving.append(message.seq)
        assert sorted(leaving) == sorted(self.made - self.settled)


TestKeeping = Keeping.TestCase
TestKeeping.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)


def test_the_backlog_goes_from_its_oldest_on_and_says_what_it_is() -> None:
    """What was never sent is marked as backlog, what comes again is what it was."""
    box = Outbox(BOOT)
    for seq in range(4):
        box.keep(Message(seq, "single", 1000 + seq))
    first, second, third, fourth = (box._kept[seq] for seq in range(4))
    box.sent(second, 0.0)
    box.hold(fourth)
    box.hold(first)
    box.hold(third)
    box.cut()
    leaving = []
    while (message := box.from_backlog()) is not None:
        leaving.append((message.seq, message.hist))
    assert leaving == [(0, True), (1, False), (2, True), (3, True)]
