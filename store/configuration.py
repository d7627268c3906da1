"""What nodes are to be set to: changed by people, published by downlink, beside what they report.

The reported side is written by `store.node_config`.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from msgspec import Struct
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from contract.configuration import ConfigError, check
from store.named import queries
from store.pool import Connection

_SQL = queries("configuration")

DEVELOPER_MODE: Final = timedelta(hours=24)
# A device that claims more than this is broken; following it would break the numbers.
_HIGHEST: Final = 2**48


class SettingsRefusedError(Exception):
    """A setting that no device could take. `errors` say which and why."""

    def __init__(self, errors: list[ConfigError]) -> None:
        super().__init__("; ".join(f"{one.path}: {one.msg}" for one in errors))
        self.errors = errors


class Configuration(Struct, frozen=True, kw_only=True):
    """A node's configuration: `wanted` as of `revision`, and what the device said last.

    `errors` are the device's: `{path, msg}`. `dev_until` is when developer mode ends by itself.
    """

    node_id: str
    revision: int = 0
    wanted: dict[str, Any] = {}
    changed_at: datetime | None = None
    changed_by: str | None = None
    published_revision: int = 0
    published_at: datetime | None = None
    dev_until: datetime | None = None
    reported_revision: int | None = None
    applied: dict[str, Any] | None = None
    errors: list[dict[str, Any]] = []
    reported_at: datetime | None = None

    @property
    def standing(self) -> str:
        """`none`, `waiting` (not at the broker), `sent` (not reported), `applied` or `refused`."""
        if not self.revision:
            return "none"
        if self.published_revision < self.revision:
            return "waiting"
        if (self.reported_revision or 0) < self.revision:
            return "sent"
        return "refused" if self.errors else "applied"


class Revision(Struct, frozen=True, kw_only=True):
    """One revision as it goes to the device."""

    node_id: str
    revision: int
    wanted: dict[str, Any]


async def read(conn: Connection, node_id: str) -> Configuration:
    """A node's configuration; the empty one where nobody wanted or reported anything."""
    async with conn.cursor(row_factory=class_row(Configuration)) as cursor:
        await cursor.execute(_SQL["read"], {"node_id": node_id})
        return await cursor.fetchone() or Configuration(node_id=node_id)


async def change(
    conn: Connection,
    node_id: str,
    *,
    put: Mapping[str, Any],
    drop: Sequence[str] = (),
    by: str,
    now: datetime,
) -> Configuration:
    """Set and unset settings; a new revision when anything differs. `by` is who wanted it.

    Wanting `dev` again lets developer mode run for another day. Raises SettingsRefusedError,
    also for what was wanted before and is not known any more.
    """
    async with conn.transaction():
        before = await _hold(conn, node_id)
        kept = {key: value for key, value in before.wanted.items() if key not in drop}
        wanted = {**kept, **put}
        errors = check(wanted, experimental=True).errors
        if errors:
            raise SettingsRefusedError(errors)
        values = {"node_id": node_id, "wanted": Jsonb(wanted), "by": by, "now": now}
        if wanted != before.wanted:
            await conn.execute(_SQL["want"], {**values, "highest": _HIGHEST})
        if wanted.get("dev") != 1 or "dev" in put:
            until = now + DEVELOPER_MODE if wanted.get("dev") == 1 else None
            await conn.execute(_SQL["developer_until"], {"node_id": node_id, "until": until})
        return await read(conn, node_id)


async def end_developer_mode(conn: Connection, *, now: datetime) -> list[str]:
    """Unset `dev` where its day is over; returns the nodes."""
    cursor = await conn.execute(_SQL["end_developer_mode"], {"now": now})
    return [str(node_id) for (node_id,) in await cursor.fetchall()]


async def overtake(conn: Connection) -> list[str]:
    """Number higher what a device claims to have a newer revision of; returns the nodes."""
    cursor = await conn.execute(_SQL["overtake"], {"highest": _HIGHEST})
    return [str(node_id) for (node_id,) in await cursor.fetchall()]


async def waiting(
    conn: Connection, *, resting: Sequence[str] = (), limit: int = 100
) -> list[Revision]:
    """Revisions the broker does not have yet, but not those of resting nodes."""
    return await _revisions(conn, "waiting", {"resting": list(resting), "limit": limit})


async def current(conn: Connection, *, after: str = "", limit: int = 100) -> list[Revision]:
    """What should be retained at the broker, by node id, a page at a time."""
    return await _revisions(conn, "current", {"after": after, "limit": limit})


async def handed_over(conn: Connection, revision: Revision, *, now: datetime) -> None:
    """The broker has taken this revision."""
    values = {"node_id": revision.node_id, "revision": revision.revision, "now": now}
    await conn.execute(_SQL["handed_over"], values)


async def _hold(conn: Connection, node_id: str) -> Configuration:
    async with conn.cursor(row_factory=class_row(Configuration)) as cursor:
        await cursor.execute(_SQL["hold"], {"node_id": node_id})
        return (await cursor.fetchall())[0]


async def _revisions(conn: Connection, query: str, values: dict[str, Any]) -> list[Revision]:
    async with conn.cursor(row_factory=class_row(Revision)) as cursor:
        await cursor.execute(_SQL[query], values)
        return await cursor.fetchall()
