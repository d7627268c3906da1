"""Four weeks of a home's past: a plan, its doses, and what its gateway would have reported.

The readings and answers arrive as they would after a long outage: over MQTT, from the home's own
node, receipted by the hub.
"""

from datetime import datetime, time, timedelta
from typing import Final

from psycopg import AsyncConnection

from contract.messages import Ack, Acknowledgement, Birth, DeclaredSeries, SubDevice
from downlink.backfill import backfill
from downlink.settings import DownlinkSettings
from firmware_sim.history import DueDose, live_through
from firmware_sim.node import SimulatedNode
from firmware_sim.physiology import Person
from hub.demo_village import Home
from store import dose, plan
from store.pool import Connection

WEEKS: Final = 4
_TIMES: Final = (time(8, 0), time(20, 0))


def person_of(home: Home) -> Person:
    """The physiology behind an invented name; the same every time."""
    who = home.person
    return Person(seed=home.patient_id, sys=who.sys, dia=who.dia, takes=who.adherence)


async def remember(database_url: str, broker_url: str, home: Home, now: datetime) -> int:
    """Give the home its past; returns how many readings the hub has receipted."""
    since = now - timedelta(weeks=WEEKS)
    async with await AsyncConnection.connect(database_url, autocommit=True) as conn:
        due = await _prescribe(conn, home, since, now)
    past = live_through(person_of(home), since=since, until=now, doses=due)
    async with SimulatedNode(broker_url, persistent=False) as node:
        await node.hub_ready()
        node.send(_birth())
        for message in (*past.observations, *past.acknowledgements):
            node.send(message)
        await node.receipted()
    return len(past.measured)


async def confirm_plan(broker_url: str) -> None:
    """Say that the home's device holds the plan it was sent, as its gateway would."""
    async with SimulatedNode(broker_url, persistent=False) as node:
        await node.hub_ready()
        held = await node.heard("plan", timeout_s=30.0)
        node.send(Ack(v=0, boot=0, seq=0, clk="ntp", acks=[_received(held.rev)]))
        node.say("sleeping", plan=held.rev)
        await node.receipted()


def _received(revision: int) -> Acknowledgement:
    return Acknowledgement(id=f"plan:{revision}", st="received")


async def _prescribe(conn: Connection, home: Home, since: datetime, now: datetime) -> list[DueDose]:
    """A medicine twice a day since then, with the doses that were due."""
    item = plan.NewPlanItem(
        patient_id=home.patient_id,
        node_id=home.node_id,
        drug="氨氯地平 Amlodipine",
        dose_text="5 mg",
        text_zh="请服用氨氯地平 1 片",
        text_en="Please take 1 tablet of amlodipine",
        times=_TIMES,
        starts_on=since.date(),
    )
    await plan.add_item(conn, item, staff_id=None, now=since)
    # Neither address is used: the past is only written down.
    settings = DownlinkSettings(database_url="unused", broker_url="mqtt://unused")
    await backfill(conn, home.node_id, since=since, now=now, settings=settings)
    past = await dose.of_patient(conn, home.patient_id, since=since, until=now)
    return [DueDose(each.id, each.due_at) for each in past]


def _birth() -> Birth:
    return Birth(
        v=0,
        boot=0,
        seq=0,
        clk="ntp",
        maker="hearthbeat",
        model="demo home",
        level="gateway",
        devs=[SubDevice(dev="cuff1", type="bpm", maker="Beurer", model="BM 65")],
        ser=[DeclaredSeries(k="bp", dev="cuff1")],
    )
