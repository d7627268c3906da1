"""The queue of what nobody owns, as people decide it: why, whom it may be of, what is usual."""

from collections import defaultdict
from datetime import datetime

from msgspec import Struct

from care.people.undecided import Candidate, Why, candidates, is_pseudonym, why
from store import unassigned
from store.pool import Connection
from store.unassigned import Bound, Usual, Waiting, Which


class Question(Struct, frozen=True, kw_only=True):
    """One reading with what helps to answer whose it is; `usual` by candidate."""

    reading: Waiting
    why: Why
    candidates: list[Candidate]
    usual: dict[int, Usual]


async def questions(
    conn: Connection, *, staff_id: int, which: Which, now: datetime, limit: int
) -> list[Question]:
    """A page of the queue, newest first, as far as this person may see it."""
    waiting = await unassigned.page(conn, staff_id=staff_id, which=which, limit=limit)
    devices = {one.device_id for one in waiting}
    names = {one.who for one in waiting if one.who is not None and is_pseudonym(one.who)}
    bindings: dict[int, list[Bound]] = defaultdict(list)
    for bound in await unassigned.bindings(conn, devices):
        bindings[bound.device_id].append(bound)
    people = await unassigned.people(conn, devices, names, staff_id=staff_id)
    known = await unassigned.known(conn, names)
    may_be = [candidates(one, bindings[one.device_id], people, now) for one in waiting]
    pairs = {
        (person.patient_id, one.kind)
        for one, found in zip(waiting, may_be, strict=True)
        for person in found
    }
    usual = await unassigned.usual(conn, pairs, now=now)
    return [
        Question(
            reading=one,
            why=why(one, bindings[one.device_id], one.who in known),
            candidates=found,
            usual={
                person.patient_id: usual[person.patient_id, one.kind]
                for person in found
                if (person.patient_id, one.kind) in usual
            },
        )
        for one, found in zip(waiting, may_be, strict=True)
    ]
