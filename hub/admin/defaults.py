"""What the commands take when nothing was said: the only area, the only team, or the first one.

In an empty hub one village is made, so that the shortest set of commands works; it is said.
"""

from datetime import datetime

from hub.admin.reach import RefusedError, say
from store import area, audit, team
from store.pool import Connection

HOME = "Home village"


async def note(
    conn: Connection, now: datetime, action: str, kind: str, subject: int | str, **detail: object
) -> None:
    """One line in the audit for what was done from the command line."""
    await audit.record(
        conn,
        at=now,
        action=action,
        staff_id=None,
        subject_kind=kind,
        subject_id=subject,
        detail=detail,
    )


async def make_area(
    conn: Connection,
    now: datetime,
    *,
    name: str,
    level: str = "village",
    parent_id: int | None = None,
    code: str | None = None,
    time_zone: str = "Asia/Shanghai",
) -> area.Area:
    """Add an area. Raises RefusedByRuleError."""
    added = await area.add(
        conn,
        name=name,
        level=level,
        parent_id=parent_id,
        code=code,
        time_zone=time_zone,
        now=now,
    )
    await note(conn, now, "area_added", "area", added.id)
    return added


async def named_area(conn: Connection, named: str) -> area.Area:
    """The area with this id, else with this code. Raises RefusedError."""
    found = await area.find(conn, int(named)) if named.isdecimal() else None
    found = found or await area.by_code(conn, named)
    if found is None:
        raise RefusedError(f"there is no area {named}: see `hearthbeat area list`")
    return found


async def area_or_only(conn: Connection, now: datetime, named: str | None) -> area.Area:
    """The area named, else the only one; one is made where there is none."""
    if named is not None:
        return await named_area(conn, named)
    known = await area.every(conn)
    if not known:
        say(f"there was no area: made '{HOME}'")
        return await make_area(conn, now, name=HOME)
    if len(known) > 1:
        raise RefusedError("there are several areas: say --area (see `hearthbeat area list`)")
    return known[0]


async def named_team(conn: Connection, team_id: int) -> team.Team:
    """The team with this id. Raises RefusedError."""
    found = await team.find(conn, team_id)
    if found is None:
        raise RefusedError(f"there is no team {team_id}: see `hearthbeat team list`")
    return found


async def only_team(conn: Connection) -> team.Team | None:
    """The only team; None where there are none or several."""
    known = await team.every(conn)
    return known[0] if len(known) == 1 else None
