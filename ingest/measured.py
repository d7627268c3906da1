"""What an operator watches of ingest: how much, how fast, what was refused, what is held.

Labels are kinds, codes, tables and lanes, never a node, a device or a person: their number does
not grow with the hub. docs/operations/metrics.md says what each is and when to worry.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from contract.instants import to_millis
from contract.topics import UP_KINDS
from ingest.entry import Entry, Outcome
from ingest.throttle import TOO_FAST
from runtime import metrics
from runtime.clock import Clock, SystemClock

if TYPE_CHECKING:
    import prometheus_client as prometheus

    from ingest.mqtt_session import Session
    from ingest.usual import Usual

# Where a commit takes single milliseconds, and the promise is 50 and 250 of them.
_QUICK: Final = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0)
# From a measurement in a living room to a row: batches on the device are 5 to 60 s.
_KNOWN: Final = (0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0)
_SIZES: Final = (1.0, 2.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1000.0, 5000.0)
# Later is late (safety rule 1), and says nothing about how quick the hub is.
_LIVE_S: Final = 900.0
# A clock that somebody sets right while it runs.
_TRUSTED: Final = frozenset({"ntp", "hub", "gnss", "cell"})


class Measured(NamedTuple):
    """The metrics of this process; the names are documented where they are made."""

    clock: Clock
    messages: "prometheus.Counter"
    rows: "prometheus.Counter"
    rejects: "prometheus.Counter"
    warnings: "prometheus.Counter"
    retries: "prometheus.Counter"
    commit_seconds: "prometheus.Histogram"
    batch_messages: metrics.Tally
    stored_seconds: metrics.Tally
    known_seconds: metrics.Tally
    in_hand: "prometheus.Gauge"
    hasty: "prometheus.Counter"
    replays: "prometheus.Counter"

    def note_replays(self, results: Iterable[str]) -> None:
        """Count what became of messages that were taken again."""
        for made, number in Counter(one.partition(":")[0] for one in results).items():
            self.replays.labels(made).inc(number)

    def note(self, outcomes: Iterable[Outcome]) -> None:
        """Count what a committed batch was."""
        seen: Counter[tuple[str, str]] = Counter()
        coded: Counter[tuple[str, str]] = Counter()
        hasty: Counter[tuple[str, str]] = Counter()
        rows: Counter[str] = Counter()
        fresh: list[Entry] = []
        for outcome in outcomes:
            entry = outcome.entry
            kind = entry.kind if entry.kind in UP_KINDS else "other"
            seen[kind, "new" if outcome.fresh else "again"] += 1
            if entry.after is not None:
                hasty[kind, _made_of(entry)] += 1
            if outcome.fresh:
                fresh.append(entry)
                rows["reading"] += len(entry.readings)
                rows["block"] += len(entry.blocks)
                rows["wave_chunk"] += entry.chunk is not None
                coded.update(("refused", reason.code) for reason in entry.defects)
                coded.update(("warned", reason.code) for reason in outcome.warnings)
        self._count(seen, rows, coded, hasty)
        self.batch_messages.add([float(seen.total())])
        self._time(fresh, self.clock.now())

    def note_usual(self, usual: "Usual") -> None:
        """Count what was committed the short way."""
        self.messages.labels("obs", "new").inc(len(usual))
        self.rows.labels("reading").inc(len(usual.reading_rows))
        self.rows.labels("block").inc(len(usual.block_rows))
        self.batch_messages.add([float(len(usual))])
        now = self.clock.now()
        came = Counter(arrival.received_at for arrival in usual.arrivals if arrival.live)
        for at, number in came.items():
            self.stored_seconds.add([max(0.0, (now - at).total_seconds())], times=number)
        now_ms = to_millis(now)
        columns = usual.reading_columns
        trusted = [said.clock in _TRUSTED for said in columns.of]
        readings = zip(columns.which, columns.at, strict=True)
        ages = [(now_ms - at) / 1000 for which, at in readings if trusted[which]]
        self.known_seconds.add_many([age for age in ages if 0.0 <= age < _LIVE_S])

    def _count(
        self,
        seen: Counter[tuple[str, str]],
        rows: Counter[str],
        coded: Counter[tuple[str, str]],
        hasty: Counter[tuple[str, str]],
    ) -> None:
        for labels, number in seen.items():
            self.messages.labels(*labels).inc(number)
        for table, number in rows.items():
            self.rows.labels(table).inc(number)
        for (what, code), number in coded.items():
            (self.rejects if what == "refused" else self.warnings).labels(code).inc(number)
        for (kind, made), number in hasty.items():
            self.hasty.labels(kind, made).inc(number)

    def _time(self, fresh: list[Entry], now: datetime) -> None:
        self.stored_seconds.add(
            max(0.0, (now - entry.arrival.received_at).total_seconds())
            for entry in fresh
            if entry.arrival.live
        )
        ages = (_age_s(entry, now) for entry in fresh if entry.readings)
        self.known_seconds.add(age for age in ages if 0.0 <= age < _LIVE_S)


def _age_s(entry: Entry, now: datetime) -> float:
    """How old the newest reading of a message is; negative where its clock is not to be trusted."""
    newest = entry.readings[-1]
    if newest.clock not in _TRUSTED:
        return -1.0
    return (now - newest.measured_at).total_seconds()


def _made_of(entry: Entry) -> str:
    if entry.let_go:
        return "dropped"
    # What is rejected for another reason is kept, with that reason.
    return "refused" if any(d.code == TOO_FAST for d in entry.defects) else "kept"


def measured(clock: Clock | None = None) -> Measured:
    """The metrics, made on first use."""
    return Measured(
        clock=clock or SystemClock(),
        replays=metrics.counter(
            "ingest_replays_total", "Refused messages that were taken again", ("made",)
        ),
        messages=metrics.counter(
            "ingest_messages_total", "Messages stored or durably refused", ("kind", "seen")
        ),
        rows=metrics.counter("ingest_rows_total", "Rows sent to a table", ("table",)),
        rejects=metrics.counter("ingest_rejects_total", "Defects by code", ("code",)),
        warnings=metrics.counter("ingest_warnings_total", "Warnings by code", ("code",)),
        retries=metrics.counter("ingest_retries_total", "Batches tried again", ("lane",)),
        commit_seconds=metrics.seconds(
            "ingest_commit_seconds", "From the first statement to commit", (), _QUICK
        ),
        batch_messages=metrics.tally("ingest_batch_messages", "Messages in a batch", _SIZES),
        stored_seconds=metrics.tally("ingest_stored_seconds", "From arrival to commit", _QUICK),
        known_seconds=metrics.tally(
            "ingest_known_seconds", "From a live, trusted measurement to its commit", _KNOWN
        ),
        in_hand=metrics.gauge("ingest_unacknowledged", "Messages in hand", ("lane",)),
        hasty=metrics.counter(
            "ingest_hasty_total",
            "Messages beyond a rate: kept, refused or dropped",
            ("kind", "made"),
        ),
    )


def watch_lane(lane: str, session: "Session | None", clock: Clock) -> None:
    """Let what a connection holds be read whenever somebody looks; None: there is none now."""

    def oldest_s(of: "Session") -> float:
        since = of.oldest
        return 0.0 if since is None else max(0.0, (clock.now() - since).total_seconds())

    held = metrics.gauge("ingest_unacknowledged", "Messages in hand", ("lane",))
    oldest = metrics.gauge(
        "ingest_oldest_unacknowledged_seconds", "Age of the oldest message in hand", ("lane",)
    )
    up = metrics.gauge("ingest_connected", "Whether the connection is up", ("lane",))
    lost = metrics.gauge("ingest_outgoing_lost", "Feedback dropped: too much waited", ("lane",))
    forgotten = metrics.gauge(
        "ingest_sessions_forgotten", "How often the broker had no session for the hub", ("lane",)
    )
    readings: list[tuple[prometheus.Gauge, Callable[[Session], float]]] = [
        (held, lambda of: of.in_hand),
        (oldest, oldest_s),
        (up, lambda of: of.ready.is_set()),
        (lost, lambda of: of.lost_outgoing),
        (forgotten, lambda of: of.forgotten),
    ]
    for gauge, read in readings:
        gauge.labels(lane).set_function(partial(_read, read, session))


def _read(read: "Callable[[Session], float]", session: "Session | None") -> float:
    return 0.0 if session is None else float(read(session))
