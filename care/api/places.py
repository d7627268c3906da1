"""Areas and teams: /api/areas, /api/teams."""

from typing import Annotated, Literal
from zoneinfo import available_timezones

from fastapi import APIRouter
from pydantic import AfterValidator, Field

from care.api.deps import Administrator, Db, Id, Me, Now, SeesStaff, note
from care.api.problem import PROBLEMS, missing
from care.api.shapes import Asked, Done, Line, Told
from care.people import care_team
from store import area, staff, team

router = APIRouter(prefix="/api", tags=["places"], responses=PROBLEMS)

Level = Literal["province", "city", "county", "township", "village"]


def _known_zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError("use an IANA name such as Asia/Shanghai")
    return name


TimeZone = Annotated[str, AfterValidator(_known_zone)]


class NewArea(Asked):
    """An area to add. Any level may be a root; a child lies below its parent's level."""

    name: Line
    level: Level = "village"
    parent_id: int | None = Field(default=None, ge=1)
    code: Line | None = None
    time_zone: TimeZone = "Asia/Shanghai"


class AreaBody(Told):
    """An area."""

    id: int
    parent_id: int | None
    level: Level
    name: str
    code: str | None
    time_zone: str
    duty_team_id: int | None


class Areas(Told):
    """The areas in somebody's scope and those above them, parents first."""

    areas: list[AreaBody]


class NewTeam(Asked):
    """A team to add at an area."""

    name: Line
    area_id: int = Field(ge=1)
    profile: Literal["cn", "esc", "us_uk"] = "cn"
    escalate_after_s: int = Field(default=300, ge=1, le=86_400)
    duty: bool = Field(default=False, description="answers calls of the area that nobody owns")


class TeamBody(Told):
    """A team."""

    id: int
    name: str
    area_id: int
    profile: str
    escalate_after_s: int


class Teams(Told):
    """The teams somebody works in; all of them for an administrator."""

    teams: list[TeamBody]


class MemberBody(Told):
    """A person on the ladder; step 1 is told first."""

    team_id: int
    staff_id: int
    user_name: str
    display_name: str
    role: str
    step: int


class Members(Told):
    """A team's ladder."""

    members: list[MemberBody]


class Place(Asked):
    """Where on the ladder."""

    step: int = Field(default=1, ge=1, le=9)


@router.get("/areas", operation_id="list_areas", response_model=Areas)
async def list_areas(me: Me, conn: Db) -> object:
    """The areas in your scope, and those above them."""
    return {"areas": await area.of_staff(conn, me.staff_id)}


@router.post("/areas", operation_id="add_area", response_model=AreaBody, status_code=201)
async def add_area(asked: NewArea, me: Administrator, conn: Db, now: Now) -> object:
    """Add an area."""
    added = await area.add(conn, **asked.model_dump(), now=now)
    await note(conn, me, now, "area_added", "area", added.id)
    return added


@router.get("/teams", operation_id="list_teams", response_model=Teams)
async def list_teams(me: Me, conn: Db) -> object:
    """Your teams."""
    return {"teams": await team.of_staff(conn, me.staff_id)}


@router.post("/teams", operation_id="add_team", response_model=TeamBody, status_code=201)
async def add_team(asked: NewTeam, me: Administrator, conn: Db, now: Now) -> object:
    """Add a team. The first one of an area is on duty there."""
    new = care_team.NewTeam(**asked.model_dump())
    return (await care_team.make_team(conn, new, by=me.staff_id, now=now)).team


@router.get("/teams/{team_id}/members", operation_id="list_members", response_model=Members)
async def list_members(team_id: Id, me: SeesStaff, conn: Db) -> object:
    """A team's ladder, first step first."""
    if team_id not in {one.id for one in await team.of_staff(conn, me.staff_id)}:
        raise missing()
    return {"members": await team.members(conn, team_id)}


@router.put("/teams/{team_id}/members/{staff_id}", operation_id="put_member", response_model=Done)
async def put_member(
    team_id: Id, staff_id: Id, asked: Place, me: Administrator, conn: Db, now: Now
) -> object:
    """Put a person on a step of a team's ladder."""
    if await team.find(conn, team_id) is None or await staff.find(conn, staff_id) is None:
        raise missing()
    await team.put_member(conn, team_id=team_id, staff_id=staff_id, step=asked.step)
    await note(conn, me, now, "member_put", "team", team_id, staff_id=staff_id, step=asked.step)
    return Done(done=True, at=now)


@router.delete(
    "/teams/{team_id}/members/{staff_id}", operation_id="remove_member", response_model=Done
)
async def remove_member(team_id: Id, staff_id: Id, me: Administrator, conn: Db, now: Now) -> object:
    """Take a person off a team; what they may see ends with it."""
    if not await team.remove_member(conn, team_id=team_id, staff_id=staff_id):
        raise missing()
    await note(conn, me, now, "member_removed", "team", team_id, staff_id=staff_id)
    return Done(done=True, at=now)
