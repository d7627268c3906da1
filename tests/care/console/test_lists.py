"""The lists behind the pages, on a real database: order, scope, search."""

from datetime import UTC, datetime, timedelta

import pytest

from store import chart, unassigned, worklist
from store.pool import Connection
from store.unassigned import Which
from tests.fixtures.factories import Factory

NOW = datetime(2026, 3, 4, 2, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def factory(conn: Connection) -> Factory:
    """Rows at the time of these tests."""
    return Factory(conn, NOW)


async def test_sections_follow_urgency_and_age(factory: Factory) -> None:
    """A later look moves an acknowledged episode to the expired ones; the oldest comes first."""
    f = factory
    area = await f.area()
    team = await f.team(area)
    staff, _ = await f.staff(team)
    people = [await f.patient(area, f"第{n}位", team_id=team) for n in range(7)]
    held = {"acknowledged_at": NOW - HOUR, "acknowledged_by": staff, "state": "acknowledged"}
    values = (
        {"priority": "technical"},
        {"priority": "low"},
        {"priority": "medium"},
        {"state": "pending", "confirmation": "waiting"},
        {"acknowledged_until": NOW + HOUR} | held,
        {},
        {"opened_at": NOW - 2 * HOUR},
    )
    for person, row in zip(people, values, strict=True):
        await f.episode(person, team, **row)
    entries = await worklist.entries(f.conn, staff_id=staff, now=NOW)
    order = ["high", "high", "pending", "medium", "low", "technical", "in_hand"]
    assert [e.section for e in entries] == order
    assert [e.patient_name for e in entries[:2]] == ["第6位", "第5位"]
    assert await worklist.urgent(f.conn, staff_id=staff, now=NOW) == 2
    later = await worklist.entries(f.conn, staff_id=staff, now=NOW + 2 * HOUR)
    assert [e.section for e in later[2:4]] == ["expired", "pending"]
    assert await worklist.urgent(f.conn, staff_id=staff, now=NOW + 2 * HOUR) == 3
    assert entries[0].evidence[0].values[:2] == (186, 112)


async def test_nobody_sees_more_than_their_scope(factory: Factory) -> None:
    """Another team's episodes, people, readings and refusals are simply not there."""
    f = factory
    here, there = await f.area("甲村"), await f.area("乙村")
    mine, theirs = await f.team(here), await f.team(there)
    me, _ = await f.staff(mine)
    admin, _ = await f.staff(role="admin")
    stranger = await f.patient(there, team_id=theirs)
    node = await f.node(there)
    device = await f.device(node)
    episode = await f.episode(stranger, theirs)
    await f.pressure(device, node, None, (170, 95))
    for sender in (node, None):
        await f.conn.execute(
            b"INSERT INTO reject (received_at, node_id, topic, code, reason, payload)"
            b" VALUES (%s, %s, 't', 'E2001', 'broken', '')",
            (NOW, sender),
        )
    at = {"now": NOW}
    assert await worklist.entries(f.conn, staff_id=me, **at) == []
    assert await worklist.entry(f.conn, episode_id=episode, staff_id=me, **at) is None
    assert await worklist.patients(f.conn, staff_id=me, **at) == []
    assert await unassigned.page(f.conn, staff_id=me, which=Which()) == []
    assert await worklist.rejects(f.conn, staff_id=me, since=NOW - HOUR) == []
    assert await chart.patient(f.conn, patient_id=stranger, staff_id=me, **at) is None
    assert len(await worklist.entries(f.conn, staff_id=admin, **at)) == 1
    assert len(await unassigned.page(f.conn, staff_id=admin, which=Which())) == 1
    refused = await worklist.rejects(f.conn, staff_id=admin, since=NOW - HOUR)
    assert {line.node_id for line in refused} == {node, None}


async def test_a_reading_nobody_owns_names_whom_it_may_have_been(factory: Factory) -> None:
    """Safety rule 5: the episode of a device carries its candidates, each once, with the phone."""
    f = factory
    area = await f.area()
    team = await f.team(area)
    me, _ = await f.staff(team)
    one = await f.patient(area, "甲", team_id=team, phone="138 1")
    two = await f.patient(area, "乙", team_id=team)
    node = await f.node(area)
    detail = {"detail": {"candidates": [one, two]}}
    pieces = [f.evidence((190, 114), **detail), f.evidence((188, 112), **detail)]
    await f.episode(None, team, node_id=node, evidence=pieces)
    (entry,) = await worklist.entries(f.conn, staff_id=me, now=NOW)
    assert {(c.name, c.phone) for c in entry.candidates} == {("甲", "138 1"), ("乙", None)}
    assert entry.node_label == "堂屋网关"


async def test_people_are_found_by_what_was_typed_and_nothing_more(factory: Factory) -> None:
    """Signs that mean something to a database are looked for as they are."""
    f = factory
    area = await f.area("柳林村")
    team = await f.team(area)
    me, _ = await f.staff(team)
    calm = await f.patient(area, "平安%人", team_id=team, phone="138 0000 1111")
    urgent = await f.patient(area, "李秀英", team_id=team, phone="139_2222")
    await f.episode(urgent, team)
    node = await f.node(area)
    device = await f.device(node)
    await f.pressure(device, node, calm, (128, 76, 70), at=NOW - HOUR)

    async def found(search: str) -> list[int]:
        lines = await worklist.patients(f.conn, staff_id=me, now=NOW, search=search)
        return [line.id for line in lines]

    assert await found("") == [urgent, calm]
    assert await found("秀") == [urgent]
    assert await found("%") == [calm]
    assert await found("_") == [urgent]
    assert await found(" 1111 ") == [calm]
    assert await found("柳林") == [urgent, calm]
    assert await found("\\") == []
    lines = await worklist.patients(f.conn, staff_id=me, now=NOW)
    assert (lines[1].sys, lines[1].dia, lines[1].pulse) == (128, 76, 70)
    assert (lines[0].open_priority, lines[0].open_episodes) == ("high", 1)
