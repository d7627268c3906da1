"""Who sees whom: care team x area subtree, and the rules of the tables in words."""

from datetime import timedelta

import pytest

from care.people.account import NewAccount, open_account
from care.people.enrolment import NewDevice, NewNode, add_node, bind, enrol, pseudonym, revoke_node
from runtime.clock import ManualClock
from store import area, audit, credential, device, node, patient, team
from store.patient import NewPatient
from store.pool import Connection
from store.refused import RefusedByRuleError
from tests.care.village import Village, build


@pytest.fixture
async def village(conn: Connection, clock: ManualClock) -> Village:
    """Two counties; see tests/care/village.py."""
    return await build(conn, clock.now())


@pytest.mark.parametrize(
    ("who", "sees"),
    [
        pytest.param("admin", {"zhang", "li", "qian", "zhao", "sun"}, id="administrator: all"),
        pytest.param("lead", {"zhang", "li", "qian", "sun"}, id="county lead: subtree and own"),
        pytest.param("doctor", {"zhang", "li", "sun"}, id="village doctor: village and own"),
        pytest.param("nurse", {"zhang", "li", "sun"}, id="nurse like the doctor"),
        pytest.param("stranger", {"zhao", "sun"}, id="the other county"),
        pytest.param("teamless", set(), id="without a team: nobody"),
    ],
)
async def test_scope_is_team_times_subtree(
    conn: Connection, village: Village, who: str, sees: set[str]
) -> None:
    """Each person sees exactly the patients of their teams and below their teams' areas."""
    found = await patient.visible(conn, staff_id=village.staff[who])
    assert {p.id for p in found} == {village.patients[name] for name in sees}


async def test_a_disabled_administrator_sees_nobody(conn: Connection, village: Village) -> None:
    """Scope ends with the account."""
    await conn.execute("UPDATE staff SET disabled_at = now()")
    assert await patient.visible(conn, staff_id=village.staff["admin"]) == []
    assert await patient.visible(conn, staff_id=village.staff["doctor"]) == []


async def test_a_node_is_seen_by_those_of_its_place(conn: Connection, village: Village) -> None:
    """Nodes follow their area and their household's team."""
    mine = await node.visible(conn, staff_id=village.staff["doctor"])
    assert [n.id for n in mine] == [village.nodes["zhang"]]
    assert await node.visible(conn, staff_id=village.staff["teamless"]) == []


async def test_a_node_for_a_patient_works_at_once(
    conn: Connection, village: Village, clock: ManualClock
) -> None:
    """Node, own device, cuff, bindings from the beginning, home and credential in one step."""
    new = NewNode(area_id=village.areas["village"], patient_id=village.patients["li"])
    added = await add_node(conn, new, by=None, now=clock.now())
    assert [(d.dev, d.type) for d in added.devices] == [("", "gateway"), ("cuff1", "bpm")]
    bound = await device.bindings_of_node(conn, added.node_id)
    assert {(b.dev, b.patient_id, b.since) for b in bound} == {
        ("", village.patients["li"], None),
        ("cuff1", village.patients["li"], None),
    }
    stored = {c.node_id: c.password_hash for c in await credential.live(conn)}
    assert stored[added.node_id].startswith("$7$101$")
    assert added.password not in stored[added.node_id]
    home = await patient.find(conn, village.patients["li"])
    there = await node.find(conn, added.node_id)
    assert home is not None
    assert there is not None
    assert home.household_id == there.household_id is not None


async def test_a_shared_node_speaks_for_nobody(
    conn: Connection, village: Village, clock: ManualClock
) -> None:
    """With two people on one cuff the node itself is bound to neither of them."""
    new = NewNode(
        area_id=village.areas["village"],
        devices=[
            NewDevice(dev="cuff1", type="bpm", who="A", patient_id=village.patients["zhang"]),
            NewDevice(dev="cuff1", type="bpm", who="B", patient_id=village.patients["li"]),
        ],
    )
    added = await add_node(conn, new, by=None, now=clock.now())
    bound = await device.bindings_of_node(conn, added.node_id)
    assert [(b.dev, b.who) for b in bound] == [("cuff1", "A"), ("cuff1", "B")]


