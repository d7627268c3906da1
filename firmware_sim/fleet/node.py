"""One node of a fleet: what it sends, what it keeps, and what it makes of what it hears."""

import hashlib
from typing import Any, Final

from firmware_sim.fleet.content import Author, Content
from firmware_sim.fleet.hearing import Feedback, Order, Receipt, Status, understood
from firmware_sim.fleet.ledger import (
    NOT_COUNTED,
    Acked,
    Again,
    Gone,
    Receipted,
    Refused,
    Sent,
)
from firmware_sim.fleet.message import MEASURED, Message, Sort, kind_of
from firmware_sim.fleet.outbox import Outbox, without
from firmware_sim.fleet.plan import Made, Plan
from firmware_sim.fleet.session import Desk, Identity, Session
from firmware_sim.fleet.wire import Publish

_REMEMBERED_ORDERS: Final = 64
_TO_WAIT: Final = frozenset({"W5101", "E5101"})


class FleetNode:
    """It measures when it is told to, keeps what the hub has not receipted, sends it again, waits
    when it is asked to, and answers commands."""

    def __init__(
        self, desk: Desk, identity: Identity, author: Author, plan: Plan, *, boot: int
    ) -> None:
        """Nothing is connected yet."""
        self._desk = desk
        self._number = identity.number
        self._author = author
        self._plan = plan
        self._boot = boot
        self.outbox = Outbox(boot)
        self.session = Session(desk, identity, self)
        self.hub_ready = False
        self._con = 0
        self._late: list[tuple[int, Message]] = []
        self._orders: dict[str, dict[str, Any]] = {}
        self._pause_until = 0.0
        self._allowed = self._allowed_at = 0.0

    # --- making -------------------------------------------------------------------------------

    def make(self, planned_ms: int) -> bool:
        """Make the message planned for this instant, and send it if that is possible now; False
        when the node has nothing to measure with."""
        made = self._plan.next(self.outbox.next_seq, planned_ms)
        if made is None:
            return False
        if made.message.seq != NOT_COUNTED:
            self.outbox.keep(made.message)
        if made.behind:
            self._late.append((made.behind, made.message))
            return True
        self._leave(made)
        if self._late:
            self._make_up_for_late()
        return True

    def hand_in(self) -> None:
        """Nothing new is made any more: what was to be late leaves now."""
        late, self._late = self._late, []
        for _, message in late:
            self._leave(Made(message))

    def _make_up_for_late(self) -> None:
        due = [message for left, message in self._late if left <= 1]
        self._late = [(left - 1, message) for left, message in self._late if left > 1]
        for message in due:
            self._leave(Made(message))

    def _leave(self, made: Made) -> None:
        message = made.message
        if self._may_send(message.sort) and self.session.room > 0:
            self._send(message, copies=min(made.copies, self.session.room))
        elif message.seq == NOT_COUNTED:
            return  # what nobody can read is not kept
        elif message.sort == "event":
            self.outbox.urgent.append(message)
        elif self._may_send(message.sort):
            self.outbox.live.append(message)
        else:
            self.outbox.hold(message)

    def _may_send(self, sort: Sort) -> bool:
        if not self.session.online:
            return False
        muted = self._desk.options.obey_hub_status and not self.hub_ready
        return not muted or sort not in MEASURED

    # --- sending ------------------------------------------------------------------------------

    def pump(self) -> None:
        """Send what waits, as far as the pace and the window allow."""
        outbox, session = self.outbox, self.session
        for queue in (outbox.urgent, outbox.live):
            while session.room > 0 and (message := outbox.first_of(queue)) is not None:
                if not self._may_send(message.sort):
                    break
                self._send(queue.popleft())
        if outbox.behind and not outbox.live and self._may_send("single"):
            self._catch_up()

    def _catch_up(self) -> None:
        now, rate = self._desk.now(), self._desk.options.catch_up_per_s
        earned = (now - self._allowed_at) * rate
        self._allowed = min(max(1.0, rate / 4), self._allowed + earned)
        self._allowed_at = now
        while now >= self._pause_until and self._allowed >= 1.0 and self.session.room > 0:
            message = self.outbox.from_backlog()
            if message is None:
                return
            self._allowed -= 1.0
            self._send(message)

    def _send(self, message: Message, *, copies: int = 1) -> None:
        desk, at_ms = self._desk, self._desk.now_ms()
        content = self._author.write(message, up_ms=max(0, at_ms - self._author.started_ms))
        digest = hashlib.sha256(content.payload).digest()
        if message.first_at is None:
            desk.note(self._first(message, content, digest, at_ms, copies))
            desk.counts.sent += 1
            desk.counts.again += copies - 1
        else:
            desk.note(Again(self._number, self._boot, message.seq, digest, at_ms))
            desk.counts.again += 1
        for _ in range(copies):
            self.session.publish(kind_of(message), content.payload, message)
        if message.seq == NOT_COUNTED:
            message.in_flight = True
        else:
            self.outbox.sent(message, desk.now())

    def _first(
        self, message: Message, content: Content, digest: bytes, at_ms: int, copies: int
    ) -> Sent:
        return Sent(
            self._number,
            self._boot,
            message.seq,
            kind_of(message),
            digest,
            at_ms,
            content.sent_ms,
            content.readings,
            content.blocks,
            "rejected" if content.rejected else "stored",
            copies,
        )

    def sweep(self) -> None:
        """Now and then: see to the connection, and queue what got no receipt."""
        self.session.sweep()
        self.outbox.overdue(self._desk.now(), self._desk.options.resend_s)

    def leave(self) -> None:
        """Say goodbye, as a device that is switched off in order."""
        if self.session.online:
            self._say("offline")
        self.session.leave()

    def _say(self, state: str) -> None:
        # A state is not counted and comes anew with each connection: it is not kept.
        self.session.publish("state", self._author.state(state, self._con))

    def _add(self, sort: Sort, body: dict[str, Any] | None = None) -> None:
        message = Message(self.outbox.next_seq, sort, self._desk.now_ms(), body=body)
        self.outbox.keep(message)
        self._leave(Made(message))

    # --- the session says ---------------------------------------------------------------------

    def will(self, con: int) -> bytes:
        """What the broker is to say when connection number `con` is lost."""
        return self._author.will(con)

    def on_ready(self, con: int) -> None:
        """Connected: first who I am, then that I am ready."""
        self._con = con
        if self.outbox.next_seq == 0:
            self._add("birth")
        self._say("ready")

    def on_lost(self) -> None:
        """What was under way comes again."""
        self.hub_ready = False
        self.outbox.cut()

    def on_taken(self, message: Message, code: int) -> None:
        """The broker's word, which lets nothing be forgotten."""
        if message.in_flight:
            message.in_flight = False
            at_ms = self._desk.now_ms()
            self._desk.note(Acked(self._number, self._boot, message.seq, at_ms, code))
            self._desk.counts.acked += 1
        if self.outbox.live or self.outbox.urgent:
            self.pump()

    def on_heard(self, packet: Publish) -> None:
        """The hub's word."""
        said = understood(packet.topic, packet.payload)
        if isinstance(said, Status):
            self.hub_ready = said.s == "ready"
        elif isinstance(said, Order):
            self._obey(said)
        elif said is not None:
            self._told(said)

    # --- hearing ------------------------------------------------------------------------------

    def _told(self, said: Feedback) -> None:
        if said.rcpt is not None:
            self._receipted(said.rcpt)
        if said.after and said.code in _TO_WAIT:
            self._pause_until = max(self._pause_until, self._desk.now() + said.after)
            self._desk.counts.throttled += 1
        ref = said.ref
        if said.ok is False and said.retry is False and ref is not None and ref.seq is not None:
            self._refused(ref.boot, ref.seq, said.code or "")

    def _refused(self, boot: int | None, seq: int, code: str) -> None:
        if self.outbox.drop(self._boot if boot is None else boot, seq) is not None:
            at_ms = self._desk.now_ms()
            self._desk.note(Refused(self._number, self._boot, seq, code, at_ms))
            self._desk.counts.refused += 1

    def _receipted(self, receipt: Receipt) -> None:
        settled = self.outbox.settle(receipt.boot, receipt.upto, receipt.also)
        desk, at_ms, now = self._desk, self._desk.now_ms(), self._desk.now()
        for first, last in settled.ranges:
            desk.note(Receipted(self._number, self._boot, first, last, at_ms))
        for message in settled.messages:
            if message.first_at is not None:
                desk.latencies.add((now - message.first_at) * 1000.0)
        desk.counts.receipted += len(settled.messages)
        desk.counts.receipted_unsent += settled.unsent

    def _obey(self, order: Order) -> None:
        answer = self._orders.get(order.id)
        if answer is None:
            answer = self._answer(order)
            if len(self._orders) >= _REMEMBERED_ORDERS:
                del self._orders[next(iter(self._orders))]
            self._orders[order.id] = answer
        self._add("res", {"id": order.id} | answer)

    def _answer(self, order: Order) -> dict[str, Any]:
        if order.exp < self._desk.now_ms():
            return {"st": "expired"}
        if order.op == "rebirth":
            self._add("birth")
            self._say("ready")
            return {"st": "ok", "out": {}}
        first, last = order.args.get("from"), order.args.get("to")
        if order.op != "resend" or not isinstance(first, int) or not isinstance(last, int):
            return {"st": "unsupported"}
        return {"st": "ok", "out": self._resend(order.args.get("boot"), first, last)}

    def _resend(self, boot: object, first: int, last: int) -> dict[str, Any]:
        mine = boot == self._boot
        there = self.outbox.resend(first, last).ranges if mine else []
        gone = without(first, last, there)
        for low, high in gone if mine else []:
            at_ms = self._desk.now_ms()
            self._desk.note(Gone(self._number, self._boot, low, high, at_ms))
        return {"sent": [list(one) for one in there], "gone": [list(one) for one in gone]}
