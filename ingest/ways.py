"""Whom the series of a node concern, worked out once and not for every message: what the rows of
such series share, and from when until when a binding makes it so."""

from datetime import datetime
from typing import Any, Final, NamedTuple

from contract.instants import EPOCH, from_millis, to_millis
from contract.observation import context_of
from contract.strict import FLAG_BITS
from ingest.owner import PSEUDONYM, owner
from store import block_copy, message, reading_copy
from store.feed_columns import Said
from store.identity import NodeIdentity

_KIND: Final = "obs"
# Of free texts a device may send any number of different ones.
_SHAPES: Final = 64
_EVER: Final = (-(2**62), 2**62)
_ITSELF: Final = ""


class ReadingShape(NamedTuple):
    """Readings that share all but time and numbers, measured from `since` until `until` (ms)."""

    since: int
    until: int
    rows: reading_copy.Usual


class BlockShape(NamedTuple):
    """Blocks likewise, which start then."""

    since: int
    until: int
    rows: block_copy.Usual


Shape = ReadingShape | BlockShape


class Way:
    """A node in use, and the shapes of what it sends. It is believed while the watch hears in
    `session`, and `until` then (monotonic) all the same (ingest.identify)."""

    __slots__ = ("_shapes", "head", "node", "node_id", "session", "until")

    def __init__(self, node: NodeIdentity) -> None:
        self.node = node
        self.node_id = node.node_id
        self.session = 0
        self.until = 0.0
        self.head = message.head(node.node_id, _KIND)
        self._shapes: dict[tuple[object, ...], Shape | None] = {}

    def shape(self, series: Any, clock: str, at: int) -> Shape | None:
        """What a proven series (contract.strict) is like, measured at `at`; None: it is unusual."""
        if series.q is not None or series.ses is not None or series.fix:
            return None
        s, fl = series, series.fl
        flags = tuple(fl) if fl else None
        # One after the other in one line: this is looked up for every message.
        key = (s.k, s.dev, s.who, clock, s.o is None, s.pos, s.site, s.how, flags)
        shape = self._shapes.get(key)
        if shape is not None and shape.since <= at < shape.until:
            return shape
        if shape is None and key in self._shapes:
            return None
        if len(self._shapes) >= _SHAPES:
            self._shapes.clear()
        shape = self._shapes[key] = self._made(series, clock, at)
        return shape

    def _made(self, series: Any, clock: str, at: int) -> Shape | None:
        device = self.node.devices.get(series.dev)
        if device is None or (series.who and PSEUDONYM.fullmatch(series.who)):
            return None
        said = Said(
            device_id=device.device_id,
            node_id=self.node_id,
            kind=series.k,
            patient_id=owner(self.node, series.dev, series.who, from_millis(at), {}),
            flags=sum(FLAG_BITS[name] for name in set(series.fl or ())),
            clock=clock,
            who=series.who,
        )
        since, until = self._while_bound(series.dev, at)
        context = context_of(series, None)
        if series.o is None:
            return BlockShape(since, until, block_copy.Usual(said, context))
        return ReadingShape(since, until, reading_copy.Usual(said, context))

    def _while_bound(self, dev: str, at: int) -> tuple[int, int]:
        """The time around `at` in which no binding that counts here begins or ends."""
        since, until = _EVER
        for name in (dev, _ITSELF):
            device = self.node.devices.get(name)
            for binding in device.bindings if device else ():
                for edge in (binding.since, binding.until):
                    if edge is None:
                        continue
                    first = _first_from(edge)
                    if first <= at:
                        since = max(since, first)
                    else:
                        until = min(until, first)
        return since, until


def _first_from(edge: datetime) -> int:
    """The first millisecond that is not before it."""
    return -to_millis(EPOCH + (EPOCH - edge))


def way_of(node: NodeIdentity | None, at: datetime) -> Way | None:
    """The way of a node; None where its messages are looked at one by one: it is unknown, out of
    use, or in developer mode."""
    if node is None or node.revoked or (node.dev_until is not None and at < node.dev_until):
        return None
    return Way(node)
