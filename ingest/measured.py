"""What an operator watches of ingest: how much, how fast, what was refused, what is held."""

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from contract.topics import UP_KINDS
from ingest.entry import Outcome
from runtime import metrics

if TYPE_CHECKING:
    from collections.abc import Iterable

    import prometheus_client as prometheus


class Measured(NamedTuple):
    """The metrics of this process; the names are documented where they are made."""

    messages: "prometheus.Counter"
    rows: "prometheus.Counter"
    rejects: "prometheus.Counter"
    retries: "prometheus.Counter"
    commit_seconds: "prometheus.Histogram"
    in_hand: "prometheus.Gauge"

    def note(self, outcomes: "Iterable[Outcome]") -> None:
        """Count what a committed batch was."""
        seen: Counter[tuple[str, str]] = Counter()
        refused: Counter[str] = Counter()
        rows: Counter[str] = Counter()
        for outcome in outcomes:
            entry = outcome.entry
            kind = entry.kind if entry.kind in UP_KINDS else "other"
            seen[kind, "new" if outcome.fresh else "again"] += 1
            if outcome.fresh:
                rows["reading"] += len(entry.readings)
                rows["block"] += len(entry.blocks)
                refused.update(reason.code for reason in entry.defects)
        for labels, number in seen.items():
            self.messages.labels(*labels).inc(number)
        for table, number in rows.items():
            self.rows.labels(table).inc(number)
        for code, number in refused.items():
            self.rejects.labels(code).inc(number)


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
