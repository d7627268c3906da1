"""An empty word on a retained topic: the hub clears what a node left behind, a maker errs."""

import asyncio

from store.pool import Connection
from tests.fixtures.fix_broker import LiveBroker
from tests.ingest.conftest import Device, count, until, until_count

RETAINED = ("birth", "state", "config")


async def test_what_is_cleared_of_a_node_that_left_is_no_reject(
    ingest: None, device: Device, broker: LiveBroker, people: Connection
) -> None:
    """When a node is taken out of use the hub clears what is retained of it: that is dropped
    without a word, at once and later, of a node nobody knows any more too. What the node itself
    says is refused as before."""
    device.pressure(148)
    await until_count(people, "reading", 1)
    await people.execute("UPDATE node SET revoked_at = now() WHERE id = 'testnode1'")
    broker.add_node("stranger1", "stranger1")
    stranger = Device(broker, "stranger1")
    for each in (device, stranger):
        for kind in RETAINED:
            each.raw(kind, b"", retain=True)
        each.raw("obs", b"")
    await until(
        lambda: all([fb for fb in one.feedback() if "code" in fb] for one in (device, stranger))
    )
    await asyncio.sleep(1.2)  # what is merged was said by then
    stranger.close()
    cursor = await people.execute("SELECT node_id, topic, code FROM reject ORDER BY node_id")
    assert await cursor.fetchall() == [
        ("stranger1", "hh/1/up/stranger1/obs", "E4002"),
        ("testnode1", "hh/1/up/testnode1/obs", "E4003"),
    ]
    told = [fb["code"] for one in (device, stranger) for fb in one.feedback() if "code" in fb]
    assert told == ["E4003", "E4002"]


async def test_an_empty_word_of_a_node_in_use_is_refused(
    ingest: None, device: Device, people: Connection
) -> None:
    """It is a mistake of its maker, on whatever topic."""
    for kind in RETAINED:
        device.raw(kind, b"")
    await until_count(people, "reject", 3)
    assert await count(people, "reject", "code = 'E2007'") == 3
