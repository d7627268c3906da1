"""The robot itself: on and off, connected and not, and everything that leaves it.

Order on every connection: CONNECT with the will, SUBSCRIBE, birth when it is new, state `ready`,
then what waits. Only the hub's receipt settles a message.
"""

import asyncio
import contextlib
import random
import time
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Final, Self

from msgspec import structs

from firmware_sim.robot.access import Access, Habits, Make
from firmware_sim.robot.encoding import to_bytes
from firmware_sim.robot.hearing import Hearing
from firmware_sim.robot.line import TAKEN_OVER, Line, LineEndedError
from firmware_sim.robot.memory import Memory
from firmware_sim.robot.mischief import Mischief
from firmware_sim.robot.outbox import Kept, Outbox
from firmware_sim.robot.plans import Plans, Ring
from firmware_sim.robot.settings import Settings
from firmware_sim.robot.watch import Watch

HUB_STATUS: Final = "hh/1/hub/status"
_RETAINED: Final = frozenset({"birth", "state", "config"})
_UNCOUNTED: Final = frozenset({"state", "diag", "time"})
_LOSSY: Final = frozenset({"diag", "time"})


class Robot:
    """Runs for the time of an `async with` block; entering waits until the first connect.

    `tell` is called with a line for a person whenever something happens. `heard` waits for what
    the hub says; `received` holds all of it, `screen` what a person would see.
    """

    def __init__(
        self,
        access: Access,
        *,
        make: Make | None = None,
        habits: Habits | None = None,
        memory: Memory | None = None,
        tell: Callable[[str], None] | None = None,
    ) -> None:
        self.memory = memory or Memory()
        self.access, self.make, self.habits = access, make or Make(), habits or Habits()
        self.mischief = Mischief()
        self.watch = Watch(self.habits.clock, skew_ms=self.habits.skew_ms)
        self.settings = Settings(self.memory, self.habits.encoding)
        self.plans = Plans(self.memory.take("plans"))
        self.outbox = Outbox(self.memory.next_boot(), self.habits, self.memory.take("left", ()))
        self.hearing = Hearing(self)
        self.spare: Access | None = None  # the other of two credentials while rotating
        self.hub: str | None = None
        self.con = 0
        self.screen: list[dict[str, str]] = []
        self.log: list[str] = []
        self.received: list[tuple[str, dict[str, Any]]] = []
        self.online = False
        self._on = True
        self._tell = tell or (lambda _: None)
        self._line: Line | None = None
        self._changed = asyncio.Event()
        self._stirred = asyncio.Event()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._life: asyncio.Task[None] | None = None
        self._first: asyncio.Future[None] | None = None
        self._time_at = float("-inf")

    # --- on and off -----------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        """Power on and connect; raises LineEndedError when the first connect fails."""
        self._first = asyncio.get_running_loop().create_future()
        self.birth()
        self._life = asyncio.create_task(self._live())
        await self._first
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.power_off()

    async def power_off(self, *, clean: bool = True) -> None:
        """Stop: `offline` and DISCONNECT, or not clean, as if the plug were pulled."""
        self._on = False
        await self._hang_up("offline" if clean else None)
        running = [task for task in (self._life, *self._tasks) if task is not None]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def restart(self) -> None:
        """Reboot: a new boot number, its numbers from 0, birth again; what was open is kept."""
        await self._hang_up("offline")
        self.outbox.restart_counting(self.memory.next_boot())
        self.watch = Watch(self.watch.source, skew_ms=self.habits.skew_ms)
        self.birth()
        self.say(f"restarted, boot {self.outbox.boot}")

    async def reconnect(self) -> None:
        """End the connection cleanly; the next one follows at once."""
        await self._hang_up("sleeping")

    async def pull_network(self) -> None:
        """Break the connection without a word, so that the broker publishes the will."""
        if self._line is not None:
            await self._line.close(clean=False)

    async def _hang_up(self, state: str | None) -> None:
        line, self._line = self._line, None
        if line is None:
            return
        if state is not None and not line.ended.done():
            with contextlib.suppress(ValueError, RuntimeError):
                await line.wait(self._put_state(line, state), 2.0)
        await line.close(clean=state is not None)

    async def _live(self) -> None:
        attempt = 0
        while self._on:
            began, code = time.monotonic(), None
            try:
                await self._one_connection()
            except LineEndedError as error:
                code = error.code
                self.say(f"connection over: {error}")
                if self._first is not None and not self._first.done():
                    self._first.set_exception(error)
                    return
                if error.refused and self.spare is not None:
                    self.access, self.spare = self.spare, self.access
                    self.say("these credentials do not work: trying the other ones")
                    continue
            attempt = 0 if time.monotonic() - began > 1 else attempt + 1
            await asyncio.sleep(self._pause(attempt, code))

    def _pause(self, attempt: int, code: int | None) -> float:
        habits = self.habits
        if code == TAKEN_OVER or (code is not None and LineEndedError("", code).refused):
            return habits.refused_s
        longest = min(habits.reconnect_cap_s, habits.reconnect_base_s * 2**attempt)
        return random.uniform(0, longest)  # noqa: S311 - jitter, not a secret

    async def _one_connection(self) -> None:
        self.con = self.memory.next_connect()
        will = f"hh/1/up/{self.access.node}/state", self._state_bytes("lost")
        line = Line(self.access, self.habits, self.hearing.take, will=will)
        try:
            await line.open([f"hh/1/dn/{self.access.node}/+", HUB_STATUS])
            self._line, self.online = line, True
            await self._greet(line)
            while not line.ended.done():
                self._step(line)
                await self._something(line)
            raise line.ended.result()
        finally:
            self.online = False
            self._note()
            await line.close(clean=False)

    async def _greet(self, line: Line) -> None:
        self.outbox.lost_connection()
        self._time_at = float("-inf")
        self.say(f"connected as {self.access.node}, con {self.con}")
        for message in self.outbox.waiting():
            if message.kind == "birth":
                self._publish_kept(line, message)
        self._put_state(line, "ready")
        self.settings.connected(self)
        if self._first is not None and not self._first.done():
            self._first.set_result(None)
        self._note()

    def _step(self, line: Line) -> None:
        now = time.monotonic()
        if now >= self._time_at:
            # A request or its answer may get lost, or come too late to be believed.
            again = self.habits
            known = self.watch.source == "hub"
            self._time_at = now + (again.time_every_s if known else again.time_again_s)
            self.tell_uncounted("time", {"t1": self.watch.machine_millis()})
        shown = self.watch.millis()
        for ring in self.plans.due(shown) if shown is not None else ():
            self.start(self._ring(ring))
        for message in self.outbox.due(now, hub_ready=self.hub in (None, "ready")):
            if message.seq not in self.mischief.withheld:
                self._publish_kept(line, message)

    async def _something(self, line: Line) -> None:
        self._stirred.clear()
        stirred = asyncio.ensure_future(self._stirred.wait())
        either: set[asyncio.Future[Any]] = {stirred, line.ended}
        first = asyncio.FIRST_COMPLETED
        try:
            await asyncio.wait(either, timeout=self.habits.tick_s, return_when=first)
        finally:
            stirred.cancel()

    # --- saying ---------------------------------------------------------------------------------

    def send(self, kind: str, body: dict[str, Any], *, receipt: bool = True) -> int:
        """Say a counted message; its number. Keys of the body win over those of the envelope."""
        envelope = self.watch.envelope() | ({"rc": 1} if receipt else {})
        message = self.outbox.add(kind, {**envelope, **body}, time.monotonic())
        self._keep_left()
        self._stirred.set()
        return message.seq

    def birth(self) -> int:
        """Describe itself."""
        make = self.make
        able = {"enc": ["json", "cbor"], "mqtt": self.habits.mqtt, "plan": True}
        able |= {"screen": make.screen, "tts": ["zh-CN", "en"], "store_h": make.store_h}
        able |= {"clk": ["ntp", "hub"], "cmd": sorted(self.hearing.orders.known)}
        body: dict[str, Any] = {"maker": make.maker, "model": make.model, "hw": make.hardware}
        body |= {"fw": make.firmware, "spec": "1.0", "level": "robot", "cap": able}
        return self.send("birth", body | {"devs": make.devices})

    def observe(self, series: list[dict[str, Any]], **more: Any) -> int:
        """Say a batch of measurements."""
        return self.send("obs", {"ser": series, **more})

    def call(self, kind: str = "call_doctor", *, event_id: str | None = None, **more: Any) -> str:
        """Raise an event, sent again until receipted; the id to cancel it by."""
        name = event_id or f"{random.getrandbits(60):012x}"
        urgent = {"id": name, "type": kind, "sev": "critical", "src": {"dev": "robot"}}
        self.send("event", {**urgent, **more})
        self.start(self._fall_back(name))
        return name

    def cancel(self, event_id: str) -> int:
        """Withdraw a call; the call itself need not be sent any more."""
        return self.send("event", {"type": "cancel", "ref": event_id})

    def acknowledge(self, *acks: dict[str, Any]) -> int:
        """Say what became of doses, reminders or a plan."""
        return self.send("ack", {"acks": list(acks)})

    def result(self, command: str, state: str, **more: Any) -> int:
        """Answer a command."""
        return self.send("res", {"id": command, "st": state, **more})

    def diagnose(self, **metrics: float) -> None:
        """Say how it is: numbers and the last lines of its log, lossy."""
        lines = [{"lvl": "info", "msg": line} for line in self.log[-20:]]
        body: dict[str, Any] = {"v": 0, "boot": self.outbox.boot, "m": metrics, "log": lines}
        shown = self.watch.millis()
        self.tell_uncounted("diag", body if shown is None else body | {"t": shown})

    def tell_uncounted(self, kind: str, body: dict[str, Any]) -> None:
        """Say what is not counted; nothing, while there is no connection."""
        self.raw(kind, self._encoded(kind, body))

    def state(self, state: str) -> None:
        """Say `ready`, `sleeping` or another state."""
        if self._line is not None:
            self._put_state(self._line, state)

    def raw(self, kind: str, payload: bytes) -> None:
        """Publish bytes as they are."""
        if self._line is not None:
            topic = f"hh/1/up/{self.access.node}/{kind}"
            qos, retain = int(kind not in _LOSSY), kind in _RETAINED
            self._line.publish(topic, payload, qos=qos, retain=retain)

    def _publish_kept(self, line: Line, message: Kept) -> None:
        body = self.outbox.sent(message, time.monotonic())
        if body.get("clk") == "none":
            body = {**body, "up": self.watch.uptime()}
        payload = self._encoded(message.kind, body)
        topic = f"hh/1/up/{self.access.node}/{message.kind}"
        line.publish(topic, payload, retain=message.kind in _RETAINED)
        self.say(f"sent {message.kind} {message.boot}/{message.seq}, {len(payload)} bytes")

    def _encoded(self, kind: str, body: dict[str, Any]) -> bytes:
        return to_bytes(self.mischief.spoilt(kind, body), self.settings.encoding)

    def _state_bytes(self, state: str) -> bytes:
        con = self.con if self.mischief.old_con is None else self.mischief.old_con
        body: dict[str, Any] = {"v": 0, "s": state, "con": con}
        if state != "lost":
            body |= {"boot": self.outbox.boot, "bat": 80, "plan": self.plans.revision}
            body |= {"cfg": self.settings.revision}
            body["subs"] = {each["dev"]: "ready" for each in self.make.devices}
        return self._encoded("state", {k: v for k, v in body.items() if v is not None})

    def _put_state(self, line: Line, state: str) -> Any:
        topic = f"hh/1/up/{self.access.node}/state"
        return line.publish(topic, self._state_bytes(state), retain=True)

    async def _fall_back(self, event_id: str) -> None:
        """No receipt in time: the robot helps as far as it can by itself."""
        await asyncio.sleep(self.habits.fallback_s)
        if any(message.body.get("id") == event_id for message in self.outbox.waiting()):
            number = self.settings.value("help_number")
            self.show({"zh-CN": f"请拨打 {number}", "en": f"Please call {number}"})

    async def _ring(self, ring: Ring) -> None:
        self.show(ring.text)
        self.memory.put(plans=self.plans.kept())
        if not ring.acknowledge:
            return
        who = {"who": ring.who} if ring.who else {}
        self.acknowledge({"id": ring.id, "st": "shown", "at": self.watch.millis(), **who})
        await asyncio.sleep(self.habits.person_s)
        taken = {"id": ring.id, "st": "taken", "at": self.watch.millis(), "by": "button"}
        self.acknowledge({**taken, **who})

    # --- what others of this robot need ---------------------------------------------------------

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Let something take its time beside everything else."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def say(self, line: str) -> None:
        """For whoever watches the robot."""
        self.log.append(line)
        del self.log[:-200]
        self._tell(line)
        self._note()

    def show(self, text: dict[str, str]) -> None:
        """On its screen, in every language it knows."""
        self.screen.append(text)
        self._note()

    def heard_one(self, kind: str, body: dict[str, Any]) -> None:
        """Note what the hub said and wake whoever waits."""
        self.received.append((kind, body))
        self._keep_left()
        self._stirred.set()
        self._note()

    def use(self, access: Access) -> None:
        """Work with these credentials from the next connect on, the old ones at hand."""
        self.spare, self.access = self.access, access

    def update(self, **make: Any) -> None:
        """It is another one now: new firmware, a further device."""
        self.make = structs.replace(self.make, **make)

    async def until(self, wanted: Callable[[], Any], timeout_s: float = 10.0) -> Any:
        """Wait for something about the robot to be true; raises TimeoutError."""
        async with asyncio.timeout(timeout_s):
            while not (found := wanted()):
                self._changed.clear()
                await self._changed.wait()
        return found

    async def heard(
        self, kind: str, wanted: Callable[[Any], bool] = lambda _: True, timeout_s: float = 10.0
    ) -> Any:
        """The first thing of a kind the hub said that is wanted, also one from before."""

        def first() -> Any:
            return [body for each, body in self.received if each == kind and wanted(body)][:1]

        return (await self.until(first, timeout_s))[0]

    async def receipted(self, timeout_s: float = 30.0) -> None:
        """Wait until the hub has settled everything."""
        await self.until(lambda: not self.outbox.waiting(), timeout_s)

    async def receipted_upto(self, seq: int, timeout_s: float = 30.0) -> None:
        """Wait until the hub has settled this number of the present boot."""
        key = self.outbox.boot, seq
        await self.until(lambda: key not in {m.key for m in self.outbox.waiting()}, timeout_s)

    async def hub_ready(self, timeout_s: float = 30.0) -> None:
        """Wait until the hub says it takes measurements."""
        await self.until(lambda: self.hub == "ready", timeout_s)

    def _note(self) -> None:
        self._changed.set()

    def _keep_left(self) -> None:
        if self.memory.durable:
            self.memory.put(left=self.outbox.left())
