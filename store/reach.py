"""Who is told of an episode (safety rule 4): a team with people on its ladder, never nobody."""

from msgspec import Struct
from psycopg.rows import class_row

from store.named import queries
from store.pool import Connection

_SQL = queries("reach")

ADMINISTRATORS = "administrators"


class Reach(Struct, frozen=True, kw_only=True):
    """A ladder of staff ids, step 1 first, and how it was found.

    `via` is patient_team, household_team, duty_team, area_team or administrators. `team_id` is
    the team the episode belongs to; None when there is no team anywhere near.
    """

    team_id: int | None
    via: str
    ladder: tuple[tuple[int, ...], ...]
    escalate_after_s: int


class _Rung(Struct, frozen=True, kw_only=True):
    """One step of one team that could be told."""

    via: str
    team_id: int
    escalate_after_s: int
    staff: list[int] | None


async def ladder(
    conn: Connection, *, patient_id: int | None, node_id: str | None, team_id: int | None = None
) -> Reach:
    """The nearest team that has people; without any, every administrator at once.

    `team_id` names the team outright, where an episode is about the team itself.
    """
    values = {"patient_id": patient_id, "node_id": node_id, "team_id": team_id}
    async with conn.cursor(row_factory=class_row(_Rung)) as cursor:
        rungs = await (await cursor.execute(_SQL["rungs"], values)).fetchall()
    for rung in rungs:
        if rung.staff is not None:
            steps = tuple(
                tuple(other.staff)
                for other in rungs
                if (other.via, other.team_id) == (rung.via, rung.team_id) and other.staff
            )
            return Reach(
                team_id=rung.team_id,
                via=rung.via,
                ladder=steps,
                escalate_after_s=rung.escalate_after_s,
            )
    first = rungs[0] if rungs else None
    administrators = await (await conn.execute(_SQL["administrators"])).fetchall()
    everyone = tuple(int(row[0]) for row in administrators)
    return Reach(
        team_id=first.team_id if first else None,
        via=ADMINISTRATORS,
        ladder=(everyone,) if everyone else (),
        escalate_after_s=first.escalate_after_s if first else 300,
    )
