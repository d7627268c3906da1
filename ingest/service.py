"""The ingest service: two connections to the broker, their lanes, and what keeps them honest.

One process acts, others stand by: everything here belongs to a turn, which begins when this
process holds the lease and ends when it stops or is replaced.
"""

import asyncio
import time
from collections.abc import Coroutine
from functools import partial
from typing import Any

from contract.acl import INGEST_USER
from ingest import hub_status, notice, outlook
from ingest.aggregates import Aggregates
from ingest.at_work import AtWork
from ingest.batch import Batcher
from ingest.catch_up import CatchUp
from ingest.deprecations import Deprecations
from ingest.feed_back import FeedBack
from ingest.flow import Flow
from ingest.gaps import Gaps, Pace
from ingest.health import Health
from ingest.heard import Heard
from ingest.hub_status import StatusBoard
from ingest.identify import Identifier
from ingest.identity_watch import IdentityWatch
from ingest.measured import measured, watch_lane
from ingest.mqtt_session import Arrival, Session, SessionOptions
from ingest.notice import Notice
from ingest.pipeline import Lane, Stages
from ingest.receipt import Receipts
from ingest.replay import Replay
from ingest.settings import IngestSettings
from ingest.standby import Standby
from ingest.storing import Patience, Writer
from ingest.subscribe import DATA_FILTERS, PRIORITY_FILTERS, is_for_data, kind_of
from ingest.throttle import Throttle
from ingest.tidy import Tidy
from ingest.time_answer import TIME_HOLDS_S, time_answer
from runtime import metrics
from runtime.clock import Clock
from runtime.collecting import collect_rarely
from runtime.settings import parse_broker_url
from runtime.supervision import run_tasks
from store.line import Line
from store.partition import Partitions

# Making columns of a month may last.
_TIDY_S = 1800.0


async def serve(settings: IngestSettings, clock: Clock) -> None:
    """Take what devices say until cancelled. Waits for a broker or a database that is away, and
    stands by while another process acts."""
    collect_rarely()
    turns = _Turns(settings, clock)
    async with metrics.served(settings.metrics_port, turns.readiness):
        await turns.run()


