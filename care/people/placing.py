"""Where something new belongs when nobody says so: the only place there is, or ask."""

from store import area, team
from store.patient import Patient
from store.pool import Connection


class AmbiguousPlaceError(Exception):
    """There is no single area to take, or the one named is not there for this person."""


async def for_person(
    conn: Connection, *, staff_id: int, area_id: int | None, team_id: int | None
) -> tuple[int, int | None]:
    """The area and team of a new patient, in the scope of who enrols them.

    A team brings its area; without either, the person's only team, else their only area is taken.
    Raises AmbiguousPlaceError.
    """
    own = await team.of_staff(conn, staff_id)
    if team_id is None and area_id is None and len(own) == 1:
        team_id = own[0].id
    chosen = next((one for one in own if one.id == team_id), None)
    if team_id is not None and chosen is None:
        raise AmbiguousPlaceError("there is no such team")
    place = area_id if area_id is not None else chosen.area_id if chosen else None
    if place is None:
        place = await _only_area(conn, staff_id)
    if not await area.may_place(conn, staff_id, place):
        raise AmbiguousPlaceError("there is no such area")
    if await area.find(conn, place) is None:
        raise AmbiguousPlaceError("there is no such area")
    return place, team_id


async def _only_area(conn: Connection, staff_id: int) -> int:
    places = [
        one
        for one in await area.of_staff(conn, staff_id)
        if await area.may_place(conn, staff_id, one.id)
    ]
    if len(places) != 1:
        raise AmbiguousPlaceError("say which area or team")
    return places[0].id


async def for_node(
    conn: Connection, *, staff_id: int, area_id: int | None, owner: Patient | None
) -> int:
    """The area of a new node: the one named, its patient's, or the only one in scope."""
    place = area_id if area_id is not None else owner.area_id if owner else None
    if place is None:
        return await _only_area(conn, staff_id)
    allowed = await area.may_place(conn, staff_id, place)
    own = owner is not None and owner.area_id == place
    if not (allowed or own) or await area.find(conn, place) is None:
        raise AmbiguousPlaceError("there is no such area")
    return place
