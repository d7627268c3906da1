"""Saying which of two values of a reading holds: noted, kept in the history, told to the feed."""

from care.people.assigning import Actor
from store import audit, chosen, feed, reassign
from store.chosen import NotAsSeenError
from store.deed import Ref
from store.pool import Connection
from store.refused import RefusedByRuleError


async def choose(
    conn: Connection, by: Actor, ref: Ref, *, patient_id: int, other: int | None
) -> None:
    """Let the value beside the reading with this id hold, or the stored one (None).

    The last of a transaction; the caller has checked that this person may see the patient.
    Raises RefusedByRuleError.
    """
    try:
        item = await chosen.choose(
            conn,
            ref,
            patient_id=patient_id,
            other=other,
            actor=f"staff:{by.staff_id}",
            at=by.at,
        )
    except NotAsSeenError as error:
        raise RefusedByRuleError(
            "not_as_seen",
            "exists",
            "these values do not stand against each other (any more)",
            "load the reading again",
        ) from error
    await audit.record(
        conn,
        at=by.at,
        action="reading_chosen",
        staff_id=by.staff_id,
        subject_kind="patient",
        subject_id=patient_id,
        address=by.address,
        detail={"device_id": ref.device_id, "kind": ref.kind, "at": ref.measured_at.isoformat()},
    )
    await feed.append(conn, reassign.FEED, [item])
