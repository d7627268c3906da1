"""The lease: one holds it, who waits takes it over, and who lost it gets no session any more."""

import asyncio
from collections.abc import AsyncIterator

import psycopg
import pytest
from psycopg import AsyncConnection

from store import lease
from store.lease import FencedError, Held
from store.line import Line
from store.pool import Connection

NAME = "hub-ingest"


async def _taken(conn: Connection, holder: str) -> Held | None:
    return await lease.take(conn, NAME, holder, await lease.look(conn, NAME))


@pytest.fixture
async def other(database_url: str) -> AsyncIterator[Connection]:
    """A second process's connection."""
    async with await AsyncConnection.connect(database_url, autocommit=True) as conn:
        yield conn


async def test_of_two_who_saw_the_same_one_takes_it(conn: Connection, other: Connection) -> None:
    """Nobody ever held it: both try, one gets it; later likewise."""
    seen = await lease.look(conn, NAME)
    assert seen is None
    first = await lease.take(conn, NAME, "one", seen)
    assert first == Held(NAME, "one", 1)
    assert await lease.take(other, NAME, "two", seen) is None
    seen = await lease.look(other, NAME)
    both = await asyncio.gather(
        lease.take(conn, NAME, "three", seen), lease.take(other, NAME, "four", seen)
    )
    assert sorted(held is None for held in both) == [False, True]
    assert {held.epoch for held in both if held} == {2}


async def test_what_was_renewed_is_not_taken(conn: Connection, other: Connection) -> None:
    """Between the look and the attempt its holder was alive after all."""
    held = await _taken(conn, "one")
    assert held is not None
    seen = await lease.look(other, NAME)
    assert await lease.renew(conn, held) == 0
    assert await lease.take(other, NAME, "two", seen) is None
    assert await lease.renew(conn, held) == 0


async def test_who_lost_it_is_told_and_cannot_give_back_what_is_another_ones(
    conn: Connection, other: Connection
) -> None:
    """Renewing, admitting and releasing go by the epoch."""
    held = await _taken(conn, "one")
    assert held is not None
    new = await _taken(other, "two")
    assert new is not None
    for refused in (lease.renew, lease.admit):
        with pytest.raises(FencedError):
            await refused(conn, held)
    await lease.release(conn, held)
    await lease.admit(other, new)
    await lease.release(other, new)
    seen = await lease.look(conn, NAME)
    assert seen is not None
    assert seen.holder is None


async def test_a_takeover_ends_what_the_old_holder_has_open(
    conn: Connection, database_url: str
) -> None:
    """A transaction that was left open holds nothing up any more, and no new session is let in;
    sessions of others stay."""
    held = await _taken(conn, "one")
    assert held is not None
    line = Line(
        database_url,
        name=lease.session_name("hearthbeat ingest write", "one"),
        admit=lambda opened: lease.admit(opened, held),
    )
    bystander = Line(database_url, name=lease.session_name("hearthbeat ingest write", "three"))
    await bystander.ping(5.0)
    seen = await lease.look(conn, NAME)
    assert seen is not None
    assert not seen.connected

    async def overtaken() -> None:
        async with line.transaction() as opened:
            await opened.execute("INSERT INTO area (level, name) VALUES ('village', 'a village')")
            found = await lease.look(conn, NAME)
            assert found is not None
            assert found.connected
            assert await lease.take(conn, NAME, "two", found) == Held(NAME, "two", 2)

    with pytest.raises(lease.UnavailableError):
        await overtaken()
    cursor = await conn.execute("SELECT count(*) FROM area")
    assert await cursor.fetchone() == (0,)
    with pytest.raises(FencedError):
        await line.ping(5.0)
    await bystander.ping(5.0)
    await bystander.close()


async def test_who_waits_is_counted(conn: Connection, database_url: str) -> None:
    """The holder knows whether somebody stands by."""
    held = await _taken(conn, "one")
    assert held is not None
    for number in (1, 2):
        name = lease.waiting_name(NAME, f"w{number}")
        line = Line(database_url, name=name)
        await line.ping(5.0)
        assert await lease.renew(conn, held) == 1
        await line.close()


async def test_a_role_that_may_not_end_sessions_takes_it_all_the_same(
    conn: Connection, postgres: object, database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The old sessions belong to somebody mightier: the lease is taken, and it is said."""
    held = await _taken(conn, "one")
    assert held is not None
    admin = psycopg.conninfo.make_conninfo(
        postgres.admin_url,  # type: ignore[attr-defined]
        dbname=database_url.rpartition("/")[2].partition("?")[0],
        application_name=lease.session_name("mighty", "one"),
    )
    async with await AsyncConnection.connect(admin, autocommit=True) as mighty:
        taken = await _taken(conn, "two")
        assert taken is not None
        assert taken.epoch == 2
        await mighty.execute("SELECT 1")
    assert "old_sessions_stay" in capsys.readouterr().out
