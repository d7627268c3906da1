"""`hearthbeat node add|list|device|bind|revoke|password`."""

import shlex
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

import msgspec
import typer

from care.people import connecting, enrolment
from hub.admin import defaults, options, output
from hub.admin.options import DEVICE_FORM
from hub.admin.reach import (
    HERE,
    AsJson,
    Data,
    DatabaseUrl,
    Hub,
    NoWait,
    RefusedError,
    do,
    find_hub,
    wait_for_broker,
)
from store import device as devices
from store import node as nodes
from store import patient as patients
from store.pool import Connection

node = typer.Typer(
    name="node",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help="Nodes: the gateways and robots in homes, their devices and whom these measure.",
)

NodeId = Annotated[str, typer.Option("--node", help="The node's id.")]
Who = Annotated[str, typer.Option(help="Slot A to H on a device for several people.")]

_ADD = """Examples:

hearthbeat node add --patient 1

hearthbeat node add --patient 1 --device cuff1:bpm --device ox1:oximeter --json

hearthbeat node add --label "the Wangs" --device cuff1:bpm:who=A:patient=1
  --device cuff1:bpm:who=B:patient=2
"""
_BIND = """Examples:

hearthbeat node bind --node 4k2m9x0qa1bz --dev cuff1 --patient 7

hearthbeat node bind --node 4k2m9x0qa1bz --dev cuff1 --who B --patient 8
  --since 2026-03-01T00:00:00+08:00
"""


async def known_patient(conn: Connection, patient_id: int) -> patients.Patient:
    """This patient. Raises RefusedError."""
    found = await patients.find(conn, patient_id)
    if found is None:
        raise RefusedError(f"there is no patient {patient_id}: see `hearthbeat patient list`")
    return found


async def known_node(conn: Connection, node_id: str) -> nodes.Node:
    """This node. Raises RefusedError."""
    """The node with this id. Raises RefusedError."""
    found = await nodes.find(conn, node_id)
    if found is None:
        raise RefusedError(f"there is no node {node_id}: see `hearthbeat node list`")
    return found


def _told(
    hub: Hub,
    node_id: str,
    password: str,
    patient_id: int | None = None,
    made: Sequence[enrolment.NewDevice] = (),
) -> dict[str, Any]:
    """Everything a maker or a script needs to connect, in one object."""
    return {
        "id": node_id,
        "node": node_id,
        "password": password,
        "host": hub.mqtt_host,
        "port": hub.mqtt_port,
        "user": node_id,
        "client_id": node_id,
        "tls": hub.mqtt_tls,
        "tls_port": hub.mqtt_tls_port,
        "mqtts_port": hub.mqtts_port,
        "ca": hub.ca,
        "patient_id": patient_id,
        "devices": [msgspec.structs.asdict(one) for one in made],
        "topics": msgspec.structs.asdict(connecting.topics_of(node_id)),
    }


def _lines(body: dict[str, Any], hub: Hub) -> list[str]:
    where = f"{body['host']}:{body['port']}" if body["host"] else "the address of your broker"
    return [
        f"node      {body['node']}   (its client id and user name too)",
        f"password  {body['password']}   (shown only now)",
        f"broker    {where} {'with TLS' if body['tls'] else ''}".rstrip(),
        *_secured(body),
        f"publish   {body['topics']['publish']['obs']} and others",
        f"subscribe {' and '.join(body['topics']['subscribe'])}",
        "try it with this line, which asks the hub for the time and stores nothing:",
        _trial(body, hub),
    ]


def _secured(body: dict[str, Any]) -> list[str]:
    if not body["tls_port"]:
        return []
    return [f"          {body['host']}:{body['tls_port']} with TLS always, checked by {body['ca']}"]


def _trial(body: dict[str, Any], hub: Hub) -> str:
    """A line for a shell: one connection that asks and prints the answer."""
    node = body["node"]
    where = f"-h {shlex.quote(body['host'])} -p {body['port']}" if body["host"] else "-h BROKER"
    if body["tls"]:
        where += (
            f" --cafile {shlex.quote(hub.certificate)}"
            if hub.certificate
            else " --tls-use-os-certs"
        )
    secret = shlex.quote(body["password"])
    return (
        f"mosquitto_rr -V 5 {where} -i {node} -u {node} -P {secret} -q 1 -W 5"
        f" -e hh/1/dn/{node}/time -t hh/1/up/{node}/time -m '{{\"t1\":'$(date +%s)'000}}'"
    )


