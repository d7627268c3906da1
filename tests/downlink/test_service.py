"""downlink against a real broker and a real database: what a device sees, whatever dies."""

import asyncio
import signal
import time
from datetime import timedelta

import psycopg
import pytest
from prometheus_client import REGISTRY

from contract.messages import Command, Feedback, Plan, Reference
from downlink.service import _woken
from firmware_sim.node import SimulatedNode
from store import command, configuration, feed, outbound, plan
from store.plan import plan_status
from store.pool import Connection
from tests.downlink.home import NODE, Home, answer, bind, hear, one, prescribe, rings
from tests.downlink.live import PASSWORD, Process, device, fast, forget, now, running, until
from tests.fixtures.fix_broker import LiveBroker

# What the device has heard is noted after it has it; and what is noted is told to the console.
NOTHING_WAITS = (
    "SELECT p.published_at IS NOT NULL AND p.published_edit = p.edit"
    " AND c.published_revision = c.revision FROM plan p JOIN node_config c USING (node_id)"
)


def plans(node: SimulatedNode) -> list[Plan]:
    """The plans a device has received, in order."""
    return [message for _, message in node.received if isinstance(message, Plan)]


def commands(node: SimulatedNode) -> list[Command]:
    """The commands a device has received, in order."""
    return [message for _, message in node.received if isinstance(message, Command)]


async def ask(conn: Connection, command_id: str, *, seconds: float = 30.0) -> None:
    """Ask the node to measure."""
    await command.request(
        conn,
        command_id=command_id,
        node_id=NODE,
        op="measure_now",
        args={"k": "bp"},
        episode_id=None,
        created_by="engine",
        now=now(),
        expires_at=now() + timedelta(seconds=seconds),
    )


async def test_an_edit_reaches_the_device_and_is_kept_for_it(
    conn: Connection, database_url: str, broker: LiveBroker, home: Home
) -> None:
    """Retained for whoever connects later; the device's word confirms it."""
    async with running(fast(database_url, broker)), device(broker) as node:
        item = await prescribe(conn, home, "08:00", now=now())
        message = await node.heard("plan")
        assert {dose_id.split("-")[0] for dose_id in rings(message)} == {f"r{item}"}
        await until(lambda: one(conn, "SELECT published_at FROM plan"))
        await hear(conn, answer(f"plan:{message.rev}", "received", now()))
        await until(lambda: one(conn, "SELECT confirmed_at FROM plan"))
        await plan.stop_item(conn, item, None, now())
        emptied = await node.heard("plan", lambda m: m.rev == message.rev + 1)
        assert emptied.items == []
    async with device(broker, persistent=False) as another:
        assert await another.heard("plan") == emptied
    status = await plan_status(conn, NODE)
    assert status is not None
    assert (status.confirmed_revision, status.on_device) == (message.rev, False)


async def test_commands_and_feedback_reach_the_device(
    conn: Connection, database_url: str, broker: LiveBroker, home: Home
) -> None:
    """A command and the progress of an event, each once, and marked when the broker has them."""
    async with device(broker) as node, running(fast(database_url, broker)):
        await ask(conn, "c1")
        said = Feedback(v=0, t=1, ok=True, ref=Reference(id="e1"), st="answered")
        await outbound.put_feedback(
            conn, node_id=NODE, feedback=said, now=now(), expires_at=now() + timedelta(hours=1)
        )
        assert (await node.heard("cmd")).id == "c1"
        assert await node.heard("fb") == said
        await until(lambda: one(conn, "SELECT true FROM command WHERE state = 'sent'"))
        await until(lambda: one(conn, "SELECT true FROM outbound WHERE published_at < now()"))
        await asyncio.sleep(0.5)
        assert len(commands(node)) == 1


async def test_a_sleeping_device_gets_what_has_not_expired(
    conn: Connection, database_url: str, broker: LiveBroker, home: Home
) -> None:
    """Promise 47: on reconnect it gets the command that still holds, not the one that does not."""
    async with device(broker):
        pass
    async with running(fast(database_url, broker, sent_grace_s=0.1)):
        await ask(conn, "short", seconds=1.2)
        await ask(conn, "long", seconds=60)
        await until(lambda: one(conn, "SELECT count(*) = 2 FROM command WHERE state = 'sent'"))
        # The broker counts whole seconds.
        await asyncio.sleep(2.8)
        async with device(broker) as node:
            assert (await node.heard("cmd")).id == "long"
            await asyncio.sleep(0.3)
            assert [each.id for each in commands(node)] == ["long"]
        await until(lambda: one(conn, "SELECT true FROM command WHERE state = 'expired'"))


