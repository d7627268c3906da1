"""Saying whose readings are: given to somebody, moved on, set aside, taken back.

Each deed is one transaction with its histories and its line in the audit, and the feed hears of it
last. Nothing is moved that is not where it was seen: the second of two people is told.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, Literal

from msgspec import Struct

from store import audit, feed, patient, reassign, reassign_query
from store.deed import WAITING, Deed, Load, Place
from store.pool import Connection
from store.reassign import ElsewhereError, Moved, UndoneBeforeError
from store.reassign_query import MOST, Span
from store.refused import RefusedByRuleError

Reason = Literal["visitor", "nobody", "test", "other"]
REASONS: Final[tuple[Reason, ...]] = ("visitor", "nobody", "test", "other")


class Actor(Struct, frozen=True, kw_only=True):
    """Who does it, from where, and when."""

    staff_id: int
    address: str | None
    at: datetime


class Move(Struct, frozen=True, kw_only=True):
    """From where to where. `what` and `note` go into the histories."""

    what: str
    before: Place
    after: Place
    note: str = ""
    undoes: int | None = None


def to_patient(patient_id: int) -> Move:
    """What waits is this patient's."""
    return Move(what="assigned", before=WAITING, after=Place(patient_id))


def set_aside(reason: Reason, note: str = "", *, owner: int | None = None) -> Move:
    """What waits, or was this patient's, is nobody's here."""
    return Move(what="set_aside", before=Place(owner), after=Place(None, reason), note=note)


def from_patient(owner: int, to: int | None, note: str = "") -> Move:
    """What was one patient's is another's; `to` None: it waits until somebody knows."""
    what = "put_back" if to is None else "reassigned"
    return Move(what=what, before=Place(owner), after=Place(to), note=note)


async def carry_out(conn: Connection, by: Actor, move: Move, load: Load) -> Moved:
    """Do it, note it and tell the feed: the last of a transaction.

    The caller has checked that this person may see both patients. Raises RefusedByRuleError.
    """
    _check(load)
    deed = Deed(
        what=move.what,
        staff_id=by.staff_id,
        at=by.at,
        before=move.before,
        after=move.after,
        note=move.note,
        undoes=move.undoes,
    )
    try:
        moved = await reassign.move(conn, deed, load)
    except ElsewhereError as error:
        raise _elsewhere(error.gone) from error
    except UndoneBeforeError as error:
        raise _undone() from error
    await _note(conn, by, move, moved)
    await feed.append(conn, reassign.FEED, moved.items)
    return moved


async def undo(conn: Connection, by: Actor, number: int) -> Moved | None:
    """Take back a deed of this person, as a whole; None: they did no such thing.

    Raises RefusedByRuleError, also when something of it has been moved on since.
    """
    known = await reassign_query.find(conn, number)
    if known is None or known.actor != f"staff:{by.staff_id}":
        return None
    if known.undone_by is not None or known.what == "undone":
        raise _undone()
    for owner in (known.from_patient_id, known.to_patient_id):
        if owner is not None and not await _sees(conn, by, owner):
            return None
    load = await reassign_query.moved_by(conn, number)
    back = Move(what="undone", before=known.after, after=known.before, undoes=number)
    return await carry_out(conn, by, back, load)


async def resolve_pseudonym(
    conn: Connection, by: Actor, *, pseudonym: str, patient_id: int
) -> Moved | None:
    """Whoever a check-up station named is known now: what waited under that name is theirs."""
    load = await reassign_query.waiting_for(conn, pseudonym)
    return await carry_out(conn, by, to_patient(patient_id), load) if load else None


async def span(conn: Connection, asked: Span, place: Place) -> Load:
    """What of a span is in that place. Raises RefusedByRuleError for nothing, and for too much."""
    load = await reassign_query.of_span(conn, asked, place)
    _check(load)
    return load


def _check(load: Load) -> None:
    if not load:
        raise RefusedByRuleError(
            "nothing_there",
            "exists",
            "nothing of that time is there to be moved (any more)",
            "load the list again; somebody else may have been quicker",
        )
    if max(map(len, _parts(load))) > MOST:
        raise RefusedByRuleError(
            "too_much_at_once",
            "not_allowed",
            f"more than {MOST} would be moved at once",
            "choose a shorter time",
        )


def _parts(load: Load) -> tuple[Sequence[object], ...]:
    return (load.readings, load.blocks, load.chunks)


def _elsewhere(gone: int) -> RefusedByRuleError:
    return RefusedByRuleError(
        "moved_meanwhile",
        "exists",
        f"{gone} of these are no longer where they were: nothing was changed",
        "load the list again; somebody else was quicker, or the device corrected itself",
    )


def _undone() -> RefusedByRuleError:
    return RefusedByRuleError(
        "undone_before", "exists", "this was undone already", "move the readings themselves"
    )


async def _sees(conn: Connection, by: Actor, patient_id: int) -> bool:
    found = await patient.find_visible(conn, patient_id=patient_id, staff_id=by.staff_id)
    return found is not None


async def _note(conn: Connection, by: Actor, move: Move, moved: Moved) -> None:
    """A line for each patient concerned; for what never was anybody's, one for the deed."""
    concerned = [place.patient_id for place in (move.before, move.after) if place.patient_id]
    subjects = [("patient", owner) for owner in concerned] or [("reassignment", moved.id)]
    for kind, subject in subjects:
        await audit.record(
            conn,
            at=by.at,
            action=f"readings_{move.what}",
            staff_id=by.staff_id,
            subject_kind=kind,
            subject_id=subject,
            address=by.address,
            detail={
                "reassignment": moved.id,
                "from": move.before.patient_id,
                "to": move.after.patient_id,
                "aside": move.after.aside,
                "readings": moved.readings,
                "blocks": moved.blocks,
                "chunks": moved.chunks,
            },
        )
