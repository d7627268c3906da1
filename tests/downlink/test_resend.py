"""Asking for what is missing: in parts, with patience, never many at once, and what is answered."""

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from downlink.resend import (
    FIRST_PAUSE,
    HOLDS,
    LONGEST_PAUSE,
    NUMBERS,
    SETTLING,
    TURNS,
    ask,
    gone_of,
    next_ask,
)
from store import gap, message
from store.gap import Count, Hole
from store.message import Boot, Incoming, Key
from store.pool import Connection
from store.resend import Due
from tests.downlink.home import NODE, build, hear, holds, node_is, one, result, round_of

AT = datetime(2026, 3, 4, 8, tzinfo=UTC)
BOOT = Boot(NODE, 7)


async def missing(conn: Connection, low: int, high: int, boot: Boot = BOOT) -> None:
    """Ingest has found a gap."""
    await gap.note(conn, [Count(boot, high + 1, AT, (Hole(low, high, AT, AT),))], now=AT)


async def commands(conn: Connection) -> list[tuple[str, dict[str, Any]]]:
    """What was asked, in order."""
    rows = await conn.execute(
        "SELECT id, args FROM command WHERE op = 'resend' ORDER BY created_at"
    )
    return [(str(name), dict(args)) for name, args in await rows.fetchall()]


async def standing(conn: Connection) -> list[tuple[int, int, str | None]]:
    """Of each gap: missing, gone, and how it was closed."""
    return [(one.missing, one.gone, one.how) for one in await gap.of_node(conn, NODE)]


@given(
    pieces=st.sets(st.integers(0, 6000), min_size=1, max_size=50),
    attempts=st.integers(0, TURNS - 1),
)
def test_a_turn_asks_for_everything_once_in_bounded_parts(pieces: set[int], attempts: int) -> None:
    """However the gap is split; then it waits, longer each time."""
    due = Due(
        id=1,
        node_id=NODE,
        boot=7,
        missing=[(n, n) for n in sorted(pieces)],
        asked_to=None,
        attempts=attempts,
    )
    asked: list[int] = []
    while (part := next_ask(due, AT, dice=lambda: 1.0)) is not None:
        assert part.high - part.low < NUMBERS
        asked += range(part.low, part.high + 1)
        if part.asked_to is None:
            break
        due = Due(
            id=1,
            node_id=NODE,
            boot=7,
            missing=due.missing,
            asked_to=part.asked_to,
            attempts=attempts,
        )
    assert part is not None
    assert len(asked) == len(set(asked))
    assert pieces <= set(asked)
    assert part.attempts == attempts + 1
    assert part.ask_at - AT == min(FIRST_PAUSE * 2**attempts, LONGEST_PAUSE)


def test_only_what_was_asked_for_can_be_gone() -> None:
    """An answer is the word of a device: what makes no sense in it is passed over."""
    asked = {"boot": 7, "from": 5, "to": 9}
    said = [[0, 5], [7, 7], [9, 2**60], [3, 1], [10, 11], [6], "6", [6, None], None, [8.0, 8.0]]
    assert gone_of({"gone": said}, asked) == [(5, 5), (7, 7), (9, 9)]
    for nonsense in ({}, {"gone": 5}, {"gone": {"from": 5}}):
        assert gone_of(nonsense, asked) == []


async def test_a_gap_is_asked_for_and_what_is_gone_is_lost(conn: Connection) -> None:
    """The command names the range; the rest stays open and is asked for again, later."""
    await build(conn)
    await node_is(conn, "ready", AT)
    await missing(conn, 5, 9)
    assert await ask(conn, now=AT, limit=3) == 1
    ((name, args),) = await commands(conn)
    assert args == {"boot": 7, "from": 5, "to": 9}
    assert await ask(conn, now=AT + HOLDS / 2, limit=3) == 0
    out = {"sent": [[5, 6]], "gone": [[0, 4], [7, 9]]}
    await hear(conn, result(name, "accepted", AT), result(name, "ok", AT, out=out))
    await round_of(conn, AT)
    assert await standing(conn) == [(2, 3, None)]
    await conn.execute("DELETE FROM feed_cursor")  # taken again it changes nothing
    await round_of(conn, AT)
    assert await standing(conn) == [(2, 3, None)]
    assert await ask(conn, now=AT + FIRST_PAUSE, limit=3) == 1
    assert (await commands(conn))[-1][1] == {"boot": 7, "from": 5, "to": 6}