async def test_a_command_waits_for_a_device_that_never_listened(
    conn: Connection, database_url: str, broker: LiveBroker, home: Home
) -> None:
    """The broker says nobody listens: it is not called sent, and goes out when somebody does."""
    async with running(fast(database_url, broker)):
        await ask(conn, "c1")
        await asyncio.sleep(0.7)
        assert await one(conn, "SELECT state FROM command") == "queued"
        async with device(broker) as node:
            assert (await node.heard("cmd")).id == "c1"


async def test_a_broker_that_forgot_everything_is_told_again(
    conn: Connection, database_url: str, broker: LiveBroker, home: Home
) -> None:
    """Killed and emptied, it has the plan again within seconds, the very same one."""
    async with running(fast(database_url, broker)):
        await prescribe(conn, home, "08:00", now=now())
        async with device(broker, persistent=False) as node:
            before = await node.heard("plan")
        await asyncio.to_thread(forget, broker)
        async with device(broker, persistent=False) as node:
            assert await node.heard("plan") == before


async def test_promise_47_killed_between_publishing_and_noting_it(
    conn: Connection, database_url: str, broker: LiveBroker, home: Home
) -> None:
    """kill -9 after the broker had it, before it was noted: the device sees the same id again."""
    process = Process(fast(database_url, broker))
    await ask(conn, "c1", seconds=60)
    async with device(broker) as node:
        # Whoever holds the row keeps downlink from noting what it has published.
        async with conn.transaction():
            await conn.execute("SELECT FROM command FOR UPDATE")
            process.start()
            await node.heard("cmd")
            process.end(signal.SIGKILL)
        assert await one(conn, "SELECT state FROM command") == "queued"
        process.start()
        await until(lambda: one(conn, "SELECT true FROM command WHERE state = 'sent'"))
        assert process.end(signal.SIGTERM) == 0
        assert [each.id for each in commands(node)] == ["c1", "c1"]
        assert commands(node)[0] == commands(node)[1]


async def test_promise_47_a_plan_killed_on_its_way_is_the_same_plan(
    conn: Connection, database_url: str, broker: LiveBroker, home: Home
) -> None:
    """Killed at any moment around publishing, every revision is one message, bit for bit."""
    process = Process(fast(database_url, broker))
    async with device(broker) as node:
        for number in range(4):
            await prescribe(conn, home, f"08:{number:02}", now=now())
            process.start()
            await asyncio.sleep(0.75 + 0.1 * number)
            process.end(signal.SIGKILL)
        process.start()
        await until(
            lambda: one(
                conn,
                "SELECT true FROM plan WHERE published_edit = edit AND published_at IS NOT NULL",
            )
        )
        last = await one(conn, "SELECT revision FROM plan")
        await node.heard("plan", lambda m: m.rev == last)
        process.end(signal.SIGKILL)
        seen: dict[int, Plan] = {}
        for message in plans(node):
            assert seen.setdefault(message.rev, message) == message
        assert len(seen[last].items) == 4


async def test_downlink_survives_the_loss_of_its_database_connections(
    conn: Connection, database_url: str, broker: LiveBroker, home: Home
) -> None:
    """Every connection is cut; the next edit arrives all the same."""
    async with running(fast(database_url, broker)), device(broker) as node:
        await prescribe(conn, home, "08:00", now=now())
        await node.heard("plan")
        await conn.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        await prescribe(conn, home, "09:00", now=now())
        await node.heard("plan", lambda m: len(m.items) == 2)


async def test_what_the_broker_refuses_is_not_called_sent(
    conn: Connection, database_url: str, broker: LiveBroker, home: Home
) -> None:
    """Signed in as somebody without the right to write there: the row keeps waiting."""
    broker.add_node("gateway00009", PASSWORD)
    settings = fast(database_url, broker, broker_url=broker.url("gateway00009"))
    async with device(broker) as node, running(settings) as task:
        await ask(conn, "c1")
        await prescribe(conn, home, "08:00", now=now())
        await until(lambda: one(conn, "SELECT body FROM plan"))
        await asyncio.sleep(0.6)
        assert await one(conn, "SELECT state FROM command") == "queued"
        assert await one(conn, "SELECT published_at FROM plan") is None
        assert node.received == []
        assert not task.done()


@pytest.mark.parametrize("steps", range(6))
async def test_a_stop_that_comes_together_with_work_is_a_stop(steps: int) -> None:
    """However many turns of the loop lie between the news and the stop, the task ends."""
    event = asyncio.Event()

    async def rounds() -> None:
        while True:
            await _woken(event, 5.0)
            event.clear()

    task = asyncio.create_task(rounds())
    await asyncio.sleep(0.01)
    event.set()
    for _ in range(steps):
        await asyncio.sleep(0)
    task.cancel()
    done, _ = await asyncio.wait({task}, timeout=1.0)
    for _ in range(2):
        task.cancel()
        await asyncio.sleep(0.01)
    assert done, "the stop was lost"


