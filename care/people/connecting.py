"""What a maker needs to connect a node, beside its password."""

from msgspec import Struct

from contract import topics

_SENDS = ("birth", "state", "obs", "wave", "event", "ack", "res", "config", "diag", "time")
_HEARS = ("plan", "reminder", "cmd", "config", "fw", "time", "fb")


class Topics(Struct, frozen=True):
    """Where a node publishes and what it subscribes to."""

    publish: dict[str, str]
    subscribe: list[str]
    receive: dict[str, str]


def topics_of(node_id: str) -> Topics:
    """The topics of one node: subscribe to two filters, publish by kind."""
    return Topics(
        publish={kind: topics.up(node_id, kind) for kind in _SENDS},
        subscribe=[topics.dn(node_id, "+"), topics.HUB_STATUS],
        receive={kind: topics.dn(node_id, kind) for kind in _HEARS},
    )
