"""What an operator watches of ingest: how much, how fast, what was refused, what is held."""

from typing import TYPE_CHECKING, NamedTuple

from ingest.entry import Outcome
from runtime import metrics

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prometheus_client import Counter, Gauge, Histogram


class Measured(NamedTuple):
    """The metrics of this process; the names are documented where they are made."""

    messages: "Counter"
    rows: "Counter"
    rejects: "Counter"
    retries: "Counter"
    commit_seconds: "Histogram"
    in_hand: "Gauge"

    def note(self, outcomes: "Iterable[Outcome]") -> None:
        """Count what a committed batch was."""
        for outcome in outcomes:
            entry = outcome.entry
            self.messages.labels(entry.kind, "new" if outcome.fresh else "again").inc()
            if not outcome.fresh:
                continue
            if entry.readings:
                self.rows.labels("reading").inc(len(entry.readings))
            if entry.blocks:
                self.rows.labels("block").inc(len(entry.blocks))
            for reason in entry.defects:
                self.rejects.labels(reason.code).inc()


def measured() -> Measured:
    """The metrics, made on first use."""
    return Measured(
        messages=metrics.counter(
            "ingest_messages_total", "Messages stored or durably refused", ("kind", "seen")
        ),
        rows=metrics.counter("ingest_rows_total", "Rows sent to a table", ("table",)),
        rejects=metrics.counter("ingest_rejects_total", "Defects by code", ("code",)),
        retries=metrics.counter("ingest_retries_total", "Batches tried again", ("lane",)),
        commit_seconds=metrics.seconds(
            "ingest_commit_seconds", "From the first statement to commit"
        ),
        in_hand=metrics.gauge("ingest_unacknowledged", "Messages in hand", ("lane",)),
    )
