"""The fleet: many nodes in one process, one ledger, one summary."""

import asyncio
import resource
import time
from collections.abc import Callable
from typing import Final

import msgspec

from firmware_sim.fleet import ledger
from firmware_sim.fleet.chance import draw, share_of
from firmware_sim.fleet.content import SAMPLES, Author, Encoding, keeps_records
from firmware_sim.fleet.ledger import Ledger, Record
from firmware_sim.fleet.link import Links
from firmware_sim.fleet.message import Sort
from firmware_sim.fleet.node import FleetNode
from firmware_sim.fleet.options import FleetOptions
from firmware_sim.fleet.plan import Plan, instants
from firmware_sim.fleet.session import Identity, Session
from firmware_sim.fleet.tally import Latencies, Summary
from runtime.settings import parse_broker_url

_LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")
_TICK_S: Final = 0.004
_AT_ONCE: Final = 400  # messages between two looks at what arrived
_PUMP_S: Final = 0.05
_PROGRESS_S: Final = 0.5
_LINGER_S: Final = 0.3
_PATIENCE_S: Final = 30.0  # until everybody has got in, or was turned away
_TIGHT_MS: Final = 20.0  # a node that measures oftener numbers its readings
_BLOCK_STEPS_MS: Final = (1, 1000)
_SALT_PROTOCOL: Final = 21
_SALT_ENCODING: Final = 22
_SALT_ORDER: Final = 23


class NotLoopbackError(OSError):
    """A load goes to this machine only: without TLS by the contract, and by good manners."""


