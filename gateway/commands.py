"""What the hub asks of this robot: measure, answer a question, say something, look after itself.

Each command is done once, however often it comes; its last answer is kept and repeated. The
device asks, the person acts: nothing here inflates, unlocks or dispenses. A question that nobody
answered has no answer, and in particular it is not a "no".
"""

import asyncio
import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Final

import msgspec
import structlog
from msgspec import Struct, structs

from contract import operations
from contract.instants import to_millis
from contract.messages import Command
from gateway.guide import Guide
from gateway.reports import Reports
from gateway.spool import Key
from gateway.sql import statements
from gateway.storage import Storage, StorageUnavailableError
from gateway.texts import YES_NO, Text, as_text
from gateway.timekeeper import Timekeeper
from gateway.upkeep import Begun, Handler, Outcome

_LOG = structlog.get_logger()
_SQL: Final = statements("command")
_MS: Final = 1000
KEPT: Final = timedelta(days=30)
SPEECH_SECONDS: Final = 300.0
LONGEST_REST: Final = 300.0
# What a machine's own command may take, a long hook included.
_MACHINE_SECONDS: Final = 1000.0
LONGEST_WORDS: Final = 300
_PERSONS: Final = frozenset({"measure_now", "ask", "speak"})
WHO: Final = re.compile(r"[A-H]|r:[0-9a-z]{16}")


class Order(Struct, frozen=True, kw_only=True):
    """A command with its latest answer. Times are UTC milliseconds.

    `boot` and `seq` name the message with the reading that answers it: `ok` is said once the hub
    has receipted that one, so that nobody hears of a reading that is not there yet.
    """

    id: str
    op: str
    args: dict[str, Any]
    received: int
    deadline: int
    st: str
    out: dict[str, Any] = {}
    ses: str | None = None
    msg: str | None = None
    boot: int | None = None
    seq: int | None = None


class Question(Struct, frozen=True):
    """A question on the screen: its command, the words, and answers as (value, words)."""

    id: str
    text: Text
    options: list[tuple[str, Text]]


class Patience(Struct, frozen=True):
    """How long a person has: to rest and measure, and to answer, in seconds."""

    measuring: float
    answering: float


