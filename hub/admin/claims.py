"""`hearthbeat node claim|unclaim|rotate|certificate`: units become nodes, and their credentials."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, NoReturn

import msgspec
import typer

from care.people import claiming
from contract import claim_code
from hub.admin import defaults, output
from hub.admin.keys import authority_of, sealer_of
from hub.admin.nodes import NodeId, known_node, known_patient, node
from hub.admin.reach import (
    HERE,
    REFUSED,
    AsJson,
    Data,
    DatabaseUrl,
    NoWait,
    RefusedError,
    do,
    end,
    find_hub,
    wait_for_broker,
    wait_for_units,
)
from runtime.authority import Issued, UnusableRequestError
from store import certificate as certificates
from store import claim as claims
from store import rotation
from store.claim import Claim
from store.pool import Connection

_CLAIM = """Examples:

hearthbeat node claim --qr HH1:HB24-0001:7KM2PQ9X4D --patient 7

hearthbeat node claim --serial HB24-0001 --code 7KM2P-Q9X4D --patient 7 --label "by the bed"
"""
_UNCLAIM = """Examples:

hearthbeat node unclaim --node 4k2m9x0qa1bz

hearthbeat node unclaim --serial HB24-0001
"""
_ROTATE = """Examples:

hearthbeat node rotate --node 4k2m9x0qa1bz

hearthbeat node rotate --node 4k2m9x0qa1bz --now
"""
_CERTIFICATE = """Examples:

hearthbeat node certificate --node 4k2m9x0qa1bz

hearthbeat node certificate --node 4k2m9x0qa1bz --csr node.csr --out node.crt
"""


@node.command("claim", epilog=_CLAIM)
def claim(
    *,
    qr: Annotated[str | None, typer.Option(help="What its QR code says: HH1:serial:code")] = None,
    serial: Annotated[str | None, typer.Option(help="As printed on it, with --code.")] = None,
    code: Annotated[str | None, typer.Option(help="Its claim code, with --serial.")] = None,
    patient: Annotated[int | None, typer.Option(help="Whom it is for.")] = None,
    area: Annotated[
        str | None,
        typer.Option(metavar="ID|CODE|NAME", help="Without: the patient's, or the only."),
    ] = None,
    label: Annotated[str, typer.Option(help="Where it stands, for people.")] = "",
    no_wait: NoWait = False,
    data: Data = HERE,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Bind a unit to a patient or an area; it becomes a node as soon as it asks.

    It returns when the broker lets it in: {"claim_id", "serial", "patient_id", "area_id", "label"}.
    """
    printed = _printed(qr, serial, code)
    hub, sealer = find_hub(data, database_url), sealer_of(data)

    async def work(
        conn: Connection, now: datetime
    ) -> tuple[claiming.Place, claiming.Bound | claiming.Denied]:
        owner = await known_patient(conn, patient) if patient is not None else None
        at = await defaults.area_or_only(conn, now, area or (str(owner.area_id) if owner else None))
        place = claiming.Place(area_id=at.id, patient_id=patient, label=label)
        return place, await claiming.open_claim(
            conn, sealer, printed, place, by=None, address=claiming.HERE, now=now
        )

    place, outcome = do(hub, work)
    if isinstance(outcome, claiming.Denied):
        _end_denied(outcome)
    wait_for_units(hub, no_wait=no_wait)
    body = {"claim_id": outcome.claim_id, "serial": outcome.serial}
    said = f"unit {outcome.serial} is bound: it becomes a node as soon as it asks"
    output.shown(as_json, body | msgspec.structs.asdict(place), said)


def _printed(qr: str | None, serial: str | None, code: str | None) -> claim_code.Printed:
    try:
        return claiming.read_printed(qr=qr, serial=serial, code=code)
    except claiming.UnreadableCodeError as error:
        raise typer.BadParameter(str(error)) from error


def _end_denied(outcome: claiming.Denied) -> NoReturn:
    if outcome.wait_s > 0:
        end(REFUSED, f"too many wrong codes: try again in {outcome.wait_s:.0f} seconds")
    end(REFUSED, "this hub knows no such unit with this claim code: see `hearthbeat unit list`")


