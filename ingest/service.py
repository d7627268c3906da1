"""The ingest service: two connections to the broker, their lanes, and what keeps them honest."""

import time
from collections.abc import Coroutine
from functools import partial
from typing import Any

from ingest import hub_status
from ingest.batch import Batcher
from ingest.catch_up import CatchUp
from ingest.deprecations import Deprecations
from ingest.feed_back import FeedBack
from ingest.gaps import Gaps, Pace
from ingest.health import Health
from ingest.heard import Heard
from ingest.hub_status import StatusBoard
from ingest.identify import Identifier
from ingest.measured import measured
from ingest.mqtt_session import Arrival, Session, SessionOptions
from ingest.pipeline import Lane, Stages
from ingest.receipt import Receipts
from ingest.replay import Replay
from ingest.settings import IngestSettings
from ingest.storing import Patience, Writer
from ingest.subscribe import DATA_FILTERS, PRIORITY_FILTERS, is_for_data, kind_of
from ingest.throttle import Throttle
from ingest.tidy import Tidy
from ingest.time_answer import TIME_HOLDS_S, time_answer
from runtime import metrics
from runtime.clock import Clock
from runtime.settings import parse_broker_url
from runtime.supervision import run_tasks
from store.line import Line
from store.partition import Partitions


async def serve(settings: IngestSettings, clock: Clock) -> None:
    """Take what devices say until cancelled. Waits for a broker or a database that is away."""
    room = _Room(settings, clock)
    try:
        async with metrics.served(settings.metrics_port, lambda: room.board.ready):
            await run_tasks(room.tasks())
    finally:
        await room.close()


