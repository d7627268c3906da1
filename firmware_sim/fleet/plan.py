"""What a node measures next, and what goes wrong with it: decided by the seed alone."""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple, TypeVar

from firmware_sim.fleet.chance import after, draw, share_of
from firmware_sim.fleet.content import BATCH, SAMPLES
from firmware_sim.fleet.ledger import NOT_COUNTED
from firmware_sim.fleet.message import Message, Sort, Twist
from firmware_sim.fleet.options import FleetOptions, Mischief, Mix

TENFOLD: Final = 10
_SALT_SORT: Final = 11
_SALT_TWIST: Final = 12
_SALT_WAY: Final = 13
# With shorter steps blocks that overlap would run out of instants of their own.
_PHASES: Final = 16
_LATEST: Final = 5
_LEAST_SHARE: Final = 0.02  # a ramp that began at nothing would never begin


T = TypeVar("T")


class Made(NamedTuple):
    """A new message, how often it is sent in a row, and how many later ones go before it."""

    message: Message
    copies: int = 1
    behind: int = 0


class Plan:
    """The next messages of one node. It remembers only what the next one must not repeat."""

    def __init__(
        self,
        place: tuple[int, int],
        mix: Mix,
        mischief: Mischief,
        *,
        sorts: frozenset[Sort],
        records: bool,
        block_step_ms: int,
    ) -> None:
        """`place` is (seed, number of the node); `sorts` is what its devices can measure."""
        self._chance = draw(*place)
        self._sorts = _steps(
            [(sort, weight) for sort, weight in _weights(mix) if sort in sorts], whole=True
        )
        self._twists = _steps(_twists(mischief))
        self._mischief = mischief
        self._badly = mischief.malformed + mischief.tenfold + mischief.late > 0
        self._records = records
        self._step_ms = block_step_ms
        self._span_ms = (SAMPLES - 1) * block_step_ms
        self._blocks = 0
        self._last: dict[Sort, int] = {}
        self._plain: tuple[int, int] | None = None
        self._count = 0

    def next(self, seq: int, planned_ms: int) -> Made | None:
        """The message planned for this instant; it takes `seq` unless it is `torn`. None: the
        node has no device for anything in the mix."""
        if not self._sorts:
            return None
        self._count += 1
        if self._badly:
            return self._perhaps_badly(seq, planned_ms)
        return Made(self._good(seq, planned_ms))

    def _perhaps_badly(self, seq: int, planned_ms: int) -> Made:
        drawn = after(after(self._chance, self._count), _SALT_WAY)
        dice, mischief = share_of(drawn), self._mischief
        if dice < mischief.malformed:
            if drawn & 1:
                return Made(Message(NOT_COUNTED, "torn", planned_ms + self._count % 2))
            return Made(Message(seq, "wrong", planned_ms))
        dice -= mischief.malformed
        message = self._good(seq, planned_ms)
        if dice < mischief.tenfold:
            return Made(message, copies=TENFOLD)
        if dice < mischief.tenfold + mischief.late:
            return Made(message, behind=1 + drawn % _LATEST)
        return Made(message)

    def _good(self, seq: int, planned_ms: int) -> Message:
        sort = self._sort()
        if sort == "single":
            return self._single(seq, planned_ms)
        if sort == "batch":
            return Message(seq, sort, self._later(sort, planned_ms, 0 if self._records else BATCH))
        if sort == "block":
            return Message(seq, sort, self._block_from(planned_ms - self._span_ms))
        return Message(seq, sort, planned_ms)

    def _sort(self) -> Sort:
        if len(self._sorts) == 1:
            return self._sorts[0][1]
        return (
            _chosen(self._sorts, share_of(after(after(self._chance, self._count), _SALT_SORT)))
            or "ack"
        )

    def _single(self, seq: int, planned_ms: int) -> Message:
        t = self._later("single", planned_ms, 0 if self._records else 1)
        twist = self._twist()
        if twist in ("fix", "conflict"):
            # Each pressure is said anew once at most, so that what must become of it is known.
            about, self._plain = self._plain, None
            return Message(seq, "single", t, twist=twist if about else "", about=about)
        if not twist:
            self._plain = (seq, t)
        return Message(seq, "single", t, twist=twist)

    def _twist(self) -> Twist:
        if not self._twists:
            return ""
        return (
            _chosen(self._twists, share_of(after(after(self._chance, self._count), _SALT_TWIST)))
            or ""
        )

    def _block_from(self, planned_ms: int) -> int:
        """Blocks that happen to lie over each other have no instant in common: none of their
        samples is said twice."""
        self._blocks += 1
        if self._step_ms < _PHASES:
            return self._later("block", planned_ms, self._span_ms + self._step_ms)
        t = self._later("block", planned_ms, 1)
        t += (self._blocks - t) % self._step_ms
        self._last["block"] = t
        return t

    def _later(self, sort: Sort, planned_ms: int, gap_ms: int) -> int:
        """The planned time, or the next one that gives readings an identity of their own."""
        t = max(planned_ms, self._last.get(sort, 0) + gap_ms)
        self._last[sort] = t
        return t


def _weights(mix: Mix) -> list[tuple[Sort, float]]:
    return [
        ("single", mix.single),
        ("batch", mix.batch),
        ("block", mix.block),
        ("event", mix.event),
        ("ack", mix.ack),
    ]


def _twists(mischief: Mischief) -> list[tuple[Twist, float]]:
    return [
        ("1970", mischief.clock_1970),
        ("2099", mischief.clock_2099),
        ("tomorrow", mischief.clock_tomorrow),
        ("clockless", mischief.clock_none),
        ("fix", mischief.fix),
        ("conflict", mischief.conflict),
    ]


def _steps(weights: Sequence[tuple[T, float]], *, whole: bool = False) -> list[tuple[float, T]]:
    """Upper ends of each choice in [0, 1); `whole`: the weights are taken relative to their sum."""
    total = sum(weight for _, weight in weights) if whole else 1.0
    ends, end = [], 0.0
    for choice, weight in weights:
        if weight > 0:
            end += weight / total
            ends.append((end, choice))
    return ends


def _chosen(steps: Sequence[tuple[float, T]], dice: float) -> T | None:
    for end, choice in steps:
        if dice < end:
            return choice
    return None


def instants(options: FleetOptions) -> Iterator[float]:
    """When each new message is due, in seconds from the start, without an end."""
    at = 0.0
    while True:
        yield at
        at += 1.0 / rate_at(options, at)


def rate_at(options: FleetOptions, at: float) -> float:
    """Messages a second so many seconds after the start."""
    rate = options.rate
    if at < options.ramp_s:
        return rate * max(_LEAST_SHARE, at / options.ramp_s)
    in_burst = at >= options.burst_every_s and at % options.burst_every_s < options.burst_s
    return rate * options.burst_factor if in_burst else rate