@node.command("unclaim", epilog=_UNCLAIM)
def unclaim(
    node_id: Annotated[str | None, typer.Option("--node", help="The node's id.")] = None,
    serial: Annotated[str | None, typer.Option(help="Or the serial of its unit.")] = None,
    no_wait: NoWait = False,
    data: Data = HERE,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Release a unit: its node leaves the hub, and it can be bound again, as another node."""
    if (node_id is None) == (serial is None):
        raise typer.BadParameter("name the node with --node, or its unit with --serial")
    hub = find_hub(data, database_url)

    async def work(conn: Connection, now: datetime) -> Claim:
        found = await _open_claim(conn, node_id, serial)
        await claiming.end_claim(conn, found, by=None, now=now)
        return found

    ended = do(hub, work)
    if not no_wait:
        wait_for_broker(hub)
    body = {"serial": ended.serial, "node": ended.node_id, "unclaimed": True}
    output.shown(as_json, body, f"unit {ended.serial} is bound no more and can be bound again")


async def _open_claim(conn: Connection, node_id: str | None, serial: str | None) -> Claim:
    if serial is not None:
        found = await claims.lock_open(conn, serial)
    else:
        await known_node(conn, str(node_id))
        found = await claims.of_node(conn, str(node_id))
    if found is None or found.ended_at is not None:
        raise RefusedError(
            f"{serial or node_id} is bound by no claim: see `hearthbeat unit list`;"
            " `hearthbeat node revoke` takes a node out that was added by hand"
        )
    return found


@node.command("rotate", epilog=_ROTATE)
def rotate(
    node_id: NodeId,
    at_once: Annotated[
        bool, typer.Option("--now", help="End the old certificate at once, not after 7 days.")
    ] = False,
    data: Data = HERE,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Have a node change its key or password; a node that is away does it when it comes back.

    The old one works until the node has said that it keeps the new one.
    """

    async def work(conn: Connection, now: datetime) -> int:
        if (await known_node(conn, node_id)).revoked_at is not None:
            raise RefusedError(f"node {node_id} was revoked: it has nothing to change")
        return await rotation.ask(
            conn, node_id=node_id, asked_by="command line", at_once=at_once, now=now
        )

    asked = do(find_hub(data, database_url), work)
    body = {"rotation_id": asked, "node": node_id, "now": at_once}
    output.shown(as_json, body, f"node {node_id} is asked to change its credentials")


@node.command("certificate", epilog=_CERTIFICATE)
def certificate(
    node_id: NodeId,
    csr: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Sign this request (PEM) for the node.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where the certificate goes.")
    ] = None,
    days: Annotated[int, typer.Option(min=1, max=3650, help="How long it lives.")] = 365,
    data: Data = HERE,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """List a node's certificates, or sign a request of its own key for it.

    The subject of the request does not count: the certificate says the node's id.
    """
    hub = find_hub(data, database_url)
    if csr is None:
        _list_certificates(as_json, do(hub, lambda conn, _: _of_node(conn, node_id)))
        return
    authority, request, life = authority_of(data), _read(csr), timedelta(days=days)

    async def work(conn: Connection, now: datetime) -> Issued:
        try:
            issued = authority.sign(node_id, request, life=life, now=now)
        except UnusableRequestError as error:
            raise RefusedError(f"{csr}: {error}") from error
        await _note(conn, node_id, issued, now)
        return issued

    issued = do(hub, work)
    if out is not None:
        out.write_text(issued.pem, encoding="ascii")
    body = {"node": node_id, "cert": issued.pem, "ca": authority.pem, "port": hub.mqtts_port}
    where = f"{hub.mqtt_host}:{hub.mqtts_port}" if hub.mqtts_port else "the certificates' listener"
    output.shown(as_json, body, issued.pem if out is None else f"{out}: for {where}")


async def _note(conn: Connection, node_id: str, issued: Issued, now: datetime) -> None:
    """The hub knows a certificate before the node has it. Raises RefusedError."""
    if (await known_node(conn, node_id)).revoked_at is not None:
        raise RefusedError(f"node {node_id} was revoked: add a new one")
    await certificates.add(
        conn,
        serial_number=issued.serial_number,
        node_id=node_id,
        not_before=issued.not_before,
        not_after=issued.not_after,
        now=now,
    )
    await defaults.note(conn, now, "node_certified", "node", node_id)


async def _of_node(conn: Connection, node_id: str) -> list[dict[str, Any]]:
    await known_node(conn, node_id)
    return [msgspec.structs.asdict(one) for one in await certificates.of_node(conn, node_id)]


def _list_certificates(as_json: bool, rows: list[dict[str, Any]]) -> None:
    columns = {
        "serial_number": "serial number",
        "not_after": "good until",
        "ends_at": "replaced, ends",
        "revoked_at": "revoked",
    }
    output.listed(as_json, "certificates", rows, columns)


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise typer.BadParameter(f"cannot read {file}: {error}") from error
