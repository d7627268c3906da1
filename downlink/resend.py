"""Asking nodes for what is missing of their count, and taking their word on what is gone.

Gaps are rows that ingest writes; what is asked is a command like any other, in one transaction
with the note that it was asked. So a kill at any moment loses neither. A long gap is asked for in
parts, one command of a node at a time. All nodes together are asked a few times a second at most:
a hub that was away must not make everybody send at once.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from random import random
from secrets import token_hex
from typing import Any, Final

import structlog
from msgspec import Struct

from runtime.metrics import counter
from store import command, resend
from store.feed import ResultItem
from store.message import Boot
from store.pool import Connection
from store.resend import Due, Pair

_LOG = structlog.get_logger()
OP: Final = "resend"
# Numbers in one command: simple devices go through them one by one.
NUMBERS: Final = 1_000
# A ready node answers within seconds; one that does not is asked again soon enough.
HOLDS: Final = timedelta(minutes=10)
FIRST_PAUSE: Final = timedelta(minutes=5)
LONGEST_PAUSE: Final = timedelta(hours=12)
TURNS: Final = 10
# A node that is back first sends what it kept by itself.
SETTLING: Final = timedelta(seconds=60)
_AHEAD: Final = 100


class Ask(Struct, frozen=True):
    """What to ask for, both ends included, and what to note: how far this turn came (None: to its
    end), how many turns there were, and when to ask next."""

    low: int
    high: int
    asked_to: int | None
    attempts: int
    ask_at: datetime


def next_ask(due: Due, now: datetime, *, dice: Callable[[], float] = random) -> Ask | None:
    """The next part of a gap; None when it was asked for often enough. Pure but for the dice."""
    if due.attempts >= TURNS:
        return None
    after = -1 if due.asked_to is None else due.asked_to
    if due.missing[-1][1] <= after:
        after = -1  # the end of the turn came by itself
    low = next(max(first, after + 1) for first, last in due.missing if last > after)
    high = min(due.missing[-1][1], low + NUMBERS - 1)
    if high < due.missing[-1][1]:
        return Ask(low, high, high, due.attempts, now)
    return Ask(low, high, None, due.attempts + 1, now + _pause(due.attempts, dice()))


def _pause(attempts: int, chance: float) -> timedelta:
    """Twice as long each time, and not all nodes at once: between half and all of it."""
    pause: timedelta = min(FIRST_PAUSE * 2 ** min(attempts, 20), LONGEST_PAUSE)
    return pause * (0.5 + chance / 2)


async def ask(conn: Connection, *, now: datetime, limit: int) -> int:
    """Ask for what is due, at most so many nodes, each once; returns how many were asked."""
    async with conn.transaction():
        await resend.park(conn, now=now)
        nodes: set[str] = set()
        for due in await resend.due(conn, now=now, limit=_AHEAD):
            if len(nodes) < limit and due.node_id not in nodes and await _ask(conn, due, now):
                nodes.add(due.node_id)
    return len(nodes)


async def _ask(conn: Connection, due: Due, now: datetime) -> bool:
    part = next_ask(due, now)
    if part is None:
        _LOG.warning("gap_given_up", node=due.node_id, boot=due.boot, gap=due.id)
        await resend.give_up(conn, due.id, now=now)
        return False
    await command.request(
        conn,
        # Never used again, not even by a hub that begins with an empty database.
        command_id=f"gap-{due.id}-{token_hex(6)}",
        node_id=due.node_id,
        op=OP,
        args={"boot": due.boot, "from": part.low, "to": part.high},
        episode_id=None,
        created_by="engine",
        now=now,
        expires_at=now + HOLDS,
    )
    await resend.asked(
        conn,
        due.id,
        asked_to=part.asked_to,
        attempts=part.attempts,
        ask_at=part.ask_at,
        now=now,
    )
    counter("gap_resends_total", "Times a node was asked to send again").inc()
    return True


async def take_answer(conn: Connection, item: ResultItem, now: datetime) -> None:
    """What a node answered to any command. Only for what it was asked its word counts, and what
    has come is not gone, whatever it says."""
    if item.state not in ("ok", "unsupported"):
        return
    asked = await command.find(conn, item.command_id, item.node_id)
    if asked is None or asked.op != OP:
        return
    if item.state == "unsupported":
        await resend.give_up_node(conn, item.node_id, now=now)
        return
    boot = Boot(item.node_id, int(asked.args["boot"]))
    await resend.gone(conn, boot, gone_of(item.out, asked.args), now=now)
    await resend.answered(conn, boot, now=now)


def gone_of(out: Mapping[str, Any], asked: Mapping[str, Any]) -> list[Pair]:
    """The ranges an answer calls gone, as far as they were asked for; not what makes no sense."""
    said = out.get("gone")
    first, last = int(asked["from"]), int(asked["to"])
    found = []
    for one in said if isinstance(said, list) else ():
        match one:
            case [int(low), int(high)] if low <= high and low <= last and high >= first:
                found.append((int(max(low, first)), int(min(high, last))))
    return found


async def node_is_ready(conn: Connection, node_id: str) -> None:
    """A node says it is there; if it was away, what is missing of it is asked for again."""
    await resend.node_is_back(conn, node_id, settling=SETTLING)


async def give_up_old(conn: Connection, *, now: datetime) -> None:
    """What no device keeps for so long is asked for no more."""
    given_up = await resend.give_up_old(conn, now=now)
    if given_up:
        _LOG.warning("gaps_too_old", count=given_up)
