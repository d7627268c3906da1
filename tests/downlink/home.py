"""One home for the tests of downlink: a patient, a node that rings, and what it is told."""

from datetime import date, datetime, time, timedelta
from typing import Any

from msgspec import Struct

from contract.codec import decode_down
from contract.messages import Plan
from downlink.answers import consume
from downlink.revisions import revise
from downlink.settings import DownlinkSettings
from downlink.timers import expire_commands, miss_doses
from store import feed, plan, revision
from store.feed import AnswerItem, FeedItem, ResultItem, StateItem
from store.plan import NewPlanItem
from store.pool import Connection

NODE = "gateway00001"
SETTINGS = DownlinkSettings(database_url="postgresql://unused", broker_url="mqtt://u:p@127.0.0.1:1")


class Home(Struct, frozen=True):
    """Where the test stands: one village, one patient at a node."""

    area_id: int
    patient_id: int
    node_id: str = NODE


async def one(conn: Connection, sql: str, *params: Any) -> Any:
    """The first column of the first row."""
    row = await (await conn.execute(sql, params)).fetchone()
    return row[0] if row else None


async def build(conn: Connection, *, zone: str = "Asia/Shanghai") -> Home:
    """A village, a patient, a node with a cuff that measures the patient."""
    area_id = await one(
        conn,
        "INSERT INTO area (level, name, time_zone) VALUES ('village', 'v', %s) RETURNING id",
        zone,
    )
    patient_id = await add_patient(conn, area_id, "0")
    await conn.execute("INSERT INTO node (id, area_id) VALUES (%s, %s)", (NODE, area_id))
    await bind(conn, patient_id)
    return Home(area_id, patient_id)


async def add_patient(conn: Connection, area_id: int, letter: str) -> int:
    """Somebody of the village."""
    return int(
        await one(
            conn,
            "INSERT INTO patient (name, area_id, pseudonym) VALUES ('p', %s, %s) RETURNING id",
            area_id,
            f"r:{letter * 16}",
        )
    )


async def bind(
    conn: Connection, patient_id: int, *, node_id: str = NODE, dev: str = "cuff1", who: str = ""
) -> None:
    """The patient is measured by a device of the node, for ever."""
    device_id = await one(
        conn,
        "INSERT INTO device (node_id, dev) VALUES (%s, %s)"
        " ON CONFLICT (node_id, dev) DO UPDATE SET dev = excluded.dev RETURNING id",
        node_id,
        dev,
    )
    await conn.execute(
        "INSERT INTO device_binding (device_id, who, patient_id, during)"
        " VALUES (%s, %s, %s, tstzrange('2020-01-01', NULL))",
        (device_id, who, patient_id),
    )


def drug(home: Home, *times: str, **more: Any) -> NewPlanItem:
    """Amlodipine at these local times."""
    values: dict[str, Any] = {
        "patient_id": home.patient_id,
        "node_id": home.node_id,
        "drug": "amlodipine",
        "text_zh": "请服用氨氯地平 1 片",
        "text_en": "Please take one amlodipine tablet",
        "times": tuple(time.fromisoformat(t) for t in times),
        "starts_on": date(2026, 1, 1),
    }
    return NewPlanItem(**(values | more))


async def prescribe(conn: Connection, home: Home, *times: str, now: datetime, **more: Any) -> int:
    """Add an item."""
    return await plan.add_item(conn, drug(home, *times, **more), staff_id=None, now=now)


async def round_of(conn: Connection, now: datetime) -> None:
    """What the service does in one round, without the broker."""
    while await consume(conn, now=now):
        pass
    await expire_commands(conn, now=now, settings=SETTINGS)
    await miss_doses(conn, now=now, settings=SETTINGS)
    renew = now + SETTINGS.renew_below
    for node_id in await revision.due_nodes(conn, renew_before=renew):
        await revise(conn, node_id, now=now, settings=SETTINGS)


async def plan_of(conn: Connection, node_id: str = NODE) -> Plan:
    """The message that is, or is about to be, on the device's topic."""
    body = await one(conn, "SELECT body FROM plan WHERE node_id = %s", node_id)
    message = decode_down("plan", bytes(body))
    assert isinstance(message, Plan)
    return message


def rings(message: Plan) -> list[str]:
    """The occurrence ids of a plan, in order of time."""
    return [dose_id for _, dose_id in sorted(occ for item in message.items for occ in item.occ)]


async def hear(conn: Connection, *items: FeedItem) -> None:
    """Ingest has stored this."""
    async with conn.transaction():
        await feed.append(conn, "ingest", items)


def answer(
    dose_id: str, state: str, at: datetime, *, received_at: datetime | None = None, **more: Any
) -> AnswerItem:
    """One acknowledgement of the home's node."""
    values: dict[str, Any] = {"node_id": NODE, "by": "button", "why": None} | more
    return AnswerItem(
        id=dose_id,
        state=state,
        at=at,
        received_at=received_at or at + timedelta(seconds=1),
        **values,
    )


def result(command_id: str, state: str, at: datetime, **more: Any) -> ResultItem:
    """One answer to a command."""
    values: dict[str, Any] = {"node_id": NODE, "out": {}, "session_id": None} | more
    return ResultItem(command_id=command_id, state=state, received_at=at, **values)


def holds(revision_number: int | None, at: datetime) -> StateItem:
    """The node's state, with the plan revision it holds."""
    return StateItem(
        node_id=NODE, state="ready", con=1, plan_revision=revision_number, received_at=at
    )


async def told(conn: Connection, kind: type[FeedItem]) -> list[Any]:
    """Everything of one kind that the feed says."""
    batches = await feed.read_after(conn, 0, limit=10_000)
    return [item for batch in batches for item in batch.items if isinstance(item, kind)]


async def dose_state(conn: Connection, dose_id: str) -> str:
    """What became of a dose."""
    return str(await one(conn, "SELECT state FROM dose WHERE id = %s", dose_id))


async def node_is(conn: Connection, state: str, at: datetime, *, con: int = 1) -> None:
    """Ingest has heard the node's state."""
    await conn.execute(
        "INSERT INTO node_state (node_id, state, con, state_at, seen_at)"
        " VALUES (%(n)s, %(s)s, %(c)s, %(at)s, %(at)s) ON CONFLICT (node_id) DO UPDATE SET"
        " state = excluded.state, con = excluded.con, state_at = excluded.state_at,"
        " seen_at = excluded.seen_at",
        {"n": NODE, "s": state, "c": con, "at": at},
    )
