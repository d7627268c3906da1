"""The watch over pages: damage is told once, daily again, and never called over."""

import pytest
from psycopg import AsyncConnection

from hub.damage import DAMAGED, UNCHECKED, Damage
from runtime.postgres_server import PostgresServer
from store.health import Pages, pages
from store.pool import BELIEVING, NotDurableError, assert_durable

_DAY_S = 86_400.0


def told(*looks: tuple[float, Pages]) -> list[tuple[float, str, str]]:
    """What is told when it is looked at these moments and that is found."""
    state, said = Damage(), []
    for now, found in looks:
        state, news = state.looked(found, now)
        said += [(now, alarm, phase) for alarm, phase in news]
    return said


def test_whole_pages_are_no_news() -> None:
    """Whatever the time."""
    assert told(*((t * _DAY_S, Pages(True, 0)) for t in range(5))) == []


def test_damage_is_told_at_once_and_each_day() -> None:
    """Also where the server had counted before the hub was started; more of it is no new alarm."""
    looks = [(5.0 * n, Pages(True, 1 + n)) for n in range(int(2.5 * _DAY_S / 5))]
    assert told(*looks) == [
        (0.0, DAMAGED, "begin"),
        (_DAY_S, DAMAGED, "still"),
        (2 * _DAY_S, DAMAGED, "still"),
    ]


def test_a_crash_that_forgets_the_count_mends_nothing() -> None:
    """The count begins anew: nothing is over, and the day's reminder comes all the same."""
    looks = ((0.0, Pages(True, 3)), (5.0, Pages(True, 0)), (_DAY_S, Pages(True, 0)))
    assert told(*looks) == [(0.0, DAMAGED, "begin"), (_DAY_S, DAMAGED, "still")]


def test_a_server_without_checksums_is_told_once() -> None:
    """It runs, and somebody knows."""
    assert told(*((5.0 * n, Pages(False, 0)) for n in range(9))) == [(0.0, UNCHECKED, "begin")]


async def test_the_servers_word(database_url: str) -> None:
    """Our own server keeps checksums; one that is away says nothing."""
    assert await pages(database_url) == Pages(True, 0)
    assert await pages("postgresql://127.0.0.1:1/none") is None


@pytest.mark.parametrize("setting", BELIEVING)
async def test_a_server_that_passes_over_damage_is_refused(
    postgres: PostgresServer, setting: str
) -> None:
    """By name, with what to do."""
    options = f"-c {setting}=on"
    async with await AsyncConnection.connect(postgres.admin_url, options=options) as conn:
        with pytest.raises(NotDurableError, match=f"{setting} is on: set it to off"):
            await assert_durable(conn)
