"""Who is who: nodes, the devices behind them, and whom each device measures at which time."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

import msgspec
from msgspec import Struct

from store.named import queries
from store.pool import Connection

_SQL = queries("identity")


class Binding(NamedTuple):
    """A patient bound to a slot of a device; `since` None: from ever, `until` None: still."""

    who: str
    patient_id: int
    since: datetime | None
    until: datetime | None

    def holds_at(self, at: datetime) -> bool:
        """Whether it counts for a reading measured then."""
        return (self.since is None or self.since <= at) and (self.until is None or at < self.until)


class Product(NamedTuple):
    """What somebody makes, as a birth said; None where it did not."""

    maker: str | None = None
    model: str | None = None
    firmware: str | None = None


class DeviceIdentity(NamedTuple):
    """A device and everybody it ever measured."""

    device_id: int
    bindings: tuple[Binding, ...]
    product: Product = Product()


class NodeIdentity(NamedTuple):
    """A node of this hub and its devices by their name on the wire ('' is the node itself).

    Until `dev_until` it is in developer mode: everything taken is echoed.
    """

    node_id: str
    revoked: bool
    devices: dict[str, DeviceIdentity]
    product: Product = Product()
    dev_until: datetime | None = None

    def product_of(self, dev: str) -> Product:
        """What stands behind a name on the wire: the device's maker and model where they are
        known, with the firmware of the node that speaks for it."""
        device = self.devices.get(dev)
        if device is None or (device.product.maker is None and device.product.model is None):
            return self.product
        return device.product._replace(firmware=self.product.firmware)


class Declared(NamedTuple):
    """A device as a node declares it."""

    node_id: str
    dev: str
    type: str = "other"
    maker: str | None = None
    model: str | None = None
    serial: str | None = None
    link: str | None = None
    udi: str | None = None


class BirthRow(Struct, frozen=True, kw_only=True):
    """How a node described itself; `body` is the message as JSON."""

    node_id: str
    maker: str | None
    model: str | None
    hardware: str | None
    firmware: str | None
    body: str
    at: datetime


async def nodes(conn: Connection, node_ids: Collection[str]) -> dict[str, NodeIdentity]:
    """These nodes with their devices and bindings; who is missing is not ours."""
    wanted = {"node_id": list(node_ids)}
    bindings: dict[int, list[Binding]] = {}
    for device_id, *binding in await (await conn.execute(_SQL["bindings"], wanted)).fetchall():
        bindings.setdefault(device_id, []).append(Binding(*binding))
    found: dict[str, NodeIdentity] = {}
    rows = await (await conn.execute(_SQL["nodes"], wanted)).fetchall()
    for node_id, revoked, maker, model, firmware, dev_until, *device in rows:
        node = found.get(node_id)
        if node is None:
            product = Product(maker, model, firmware)
            node = found[node_id] = NodeIdentity(node_id, revoked, {}, product, dev_until)
        dev, device_id, *made = device
        if device_id is not None:
            measured = tuple(bindings.get(device_id, ()))
            node.devices[dev] = DeviceIdentity(device_id, measured, Product(*made))
    return found


async def pseudonyms(conn: Connection, names: Collection[str]) -> dict[str, int]:
    """The patients behind these pseudonyms, as far as there are any."""
    if not names:
        return {}
    cursor = await conn.execute(_SQL["pseudonyms"], {"pseudonym": list(names)})
    return {str(name): int(patient_id) for name, patient_id in await cursor.fetchall()}


async def register(conn: Connection, declared: Iterable[Declared]) -> None:
    """Make these devices known; of a name declared twice the last holds. Unknown nodes: nothing."""
    rows = list({(device.node_id, device.dev): device for device in declared}.values())
    if not rows:
        return
    columns = {
        name: [getattr(row, name) for row in rows]
        for name in ("node_id", "dev", "type", "maker", "model", "serial", "udi", "link")
    }
    await conn.execute(_SQL["register"], columns)


async def record_births(conn: Connection, rows: Sequence[BirthRow]) -> None:
    """Note how nodes described themselves. Part of a transaction."""
    if not rows:
        return
    ordered = sorted(rows, key=lambda row: (row.node_id, row.at))
    cursor = conn.cursor()
    await cursor.executemany(_SQL["birth"], [msgspec.structs.asdict(row) for row in ordered])