class Fleet:
    """Nodes that connect, measure, keep what the hub has not receipted and come back."""

    def __init__(
        self, options: FleetOptions, *, on_progress: Callable[[Summary], None] | None = None
    ) -> None:
        """Nothing is opened yet. `on_progress` is told twice a second."""
        self.options = options
        self.counts = Summary(nodes=len(options.accounts))
        self.latencies = Latencies()
        self._on_progress = on_progress
        self.address = _address(options.broker)
        self.now = time.monotonic
        self._nodes: list[FleetNode] = []
        self._stopping = False
        self._dirty: list[Session] = []
        self._timers: set[asyncio.TimerHandle] = set()
        self._began, self._cpu, self._sends = self.now(), time.process_time(), 0

    async def run(self) -> Summary:
        """Load the hub for the minutes of the options, wait for the last receipts, and leave.

        Cancelling it ends it at once: the ledger stays complete for what was sent. Raises OSError
        (the ledger exists or cannot be written, the broker is not on this machine).
        """
        allow_many_files(len(self.options.accounts))
        with Ledger(self.options.ledger) as self._ledger:
            self._began, self._cpu, self._sends = self.now(), time.process_time(), 0
            self.links = Links(self._flush)
            self._loop = asyncio.get_running_loop()
            try:
                await self._live()
            finally:
                self._end()
        return self.summary()

    def stop(self) -> None:
        """Make no new messages; `run` still waits for the last receipts, as long as it may."""
        self._stopping = True

    def summary(self) -> Summary:
        """How far it is, at any moment."""
        counts, boxes = self.counts, [node.outbox for node in self._nodes]
        seconds, cpu = self.now() - self._began, time.process_time() - self._cpu
        sends = counts.sent + counts.again - self._sends
        return msgspec.structs.replace(
            counts,
            open=sum(box.open for box in boxes),
            held=sum(box.kept - box.open for box in boxes),
            seconds=seconds,
            cpu_s=cpu,
            sends_per_s=sends / seconds if seconds else 0.0,
            cpu_us_per_send=cpu / sends * 1e6 if sends else 0.0,
            receipt_p50_ms=self.latencies.quantile(0.5),
            receipt_p99_ms=self.latencies.quantile(0.99),
            trouble=dict(counts.trouble),
        )

    # --- what nodes share (session.Desk) --------------------------------------------------------

    def now_ms(self) -> int:
        """UTC in ms."""
        return time.time_ns() // 1_000_000

    def note(self, record: Record) -> None:
        """Put a record into the books before the next byte leaves."""
        self._ledger.note(record)

    def to_write(self, session: Session) -> None:
        """This one has something to write, once the books are written."""
        self._dirty.append(session)

    def later(self, seconds: float, then: Callable[[], None]) -> None:
        """Call back after a while, unless the fleet has ended."""

        def call() -> None:
            self._timers.discard(timer)
            then()

        timer = self._loop.call_later(seconds, call)
        self._timers.add(timer)

    def _flush(self) -> None:
        """First the books, then the bytes."""
        self._ledger.flush()
        dirty, self._dirty = self._dirty, []
        for session in dirty:
            session.flush()

    # --- one run --------------------------------------------------------------------------------

    async def _live(self) -> None:
        boot = int(time.time()) if self.options.boot is None else self.options.boot
        self._write_head(boot)
        self._nodes = [self._node(number, boot) for number in range(len(self.options.accounts))]
        self._order = self._drawn_order()
        self._upkeep = asyncio.create_task(self._keep_up())
        try:
            await self._connect()
            await self._load()
            await self._settle()
            await self._leave()
        finally:
            self._upkeep.cancel()

    async def _connect(self) -> None:
        """Connect everybody, spread out; whoever was turned away comes later by itself."""
        nodes, pace = self._nodes, self.options.connects_per_s
        began = self.now()
        for place, number in enumerate(self._order):
            while place > (self.now() - began) * pace and not self._stopping:
                await self._rest()
            nodes[number].session.connect()
        counts, patience = self.counts, self.now() + _PATIENCE_S
        while self.now() < patience and not self._stopping:
            if counts.connected + sum(counts.trouble.values()) >= len(nodes):
                return
            await self._rest()

    async def _load(self) -> None:
        """Make messages when they are due."""
        options, nodes, order = self.options, self._nodes, self._order
        start_ms = self.now_ms() if options.start_ms is None else options.start_ms
        self.note(ledger.Start(start_ms, self.now_ms()))
        self._began, self._cpu = self.now(), time.process_time()
        self._sends = self.counts.sent + self.counts.again
        due, began, place = instants(options), self.now(), 0
        offset = next(due)
        while (elapsed := self.now() - began) < options.minutes * 60 and not self._stopping:
            until = place + _AT_ONCE
            while offset <= elapsed and place < until:
                node = nodes[order[place % len(order)]]
                self.counts.made += node.make(start_ms + int(offset * 1000))
                place, offset = place + 1, next(due)
            await self._rest(0.0 if place == until else _TICK_S)

    async def _settle(self) -> None:
        """Wait until everything has its receipt, as long as the options say."""
        for node in self._nodes:
            node.hand_in()
        until = self.now() + self.options.settle_s
        while self.now() < until and any(node.outbox.kept for node in self._nodes):
            await self._rest(_PUMP_S)

    async def _leave(self) -> None:
        for node in self._nodes:
            node.leave()
        await self._rest(_LINGER_S)
        counts = self.summary()
        self.note(ledger.End(self.now_ms(), counts.sent, counts.receipted, counts.open))

    async def _rest(self, seconds: float = _TICK_S) -> None:
        self._flush()
        await asyncio.sleep(seconds)
        if self._upkeep.done():
            self._upkeep.result()

    async def _keep_up(self) -> None:
        """What waits gets its turn, connections are looked after, progress is told."""
        period = min(2.5, max(0.2, self.options.resend_s / 6))
        parts = max(1, round(period / _PUMP_S))
        told = part = 0
        while True:
            for node in self._nodes:
                if node.outbox.waits:
                    node.pump()
            for node in self._nodes[part % parts :: parts]:
                node.sweep()
            part += 1
            self._flush()
            if self._on_progress is not None and part * _PUMP_S >= told * _PROGRESS_S:
                told += 1
                self._on_progress(self.summary())
            await asyncio.sleep(_PUMP_S)

    def _end(self) -> None:
        for timer in self._timers:
            timer.cancel()
        for node in self._nodes:
            node.session.close()
        self.links.close()

    # --- who is in it ---------------------------------------------------------------------------

    def _write_head(self, boot: int) -> None:
        said = msgspec.to_builtins(
            msgspec.structs.replace(self.options, accounts=(), boot=boot),
            enc_hook=str,
        )
        self.note(ledger.Head(ledger.VERSION, self.options.seed, boot, self.now_ms(), said))

    def _drawn_order(self) -> list[int]:
        seed = self.options.seed
        return sorted(range(len(self._nodes)), key=lambda one: draw(seed, one, _SALT_ORDER))

    def _node(self, number: int, boot: int) -> FleetNode:
        options, account = self.options, self.options.accounts[number]
        encoding = self._encoding(number)
        identity = Identity(
            number,
            account.node,
            account.password,
            4 if self._hit(number, _SALT_PROTOCOL, options.share_v311) else 5,
        )
        self.note(ledger.Node(number, account.node, identity.protocol, encoding))
        records = self._every_ms < _TIGHT_MS or keeps_records(options.seed, number)
        step_ms = self._block_step_ms
        author = Author(
            account,
            number,
            seed=options.seed,
            boot=boot,
            started_ms=self.now_ms(),
            encoding=encoding,
            records=records,
            block_step_ms=step_ms,
            odd_slots=(options.mischief.unknown_slot, options.mischief.no_slot),
        )
        plan = Plan(
            (options.seed, number),
            options.mix,
            options.mischief,
            sorts=_sorts(author),
            records=records,
            block_step_ms=step_ms,
        )
        return FleetNode(self, identity, author, plan, boot=boot)

    def _encoding(self, number: int) -> Encoding:
        return "cbor" if self._hit(number, _SALT_ENCODING, self.options.share_cbor) else "json"

    def _hit(self, number: int, salt: int, share: float) -> bool:
        return share_of(draw(self.options.seed, number, salt)) < share

    @property
    def _every_ms(self) -> float:
        """How often one node makes a message."""
        options = self.options
        return len(options.accounts) * 1000.0 / max(options.rate * options.burst_factor, 1e-9)

    @property
    def _block_step_ms(self) -> int:
        """So that the blocks of a node follow each other without lying over each other."""
        mix = self.options.mix
        blocks = mix.block / max(mix.single + mix.batch + mix.block + mix.event + mix.ack, 1e-9)
        low, high = _BLOCK_STEPS_MS
        return int(min(high, max(low, self._every_ms / max(blocks, 1e-9) / SAMPLES)))


def _sorts(author: Author) -> frozenset[Sort]:
    cuff: set[Sort] = {"single"} if author.cuff is not None else set()
    oximeter: set[Sort] = {"batch", "block"} if author.oximeter is not None else set()
    always: set[Sort] = {"event", "ack"}
    return frozenset(always | cuff | oximeter)


def _address(url: str) -> tuple[str, int]:
    broker = parse_broker_url(url)
    if broker.tls or broker.host not in _LOOPBACK:
        raise NotLoopbackError(
            "the fleet speaks plain MQTT and only to this machine: run it where the broker is, "
            "for example --broker mqtt://127.0.0.1:1883"
        )
    return "127.0.0.1", broker.port


def allow_many_files(count: int) -> None:
    """Let this process have a connection for each node. Raises OSError when it may not."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count + 256
    if soft < wanted:
        if hard != resource.RLIM_INFINITY and hard < wanted:
            raise OSError(f"{count} nodes need {wanted} open files, {hard} are allowed: ulimit -n")
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
