"""Two counties for the tests of care: who works there, who is cared for, who measures whom.

county "east" ── village ── zhang (team village), li (no team)
             └─ lead's team at the county, doctor's and nurse's at the village
county "west" ── zhao (team west), sun (lives there, cared for by team village)
"""

from datetime import datetime

from msgspec import Struct

from care.people.account import NewAccount, make_token, open_account
from care.people.enrolment import NewNode, add_node, enrol, pseudonym
from store import area, team
from store.patient import NewPatient
from store.pool import Connection


class Village(Struct, frozen=True):
    """Ids by name, and everybody's API token."""

    areas: dict[str, int]
    teams: dict[str, int]
    staff: dict[str, int]
    tokens: dict[str, str]
    patients: dict[str, int]
    nodes: dict[str, str]


async def build(conn: Connection, now: datetime) -> Village:
    """Put the two counties into an empty database."""
    areas = await _areas(conn, now)
    teams = {}
    for name in ("east", "village", "west"):
        made = await team.add(conn, name=f"team {name}", area_id=areas[name], now=now)
        teams[name] = made.id
    staff, tokens = await _staff(conn, teams, now)
    patients = await _patients(conn, areas, teams, now)
    nodes = {}
    for name, place in (("zhang", "village"), ("zhao", "west")):
        new = NewNode(area_id=areas[place], patient_id=patients[name])
        nodes[name] = (await add_node(conn, new, by=None, now=now)).node_id
    return Village(areas, teams, staff, tokens, patients, nodes)


async def _areas(conn: Connection, now: datetime) -> dict[str, int]:
    areas: dict[str, int] = {}
    for name, level, parent in (
        ("east", "county", None),
        ("west", "county", None),
        ("village", "village", "east"),
    ):
        made = await area.add(
            conn,
            name=name,
            level=level,
            parent_id=areas[parent] if parent else None,
            code=name,
            time_zone="Asia/Shanghai",
            now=now,
        )
        areas[name] = made.id
    return areas


async def _staff(
    conn: Connection, teams: dict[str, int], now: datetime
) -> tuple[dict[str, int], dict[str, str]]:
    staff, tokens = {}, {}
    for name, role, place in (
        ("admin", "admin", None),
        ("lead", "lead", "east"),
        ("doctor", "doctor", "village"),
        ("nurse", "nurse", "village"),
        ("stranger", "doctor", "west"),
        ("teamless", "doctor", None),
    ):
        new = NewAccount(
            user_name=name,
            display_name=name,
            role=role,
            team_id=teams[place] if place else None,
        )
        person = await open_account(conn, new, by=None, now=now)
        staff[name] = person.id
        tokens[name] = await make_token(conn, person.id, label="test", by=None, now=now)
    # The county's lead is told when the village does not answer.
    await team.put_member(conn, team_id=teams["village"], staff_id=staff["lead"], step=2)
    return staff, tokens


async def _patients(
    conn: Connection, areas: dict[str, int], teams: dict[str, int], now: datetime
) -> dict[str, int]:
    patients = {}
    for name, place, by_team in (
        ("zhang", "village", "village"),
        ("li", "village", None),
        ("qian", "east", None),
        ("zhao", "west", "west"),
        ("sun", "west", "village"),
    ):
        new = NewPatient(
            name=name,
            area_id=areas[place],
            team_id=teams[by_team] if by_team else None,
            pseudonym=pseudonym(),
        )
        patients[name] = (await enrol(conn, new, by=None, now=now)).id
    return patients
