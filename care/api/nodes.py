"""Nodes, their devices and whom these measure: /api/nodes."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter
from pydantic import AwareDatetime, Field

from care.api.deps import (
    Care,
    Db,
    ManagesNodes,
    Me,
    NodeInScope,
    Now,
    PatientInScope,
    TheCare,
    note,
)
from care.api.problem import PROBLEMS, missing, refused
from care.api.shapes import Asked, DeviceName, Done, Line, Slot, Told
from care.people import connecting, enrolment
from care.people.placing import AmbiguousPlaceError, for_node
from store import device, node, patient
from store.pool import Connection

router = APIRouter(prefix="/api", tags=["nodes"], responses=PROBLEMS)

DeviceType = Annotated[str, Field(pattern=r"^[a-z0-9_-]{1,32}$")]


class NewDevice(Asked):
    """A device behind a node, and whom it measures; `who` is the slot chosen on the device."""

    dev: DeviceName
    type: DeviceType = "other"
    who: Slot = ""
    patient_id: int | None = Field(default=None, ge=1)


class NewNode(Asked):
    """A node to add. With a patient and no devices it gets a cuff for them."""

    label: Line | None = None
    area_id: int | None = Field(default=None, ge=1)
    patient_id: int | None = Field(default=None, ge=1)
    devices: list[NewDevice] = Field(default=[], max_length=32)


class NodeBody(Told):
    """A node, with what it last said of itself; `state` is `revoked` when it is out of use."""

    id: str
    area_id: int
    household_id: int | None
    label: str
    maker: str | None
    model: str | None
    firmware: str | None
    birth_at: datetime | None
    created_at: datetime
    revoked_at: datetime | None
    state: str | None
    seen_at: datetime | None
    plan_revision: int | None


class Nodes(Told):
    """Nodes in your scope."""

    nodes: list[NodeBody]


class DeviceBody(Told):
    """A device behind a node; '' is the node itself."""

    dev: str
    type: str
    maker: str | None
    model: str | None
    serial: str | None
    udi: str | None


class BindingBody(Told):
    """Whom a slot of a device measures; `since` null: from the beginning, `until` null: still."""

    id: int
    dev: str
    who: str
    patient_id: int
    since: datetime | None
    until: datetime | None


class NodePage(NodeBody):
    """A node with its devices and their bindings."""

    devices: list[DeviceBody]
    bindings: list[BindingBody]


class Topics(Told):
    """Where a node publishes, by kind, and what it subscribes to."""

    publish: dict[str, str]
    subscribe: list[str]
    receive: dict[str, str]


class Credentials(Told):
    """How a node connects. The password is shown this once; host and port may be unknown here."""

    node: str
    password: str
    user: str
    client_id: str
    host: str | None
    port: int | None
    tls: bool
    topics: Topics


class NewBinding(Asked):
    """Whom a device measures from `since` (now, without) on; an earlier binding ends there."""

    dev: DeviceName
    patient_id: int = Field(ge=1)
    who: Slot = ""
    since: AwareDatetime | None = None


class EndBinding(Asked):
    """Let a slot of a device measure nobody from now on."""

    dev: DeviceName
    who: Slot = ""


class PatientNode(Told):
    """A node that serves a patient now, under this slot (null: the whole device)."""

    node_id: str
    who: str | None


class PatientNodes(Told):
    """The nodes that serve a patient now."""

    patient_id: int
    nodes: list[PatientNode]


@router.get("/nodes", operation_id="list_nodes", response_model=Nodes)
async def list_nodes(me: Me, conn: Db) -> object:
    """The nodes in your scope."""
    return {"nodes": await node.visible(conn, staff_id=me.staff_id)}


@router.get(
    "/patients/{patient_id}/nodes", operation_id="list_patient_nodes", response_model=PatientNodes
)
async def list_patient_nodes(person: PatientInScope, conn: Db, now: Now) -> object:
    """The nodes that serve a patient now."""
    rows = await device.nodes_of_patient(conn, patient_id=person.id, now=now)
    return {"patient_id": person.id, "nodes": rows}


@router.post("/nodes", operation_id="add_node", response_model=Credentials, status_code=201)
async def add_node(asked: NewNode, me: ManagesNodes, conn: Db, now: Now, care: TheCare) -> object:
    """Add a node with its credentials; the broker takes them over within seconds."""
    owners = {asked.patient_id, *(d.patient_id for d in asked.devices)} - {None}
    people = {one: await _in_scope(conn, one, me.staff_id) for one in owners if one}
    try:
        area_id = await for_node(
            conn,
            staff_id=me.staff_id,
            area_id=asked.area_id,
            owner=people.get(asked.patient_id or 0),
        )
    except AmbiguousPlaceError as error:
        raise refused(
            f"{error}.".capitalize(),
            "Say area_id; GET /api/areas lists yours.",
            status=422,
            name="place-not-clear",
        ) from error
    new = enrolment.NewNode(
        area_id=area_id,
        label=asked.label or "",
        patient_id=asked.patient_id,
        devices=[enrolment.NewDevice(**d.model_dump()) for d in asked.devices],
    )
    added = await enrolment.add_node(conn, new, by=me.staff_id, now=now)
    return _credentials(care, added.node_id, added.password)


async def _in_scope(conn: Connection, patient_id: int, staff_id: int) -> patient.Patient:
    found = await patient.find_visible(conn, patient_id=patient_id, staff_id=staff_id)
    if found is None:
        raise missing()
    return found


def _credentials(care: Care, node_id: str, password: str) -> Credentials:
    settings = care.settings
    return Credentials(
        node=node_id,
        password=password,
        user=node_id,
        client_id=node_id,
        host=settings.device_mqtt_host,
        port=settings.device_mqtt_port,
        tls=settings.device_mqtt_tls,
        topics=Topics.model_validate(connecting.topics_of(node_id)),
    )


@router.get("/nodes/{node_id}", operation_id="read_node", response_model=NodePage)
async def read_node(found: NodeInScope, me: Me, conn: Db) -> object:
    """One node with its devices, and whom these measure of the patients you may see."""
    bindings = await device.bindings_of_node(conn, found.id, staff_id=me.staff_id)
    return NodePage(
        **NodeBody.model_validate(found).model_dump(),
        devices=[DeviceBody.model_validate(d) for d in await device.of_node(conn, found.id)],
        bindings=[BindingBody.model_validate(b) for b in bindings],
    )


@router.post(
    "/nodes/{node_id}/devices",
    operation_id="add_device",
    response_model=DeviceBody,
    status_code=201,
)
async def add_device(
    asked: NewDevice, found: NodeInScope, me: ManagesNodes, conn: Db, now: Now
) -> object:
    """Add a device behind a node; with a patient it measures them from now on."""
    if asked.patient_id is not None:
        await _in_scope(conn, asked.patient_id, me.staff_id)
    await device.add(conn, node_id=found.id, dev=asked.dev, type_=asked.type, now=now)
    await note(conn, me, now, "device_added", "node", found.id, dev=asked.dev)
    if asked.patient_id is not None:
        await _bind(conn, found.id, asked.dev, asked.who, asked.patient_id, now, me.staff_id, now)
    return await device.find(conn, node_id=found.id, dev=asked.dev)


@router.post("/nodes/{node_id}/bindings", operation_id="bind_device", response_model=NodePage)
async def bind_device(
    asked: NewBinding, found: NodeInScope, me: ManagesNodes, conn: Db, now: Now
) -> object:
    """Let a device measure a patient from an instant on."""
    await _in_scope(conn, asked.patient_id, me.staff_id)
    since = asked.since or now
    await _bind(conn, found.id, asked.dev, asked.who, asked.patient_id, since, me.staff_id, now)
    return await read_node(found, me, conn)


async def _bind(
    conn: Connection,
    node_id: str,
    dev: str,
    who: str,
    patient_id: int,
    since: datetime,
    by: int,
    now: datetime,
) -> None:
    bound = await enrolment.bind(
        conn,
        node_id=node_id,
        dev=dev,
        who=who,
        patient_id=patient_id,
        since=since,
        by=by,
        now=now,
    )
    if bound is None:
        raise refused(
            "The node has no such device.",
            "Add it first with POST /api/nodes/{node_id}/devices.",
            status=422,
            name="no-such-device",
        )


@router.post("/nodes/{node_id}/unbind", operation_id="unbind_device", response_model=NodePage)
async def unbind_device(
    asked: EndBinding, found: NodeInScope, me: ManagesNodes, conn: Db, now: Now
) -> object:
    """Let a slot of a device measure nobody from now on; the past stays as it was."""
    known = await device.find(conn, node_id=found.id, dev=asked.dev)
    if known is None:
        raise missing()
    await device.end_binding(conn, device_id=known.id, who=asked.who, at=now)
    await note(conn, me, now, "device_unbound", "node", found.id, dev=asked.dev, who=asked.who)
    return await read_node(found, me, conn)


@router.post("/nodes/{node_id}/revoke", operation_id="revoke_node", response_model=Done)
async def revoke_node(found: NodeInScope, me: ManagesNodes, conn: Db, now: Now) -> object:
    """Take a node out of service: the broker cuts it off within seconds."""
    revoked = await enrolment.revoke_node(conn, found.id, by=me.staff_id, now=now)
    return Done(done=revoked, at=now)


@router.post(
    "/nodes/{node_id}/password", operation_id="renew_node_password", response_model=Credentials
)
async def renew_node_password(
    found: NodeInScope, me: ManagesNodes, conn: Db, now: Now, care: TheCare
) -> object:
    """A new password for a node; the old one ends within seconds."""
    if found.revoked_at is not None:
        raise refused("The node was revoked.", "Add a new node instead.", name="node-revoked")
    secret = await enrolment.set_node_password(conn, found.id, by=me.staff_id, now=now)
    return _credentials(care, found.id, secret)
