"""Until when series are known to be stored: what may overlap is looked for, nothing else is."""

import pytest

from contract.instants import to_millis
from store import block_copy, feed
from store.copying import TakenError
from store.ends import Ends, Key
from store.feed_columns import BlockColumns, Said
from store.pool import Connection
from tests.store.series import AT, block_row, with_months

BASE = to_millis(AT)


@pytest.fixture(autouse=True)
async def months(conn: Connection) -> None:
    """The month of the test's rows."""
    await with_months(conn)


class Watched(Ends):
    """Tells which blocks had to be looked at."""

    def __init__(self) -> None:
        super().__init__()
        self.looked: list[int] = []

    def take(self, columns: BlockColumns) -> tuple[list[int], dict[Key, int]]:
        """As it does."""
        look, unknown = super().take(columns)
        self.looked = look
        return look, unknown


async def copy(conn: Connection, ends: Watched, *seconds: int, device: int = 1) -> list[int]:
    """Blocks of five seconds from then on, copied; which of them had to be looked at."""
    said = Said(device, "testnode1", "spo2", 1, 0, "ntp", None)
    usual = block_copy.Usual(said, None)
    columns, rows = BlockColumns(of=[said]), []
    for seq, second in enumerate(seconds):
        at = BASE + second * 1000
        rows.append(usual.row(at, 0, 1000, [97.0] * 5, 1, seq, 0))
        columns.which.append(0)
        columns.at.append(at)
        columns.part.append(0)
        columns.step.append(1000)
        columns.samples.append(5)
        columns.received.append(0)
    ends.looked.clear()
    async with conn.transaction():
        await block_copy.copy(conn, rows)
        await feed.append(conn, "test", (), (columns,))
        await block_copy.alone(conn, columns, ends)
    return ends.looked


async def test_what_goes_on_is_not_looked_for(conn: Connection) -> None:
    """The first of a series is, then only what begins before the end of what there is."""
    ends = Watched()
    assert await copy(conn, ends, 100, 110) == [0, 1]
    assert await copy(conn, ends, 115, 120) == []
    assert await copy(conn, ends, 10, 130) == [0]
    with pytest.raises(TakenError):
        await copy(conn, ends, 122)
    with pytest.raises(TakenError):
        await copy(conn, Watched(), 98)


async def test_the_end_of_what_was_there_before_is_learnt(conn: Connection) -> None:
    """Late data came first: what lies after it is known from then on, and what is noted too."""
    await copy(conn, Watched(), 500)
    ends = Watched()
    assert await copy(conn, ends, 100) == [0]
    with pytest.raises(TakenError):
        await copy(conn, ends, 498)
    ends.note(block_row(device_id=2, start_at=AT, samples=[97.0] * 900))
    assert await copy(conn, ends, 10, device=2) == [0]
    assert await copy(conn, ends, 800, device=2) == [0]
    assert await copy(conn, ends, 901, device=2) == []
