"""What an operator watches of downlink; docs/operations/metrics.md says when to worry."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from runtime import metrics
from store.downlink_lag import Waiting

if TYPE_CHECKING:
    import prometheus_client as prometheus


class Measured(NamedTuple):
    """The metrics of this process."""

    published: "prometheus.Counter"
    unpublished: "prometheus.Counter"
    answers: "prometheus.Counter"
    round_seconds: "prometheus.Histogram"
    linked: "prometheus.Gauge"
    waiting: "prometheus.Gauge"
    oldest: "prometheus.Gauge"


def measured() -> Measured:
    """The metrics, made on first use."""
    return Measured(
        published=metrics.counter(
            "downlink_published_total", "Messages the broker took", ("kind",)
        ),
        unpublished=metrics.counter(
            "downlink_unpublished_total", "Messages not taken: nobody listens, or denied", ("why",)
        ),
        answers=metrics.counter(
            "downlink_answers_total", "Answers of devices taken from the feed", ("kind",)
        ),
        round_seconds=metrics.seconds("downlink_round_seconds", "Time of a whole round"),
        linked=metrics.gauge("downlink_connected", "Whether the connection to the broker is up"),
        waiting=metrics.gauge("downlink_waiting", "What waits, by what it is", ("what",)),
        oldest=metrics.gauge("downlink_oldest_waiting_seconds", "Age of the oldest", ("what",)),
    )


def note_waiting(found: Iterable[Waiting]) -> None:
    """Show what waits."""
    shown = measured()
    for one in found:
        shown.waiting.labels(one.what).set(one.number)
        shown.oldest.labels(one.what).set(one.oldest_s)
