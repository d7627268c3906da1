"""Ways of being signed in: a browser's session and a program's token, both kept as SHA-256."""

from datetime import datetime

from msgspec import Struct
from psycopg.rows import class_row

from store.named import queries
from store.pool import Connection
from store.refused import in_words

_SQL = queries("session")


class Holder(Struct, frozen=True, kw_only=True):
    """Who holds a session or a token, and when it was last noted as used."""

    staff_id: int
    user_name: str
    display_name: str
    role: str
    locale: str
    last_seen_at: datetime | None


async def open_session(
    conn: Connection,
    *,
    digest: bytes,
    staff_id: int,
    address: str | None,
    now: datetime,
    expires_at: datetime,
) -> None:
    """Open a session that ends at `expires_at` at the latest."""
    values = {
        "digest": digest,
        "staff_id": staff_id,
        "address": address,
        "now": now,
        "expires_at": expires_at,
    }
    await conn.execute(_SQL["open"], values)


async def holder(
    conn: Connection, *, digest: bytes, now: datetime, idle_since: datetime
) -> Holder | None:
    """Whose session it is; None when unknown, ended, expired, unused since `idle_since`."""
    async with conn.cursor(row_factory=class_row(Holder)) as cursor:
        await cursor.execute(
            _SQL["holder"], {"digest": digest, "now": now, "idle_since": idle_since}
        )
        return await cursor.fetchone()


async def touch(conn: Connection, *, digest: bytes, now: datetime) -> None:
    """Note that the session was used."""
    await conn.execute(_SQL["touch"], {"digest": digest, "now": now})


async def end(conn: Connection, *, digest: bytes, now: datetime) -> bool:
    """End one session; whether it was open."""
    return (await conn.execute(_SQL["end"], {"digest": digest, "now": now})).rowcount == 1


async def end_all(conn: Connection, *, staff_id: int, now: datetime) -> int:
    """End every session of a person; how many there were."""
    return (await conn.execute(_SQL["end_all"], {"staff_id": staff_id, "now": now})).rowcount


async def prune(conn: Connection, *, before: datetime) -> int:
    """Forget sessions that were over before this; how many there were."""
    return (await conn.execute(_SQL["prune"], {"before": before})).rowcount


async def make_token(
    conn: Connection,
    *,
    digest: bytes,
    staff_id: int,
    label: str,
    now: datetime,
    expires_at: datetime | None = None,
) -> int:
    """Keep a new API token; its id. Raises RefusedByRuleError for an unknown person."""
    values = {
        "digest": digest,
        "staff_id": staff_id,
        "label": label,
        "now": now,
        "expires_at": expires_at,
    }
    with in_words():
        cursor = await conn.execute(_SQL["make_token"], values)
    return int((await cursor.fetchall())[0][0])


async def token_holder(conn: Connection, *, digest: bytes, now: datetime) -> Holder | None:
    """Whose API token it is; None when unknown, revoked or expired."""
    async with conn.cursor(row_factory=class_row(Holder)) as cursor:
        await cursor.execute(_SQL["token_holder"], {"digest": digest, "now": now})
        return await cursor.fetchone()


async def touch_token(conn: Connection, *, digest: bytes, now: datetime) -> None:
    """Note that the token was used."""
    await conn.execute(_SQL["touch_token"], {"digest": digest, "now": now})


async def revoke_tokens(conn: Connection, *, staff_id: int, now: datetime) -> int:
    """Revoke every token of a person; how many there were."""
    return (await conn.execute(_SQL["revoke_tokens"], {"staff_id": staff_id, "now": now})).rowcount