async def test_binding_again_ends_the_earlier_one(
    conn: Connection, village: Village, clock: ManualClock
) -> None:
    """A cuff handed on measures the next person from that moment; the past stays."""
    at = clock.now() + timedelta(days=1)
    bound = await bind(
        conn,
        node_id=village.nodes["zhang"],
        dev="cuff1",
        who="",
        patient_id=village.patients["li"],
        since=at,
        by=None,
        now=clock.now(),
    )
    assert bound is not None
    cuff = [b for b in await device.bindings_of_node(conn, village.nodes["zhang"]) if b.dev]
    assert [(b.patient_id, b.since, b.until) for b in cuff] == [
        (village.patients["zhang"], None, at),
        (village.patients["li"], at, None),
    ]
    with pytest.raises(RefusedByRuleError) as refused:
        await bind(
            conn,
            node_id=village.nodes["zhang"],
            dev="cuff1",
            who="",
            patient_id=village.patients["zhang"],
            since=at - timedelta(hours=1),
            by=None,
            now=clock.now(),
        )
    assert refused.value.rule == "one_patient_per_slot"


async def test_a_revoked_node_has_no_credential(
    conn: Connection, village: Village, clock: ManualClock
) -> None:
    """Revoking takes the credential away and tells the broker's side that something changed."""
    before = await credential.revision(conn)
    assert await revoke_node(conn, village.nodes["zhang"], by=None, now=clock.now())
    assert village.nodes["zhang"] not in [c.node_id for c in await credential.live(conn)]
    assert (await credential.revision(conn)).wanted > before.wanted
    assert not await revoke_node(conn, village.nodes["zhang"], by=None, now=clock.now())


async def test_constraints_speak_in_words(conn: Connection, clock: ManualClock) -> None:
    """What the schema refuses arrives as a rule, a kind, a sentence and a hint."""
    now = clock.now()
    cases = {
        "area_code_key": lambda: area.add(
            conn, name="B", level="village", parent_id=None, code="c1", time_zone="UTC", now=now
        ),
        "area_below_parent": lambda: area.add(
            conn, name="B", level="county", parent_id=1, code=None, time_zone="UTC", now=now
        ),
        "area_parent_id_fkey": lambda: area.add(
            conn, name="B", level="village", parent_id=99, code=None, time_zone="UTC", now=now
        ),
        "area_time_zone": lambda: area.add(
            conn, name="B", level="village", parent_id=1, code=None, time_zone="Mars", now=now
        ),
        "team_area_id_fkey": lambda: team.add(conn, name="T", area_id=99, now=now),
        "team_escalate_after_s_check": lambda: team.add(
            conn, name="T", area_id=1, escalate_after_s=0, now=now
        ),
        "team_member_staff_id_fkey": lambda: team.put_member(conn, team_id=1, staff_id=99),
        "staff_user_name_check": lambda: open_account(
            conn, NewAccount(user_name="Dr Wang", display_name="W"), by=None, now=now
        ),
        "patient_check": lambda: enrol(
            conn,
            NewPatient(name="张", area_id=1, pseudonym=pseudonym(), target_sys=130),
            by=None,
            now=now,
        ),
        "patient_target_sys_check": lambda: enrol(
            conn,
            NewPatient(name="张", area_id=1, pseudonym=pseudonym(), target_sys=30, target_dia=80),
            by=None,
            now=now,
        ),
        "patient_area_id_fkey": lambda: enrol(
            conn, NewPatient(name="张", area_id=99, pseudonym=pseudonym()), by=None, now=now
        ),
    }
    await area.add(
        conn, name="A", level="county", parent_id=None, code="c1", time_zone="UTC", now=now
    )
    await team.add(conn, name="T", area_id=1, now=now)
    for rule, broken in cases.items():
        with pytest.raises(RefusedByRuleError) as refused:
            await broken()
        assert refused.value.rule == rule
        assert refused.value.kind in ("exists", "missing", "not_allowed")
        assert refused.value.hint not in ("", "check what was given")


@pytest.mark.parametrize("change", ["UPDATE audit SET action = 'nothing'", "DELETE FROM audit"])
async def test_the_audit_is_append_only(conn: Connection, clock: ManualClock, change: str) -> None:
    """Nobody rewrites who did what, not even by SQL."""
    await audit.record(conn, at=clock.now(), action="view", staff_id=None)
    with pytest.raises(Exception, match="append-only"):
        await conn.execute(change.encode())
