"""Message identities: new, resent, or the same numbers for something else."""

from datetime import UTC, datetime, timedelta

import pytest

from store import message, retention
from store.message import Boot, Incoming, Key, Verdict
from store.pool import Connection

AT = datetime(2026, 3, 4, tzinfo=UTC)
NEW, RESENT, REUSED = Verdict.NEW, Verdict.RESENT, Verdict.REUSED


def said(seq: int, digest: int = 1, boot: int = 1, node: str = "testnode1") -> Incoming:
    """One message with these numbers and this content."""
    return Incoming(Key(node, boot, seq), "obs", digest, AT)


async def test_what_was_taken_is_known(conn: Connection) -> None:
    """The second time is a resend; another boot or node is another message."""
    assert await message.take(conn, [said(0), said(1)]) == [NEW, NEW]
    again = [said(1), said(2), said(1, boot=2), said(1, node="testnode2")]
    assert await message.take(conn, again) == [RESENT, NEW, NEW, NEW]


async def test_the_same_numbers_for_another_content_are_told_apart(conn: Connection) -> None:
    """A node that lost its count must not have its readings taken for resends."""
    await message.take(conn, [said(7)])
    assert await message.take(conn, [said(7, digest=2), said(7)]) == [REUSED, RESENT]


async def test_within_one_batch_the_first_counts(conn: Connection) -> None:
    """Ten copies in a batch are one message and nine resends."""
    batch = [said(3, digest=5)] * 10 + [said(3, digest=6)]
    assert await message.take(conn, batch) == [NEW] + [RESENT] * 9 + [REUSED]


async def test_a_node_that_counts_again_leaves_its_old_count_behind(conn: Connection) -> None:
    """Reused numbers end the earlier count of that boot: it is in no receipt of the new one. What
    came with them stays, and is known from then on; other boots are untouched."""
    await message.take(conn, [said(seq) for seq in range(10)] + [said(0, boot=2)])
    fresh = [said(seq, digest=9) for seq in (0, 10)]
    assert await message.take(conn, fresh) == [REUSED, NEW]
    await message.start_again(conn, fresh[:1], [fresh[1].key])
    boots = [Boot("testnode1", 1), Boot("testnode1", 2)]
    assert list((await message.ranges(conn, boots)).values()) == [[(0, 0), (10, 10)], [(0, 0)]]
    assert await message.take(conn, fresh) == [RESENT, RESENT]


@pytest.mark.parametrize("step", [timedelta(hours=-2), timedelta(0), timedelta(hours=2)])
async def test_an_old_count_is_forgotten_whatever_the_clock_of_the_hub(
    conn: Connection, step: timedelta
) -> None:
    """The hub's clock was set back between the two counts, or they came within one batch: no number
    of the old one is left, which a receipt would take for one of the new."""
    await message.take(conn, [said(seq) for seq in range(10)])
    batch = [said(10), said(0, digest=9)]
    batch = [one._replace(received_at=AT + step) for one in batch]
    assert await message.take(conn, batch) == [NEW, REUSED]
    await message.start_again(conn, batch[1:])
    boot = Boot("testnode1", 1)
    assert (await message.ranges(conn, [boot]))[boot] == [(0, 0)]


async def test_what_could_not_be_taken_is_looked_at_again(conn: Connection) -> None:
    """A message of which nothing could be taken counts, and is no resend when it comes again."""
    nothing = said(0, digest=message.NOTHING_TAKEN)
    assert await message.take(conn, [nothing]) == [NEW]
    assert await message.take(conn, [nothing, said(0)]) == [Verdict.RETRIED] * 2
    assert await message.take(conn, [said(0)]) == [RESENT]


async def test_nothing_is_taken_of_nothing(conn: Connection) -> None:
    """An empty batch asks the database nothing it cannot answer."""
    assert await message.take(conn, []) == []


async def test_ranges_are_unbroken(conn: Connection) -> None:
    """What was taken comes back as ranges, per boot."""
    await message.take(conn, [said(seq) for seq in (0, 1, 2, 5, 6, 9)] + [said(4, boot=2)])
    found = await message.ranges(conn, [Boot("testnode1", 1), Boot("testnode1", 2), Boot("x", 1)])
    assert found == {
        Boot("testnode1", 1): [(0, 2), (5, 6), (9, 9)],
        Boot("testnode1", 2): [(4, 4)],
        Boot("x", 1): [],
    }


async def test_pruning_forgets_the_old(conn: Connection) -> None:
    """Identities older than a limit go, the others stay known."""
    await message.take(conn, [said(0), said(1)._replace(received_at=AT + timedelta(days=1))])
    assert await retention.forget(conn, "messages", before=AT + timedelta(hours=1)) == 1
    assert await message.take(conn, [said(0), said(1)]) == [NEW, RESENT]
