"""Enrolling: a patient with a pseudonym, and a node in a home with what it measures.

Used by the API and by the command line; `by` None is the command line.
"""

import re
import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Final

import msgspec
from msgspec import Struct

from runtime.mosquitto_password import hash_password
from store import audit, certificate, credential, device, node, patient
from store.pool import Connection

_LETTERS: Final = "abcdefghijklmnopqrstuvwxyz0123456789"
DEVICE_NAME: Final = re.compile(r"^[a-z0-9_-]{1,32}$")
# What is made when a node is added for a patient and nothing is said: a cuff.
USUAL_DEVICE: Final = ("cuff1", "bpm")
# What the command line takes; what a birth says of a device goes before it.
DEVICE_TYPES: Final = (
    *("bpm", "oximeter", "scale", "thermometer", "glucometer", "robot", "gateway", "other"),
)


class NewDevice(Struct, frozen=True, kw_only=True):
    """A device behind a new node, and whom it measures (slot '' is the whole device)."""

    dev: str
    type: str = "other"
    who: str = ""
    patient_id: int | None = None


class NewNode(Struct, frozen=True, kw_only=True):
    """A node to add. `patient_id` is whom it serves; their home becomes the node's."""

    area_id: int
    label: str = ""
    patient_id: int | None = None
    devices: Sequence[NewDevice] = ()


class AddedNode(Struct, frozen=True, kw_only=True):
    """A node with its password, which is shown this once."""

    node_id: str
    password: str
    devices: list[NewDevice]


def pseudonym() -> str:
    """A new identity for a patient on the wire; it says nothing about them."""
    return "r:" + _random(16)


def _random(length: int) -> str:
    return "".join(secrets.choice(_LETTERS) for _ in range(length))


async def enrol(
    conn: Connection, new: patient.NewPatient, *, by: int | None, now: datetime
) -> patient.Patient:
    """Enrol a patient. Raises RefusedByRuleError."""
    added = await patient.add(conn, new, now=now)
    await _note(conn, "patient_added", "patient", added.id, by, now)
    return added


async def add_node(conn: Connection, new: NewNode, *, by: int | None, now: datetime) -> AddedNode:
    """Add a node with its devices, bindings and password. Raises RefusedByRuleError.

    A binding made here holds from the beginning: what a new device remembers is its owner's.
    """
    node_id = node.new_id()
    home = await home_of(conn, [new.patient_id, *(d.patient_id for d in new.devices)])
    await node.add(
        conn, node_id=node_id, area_id=new.area_id, household_id=home, label=new.label, now=now
    )
    devices = _with_itself(new)
    for added in devices:
        await _add_device(conn, node_id, added, now)
    secret = await set_node_password(conn, node_id, by=by, now=now)
    await _note(conn, "node_added", "node", node_id, by, now)
    return AddedNode(node_id=node_id, password=secret, devices=devices)


async def home_of(conn: Connection, ids: Sequence[int | None]) -> int | None:
    """The home of these people, made when they have none; who has none moves in."""
    found = [await patient.find(conn, one) for one in dict.fromkeys(ids) if one is not None]
    people = [person for person in found if person is not None]
    if not people:
        return None
    home = next((p.household_id for p in people if p.household_id is not None), None)
    if home is None:
        first = people[0]
        home = await patient.add_household(conn, area_id=first.area_id, team_id=first.team_id)
    for person in people:
        if person.household_id is None:
            await patient.move_in(conn, patient_id=person.id, household_id=home)
    return home


def _with_itself(new: NewNode) -> list[NewDevice]:
    """The devices, the node itself first; it speaks for its person where there is only one."""
    listed = list(new.devices)
    if not listed and new.patient_id is not None:
        listed = [NewDevice(dev=USUAL_DEVICE[0], type=USUAL_DEVICE[1])]
    owned = [
        d if d.patient_id is not None else msgspec.structs.replace(d, patient_id=new.patient_id)
        for d in listed
    ]
    people = {d.patient_id for d in owned if d.patient_id is not None}
    people |= {new.patient_id} if new.patient_id is not None else set()
    if any(d.dev == "" for d in owned):
        return owned
    own = next(iter(people)) if len(people) == 1 else None
    return [NewDevice(dev="", type="gateway", patient_id=own), *owned]


async def _add_device(conn: Connection, node_id: str, new: NewDevice, now: datetime) -> None:
    known = await device.find(conn, node_id=node_id, dev=new.dev)
    device_id = (
        known.id
        if known
        else await device.add(conn, node_id=node_id, dev=new.dev, type_=new.type, now=now)
    )
    if new.patient_id is not None:
        await device.bind(
            conn, device_id=device_id, who=new.who, patient_id=new.patient_id, since=None
        )


async def set_node_password(
    conn: Connection, node_id: str, *, by: int | None, now: datetime
) -> str:
    """A new random password for a node; the broker takes it over within seconds."""
    secret = secrets.token_urlsafe(18)
    await credential.set_password(
        conn, node_id=node_id, password_hash=hash_password(secret), now=now
    )
    await _note(conn, "node_password_made", "node", node_id, by, now)
    return secret


async def bind(
    conn: Connection,
    *,
    node_id: str,
    dev: str,
    who: str,
    patient_id: int,
    since: datetime,
    by: int | None,
    now: datetime,
) -> int | None:
    """Let a device measure this patient from then on; None when the node has no such device."""
    found = await device.find(conn, node_id=node_id, dev=dev)
    if found is None:
        return None
    bound = await device.bind(conn, device_id=found.id, who=who, patient_id=patient_id, since=since)
    await _note(conn, "device_bound", "node", node_id, by, now, dev=dev, patient_id=patient_id)
    return bound


async def revoke_node(conn: Connection, node_id: str, *, by: int | None, now: datetime) -> bool:
    """Take a node out of service; the broker cuts it off. Whether it was in service.

    Its password and its certificates open nothing any more.
    """
    revoked = await node.revoke(conn, node_id=node_id, now=now)
    await credential.revoke(conn, node_id=node_id, now=now)
    await certificate.revoke_of_node(conn, node_id=node_id, now=now)
    await _note(conn, "node_revoked", "node", node_id, by, now)
    return revoked


async def _note(
    conn: Connection,
    action: str,
    kind: str,
    subject: str | int,
    by: int | None,
    now: datetime,
    **detail: object,
) -> None:
    await audit.record(
        conn,
        at=now,
        action=action,
        staff_id=by,
        subject_kind=kind,
        subject_id=subject,
        detail=detail,
    )
