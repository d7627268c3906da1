"""Makes the nodes of a fleet in the hub: people, nodes, devices, bindings, passwords, at once.

What comes out is the file `hearthbeat sim fleet` works with. The people are invented and named
so; nobody expects readings of them.
"""

import secrets
from collections.abc import Iterator
from datetime import datetime
from typing import Final

from care.people.enrolment import pseudonym
from firmware_sim.fleet.options import Account
from firmware_sim.fleet.options import Device as FleetDevice
from runtime.mosquitto_password import hash_password
from store import area, audit, fleet, node
from store.pool import Connection

_CUFF: Final = "cuff1"
_OXIMETER: Final = "ox1"
_SLOTS: Final = ("A", "B")
_LABEL: Final = "fleet"


async def make_fleet(
    conn: Connection,
    *,
    count: int,
    now: datetime,
    shared: float = 0.0,
    area_id: int | None = None,
) -> tuple[Account, ...]:
    """Add so many nodes in the caller's transaction and give their accounts.

    Each has a cuff and an oximeter for one person; of the share `shared` the cuff serves two, by
    slots A and B. Without an area they get a village of their own. Raises RefusedByRuleError.
    """
    if area_id is None:
        area_id = await _village(conn, now)
    passwords: dict[str, str] = {}
    nodes: list[fleet.Node] = []
    people: list[fleet.Person] = []
    for place in range(count):
        passwords[node_id := node.new_id()] = secrets.token_hex(16)
        slots = _SLOTS if _is_shared(place, shared) else ("",)
        names = {slot: _person(place, slot) for slot in slots}
        people += names.values()
        nodes.append(_node(node_id, passwords[node_id], names))
    patients = await fleet.add(
        conn, area_id=area_id, label=_LABEL, people=people, nodes=nodes, now=now
    )
    detail = {"count": count, "area_id": area_id}
    await audit.record(conn, at=now, action="fleet_added", staff_id=None, detail=detail)
    return tuple(_accounts(nodes, passwords, patients))


def _is_shared(place: int, shared: float) -> bool:
    """Spread evenly: of any hundred neighbours about as many as of all."""
    return int((place + 1) * shared) > int(place * shared)


async def _village(conn: Connection, now: datetime) -> int:
    added = await area.add(
        conn,
        name="Fleet",
        level="village",
        parent_id=None,
        code=None,
        time_zone="Asia/Shanghai",
        now=now,
    )
    return added.id


def _person(place: int, slot: str) -> fleet.Person:
    return fleet.Person(name=f"Fleet {place:05d}{slot}", pseudonym=pseudonym())


def _node(node_id: str, password: str, people: dict[str, fleet.Person]) -> fleet.Node:
    """The node itself belongs to nobody, so that a shared cuff decides by its slots alone."""
    slots = tuple(
        fleet.Binding(who=slot, pseudonym=person.pseudonym) for slot, person in people.items()
    )
    first = next(iter(people.values()))
    whole = fleet.Binding(who="", pseudonym=first.pseudonym)
    return fleet.Node(
        node_id=node_id,
        password_hash=hash_password(password),
        devices=(
            fleet.Device(dev="", type="gateway"),
            fleet.Device(dev=_CUFF, type="bpm", bindings=slots),
            fleet.Device(dev=_OXIMETER, type="oximeter", bindings=(whole,)),
        ),
    )


def _accounts(
    nodes: list[fleet.Node], passwords: dict[str, str], patients: dict[str, int]
) -> Iterator[Account]:
    for one in nodes:
        devices = tuple(
            FleetDevice(
                dev=device.dev,
                type=device.type,
                who={binding.who: patients[binding.pseudonym] for binding in device.bindings},
            )
            for device in one.devices
            if device.dev
        )
        yield Account(node=one.node_id, password=passwords[one.node_id], devs=devices)