class Commands:
    """The commands of this node."""

    def __init__(
        self,
        storage: Storage,
        reports: Reports,
        timekeeper: Timekeeper,
        guide: Guide,
        *,
        waits: Callable[[Key], bool],
        has_cuff: bool,
        patience: Patience,
        on_speech: Callable[[Text], None],
    ) -> None:
        self._storage = storage
        self._reports = reports
        self._time = timekeeper
        self._guide = guide
        self._waits = waits
        self._has_cuff = has_cuff
        self._patience = patience
        self._on_speech = on_speech
        self._open: dict[str, Order] = {}
        # The machine's own commands; whoever puts the gateway together adds them.
        self.machine: Mapping[str, Handler] = {}
        self._begun: set[asyncio.Task[None]] = set()
        self.speech: tuple[str, Text, int] | None = None
        for order in map(_order, storage.rows(_SQL["open"])):
            self._resume(order)

    def _now(self) -> int:
        return to_millis(self._time.now())

    def _resume(self, order: Order) -> None:
        """After a restart the person is asked on, as long as there is time."""
        self._open[order.id] = order
        measured = order.seq is not None
        if order.op == "measure_now" and not measured and self._now() < order.deadline:
            self._begin(order)

    def start(self) -> None:
        """Answer what a restart interrupted, or was the point of."""
        for order in list(self._open.values()):
            if order.op == "reboot":
                self.finish(order.id, "ok")  # here we are again
            elif order.op not in _PERSONS:
                self.finish(order.id, "error", msg="interrupted by a restart")

    def accept(self, command: Command) -> None:
        """Do a command, or repeat the answer of one done before."""
        now = self._now()
        row = self._storage.row(_SQL["get"], {"id": command.id})
        known = self._open.get(command.id) or (None if row is None else _order(row))
        if known is not None:
            self._report(known)
            return
        order = Order(
            id=command.id,
            op=command.op,
            args=command.args,
            received=now,
            deadline=command.exp,
            st="accepted",
        )
        if self._time.known and now > command.exp:
            self._settle(structs.replace(order, st="expired"))
            return
        self._do(order)

    def _do(self, order: Order) -> None:
        person = {"measure_now": self._measure, "ask": self._ask, "speak": self._speak}
        handler = self.machine.get(order.op)
        if order.op in person:
            person[order.op](order)
        elif handler is None:
            self._decline(order)
        else:
            self._look_after(order, handler)

    def _look_after(self, order: Order, handler: Handler) -> None:
        """A command of the machine itself. What it may be asked is in the contract; what it is
        not asked rightly, it does not do."""
        known = {each.key for each in operations.OPERATIONS[order.op].args}
        args = {key: value for key, value in order.args.items() if key in known}
        wrong = operations.check(order.op, args)
        if wrong:
            msg = f"{wrong[0].path}: {wrong[0].msg}"[:LONGEST_WORDS]
            self._settle(structs.replace(order, st="error", msg=msg))
            return
        outcome = handler(args)
        order = structs.replace(order, args={})  # a password may be in it, and is kept elsewhere
        if isinstance(outcome, Outcome):
            self._settle(_with(order, outcome))
            return
        self._start(order, _MACHINE_SECONDS)
        task = asyncio.get_running_loop().create_task(self._await(order.id, outcome))
        self._begun.add(task)
        task.add_done_callback(self._begun.discard)

    async def _await(self, command_id: str, begun: Begun) -> None:
        try:
            outcome = await begun()
        except Exception:  # noqa: BLE001 - whatever it was, it is answered
            _LOG.exception("command_failed", command=command_id)
            outcome = Outcome("error", msg="failed; see the log")
        self.finish(command_id, outcome.st, out=outcome.out, msg=outcome.msg)

    def _decline(self, order: Order) -> None:
        self._settle(structs.replace(order, st="unsupported"))

    def _measure(self, order: Order) -> None:
        if order.args.get("k", "bp") != "bp" or not self._has_cuff:
            self._decline(order)
        elif self._begin(order):
            self._start(order, self._patience.measuring)
        else:
            self._settle(structs.replace(order, st="busy"))

    def _begin(self, order: Order) -> bool:
        who, rest = order.args.get("who"), order.args.get("rest_s")
        return self._guide.begin(
            order.id,
            who=who if isinstance(who, str) and WHO.fullmatch(who) else None,
            rest=_rest(rest),
        )

    def _ask(self, order: Order) -> None:
        if _question(order) is None:
            self._settle(structs.replace(order, st="error", msg="no text or no options"))
        else:
            self._start(order, self._patience.answering)
            self._on_speech(as_text(order.args["text"]))

    def _speak(self, order: Order) -> None:
        text = as_text(order.args.get("text"))
        if not text:
            self._settle(structs.replace(order, st="error", msg="no text"))
            return
        self.speech = (order.id, text, self._now() + int(SPEECH_SECONDS * _MS))
        self._settle(structs.replace(order, st="ok"))
        self._on_speech(text)

    def _start(self, order: Order, seconds: float) -> None:
        started = structs.replace(order, deadline=order.received + int(seconds * _MS))
        self._open[order.id] = started
        self._save(started)

    def _settle(self, order: Order) -> None:
        self._open.pop(order.id, None)
        self._save(order)

    def finish(self, command_id: str, st: str, **answer: Any) -> bool:
        """The final answer of an open command; False when it has one already."""
        order = self._open.get(command_id)
        if order is None:
            return False
        self._settle(structs.replace(order, st=st, **answer))
        return True

    def measured(self, command_id: str, ses: str, key: Key) -> None:
        """The reading that answers a command is being stored, in the caller's transaction."""
        order = self._open.get(command_id)
        if order is None:
            return
        answered = structs.replace(order, ses=ses, boot=key[0], seq=key[1])
        self._storage.change(_SQL["put"], _values(answered))
        self._storage.on_rollback(lambda: self._open.update({order.id: order}))
        self._open[order.id] = answered

    @property
    def question(self) -> Question | None:
        """The question to show: the oldest one open."""
        for order in self._open.values():
            if order.op == "ask":
                return _question(order)
        return None

    def answer(self, command_id: str, value: str) -> bool:
        """The person has pressed one of the answers."""
        order = self._open.get(command_id)
        question = None if order is None or order.op != "ask" else _question(order)
        if order is None or question is None or value not in dict(question.options):
            return False
        return self.finish(command_id, "ok", out={"qid": order.args.get("qid"), "answer": value})

    def heard(self, command_id: str) -> bool:
        """The person has put a message away."""
        if self.speech is None or self.speech[0] != command_id:
            return False
        self.speech = None
        return True

    def tick(self) -> bool:
        """What was measured ends well once the hub has it, what nobody did in time as an error;
        whether anything ended."""
        now, changed = self._now(), False
        for order in list(self._open.values()):
            if order.boot is not None and order.seq is not None:
                if not self._waits((order.boot, order.seq)):
                    changed |= self.finish(order.id, "ok")
            elif now > order.deadline:
                changed |= self.finish(order.id, "error", msg="nobody answered in time")
        if self.speech is not None and now > self.speech[2]:
            self.speech, changed = None, True
        return changed

    def _save(self, order: Order) -> None:
        try:
            with self._storage.transaction():
                self._storage.change(_SQL["put"], _values(order))
                self._report(order)
        except StorageUnavailableError as error:
            _LOG.error("command_not_stored", command=order.id, error=str(error))
            self._report(order)
        _LOG.info("command", command=order.id, op=order.op, st=order.st)

    def _report(self, order: Order) -> None:
        self._reports.result(order.id, order.st, out=order.out, ses=order.ses, msg=order.msg)

    def stop(self) -> None:
        """Let go of what was begun; after a restart it is answered as interrupted."""
        for task in self._begun:
            task.cancel()

    def forget(self) -> None:
        """Let go of commands so old that nobody repeats them."""
        before = self._now() - KEPT // timedelta(milliseconds=1)
        with self._storage.transaction():
            self._storage.change(_SQL["forget"], {"before": before})


