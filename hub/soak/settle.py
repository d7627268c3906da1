"""Who a soak's fleet is: patients and nodes in a hub, as the fleet's accounts."""

from datetime import datetime
from typing import Final

from psycopg import AsyncConnection

from care.people import enrolment
from care.people.enrolment import NewDevice, NewNode
from firmware_sim.fleet import Account, Device
from hub.credentials import wait_applied
from store import area
from store.patient import NewPatient
from store.pool import Connection

_CUFF: Final = "cuff1"
_OXIMETER: Final = "oxi1"
# The broker reads a file with a line for each node; the larger, the longer.
_APPLIED_S: Final = 30.0


class NotSettledError(RuntimeError):
    """The broker did not take the nodes over in time."""


async def settle(database_url: str, *, nodes: int, now: datetime) -> tuple[Account, ...]:
    """Make nodes with two people each and wait until the broker lets them in.

    Each has a cuff with the slots A and B, and an oximeter of its own of the first person.
    """
    async with await AsyncConnection.connect(database_url, autocommit=True) as conn:
        async with conn.transaction():
            made = await area.add(
                conn,
                name="Soak",
                level="village",
                parent_id=None,
                code=None,
                time_zone="Asia/Shanghai",
                now=now,
            )
            accounts = [await _home(conn, made.id, n, now) for n in range(nodes)]
        if not await wait_applied(conn, _APPLIED_S + nodes / 100):
            raise NotSettledError("the broker did not take the nodes over in time")
    return tuple(accounts)


async def _home(conn: Connection, area_id: int, number: int, now: datetime) -> Account:
    people = [await _person(conn, area_id, f"Soak {number} {slot}", now) for slot in "AB"]
    first, second = people
    devices = (
        NewDevice(dev=_CUFF, type="bpm", who="A", patient_id=first),
        NewDevice(dev=_CUFF, type="bpm", who="B", patient_id=second),
        NewDevice(dev=_OXIMETER, type="oximeter", patient_id=first),
    )
    node = NewNode(area_id=area_id, label=f"Soak {number}", devices=devices)
    added = await enrolment.add_node(conn, node, by=None, now=now)
    return Account(
        node=added.node_id,
        password=added.password,
        devs=(
            Device(dev=_CUFF, type="bpm", who={"A": first, "B": second}),
            Device(dev=_OXIMETER, type="oximeter", who={"": first}),
        ),
    )


async def _person(conn: Connection, area_id: int, name: str, now: datetime) -> int:
    new = NewPatient(name=name, area_id=area_id, pseudonym=enrolment.pseudonym())
    return (await enrolment.enrol(conn, new, by=None, now=now)).id