class _Turns:
    """Standing by and acting, one after the other."""

    def __init__(self, settings: IngestSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._room: _Room | None = None
        self._standby = Standby(
            settings.database_url,
            settings.client_id,
            look_s=settings.lease_look_s,
            silent_s=settings.lease_silent_s,
            gone_s=settings.lease_gone_s,
            told=outlook.took_over,
        )
        outlook.watch_role(self._standby)

    def readiness(self) -> metrics.Readiness:
        """What `/ready` says."""
        room = self._room
        if room is None or not self._standby.acts:  # replaced, and still tidying up
            return outlook.waiting(self._standby)
        return outlook.acting(room.board, room.health)

    async def run(self) -> None:
        """Until cancelled; a turn that fails ends everything, loudly."""
        try:
            while True:
                await self._wait()
                await self._act()
        finally:
            await self._standby.release()

    async def _wait(self) -> None:
        options = _options(self._settings, f"waits-{time.monotonic_ns()}", notice.FILTERS)
        spoken = Notice(
            options, self._standby, clock=self._clock, after_s=self._settings.degraded_after_s
        )
        speaking = asyncio.create_task(spoken.run())
        try:
            await self._standby.obtain()
        finally:
            speaking.cancel()
            await asyncio.gather(speaking, return_exceptions=True)

    async def _act(self) -> None:
        room = self._room = _Room(self._settings, self._clock, self._standby)
        work = asyncio.create_task(run_tasks(room.tasks()))
        kept = asyncio.create_task(self._standby.keep())
        try:
            await asyncio.wait({work, kept}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            room.prepare_to_leave()
            work.cancel()
            kept.cancel()
            await asyncio.gather(work, kept, return_exceptions=True)
            self._room = None
            await room.close()
            await self._standby.release()
        if not work.cancelled():
            work.result()


class _Room:
    """Everything of one turn, wired together."""

    def __init__(self, settings: IngestSettings, clock: Clock, standby: Standby) -> None:
        self._settings = settings
        self._clock = clock
        self._standby = standby
        self._lines: list[Line] = []
        self.health = Health(time.monotonic)
        self._partitions = Partitions()
        self._heard = Heard(time.monotonic)
        self._at_work = AtWork()
        self._identities = IdentityWatch(settings.identity_ttl_s, time.monotonic)
        self._metrics = measured(clock)
        self._patience = Patience(base_s=settings.backoff_base_s, cap_s=settings.backoff_cap_s)
        self.board = StatusBoard(
            self._line("status"),
            self.health,
            clock=clock,
            probe_every_s=settings.probe_every_s,
            degraded_after_s=settings.degraded_after_s,
        )
        self._catch_up = CatchUp(time.monotonic, enough=max(1, settings.receive_maximum // 2))
        self._throttle = Throttle(
            settings.limits(), monotonic=time.monotonic, catch_up=self._catch_up
        )
        self._beside()
        size, age_s = settings.batch_size, settings.batch_age_s
        self._urgent = Batcher(size=size, age_s=age_s)
        self._bulk = Batcher(size=size, age_s=age_s)
        self._connect()
        self._receipts = self._make_receipts()
        self._feed_back = self._make_feed_back()
        self._replay = self._make_replay()

    def _beside(self) -> None:
        """What nobody waits for."""
        settings, clock = self._settings, self._clock
        self._tidy = Tidy(
            self._line("tidy", limit_s=_TIDY_S),
            clock=clock,
            every_s=settings.tidy_every_s,
            kept=settings.kept(),
        )
        self._aggregates = Aggregates(
            self._line("aggregates"),
            clock=clock,
            every_s=settings.aggregates_every_s,
            blocks_days=settings.keep_blocks_days,
        )
        self._deprecations = Deprecations(
            self._line("deprecations"), every_s=settings.deprecations_every_s
        )
        self._gaps = self._make_gaps()

    def _connect(self) -> None:
        self._priority = Session(
            _options(self._settings, "priority", PRIORITY_FILTERS),
            clock=self._clock,
            on_message=self._take_urgent,
            on_ready=self._begin,
            on_answer=self._answered,
            may_connect=self._may_connect,
        )
        # It lets events go because the priority connection has them: so that one is first.
        self._data = Session(
            _options(self._settings, "data", DATA_FILTERS),
            clock=self._clock,
            on_message=self._take_bulk,
            on_ready=self._catch_up.begin,
            after=self._priority.ready,
            may_connect=self._may_connect,
        )
        self.board.publisher = self._priority
        self.board.links = {"mqtt-data": self._data.ready}
        self._priority.leave_with(hub_status.status("offline"))
        self._flow = self._make_flow()

    async def _may_connect(self, taken_over: bool) -> None:
        """Only with the lease, as far as the database can say; after somebody else took the
        session over, only when it has said so."""
        while not await self._standby.confirm():
            if self._standby.acts and not taken_over:
                return
            await asyncio.sleep(self._settings.lease_look_s)

    def _answered(self, topic: str, code: int) -> None:
        self._flow.answered(topic, code)

    def _make_flow(self) -> Flow:
        lanes = {"mqtt-priority": self._priority, "mqtt-data": self._data}
        for lane, session in lanes.items():
            watch_lane(lane.removeprefix("mqtt-"), session, self._clock)
        return Flow(
            lanes,
            self._priority.publish,
            user=parse_broker_url(self._settings.broker_url).user or INGEST_USER,
            every_s=self._settings.flow_every_s,
            health=self.health,
            monotonic=time.monotonic,
            back_s=metrics.tally("ingest_echo_seconds", "The broker's way there and back"),
        )

    def _make_receipts(self) -> Receipts:
        return Receipts(
            self._line("receipts"),
            self._priority.publish_once,
            clock=self._clock,
            monotonic=time.monotonic,
            every_s=self._settings.receipt_every_s,
            health=self.health,
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
            identifier=self._identifier("replay"),
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
            "flow": self._flow.run(),
            "feed-watch": outlook.watch_feed(self._line("feed watch")),
            "receipts": self._receipts.run(),
            "feed-back": self._feed_back.run(),
            "tidy": self._tidy.run(),
            "aggregates": self._aggregates.run(),
            "deprecations": self._deprecations.run(),
            "gaps": self._gaps.run(),
            "replay": self._replay.run(),
            "identities": self._identities.run(self._settings.database_url),
            "replay-ears": self._replay.listen(self._settings.database_url),
        }
        for lane, stages in lanes:
            tasks[f"read-{lane.name}"] = lane.read()
            for n, writer in enumerate(stages.writers):
                tasks[f"write-{lane.name}-{n}"] = lane.write(writer)
        return tasks

    def prepare_to_leave(self) -> None:
        """Where another process goes on, hub/status is its to say."""
        if self._standby.standbys or not self._standby.acts:
            self._priority.leave_with(None)

    async def close(self) -> None:
        """Write what was only counted so far, and close every line to the database."""
        for lane in ("priority", "data"):
            watch_lane(lane, None, self._clock)
        await self._deprecations.finish()
        for line in self._lines:
            await line.close()

    def _begin(self) -> None:
        self._catch_up.begin()
        self.board.announce()

    def _take_urgent(self, arrival: Arrival) -> None:
        if self._flow.took(arrival):
            self._priority.settle([arrival])
            return
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

    def _line(self, name: str, *, limit_s: float = 40.0) -> Line:
        line = Line(
            self._settings.database_url,
            name=self._standby.session_name(f"hearthbeat ingest {name}"),
            limit_s=limit_s,
            admit=self._standby.admission(),
        )
        self._lines.append(line)
        return line

    def _identifier(self, name: str, watch: IdentityWatch | None = None) -> Identifier:
        ttl_s = self._settings.identity_ttl_s if watch else 0.0
        line = self._line(f"identify {name}")
        return Identifier(line, ttl_s=ttl_s, monotonic=time.monotonic, watch=watch)

    def _stages(self, name: str, *, writers: int) -> Stages:
        writer = partial(
            Writer,
            partitions=self._partitions,
            heard=self._heard,
            health=self.health,
            metrics=self._metrics,
            patience=self._patience,
            monotonic=time.monotonic,
            after_outage=self._catch_up.begin,
            at_work=self._at_work,
        )
        return Stages(
            identifier=self._identifier(name, self._identities),
            writers=tuple(
                writer(self._line(f"write {name} {n}"), name=f"write-{name}-{n}")
                for n in range(writers)
            ),
            receipts=self._receipts,
            feed_back=self._feed_back,
            health=self.health,
            metrics=self._metrics,
            patience=self._patience,
            throttle=self._throttle,
            tidy=self._tidy,
            deprecations=self._deprecations,
            gaps=self._gaps,
        )


def _options(settings: IngestSettings, name: str, filters: tuple[str, ...]) -> SessionOptions:
    speaks, lasts = name == "priority", name in ("priority", "data")
    return SessionOptions(
        broker=parse_broker_url(settings.broker_url),
        client_id=f"{settings.client_id}-{name}",
        filters=filters,
        receive_maximum=settings.receive_maximum,
        keep_alive_s=settings.keep_alive_s,
        session_expiry_s=settings.session_expiry_s if lasts else 0,
        max_packet=settings.max_packet,
        connect_timeout_s=settings.connect_timeout_s,
        backoff_base_s=settings.backoff_base_s,
        backoff_cap_s=settings.backoff_cap_s,
        will=hub_status.status("offline") if speaks else None,
        will_delay_s=settings.will_delay_s,
    )
