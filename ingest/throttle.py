"""Stage: who sends too often. Beyond the soft rates everything is kept and the sender is asked to
slow down (W5101); beyond the hard ones, far above, messages are refused for now (E5101).

A call for help is never refused, and what the broker held back while the hub was away is not the
sender's haste: until that has drained nothing is counted. See docs/adr/0007.
"""

from collections.abc import Callable, Mapping
from math import ceil
from types import MappingProxyType
from typing import Any, Final

import msgspec
from msgspec import Struct

from contract import messages, topics
from contract.errors import Defect, defect
from contract.topics import UP_KINDS
from ingest.catch_up import CatchUp
from ingest.entry import Checked, Decoded
from ingest.mqtt_session import Arrival
from ingest.numbers import glimpse_of
from ingest.rate import Buckets, Rate

SLOW_DOWN: Final = "W5101"
TOO_FAST: Final = "E5101"
_EVENT: Final = "event"
_DIAG: Final = "diag"
_OBS: Final = "obs"
_HIST: Final = "hist"
_OTHER: Final = "other"

SOFT: Final[Mapping[str, Rate]] = MappingProxyType(
    {
        _OBS: Rate(2, 20),
        _HIST: Rate(20, 100),
        "wave": Rate(2, 20),
        _EVENT: Rate(10 / 60, 10),
        _DIAG: Rate(1, 10),
        _OTHER: Rate(5, 50),  # acknowledgements, results, states, reports
    }
)


class Limits(Struct, frozen=True, kw_only=True):
    """The rates per node. `soft` by kind; `hard` for each kind; samples over all kinds."""

    soft: Mapping[str, Rate] = SOFT
    hard: Rate = Rate(1_000, 20_000)
    soft_samples: Rate = Rate(2_000, 40_000)
    hard_samples: Rate = Rate(50_000, 1_000_000)
    remembered: int = 100_000


class Haste(Struct, frozen=True):
    """What a message was too hasty for. `after` is in whole seconds."""

    reason: Defect
    after: int
    dropped: bool = False


class Throttle:
    """Counts what each node sends."""

    def __init__(
        self, limits: Limits, *, monotonic: Callable[[], float], catch_up: CatchUp
    ) -> None:
        self._limits = limits
        self._monotonic = monotonic
        self._catch_up = catch_up
        self._soft = {k: Buckets(r, limit=limits.remembered) for k, r in limits.soft.items()}
        self._hard = Buckets(limits.hard, limit=limits.remembered)
        self._soft_samples = Buckets(limits.soft_samples, limit=limits.remembered)
        self._hard_samples = Buckets(limits.hard_samples, limit=limits.remembered)
        self._few_samples = _few(limits)
        self._counted_at: float | None = None

    def batch_of(self, in_hand: int) -> None:
        """A batch was taken; so many messages are in hand."""
        self._catch_up.taken(in_hand)
        self._counted_at = None if self._catch_up.going_on else self._monotonic()

    def leisurely(self, node: str, obs: Any) -> bool:
        """Whether a proven batch of measurements (contract.strict) is well within every rate; then
        it is counted. If not it is not, and has to be looked at closely.

        One bucket tells: with so few samples a message, who keeps the soft rate of messages keeps
        all the others, wherever those allow more.
        """
        if self._counted_at is None:
            return True
        series = obs.ser
        samples = _proven_samples(series[0])
        if len(series) > 1:
            samples = sum([_proven_samples(one) for one in series])
        if samples > self._few_samples:
            return False
        return self._soft[_HIST if obs.hist else _OBS].leisurely(node, self._counted_at)

    def at_the_door(self, arrival: Arrival) -> Haste | None:
        """Looked at before anything is decoded: is this message far too much?"""
        topic = arrival.topic.split("/")
        if len(topic) != 5 or topic[4] == _EVENT or self._catch_up.going_on:
            return None
        kind = topic[4] if topic[4] in UP_KINDS else _OTHER
        after = self._hard.take(f"{topic[3]}/{kind}", self._monotonic())
        return self._refused(f"more than {self._limits.hard.per_s:g} messages a second", after)

    def inside(self, checked: Checked) -> Haste | None:
        """The same of a message that was understood: of its kind, and of what it holds."""
        said = checked.decoded
        if said.node is None or self._catch_up.going_on:
            return None
        now = self._monotonic()
        samples = _samples(checked)
        if samples:
            after = self._hard_samples.take(said.node, now, samples)
            if after:
                rate = self._limits.hard_samples.per_s
                return self._refused(f"more than {rate:g} samples a second", after)
        return self._soft_haste(checked, said.node, samples, now)

    def _refused(self, msg: str, after: float) -> Haste | None:
        if not after:
            return None
        return Haste(defect(TOO_FAST, "", msg), ceil(after))

    def _soft_haste(self, checked: Checked, node: str, samples: int, now: float) -> Haste | None:
        kind, name = _bucket(checked, node)
        rate = self._limits.soft[kind]
        after = self._soft[kind].charge(name, now)
        msg = f"more than {_said(rate)} of {kind}"
        later = self._soft_samples.charge(node, now, samples) if samples else 0.0
        if later > after:
            after, msg = later, f"more than {self._limits.soft_samples.per_s:g} samples a second"
        if not after:
            return None
        return Haste(defect(SLOW_DOWN, "", msg), ceil(after), dropped=kind == _DIAG)


