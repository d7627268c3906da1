"""What nobody owns yet: the queue, whom it may be of, and what is usual for them.

Every query takes the staff id and shows only what that person's scope allows.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from msgspec import Struct
from psycopg.rows import class_row

from contract.vitals import FLAGS
from store.deed import Ref
from store.named import queries
from store.pool import Connection
from store.reading_query import Stored

_SQL = queries("unassigned")

_END: Final = Ref(0, "", datetime(9000, 1, 1, tzinfo=UTC), 0)
_USUAL_DAYS: Final = timedelta(days=90)
_NOT_COUNTED: Final = sum(flag.mask for flag in FLAGS.values() if not flag.counts)


class Waiting(Stored, frozen=True, kw_only=True):
    """One reading without a patient. `assigned_at`: a person put it back here then."""

    node_label: str
    time_zone: str
    assigned_at: datetime | None


class Bound(Struct, frozen=True, kw_only=True):
    """Whom a slot of a device measured in [since, until); not `own`: its node as a whole."""

    device_id: int
    own: bool
    who: str
    patient_id: int
    since: datetime | None
    until: datetime | None

    def holds_at(self, at: datetime) -> bool:
        """Whether it held then."""
        return (self.since is None or self.since <= at) and (self.until is None or at < self.until)


class Person(Struct, frozen=True, kw_only=True):
    """Somebody near a device (None: known by the pseudonym only)."""

    device_id: int | None
    patient_id: int
    name: str
    pseudonym: str


class Usual(Struct, frozen=True, kw_only=True):
    """The medians of somebody's newest readings of a kind, and how many there were."""

    patient_id: int
    kind: str
    times: int
    v0: float | None
    v1: float | None
    v2: float | None
    v3: float | None

    @property
    def values(self) -> tuple[float | None, ...]:
        """v0..v3."""
        return (self.v0, self.v1, self.v2, self.v3)


class Heap(Struct, frozen=True, kw_only=True):
    """What waits under one slot of a device, and whom that slot measures now."""

    device_id: int
    node_id: str
    node_label: str
    time_zone: str
    dev: str
    model: str | None
    slot: str
    readings: int
    blocks: int
    first_at: datetime
    last_at: datetime
    patient_id: int | None
    patient_name: str | None


class Which(Struct, frozen=True, kw_only=True):
    """Which part of the queue; `before` is the last reading of the page before."""

    node_id: str | None = None
    dev: str | None = None
    slot: str | None = None
    before: Ref | None = None


async def page(conn: Connection, *, staff_id: int, which: Which, limit: int = 100) -> list[Waiting]:
    """What waits, newest first."""
    before = which.before or _END
    values = {
        "staff_id": staff_id,
        "node_id": which.node_id,
        "dev": which.dev,
        "slot": which.slot,
        "before_at": before.measured_at,
        "before_device": before.device_id,
        "before_kind": before.kind,
        "before_ordinal": before.ordinal,
        "limit": limit,
    }
    async with conn.cursor(row_factory=class_row(Waiting)) as cursor:
        return await (await cursor.execute(_SQL["page"], values)).fetchall()


async def bindings(conn: Connection, device_ids: Collection[int]) -> list[Bound]:
    """Whom these devices and their nodes measured and measure; only to decide by."""
    async with conn.cursor(row_factory=class_row(Bound)) as cursor:
        values = {"device_ids": sorted(device_ids)}
        return await (await cursor.execute(_SQL["bindings"], values)).fetchall()


async def people(
    conn: Connection, device_ids: Collection[int], pseudonyms: Collection[str], *, staff_id: int
) -> list[Person]:
    """Who may have been measured: bound to the node's devices, at home there, or so named."""
    values = {
        "device_ids": sorted(device_ids),
        "pseudonyms": sorted(pseudonyms),
        "staff_id": staff_id,
    }
    async with conn.cursor(row_factory=class_row(Person)) as cursor:
        return await (await cursor.execute(_SQL["people"], values)).fetchall()


async def known(conn: Connection, pseudonyms: Collection[str]) -> set[str]:
    """Which of these pseudonyms belong to somebody, in scope or not."""
    cursor = await conn.execute(_SQL["pseudonyms"], {"pseudonyms": sorted(pseudonyms)})
    return {str(name) for (name,) in await cursor.fetchall()}


async def usual(
    conn: Connection, pairs: Iterable[tuple[int, str]], *, now: datetime
) -> dict[tuple[int, str], Usual]:
    """What is usual for these (patient, kind). The caller has checked the scope."""
    wanted = sorted(set(pairs))
    values = {
        "patient_ids": [patient_id for patient_id, _ in wanted],
        "kinds": [kind for _, kind in wanted],
        "since": now - _USUAL_DAYS,
        "until": now + timedelta(days=1),
        "not_counted": _NOT_COUNTED,
    }
    async with conn.cursor(row_factory=class_row(Usual)) as cursor:
        await cursor.execute(_SQL["usual"], values)
        return {(row.patient_id, row.kind): row for row in await cursor.fetchall()}


async def heaps(
    conn: Connection,
    *,
    staff_id: int,
    now: datetime,
    node_id: str | None = None,
    limit: int = 100,
) -> Sequence[Heap]:
    """What waits by device and slot, the newest first."""
    values = {"staff_id": staff_id, "now": now, "node_id": node_id, "limit": limit}
    async with conn.cursor(row_factory=class_row(Heap)) as cursor:
        return await (await cursor.execute(_SQL["heaps"], values)).fetchall()
