"""Commands and messages: asked for by a row, answered, expired; and what they never do."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from contract.codec import decode_down
from contract.messages import Command, Feedback, Reference, Reminder
from downlink import letters
from downlink.commands import FINAL, next_state
from downlink.timers import clear_messages, expire_commands
from store import command, outbound
from store.command import UnknownOpError
from store.feed import ResultItem
from store.pool import Connection
from tests.downlink.home import NODE, SETTINGS, build, hear, one, result, round_of, told

NOW = datetime(2026, 11, 22, 0, 30, tzinfo=UTC)
SECOND = timedelta(seconds=1)


async def ask(conn: Connection, command_id: str = "c1", **more: Any) -> None:
    """Ask the home's node for a reading within a minute."""
    values: dict[str, Any] = {
        "command_id": command_id,
        "node_id": NODE,
        "op": "measure_now",
        "args": {"k": "bp"},
        "episode_id": None,
        "created_by": "engine",
        "now": NOW,
        "expires_at": NOW + 60 * SECOND,
    }
    await command.request(conn, **(values | more))


async def state_of(conn: Connection, command_id: str = "c1") -> str:
    """Where a command stands."""
    return str(await one(conn, "SELECT state FROM command WHERE id = %s", command_id))


async def test_safety_07_a_command_asks_and_starts_nothing(conn: Connection) -> None:
    """What goes down for measure_now is the request and its expiry; the person starts."""
    await build(conn)
    await ask(conn)
    (row,) = await command.waiting(conn, now=NOW)
    letter = letters.command(row, NOW)
    message = decode_down("cmd", letter.message.payload)
    assert message == Command(
        v=0,
        id="c1",
        op="measure_now",
        args={"k": "bp"},
        exp=int((NOW + 60 * SECOND).timestamp()) * 1000,
    )
    assert letter.message.expires_in_s == 60
    assert not letter.message.retain, "a request kept by the broker would be asked again later"


@pytest.mark.parametrize("op", ["inflate", "start", "unlock", "dispense", "", "MEASURE_NOW"])
async def test_safety_07_nothing_that_starts_by_itself_can_be_sent(
    conn: Connection, op: str
) -> None:
    """The only door to the command table knows no such op."""
    await build(conn)
    with pytest.raises(UnknownOpError):
        await ask(conn, op=op)
    assert await command.waiting(conn, now=NOW) == []


async def test_asking_twice_with_one_id_asks_once(conn: Connection) -> None:
    """The rule engine may run twice over the same reading."""
    await build(conn)
    await ask(conn)
    await ask(conn, op="speak", expires_at=NOW + 600 * SECOND)
    (row,) = await command.waiting(conn, now=NOW)
    assert (row.op, row.expires_at) == ("measure_now", NOW + 60 * SECOND)


async def test_a_command_is_answered_step_by_step(conn: Connection) -> None:
    """accepted, then ok with the session it made; what comes after a final word is not taken."""
    await build(conn)
    await ask(conn)
    await command.sent(conn, "c1", now=NOW)
    assert await state_of(conn) == "sent"
    await hear(conn, result("c1", "accepted", NOW + 2 * SECOND))
    await round_of(conn, NOW + 3 * SECOND)
    assert await state_of(conn) == "accepted"
    await hear(
        conn,
        result("c1", "ok", NOW + 90 * SECOND, session_id="s1", out={"sys": 150}, message="done"),
    )
    await hear(conn, result("c1", "error", NOW + 91 * SECOND))
    await round_of(conn, NOW + 92 * SECOND)
    assert await state_of(conn) == "ok"
    assert await one(conn, "SELECT session_id FROM command") == "s1"
    assert await one(conn, "SELECT message FROM command") == "done"
    assert await one(conn, "SELECT out ->> 'sys' FROM command") == "150"


async def test_an_answer_faster_than_our_own_note_stays(conn: Connection) -> None:
    """The device accepted before downlink had noted that the broker took the command."""
    await build(conn)
    await ask(conn)
    await hear(conn, result("c1", "accepted", NOW + SECOND))
    await round_of(conn, NOW + SECOND)
    await command.sent(conn, "c1", now=NOW + 2 * SECOND)
    assert await state_of(conn) == "accepted"
    assert await command.waiting(conn, now=NOW + 2 * SECOND) == []


async def test_a_node_answers_only_its_own_commands(conn: Connection) -> None:
    """Another node's answer changes nothing."""
    await build(conn)
    await ask(conn)
    await hear(conn, result("c1", "ok", NOW, node_id="gateway00002"))
    await round_of(conn, NOW)
    assert await state_of(conn) == "queued"


