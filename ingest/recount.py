"""Whose old count is to be forgotten, and what of the new one came with the news. Pure."""

from collections.abc import Sequence
from typing import NamedTuple

from ingest.entry import Outcome
from ingest.mqtt_session import Arrival
from ingest.usual import Usual
from store.message import Incoming, Key


class Recount(NamedTuple):
    """Messages that used the numbers of a boot again; and what came after the first of them within
    the same batch, so that it is of the new count too."""

    again: list[Incoming]
    kept: list[Key]


def recount(outcomes: Sequence[Outcome], copied: Usual, batch: Sequence[Arrival]) -> Recount:
    """What a batch says of that: `outcomes` and what was `copied` are parts of it, and `batch` is
    the order in which it came."""
    again: list[Incoming] = []
    first: dict[tuple[str, int], int] = {}
    if not any(outcome.recounts for outcome in outcomes):
        return Recount(again, [])
    order = {id(arrival): n for n, arrival in enumerate(batch)}
    for outcome in outcomes:
        entry = outcome.entry
        if outcome.recounts and entry.key is not None:
            again.append(Incoming(entry.key, entry.kind, entry.digest, entry.arrival.received_at))
            at = order.get(id(entry.arrival), len(order))
            first[entry.key[:2]] = min(at, first.get(entry.key[:2], at))
    new = [(o.entry.arrival, o.entry.key) for o in outcomes if o.fresh and not o.recounts]
    new += [(one.arrival, one.key) for one in copied.messages]
    kept = [
        key
        for arrival, key in new
        if key is not None
        and order.get(id(arrival), -1) > first.get((key.node_id, key.boot), len(order))
    ]
    return Recount(again, kept)