@node.command("add", epilog=_ADD)
def add(
    patient: Annotated[
        int | None, typer.Option(help="Whom it serves; a cuff for them is added by itself.")
    ] = None,
    area: Annotated[
        str | None,
        typer.Option(metavar="ID|CODE|NAME", help="Without: the patient's, or the only."),
    ] = None,
    label: Annotated[str, typer.Option(help="Where it stands, for people.")] = "",
    device: Annotated[
        list[str] | None, typer.Option(metavar=DEVICE_FORM, help="May be repeated.")
    ] = None,
    no_wait: NoWait = False,
    data: Data = HERE,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Add a node and print what it needs to connect; the password is shown this once.

    With --patient and without --device it gets a cuff called `cuff1` for them. It returns when
    the broker lets the node in. It prints {"id", "node", "password", "host", "port",
    "user", "client_id", "tls", "tls_port", "mqtts_port", "ca", "patient_id", "devices", "topics"}.
    """
    wanted = [options.device(text) for text in device or []]
    hub = find_hub(data, database_url)

    async def work(conn: Connection, now: datetime) -> enrolment.AddedNode:
        owner = await known_patient(conn, patient) if patient is not None else None
        for one in {d.patient_id for d in wanted if d.patient_id is not None}:
            await known_patient(conn, one)
        named = area or (str(owner.area_id) if owner else None)
        at = await defaults.area_or_only(conn, now, named)
        new = enrolment.NewNode(area_id=at.id, label=label, patient_id=patient, devices=wanted)
        return await enrolment.add_node(conn, new, by=None, now=now)

    added = do(hub, work)
    if not no_wait:
        wait_for_broker(hub)
    body = _told(hub, added.node_id, added.password, patient, added.devices)
    output.shown(as_json, body, *_lines(body, hub))


@node.command("list", epilog="Example:\n\nhearthbeat node list --json")
def list_(data: Data = HERE, database_url: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """List all nodes with what they last said of themselves and whom they measure now."""

    async def work(conn: Connection, now: datetime) -> list[dict[str, Any]]:
        return [
            {**msgspec.structs.asdict(one), "measures": await _measures(conn, one.id, now)}
            for one in await nodes.every(conn)
        ]

    columns = {
        "id": "node",
        "label": "label",
        "area_id": "area",
        "model": "model",
        "state": "state",
        "seen_at": "last seen",
        "measures": "measures",
        "revoked_at": "revoked",
    }
    output.listed(as_json, "nodes", do(find_hub(data, database_url), work), columns)


async def _measures(conn: Connection, node_id: str, now: datetime) -> list[str]:
    """Such as `cuff1/A: patient 7`, for the bindings that hold now."""
    return [
        f"{b.dev or 'itself'}{'/' + b.who if b.who else ''}: patient {b.patient_id}"
        for b in await devices.bindings_of_node(conn, node_id)
        if (b.since is None or b.since <= now) and (b.until is None or now < b.until)
    ]


@node.command("device", epilog="Example:\n\nhearthbeat node device --node ID --device ox1:oximeter")
def device_(
    node_id: NodeId,
    device: Annotated[str, typer.Option(metavar=DEVICE_FORM)],
    data: Data = HERE,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Add a device behind a node; with patient= it measures them from now on."""
    new = options.device(device)

    async def work(conn: Connection, now: datetime) -> int:
        await known_node(conn, node_id)
        added = await devices.add(conn, node_id=node_id, dev=new.dev, type_=new.type, now=now)
        await defaults.note(conn, now, "device_added", "node", node_id, dev=new.dev)
        if new.patient_id is not None:
            await _bind(conn, now, node_id, new.dev, new.who, new.patient_id, now)
        return added

    device_id = do(find_hub(data, database_url), work)
    body = {"device_id": device_id, "node": node_id, **msgspec.structs.asdict(new)}
    output.shown(as_json, body, f"device {new.dev} ({new.type}) is behind node {node_id}")


async def _bind(
    conn: Connection,
    now: datetime,
    node_id: str,
    dev: str,
    who: str,
    patient_id: int,
    since: datetime,
) -> int:
    await known_patient(conn, patient_id)
    bound = await enrolment.bind(
        conn,
        node_id=node_id,
        dev=dev,
        who=who,
        patient_id=patient_id,
        since=since,
        by=None,
        now=now,
    )
    if bound is None:
        raise RefusedError(
            f"node {node_id} has no device {dev!r}: `hearthbeat node device` adds it"
        )
    return bound


@node.command("bind", epilog=_BIND)
def bind(
    node_id: NodeId,
    dev: Annotated[str, typer.Option(help="The device's name; '' is the node itself.")],
    patient: Annotated[int, typer.Option(help="Whom it measures from then on.")],
    who: Who = "",
    since: Annotated[str | None, typer.Option(metavar="TIME", help="Without: now.")] = None,
    data: Data = HERE,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Let a device measure a patient from now (or --since) on; an earlier binding ends there."""
    start = options.instant(since)

    async def work(conn: Connection, now: datetime) -> int:
        await known_node(conn, node_id)
        return await _bind(conn, now, node_id, dev, who, patient, start or now)

    bound = do(find_hub(data, database_url), work)
    body = {"binding_id": bound, "node": node_id, "dev": dev, "who": who, "patient_id": patient}
    output.shown(as_json, body, f"{dev or 'the node'} of {node_id} measures patient {patient}")


@node.command("revoke", epilog="Example:\n\nhearthbeat node revoke --node 4k2m9x0qa1bz")
def revoke(
    node_id: NodeId,
    no_wait: NoWait = False,
    data: Data = HERE,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Take a node out of service: the broker cuts it off, its history stays."""
    hub = find_hub(data, database_url)

    async def work(conn: Connection, now: datetime) -> bool:
        await known_node(conn, node_id)
        return await enrolment.revoke_node(conn, node_id, by=None, now=now)

    revoked = do(hub, work)
    if not no_wait:
        wait_for_broker(hub)
    body = {"node": node_id, "revoked": revoked}
    output.shown(as_json, body, f"node {node_id} is {'' if revoked else 'already '}out of service")


@node.command("password", epilog="Example:\n\nhearthbeat node password --node 4k2m9x0qa1bz --json")
def password(
    node_id: NodeId,
    no_wait: NoWait = False,
    data: Data = HERE,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Make a new password, shown this once; the old one ends."""
    hub = find_hub(data, database_url)

    async def work(conn: Connection, now: datetime) -> str:
        if (await known_node(conn, node_id)).revoked_at is not None:
            raise RefusedError(f"node {node_id} was revoked: add a new one")
        return await enrolment.set_node_password(conn, node_id, by=None, now=now)

    secret = do(hub, work)
    if not no_wait:
        wait_for_broker(hub)
    body = _told(hub, node_id, secret)
    output.shown(as_json, body, *_lines(body, hub))