@pytest.mark.parametrize(
    ("before", "expires_after_s"), [("queued", 60), ("sent", 65), ("accepted", 360)]
)
async def test_a_command_nobody_answers_expires_and_is_told(
    conn: Connection, before: str, expires_after_s: int
) -> None:
    """Each state has its own patience; the feed says expired, so that the alert goes on."""
    await build(conn)
    await ask(conn)
    await conn.execute("UPDATE command SET state = %s", (before,))
    early = NOW + (expires_after_s - 1) * SECOND
    assert await expire_commands(conn, now=early, settings=SETTINGS) == 0
    late = NOW + expires_after_s * SECOND
    assert await expire_commands(conn, now=late, settings=SETTINGS) == 1
    assert await expire_commands(conn, now=late, settings=SETTINGS) == 0
    (item,) = await told(conn, ResultItem)
    assert (item.command_id, item.state, item.node_id) == ("c1", "expired", NODE)
    await round_of(conn, late)
    assert await state_of(conn) == "expired"


async def test_a_true_answer_after_our_guess_of_expiry_is_taken(conn: Connection) -> None:
    """The hub only guessed; the device's own expired, however, is final."""
    await build(conn)
    for command_id in ("c1", "c2"):
        await ask(conn, command_id)
    await hear(conn, result("c1", "accepted", NOW), result("c2", "expired", NOW))
    await round_of(conn, NOW)
    late = NOW + 400 * SECOND
    await round_of(conn, late)
    assert [await state_of(conn, c) for c in ("c1", "c2")] == ["expired", "expired"]
    await hear(conn, result("c1", "ok", late), result("c2", "ok", late))
    await round_of(conn, late)
    assert [await state_of(conn, c) for c in ("c1", "c2")] == ["ok", "expired"]


@pytest.mark.parametrize("current", ["queued", "sent", "accepted", *sorted(FINAL)])
@pytest.mark.parametrize("said", ["accepted", *sorted(FINAL), "a_newer_word"])
def test_a_final_word_never_changes(current: str, said: str) -> None:
    """Table of every pair: final stays, accepted never goes back, unknown words do nothing."""
    after = next_state(current, said, answered=current in FINAL)
    if current in FINAL or said == "a_newer_word":
        assert after is None
    elif said == "accepted":
        assert after == (None if current == "accepted" else "accepted")
    else:
        assert after == said


async def test_a_reminder_says_where_its_answer_goes(conn: Connection) -> None:
    """Response topic and correlation are set; the payload says when it ends."""
    await build(conn)
    reminder = Reminder(
        v=0, id="rem1", at=1, exp=2, text={"zh-CN": "请多喝水", "en": "Drink some water"}
    )
    await outbound.put_reminder(
        conn, node_id=NODE, reminder=reminder, now=NOW, expires_at=NOW + 90 * SECOND
    )
    (row,) = await outbound.waiting(conn, now=NOW)
    message = letters.message(row, NOW).message
    assert message.topic == f"hh/1/dn/{NODE}/reminder"
    assert (message.answer_to, message.answers_id) == (f"hh/1/up/{NODE}/ack", "rem1")
    assert (message.expires_in_s, message.retain) == (90, False)
    assert msgspec.json.decode(message.payload, type=Reminder) == reminder


async def test_messages_past_their_time_are_dropped_and_counted(conn: Connection) -> None:
    """A stage of an event from an hour ago is not spoken now."""
    await build(conn)
    for minutes in (1, 60):
        feedback = Feedback(v=0, t=1, st="notified", ref=Reference(id="e1"))
        await outbound.put_feedback(
            conn,
            node_id=NODE,
            feedback=feedback,
            now=NOW,
            expires_at=NOW + timedelta(minutes=minutes),
        )
    later = NOW + timedelta(minutes=2)
    assert len(await outbound.waiting(conn, now=later)) == 1
    await clear_messages(conn, now=later)
    assert await one(conn, "SELECT count(*) FROM outbound") == 1


async def test_what_is_too_large_for_a_packet_is_refused_at_the_door(conn: Connection) -> None:
    """One oversize message would make the broker cut the connection of all homes, for ever."""
    await build(conn)
    with pytest.raises(ValueError, match="at most"):
        await ask(conn, args={"text": "x" * 70_000})
    feedback = Feedback(v=0, t=1, say={"zh-CN": "x" * 70_000})
    with pytest.raises(ValueError, match="at most"):
        await outbound.put_feedback(
            conn, node_id=NODE, feedback=feedback, now=NOW, expires_at=NOW + 60 * SECOND
        )