def _with(order: Order, outcome: Outcome) -> Order:
    return structs.replace(order, st=outcome.st, out=outcome.out, msg=outcome.msg)


def _rest(seconds: Any) -> float | None:
    """The hub may shorten the rest or lengthen it to the five minutes of the guidelines."""
    is_one = isinstance(seconds, int | float) and 0 <= seconds <= LONGEST_REST
    return float(seconds) if is_one else None


def _question(order: Order) -> Question | None:
    text, options = as_text(order.args.get("text")), order.args.get("options")
    if not text or not isinstance(options, list):
        return None
    known = [option for option in map(_option, options) if option is not None]
    return Question(order.id, text, known) if known else None


def _option(raw: Any) -> tuple[str, Text] | None:
    """An answer: a word that stands for itself, or an object with its value and its words."""
    if isinstance(raw, str) and raw:
        return raw, YES_NO.get(raw, as_text(raw))
    if isinstance(raw, dict):
        value = raw.get("value", raw.get("id"))
        text = as_text(raw.get("text", raw.get("label", value)))
        return (value, text) if isinstance(value, str) and value and text else None
    return None


def _values(order: Order) -> dict[str, Any]:
    encoded = {"args": msgspec.json.encode(order.args), "out": msgspec.json.encode(order.out)}
    return structs.asdict(order) | encoded


def _order(row: Any) -> Order:
    values = dict(row)
    values["args"] = msgspec.json.decode(values["args"])
    values["out"] = msgspec.json.decode(values["out"])
    return Order(**values)