async def test_downlink_at_rest_wakes_nobody(
    conn: Connection, database_url: str, broker: LiveBroker, home: Home
) -> None:
    """With plan, configuration and command done, its rounds tell nobody, least of all itself."""
    async with running(fast(database_url, broker)), device(broker) as node:
        await prescribe(conn, home, "08:00", now=now())
        await configuration.change(conn, NODE, put={"dev": 1}, by="test", now=now())
        await node.heard("plan")
        await until(lambda: one(conn, NOTHING_WAITS))
        async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as ears:
            await ears.execute("LISTEN downlink")
            await ears.execute("LISTEN console")
            told = [n.payload async for n in ears.notifies(timeout=1.5)]
    assert told == []


async def test_a_second_downlink_waits_for_the_first(
    conn: Connection, database_url: str, broker: LiveBroker, home: Home
) -> None:
    """They never take the client id from each other; when one ends the other goes on."""
    first, second = Process(fast(database_url, broker)), Process(fast(database_url, broker))
    async with device(broker) as node:
        first.start()
        await prescribe(conn, home, "08:00", now=now())
        await node.heard("plan")
        second.start()
        await asyncio.sleep(1.5)
        assert len(plans(node)) == 1, "the second one has not published anything"
        first.end(signal.SIGKILL)
        await prescribe(conn, home, "09:00", now=now())
        await node.heard("plan", lambda m: len(m.items) == 2)
        assert second.end(signal.SIGTERM) == 0


async def test_nothing_of_a_node_that_left_stays_at_the_broker(
    conn: Connection, database_url: str, broker: LiveBroker, home: Home
) -> None:
    """Its plan, birth and state are no longer retained."""
    async with running(fast(database_url, broker)):
        await prescribe(conn, home, "08:00", now=now())
        async with device(broker, persistent=False) as node:
            await node.heard("plan")
        await conn.execute("UPDATE node SET revoked_at = now()")
        await asyncio.sleep(1.0)
    async with device(broker, persistent=False) as node:
        await asyncio.sleep(0.3)
        assert node.received == []


async def test_one_home_with_an_unknown_zone_does_not_hold_up_another(
    conn: Connection, database_url: str, broker: LiveBroker, home: Home
) -> None:
    """Its plan is not guessed; the others' plans go out."""
    other = Home(home.area_id, home.patient_id, "gateway00002")
    await conn.execute("INSERT INTO node (id, area_id) VALUES (%s, %s)", (other.node_id, 1))
    await bind(conn, other.patient_id, node_id=other.node_id)
    nowhere = await one(
        conn,
        "INSERT INTO patient (name, area_id, pseudonym) VALUES ('q', %s, %s) RETURNING id",
        home.area_id,
        "r:" + "2" * 16,
    )
    await bind(conn, nowhere, dev="cuff9")
    await conn.execute(
        "INSERT INTO patient_time_zone VALUES (%s, '2020-01-01', 'Mars/Olympus')", (nowhere,)
    )
    await prescribe(conn, home, "08:00", now=now(), patient_id=nowhere, who="A")
    await prescribe(conn, other, "08:00", now=now())
    async with running(fast(database_url, broker)):
        await until(
            lambda: one(conn, "SELECT published_at FROM plan WHERE node_id = %s", other.node_id)
        )
        assert await one(conn, "SELECT body FROM plan WHERE node_id = %s", NODE) is None


async def test_a_busy_feed_is_read_and_makes_no_whole_rounds(
    conn: Connection, database_url: str, broker: LiveBroker, home: Home
) -> None:
    """Ingest speaks on the feed hundreds of times a second: the answers are taken, and what time
    changes is looked at as often as ever, not hundreds of times."""
    chosen = fast(database_url, broker).model_copy(update={"poll_s": 1.0})
    async with running(chosen):
        await asyncio.sleep(1.5)  # what begins with a start is over
        before, began = rounds_made(), time.monotonic()
        for _ in range(200):
            async with conn.transaction():
                item = feed.BirthItem(node_id=NODE, received_at=now())
                last = await feed.append(conn, "test", [item])
        await until(
            lambda: one(
                conn,
                f"SELECT 1 FROM feed_cursor WHERE consumer = 'downlink' AND position = {last}",
            )
        )
        assert rounds_made() - before <= 3 + 2 * (time.monotonic() - began)


def rounds_made() -> float:
    """How many whole rounds there were in this process."""
    return REGISTRY.get_sample_value("hearthbeat_downlink_round_seconds_count") or 0.0