class _Room:
    """Everything of one running ingest, wired together."""

    def __init__(self, settings: IngestSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._lines: list[Line] = []
        self._health = Health(time.monotonic)
        self._partitions = Partitions()
        self._heard = Heard(time.monotonic)
        self._metrics = measured()
        self._patience = Patience(base_s=settings.backoff_base_s, cap_s=settings.backoff_cap_s)
        self.board = StatusBoard(
            self._line("status"),
            self._health,
            clock=clock,
            probe_every_s=settings.probe_every_s,
            degraded_after_s=settings.degraded_after_s,
        )
        self._catch_up = CatchUp(time.monotonic, enough=max(1, settings.receive_maximum // 2))
        self._throttle = Throttle(
            settings.limits(), monotonic=time.monotonic, catch_up=self._catch_up
        )
        self._tidy = Tidy(self._line("tidy"), clock=clock, every_s=settings.tidy_every_s)
        self._deprecations = Deprecations(
            self._line("deprecations"), every_s=settings.deprecations_every_s
        )
        self._gaps = self._make_gaps()
        size, age_s = settings.batch_messages, settings.batch_age_s
        self._urgent = Batcher(size=size, age_s=age_s)
        self._bulk = Batcher(size=size, age_s=age_s)
        self._connect()
        self._receipts = self._make_receipts()
        self._feed_back = self._make_feed_back()
        self._replay = self._make_replay()

    def _connect(self) -> None:
        self._priority = Session(
            self._options("priority", PRIORITY_FILTERS),
            clock=self._clock,
            on_message=self._take_urgent,
            on_ready=self._begin,
        )
        # It lets events go because the priority connection has them: so that one is first.
        self._data = Session(
            self._options("data", DATA_FILTERS),
            clock=self._clock,
            on_message=self._take_bulk,
            on_ready=self._catch_up.begin,
            after=self._priority.ready,
        )
        self.board.publisher = self._priority
        self.board.links = {"mqtt-data": self._data.ready}
        self._priority.leave_with(hub_status.status("offline"))

    def _make_receipts(self) -> Receipts:
        return Receipts(
            self._line("receipts"),
            self._priority.publish_once,
            clock=self._clock,
            monotonic=time.monotonic,
            every_s=self._settings.receipt_every_s,
            health=self._health,
        )

    def _make_feed_back(self) -> FeedBack:
        return FeedBack(
            self._priority.publish,
            clock=self._clock,
            monotonic=time.monotonic,
            merge_s=self._settings.merge_rejects_s,
            expiry_s=self._settings.feedback_expiry_s,
        )

    def _make_gaps(self) -> Gaps:
        pace = Pace(
            every_s=self._settings.gap_every_s,
            after_s=self._settings.gap_after_s,
            quiet_s=self._settings.gap_quiet_s,
        )
        return Gaps(
            self._line("gaps"),
            pace,
            clock=self._clock,
            monotonic=time.monotonic,
            catching_up=lambda: self._catch_up.going_on,
        )

    def _make_replay(self) -> Replay:
        return Replay(
            self._line("replay"),
            # What was mended a moment ago counts: nothing is believed from before.
            identifier=self._identifier("replay", ttl_s=0.0),
            partitions=self._partitions,
            clock=self._clock,
            metrics=self._metrics,
            every_s=self._settings.replay_every_s,
            batch=self._settings.replay_batch,
        )

    def tasks(self) -> dict[str, Coroutine[Any, Any, None]]:
        """Every task by name; one that dies ends them all."""
        # One writer keeps the states of a node in their order.
        priority = self._stages("priority", writers=1)
        data = self._stages("data", writers=self._settings.writers)
        lanes = (
            (Lane("priority", self._urgent, self._priority, priority), priority),
            (Lane("data", self._bulk, self._data, data), data),
        )
        tasks: dict[str, Coroutine[Any, Any, None]] = {
            "mqtt-priority": self._priority.run(),
            "mqtt-data": self._data.run(),
            "status": self.board.run(),
            "receipts": self._receipts.run(),
            "feed-back": self._feed_back.run(),
            "tidy": self._tidy.run(),
            "deprecations": self._deprecations.run(),
            "gaps": self._gaps.run(),
            "replay": self._replay.run(),
            "replay-ears": self._replay.listen(self._settings.database_url),
        }
        for lane, stages in lanes:
            tasks[f"read-{lane.name}"] = lane.read()
            for n, writer in enumerate(stages.writers):
                tasks[f"write-{lane.name}-{n}"] = lane.write(writer)
        return tasks

    async def close(self) -> None:
        """Write what was only counted so far, and close every line to the database."""
        await self._deprecations.finish()
        for line in self._lines:
            await line.close()

    def _begin(self) -> None:
        self._catch_up.begin()
        self.board.announce()

    def _take_urgent(self, arrival: Arrival) -> None:
        answer = time_answer(arrival, self._clock) if kind_of(arrival.topic) == "time" else None
        if answer is None:
            self._urgent.put(arrival)
            return
        self._priority.publish_once(*answer, expiry_s=TIME_HOLDS_S)
        self._priority.settle([arrival])

    def _take_bulk(self, arrival: Arrival) -> None:
        if is_for_data(arrival.topic):
            self._bulk.put(arrival)
        else:
            self._data.settle([arrival])

    def _line(self, name: str) -> Line:
        line = Line(self._settings.database_url, name=f"hearthbeat ingest {name}")
        self._lines.append(line)
        return line

    def _identifier(self, name: str, *, ttl_s: float) -> Identifier:
        return Identifier(
            self._line(f"identify {name}"),
            ttl_s=ttl_s,
            monotonic=time.monotonic,
        )

    def _options(self, name: str, filters: tuple[str, ...]) -> SessionOptions:
        settings = self._settings
        speaks = name == "priority"
        return SessionOptions(
            broker=parse_broker_url(settings.broker_url),
            client_id=f"{settings.client_id}-{name}",
            filters=filters,
            receive_maximum=settings.receive_maximum,
            keep_alive_s=settings.keep_alive_s,
            session_expiry_s=settings.session_expiry_s,
            max_packet=settings.max_packet,
            connect_timeout_s=settings.connect_timeout_s,
            backoff_base_s=settings.backoff_base_s,
            backoff_cap_s=settings.backoff_cap_s,
            will=hub_status.status("offline") if speaks else None,
            will_delay_s=settings.will_delay_s,
        )

    def _stages(self, name: str, *, writers: int) -> Stages:
        writer = partial(
            Writer,
            partitions=self._partitions,
            heard=self._heard,
            health=self._health,
            metrics=self._metrics,
            patience=self._patience,
            monotonic=time.monotonic,
            after_outage=self._catch_up.begin,
        )
        return Stages(
            identifier=self._identifier(name, ttl_s=self._settings.identity_ttl_s),
            writers=tuple(
                writer(self._line(f"write {name} {n}"), name=f"write-{name}-{n}")
                for n in range(writers)
            ),
            receipts=self._receipts,
            feed_back=self._feed_back,
            health=self._health,
            metrics=self._metrics,
            patience=self._patience,
            throttle=self._throttle,
            tidy=self._tidy,
            deprecations=self._deprecations,
            gaps=self._gaps,
        )
