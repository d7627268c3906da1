"""What an operator watches of ingest: how much, how fast, what was refused, what is held."""

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from contract.topics import UP_KINDS
from ingest.entry import Entry, Outcome
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
    hasty: "prometheus.Counter"
    replays: "prometheus.Counter"

    def note_replays(self, results: "Iterable[str]") -> None:
        """Count what became of messages that were taken again."""
        for made, number in Counter(one.partition(":")[0] for one in results).items():
            self.replays.labels(made).inc(number)

    def note(self, outcomes: "Iterable[Outcome]") -> None:
        """Count what a committed batch was."""
        seen: Counter[tuple[str, str]] = Counter()
        refused: Counter[str] = Counter()
        hasty: Counter[tuple[str, str]] = Counter()
        rows: Counter[str] = Counter()
        for outcome in outcomes:
            entry = outcome.entry
            kind = entry.kind if entry.kind in UP_KINDS else "other"
            seen[kind, "new" if outcome.fresh else "again"] += 1
            if entry.after is not None:
                hasty[kind, _made_of(entry)] += 1
            if outcome.fresh:
                rows["reading"] += len(entry.readings)
                rows["block"] += len(entry.blocks)
                rows["wave_chunk"] += entry.chunk is not None
                refused.update(reason.code for reason in entry.defects)
        for labels, number in seen.items():
            self.messages.labels(*labels).inc(number)
        for table, number in rows.items():
            self.rows.labels(table).inc(number)
        for code, number in refused.items():
            self.rejects.labels(code).inc(number)
        for (kind, made), number in hasty.items():
            self.hasty.labels(kind, made).inc(number)


def _made_of(entry: Entry) -> str:
    if entry.let_go:
        return "dropped"
    return "refused" if entry.defects else "kept"


def measured() -> Measured:
    """The metrics, made on first use."""
    return Measured(
        replays=metrics.counter(
            "ingest_replays_total", "Refused messages that were taken again", ("made",)
        ),
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
        hasty=metrics.counter(
            "ingest_hasty_total",
            "Messages beyond a rate: kept, refused or dropped",
            ("kind", "made"),
        ),
    )
