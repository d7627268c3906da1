"""What goes down to a device, as messages: each with what is to be noted when the broker has it.

A message is a function of its row: sent again after a crash it is the same.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import msgspec

from contract.codec import encode
from contract.instants import to_millis
from contract.messages import Command, Config, Firmware, Reminder
from contract.topics import dn, up
from downlink.link import Message
from store import command as commands
from store import configuration, firmware, outbound, revision
from store.pool import Connection

_Mark = Callable[[Connection, datetime], Awaitable[None]]


class Letter(msgspec.Struct, frozen=True):
    """One message with what is to be noted when the broker has it; None: only to be noted."""

    kind: str
    node_id: str
    message: Message | None
    mark: _Mark


def plan(row: revision.Revision, now: datetime) -> Letter:
    """A plan, retained until its last occurrence has passed."""

    async def mark(conn: Connection, at: datetime) -> None:
        await revision.handed_over(conn, row, now=at)

    sent = Message(
        topic=dn(row.node_id, "plan"),
        payload=row.body,
        expires_in_s=_seconds(row.holds_until - now),
        retain=True,
    )
    return Letter("plan", row.node_id, sent, mark)


def command(row: commands.Waiting, now: datetime) -> Letter:
    """A command: a request and its expiry, nothing that starts by itself (safety rule 7)."""

    async def mark(conn: Connection, at: datetime) -> None:
        await commands.sent(conn, row.id, now=at)

    wire = Command(v=0, id=row.id, op=row.op, args=row.args, exp=to_millis(row.expires_at))
    sent = Message(
        topic=dn(row.node_id, "cmd"),
        payload=encode(wire),
        expires_in_s=_seconds(row.expires_at - now),
    )
    return Letter("cmd", row.node_id, sent, mark)


def message(row: outbound.Waiting, now: datetime) -> Letter:
    """Feedback or an ad-hoc reminder; a reminder says where its answer goes."""

    async def mark(conn: Connection, at: datetime) -> None:
        await outbound.sent(conn, row.id, now=at)

    answered = row.kind == "reminder"
    sent = Message(
        topic=dn(row.node_id, row.kind),
        payload=row.payload,
        expires_in_s=_seconds(row.expires_at - now),
        answer_to=up(row.node_id, "ack") if answered else None,
        answers_id=msgspec.json.decode(row.payload, type=Reminder).id if answered else None,
    )
    return Letter(row.kind, row.node_id, sent, mark)


def settings(row: configuration.Revision) -> Letter:
    """A configuration, retained for ever; the device ignores an older revision."""

    async def mark(conn: Connection, at: datetime) -> None:
        await configuration.handed_over(conn, row, now=at)

    wire = Config(v=0, rev=row.revision, set=row.wanted)
    sent = Message(topic=dn(row.node_id, "config"), payload=encode(wire), retain=True)
    return Letter("config", row.node_id, sent, mark)


def notice(row: firmware.Notice) -> Letter:
    """A firmware to fetch, retained as long as it may be worth fetching."""

    async def mark(conn: Connection, at: datetime) -> None:
        await firmware.told(conn, row, now=at)

    window = None
    if row.window_from is not None and row.window_to is not None:
        window = (row.window_from, row.window_to)
    wire = Firmware(
        v=0,
        ver=row.version,
        url=row.url,
        sha256=row.sha256,
        size=row.size,
        sig=row.signature,
        window=window,
    )
    sent = Message(
        topic=dn(row.node_id, "fw"),
        payload=encode(wire),
        expires_in_s=_seconds(firmware.KEPT_AT_BROKER),
        retain=True,
    )
    return Letter("fw", row.node_id, sent, mark)


def no_notice(row: firmware.Over) -> Letter:
    """A notice that is over is taken from the broker, unless another one replaced it."""

    async def mark(conn: Connection, at: datetime) -> None:
        await firmware.cleared(conn, row, now=at)

    sent = Message(topic=dn(row.node_id, "fw"), payload=b"", retain=True)
    return Letter("fw", row.node_id, None if row.replaced else sent, mark)


def _seconds(left: timedelta) -> int:
    """Whole seconds, at least one: 0 would mean at once."""
    return max(1, int(left.total_seconds()))