def refused_at_the_door(arrival: Arrival, haste: Haste) -> Checked:
    """A message nobody looked into: neither counted nor kept, it is to come again. Its sender is
    told which one, as far as a glimpse shows it."""
    topic = topics.parse(arrival.topic)
    numbers = glimpse_of(arrival.payload)
    said = Decoded(
        arrival=arrival,
        node=topic.node if topic else None,
        kind=topic.kind if topic else "",
        boot=numbers.boot,
        seq=numbers.seq,
        defects=(haste.reason,),
    )
    return Checked(decoded=said, defects=(haste.reason,), after=haste.after)


def with_haste(checked: Checked, haste: Haste | None) -> Checked:
    """The message with what was too hasty about it."""
    if haste is None:
        return checked
    if haste.dropped:
        return msgspec.structs.replace(checked, after=haste.after, let_go=True)
    if haste.reason.code == TOO_FAST:
        return Checked(decoded=checked.decoded, defects=(haste.reason,), after=haste.after)
    return msgspec.structs.replace(
        checked, warnings=(*checked.warnings, haste.reason), after=haste.after
    )


def _said(rate: Rate) -> str:
    if rate.per_s >= 1:
        return f"{rate.per_s:g} messages a second"
    return f"{rate.per_s * 60:g} messages a minute"


def _bucket(checked: Checked, node: str) -> tuple[str, str]:
    """Which soft rate counts, and for whom: a waveform's for each of its devices and channels."""
    message, kind = checked.decoded.message, checked.decoded.kind
    if isinstance(message, messages.Obs | messages.Wave) and message.hist:
        return _HIST, node
    if isinstance(message, messages.Wave):
        return "wave", f"{node}/{message.dev or ''}/{'+'.join(message.ch)[:64]}"
    return (kind if kind in (_OBS, _EVENT, _DIAG) else _OTHER), node


def _few(limits: Limits) -> float:
    """How many samples a message may have if the soft rates of messages are to bound the others."""
    of_messages = [limits.soft[_OBS], limits.soft[_HIST]]
    if any(r.per_s > limits.hard.per_s or r.burst > limits.hard.burst for r in of_messages):
        return 0.0
    return min(
        samples / sum(rates)
        for limit in (limits.soft_samples, limits.hard_samples)
        for samples, rates in (
            (limit.per_s, [rate.per_s for rate in of_messages]),
            (limit.burst, [rate.burst for rate in of_messages]),
        )
    )


def _proven_samples(series: Any) -> int:
    if series.o is not None:
        return len(series.o)
    parts = series.columns(series.c) if series.named else (series.y,)
    return sum(len(part) for part in parts if part is not None)


def _samples(checked: Checked) -> int:
    """Of what is there, never of what a message only claims: a wrong `n` owes nothing."""
    observation, message = checked.observation, checked.decoded.message
    if observation is not None:
        return len(observation.readings) + sum(len(b.samples) for b in observation.blocks)
    if checked.chunk is not None and isinstance(message, messages.Wave):
        return message.n * len(message.ch)
    return 0
