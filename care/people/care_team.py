"""Care teams: making one, and who answers in an area when nobody else does.

Used by the API and by the command line; `by` None is the command line.
"""

from datetime import datetime

from msgspec import Struct

from store import area, audit, team
from store.pool import Connection


class NewTeam(Struct, frozen=True, kw_only=True):
    """A team to make. `duty`: it answers calls of its area that nobody owns."""

    name: str
    area_id: int
    profile: str = "cn"
    escalate_after_s: int = 300
    duty: bool = False


class MadeTeam(Struct, frozen=True, kw_only=True):
    """A new team, and whether it is now on duty for its area."""

    team: team.Team
    on_duty: bool


async def make_team(conn: Connection, new: NewTeam, *, by: int | None, now: datetime) -> MadeTeam:
    """Make a team. Raises RefusedByRuleError.

    The first team of an area is on duty there without saying so: a call for help must land
    with somebody (safety rule 4).
    """
    made = await team.add(
        conn,
        name=new.name,
        area_id=new.area_id,
        profile=new.profile,
        escalate_after_s=new.escalate_after_s,
        now=now,
    )
    place = await area.find(conn, new.area_id)
    on_duty = new.duty or (place is not None and place.duty_team_id is None)
    if on_duty:
        await area.set_duty_team(conn, area_id=new.area_id, team_id=made.id)
    await audit.record(
        conn,
        at=now,
        action="team_added",
        staff_id=by,
        subject_kind="team",
        subject_id=made.id,
        detail={"area_id": new.area_id, "on_duty": on_duty},
    )
    return MadeTeam(team=made, on_duty=on_duty)