async def test_what_came_meanwhile_is_not_gone(conn: Connection) -> None:
    """The node holds no longer what the hub has taken, and says so."""
    await build(conn)
    await node_is(conn, "ready", AT)
    await missing(conn, 5, 9)
    await ask(conn, now=AT, limit=3)
    ((name, _),) = await commands(conn)
    await message.take(conn, [Incoming(Key(NODE, 7, n), "obs", 1, AT) for n in range(5, 8)])
    await hear(conn, result(name, "ok", AT, out={"sent": [], "gone": [[5, 9]]}))
    await round_of(conn, AT)
    assert await standing(conn) == [(0, 2, "gone")]


async def test_who_does_not_answer_is_asked_again_and_at_last_no_more(conn: Connection) -> None:
    """With pauses that grow; the gap is given up, which is not `gone`."""
    await build(conn)
    await node_is(conn, "ready", AT)
    await missing(conn, 5, 9)
    now, asked = AT, []
    for _ in range(3 * TURNS):
        if await ask(conn, now=now, limit=3):
            asked.append(now)
        now += LONGEST_PAUSE
        await round_of(conn, now)
    assert len(asked) == TURNS
    assert await standing(conn) == [(5, 0, "given_up")]


async def test_a_node_that_cannot_is_asked_once(conn: Connection) -> None:
    """`unsupported` gives up all that is open of it."""
    await build(conn)
    await node_is(conn, "ready", AT)
    await missing(conn, 5, 9)
    await missing(conn, 20, 21)
    await ask(conn, now=AT, limit=3)
    ((name, _),) = await commands(conn)
    await hear(conn, result(name, "unsupported", AT))
    await round_of(conn, AT)
    assert await standing(conn) == [(2, 0, "given_up"), (5, 0, "given_up")]


async def test_a_long_gap_is_asked_for_in_parts(conn: Connection) -> None:
    """The next part follows the answer, not the clock."""
    await build(conn)
    await node_is(conn, "ready", AT)
    await missing(conn, 0, 2 * NUMBERS + 9)
    for turn in range(3):
        assert await ask(conn, now=AT + timedelta(seconds=turn), limit=3) == 1
        (name, args) = (await commands(conn))[-1]
        assert args["from"] == turn * NUMBERS
        gone = [[args["from"], args["to"]]]
        await hear(conn, result(name, "ok", AT, out={"sent": [], "gone": gone}))
        await round_of(conn, AT + timedelta(seconds=turn))
    assert await standing(conn) == [(0, 2 * NUMBERS + 10, "gone")]


async def test_after_an_outage_all_nodes_are_asked_a_few_at_a_time(conn: Connection) -> None:
    """A hundred gaps that were due for long make no storm; each is asked for once."""
    await build(conn)
    await conn.execute(
        "INSERT INTO node (id, area_id) SELECT 'manynode' || n, 1 FROM generate_series(10, 49) n"
    )
    await conn.execute(
        "INSERT INTO node_state (node_id, state, con, state_at, seen_at)"
        " SELECT id, 'ready', 1, %s, %s FROM node",
        (AT, AT),
    )
    for n in range(10, 50):
        await missing(conn, 5, 9, Boot(f"manynode{n}", 7))
        await missing(conn, 15, 19, Boot(f"manynode{n}", 7))
    later = AT + timedelta(days=1)
    asked = [await ask(conn, now=later + timedelta(seconds=n), limit=3) for n in range(20)]
    assert asked == [3] * 13 + [1] + [0] * 6
    nodes = "SELECT count(DISTINCT node_id) FROM command"
    assert await one(conn, nodes) == 40


async def test_a_node_that_was_away_is_asked_when_it_is_back(conn: Connection) -> None:
    """Not before it had time to send what it kept by itself."""
    await build(conn)
    await node_is(conn, "offline", AT)
    await missing(conn, 5, 9)
    assert await ask(conn, now=AT, limit=3) == 0
    await node_is(conn, "ready", AT, con=2)
    await hear(conn, holds(None, AT))
    await round_of(conn, AT)
    assert await ask(conn, now=AT, limit=3) == 0
    assert await ask(conn, now=AT + SETTLING, limit=3) == 1
