"""Many nodes with their people at once, for a load: ten thousand in seconds, not in an hour."""

from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct

from store.named import queries
from store.pool import Connection
from store.refused import in_words

_SQL = queries("fleet")


class Person(Struct, frozen=True, kw_only=True):
    """Somebody to be measured; the pseudonym is theirs alone."""

    name: str
    pseudonym: str


class Binding(Struct, frozen=True, kw_only=True):
    """A slot of a device ('' is the whole device) measures this person."""

    who: str
    pseudonym: str


class Device(Struct, frozen=True, kw_only=True):
    """A device behind a node."""

    dev: str
    type: str
    bindings: tuple[Binding, ...] = ()


class Node(Struct, frozen=True, kw_only=True):
    """A node that may connect with a password (its hash in Mosquitto's format)."""

    node_id: str
    password_hash: str
    devices: tuple[Device, ...]


async def add(
    conn: Connection,
    *,
    area_id: int,
    label: str,
    people: Sequence[Person],
    nodes: Sequence[Node],
    now: datetime,
) -> dict[str, int]:
    """Add them all, in the caller's transaction; the id of each patient by pseudonym.

    Raises RefusedByRuleError.
    """
    place = {"area_id": area_id, "label": label, "now": now}
    with in_words():
        names = {"name": [p.name for p in people], "pseudonym": [p.pseudonym for p in people]}
        cursor = await conn.execute(_SQL["people"], place | names)
        patients = {str(pseudonym): int(id_) for pseudonym, id_ in await cursor.fetchall()}
        ids = [node.node_id for node in nodes]
        await conn.execute(_SQL["nodes"], place | {"node_id": ids})
        await _add_devices(conn, nodes, patients, now)
        hashes = [node.password_hash for node in nodes]
        values = {"node_id": ids, "hash": hashes, "now": now}
        await conn.execute(_SQL["credentials"], values)
    return patients


async def _add_devices(
    conn: Connection, nodes: Sequence[Node], patients: dict[str, int], now: datetime
) -> None:
    devices = [(node.node_id, one) for node in nodes for one in node.devices]
    values = {
        "node_id": [node_id for node_id, _ in devices],
        "dev": [one.dev for _, one in devices],
        "type": [one.type for _, one in devices],
    }
    await conn.execute(_SQL["devices"], values | {"now": now})
    bound = [(node_id, one.dev, b) for node_id, one in devices for b in one.bindings]
    await conn.execute(
        _SQL["bindings"],
        {
            "node_id": [node_id for node_id, _, _ in bound],
            "dev": [dev for _, dev, _ in bound],
            "who": [binding.who for _, _, binding in bound],
            "patient_id": [patients[binding.pseudonym] for _, _, binding in bound],
        },
    )
