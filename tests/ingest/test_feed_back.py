"""What is told, how often: merged, counted, bounded, and what is only deprecated hardly at all."""

import msgspec

from contract import codec, messages
from contract.errors import Defect, defect
from ingest.entry import Entry, Outcome
from ingest.feed_back import FeedBack
from ingest.mqtt_outbox import Outgoing
from ingest.mqtt_session import Arrival
from runtime.clock import SystemClock

CLOCK = SystemClock()


class Bench:
    """A FeedBack whose time is turned by hand, and what it said."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.said: list[messages.Feedback] = []
        self.feed_back = FeedBack(
            self._take, clock=CLOCK, monotonic=lambda: self.now, merge_s=10.0, expiry_s=60
        )

    def _take(self, outgoing: Outgoing) -> None:
        said = codec.decode_down("fb", outgoing.payload)
        assert isinstance(said, messages.Feedback)
        self.said.append(said)

    def hear(self, *reasons: Defect, node: str = "testnode1", after: int | None = None) -> None:
        """One message with these remarks."""
        entry = Entry(
            arrival=Arrival("t", b"", CLOCK.now()), node=node, kind="obs", warnings=reasons,
            after=after,
        )  # fmt: skip
        self.feed_back.say([Outcome(entry=entry, fresh=True, warnings=reasons)])

    def wait(self, seconds: float) -> None:
        """Let time pass, with the flushing that goes on in it."""
        for _ in range(int(seconds)):
            self.now += 1
            self.feed_back._flush()


def test_a_deprecation_is_told_once_an_hour() -> None:
    """However often it comes; then with its number. What is wrong is told as ever meanwhile."""
    bench = Bench()
    old = defect("W1001", "/ser/0/old")
    for _ in range(100):
        bench.hear(old)
        bench.wait(30)
    assert [fb.n for fb in bench.said] == [1]
    bench.hear(defect("E3101", "/ser/0/y/0"))
    assert [fb.code for fb in bench.said] == ["W1001", "E3101"]
    bench.wait(700)
    assert [(fb.code, fb.n) for fb in bench.said][2:] == [("W1001", 99)]
    bench.wait(3601)
    bench.hear(old)
    assert [fb.n for fb in bench.said if fb.code == "W1001"] == [1, 99, 1]


def test_many_deprecations_take_no_room_from_what_is_wrong() -> None:
    """A node with dozens of outdated places still hears each of its mistakes at its place."""
    bench = Bench()
    for n in range(40):
        bench.hear(defect("W1001", f"/ser/{n}"))
    bench.said.clear()
    bench.hear(defect("E3102", "/ser/7/u"))
    bench.hear(defect("E3102", "/ser/8/u"))
    assert [fb.path for fb in bench.said] == ["/ser/7/u", "/ser/8/u"]


def test_what_was_to_be_waited_for_runs_down() -> None:
    """Told at once with its seconds; what is told together later names what is left of them."""
    bench = Bench()
    slow = defect("W5101", "")
    bench.hear(slow, after=20)
    bench.wait(4)
    bench.hear(slow, after=19)
    bench.wait(6)
    assert [(fb.after, fb.n) for fb in bench.said] == [(20, 1), (13, 1)]
    bench.hear(slow, after=3)
    bench.wait(12)
    assert [(fb.after, fb.n) for fb in bench.said][2:] == [(None, 1)]


def test_a_flood_of_places_is_bounded() -> None:
    """Ten thousand different places of one node: its first ones at their place, the rest by code;
    ten thousand nodes: each is told once."""
    bench = Bench()
    for n in range(10_000):
        bench.hear(defect("E2101", f"/ser/{n}"))
    assert len(bench.said) == 17
    bench.wait(10)
    assert len(bench.said) == 18
    assert sum(fb.n or 0 for fb in bench.said) == 10_000
    bench.said.clear()
    for n in range(10_000):
        bench.hear(defect("E2101", ""), node=f"node{n:05}")
    assert len(bench.said) == 10_000


def test_every_answer_fits_a_small_device() -> None:
    """With everything in it, a kilobyte or so."""
    bench = Bench()
    bench.hear(defect("E3101", "/ser/0/c/" + "x" * 600, got="9" * 500))
    assert len(msgspec.json.encode(bench.said[0])) < 2000
