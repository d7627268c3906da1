"""Stage: which topics come over which connection.

Two connections: what is urgent (events, answers, states, the time) never waits behind a backlog
of measurements. The data connection takes every kind, so that a misspelt topic is answered too;
what the priority connection has already in hand is acknowledged there and let go here.
"""

from typing import Final

from contract.topics import ROOT

PRIORITY_KINDS: Final = frozenset({"event", "ack", "res", "state", "config", "time"})

_MOST: Final = "/obs"

PRIORITY_FILTERS: Final = tuple(f"{ROOT}/up/+/{kind}" for kind in sorted(PRIORITY_KINDS))
DATA_FILTERS: Final = (f"{ROOT}/up/+/+",)


def kind_of(topic: str) -> str:
    """The last part of a topic."""
    return topic.rpartition("/")[2]


def is_for_data(topic: str) -> bool:
    """Whether the data connection handles it."""
    return topic.endswith(_MOST) or kind_of(topic) not in PRIORITY_KINDS
