"""News: one listener, any number of waiting pages, nothing that can grow."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from care.console import live
from care.console.live import TOPICS, Live
from store.pool import Connection
from tests.fixtures.factories import Factory


@asynccontextmanager
async def _running(url: str) -> AsyncIterator[Live]:
    news = Live(url)
    task = asyncio.create_task(news.run())
    try:
        async with asyncio.timeout(5):
            await news.news(TOPICS, 0)
        assert news.listening
        yield news
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_change_wakes_whoever_waits_for_its_topic(
    database_url: str, conn: Connection
) -> None:
    """An episode wakes those who wait for episodes, and not those who wait for doses."""
    async with _running(database_url) as news:
        episodes, doses = news.version({"episode"}), news.version({"dose"})
        waiting = asyncio.create_task(news.news({"episode"}, episodes))
        await Factory(conn).episode(None, None)
        async with asyncio.timeout(2):
            assert await waiting > episodes
        assert news.version({"dose"}) == doses


async def test_a_flood_is_a_handful_of_news(database_url: str, conn: Connection) -> None:
    """Five hundred changes in a burst wake a page a few times, not five hundred times."""
    async with _running(database_url) as news:
        before = news.version({"batch"})
        for _ in range(500):
            await conn.execute(b"SELECT pg_notify('console', 'batch')")
        async with asyncio.timeout(5):
            seen = await news.news({"batch"}, before)
        await asyncio.sleep(2 * live.QUIET_S)
        assert seen > before
        assert news.version({"batch"}) - before < 30


async def test_the_listener_comes_back(database_url: str, conn: Connection) -> None:
    """A lost connection is noticed, pages poll meanwhile, and what was missed counts as changed."""
    async with _running(database_url) as news:
        before = news.version(TOPICS)
        await conn.execute(
            b"SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            b" WHERE query LIKE 'LISTEN%' AND pid <> pg_backend_pid()"
            b" AND datname = current_database()"
        )
        async with asyncio.timeout(5):
            assert await news.news(TOPICS, before) > before
        assert news.listening


async def test_without_a_listener_pages_look_by_themselves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """While nobody listens a page waits no longer than a poll."""
    monkeypatch.setattr(live, "POLL_S", 0.05)
    news = Live("postgresql://nobody@127.0.0.1:1/nothing")
    async with asyncio.timeout(1):
        assert await news.news({"episode"}, 0) == 0
