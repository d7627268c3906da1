"""What the commands take when nothing was said: the only area, the only team, or the first one.

In an empty hub one village is made, so that the shortest set of commands works; it is said.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import TypeVar

from hub.admin.reach import RefusedError, say
from store import area, audit, team
from store.pool import Connection

T = TypeVar("T")

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
    automatic: bool = False,
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
    detail = {"automatic": True} if automatic else {}
    await note(conn, now, "area_added", "area", added.id, **detail)
    return added


async def named_area(conn: Connection, named: str) -> area.Area:
    """The area with this id, else this code, else this name if only one has it.

    Raises RefusedError.
    """
    found = await area.find(conn, int(named)) if named.isdecimal() else None
    found = found or await area.by_code(conn, named)
    return found or _only_one(named, "area", [a for a in await area.every(conn) if a.name == named])


def _only_one(named: str, noun: str, found: Sequence[T]) -> T:
    if not found:
        raise RefusedError(f"there is no {noun} {named}: see `hearthbeat {noun} list`")
    if len(found) > 1:
        raise RefusedError(
            f"several are called {named}: give the id instead (see `hearthbeat {noun} list`)"
        )
    return found[0]


async def demand_new_name(conn: Connection, name: str, parent_id: int | None) -> None:
    """Refuse a second area of this name in the same place. Raises RefusedError."""
    for one in await area.every(conn):
        if (one.name, one.parent_id) == (name, parent_id):
            raise RefusedError(f"there is an area {name} here already: its id is {one.id}")


async def area_or_only(conn: Connection, now: datetime, named: str | None) -> area.Area:
    """The area named, else the only one; one is made where there is none.

    The one made here counts no more as soon as somebody has made another.
    """
    if named is not None:
        return await named_area(conn, named)
    known = await area.every(conn)
    if not known:
        say(f"there was no area: made '{HOME}'")
        return await make_area(conn, now, name=HOME, automatic=True)
    if len(known) > 1:
        known = [one for one in known if not await _is_automatic(conn, one)]
    if len(known) > 1:
        raise RefusedError("there are several areas: say --area (see `hearthbeat area list`)")
    return known[0]


async def _is_automatic(conn: Connection, one: area.Area) -> bool:
    if one.name != HOME:
        return False
    book = await audit.of_subject(conn, subject_kind="area", subject_id=one.id)
    return any(line.action == "area_added" and line.detail.get("automatic") for line in book)


async def named_team(conn: Connection, named: str) -> team.Team:
    """The team with this id, else this name if only one has it. Raises RefusedError."""
    found = await team.find(conn, int(named)) if named.isdecimal() else None
    return found or _only_one(named, "team", [t for t in await team.every(conn) if t.name == named])


async def only_team(conn: Connection) -> team.Team | None:
    """The only team; None where there are none or several."""
    known = await team.every(conn)
    return known[0] if len(known) == 1 else None
