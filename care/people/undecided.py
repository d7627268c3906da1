"""Why a reading could not be given to anybody, and whom it may be of, the likeliest first. Pure."""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Final, Literal

from msgspec import Struct

from store.unassigned import Bound, Person, Waiting

Why = Literal[
    "put_back",  # a person took it from somebody
    "unknown_pseudonym",  # a check-up station named somebody the hub does not know
    "known_since",  # that pseudonym belongs to somebody now
    "not_understood",  # who the device said is no slot and no pseudonym
    "bound_since",  # a binding that holds for that time was made after it came
    "slot_not_bound",
    "several_people",
    "nobody_bound",
]
WHYS: Final[tuple[Why, ...]] = (
    *("put_back", "unknown_pseudonym", "known_since", "not_understood"),
    *("bound_since", "slot_not_bound", "several_people", "nobody_bound"),
)
MOST_CANDIDATES: Final = 8
_SLOT: Final = re.compile(r"[A-H]")
_PSEUDONYM: Final = re.compile(r"r:[0-9a-z]{16}")


class Candidate(Struct, frozen=True, kw_only=True):
    """Somebody a reading may be of. `bound`: the device measures them, now or then."""

    patient_id: int
    name: str
    bound: bool


def is_pseudonym(who: str | None) -> bool:
    """Whether a check-up station named a person."""
    return who is not None and _PSEUDONYM.fullmatch(who) is not None


def why(one: Waiting, bindings: Sequence[Bound], known: bool) -> Why:
    """What was missing. `known`: its pseudonym belongs to somebody now."""
    if one.assigned_at is not None:
        return "put_back"
    if is_pseudonym(one.who):
        return "known_since" if known else "unknown_pseudonym"
    if one.who is not None and not _SLOT.fullmatch(one.who):
        return "not_understood"
    return _by_slot(one.who, _holding(bindings, one.measured_at))


def _holding(bindings: Sequence[Bound], at: datetime) -> list[Bound]:
    """Those of the device then; without any, those of its node."""
    holding = [b for b in bindings if b.holds_at(at)]
    return [b for b in holding if b.own] or holding


def _by_slot(who: str | None, holding: Sequence[Bound]) -> Why:
    if not holding:
        return "nobody_bound"
    named = {b.patient_id for b in holding if who is None or b.who in (who, "")}
    if who is not None and not named:
        return "slot_not_bound"
    whole = any(b.who == "" for b in holding)
    return "bound_since" if whole or len(named) == 1 else "several_people"


def candidates(
    one: Waiting, bindings: Sequence[Bound], people: Sequence[Person], now: datetime
) -> list[Candidate]:
    """The pseudonym's owner, the slot's, the device's, the node's, then the home's people."""
    near = {p.patient_id: p for p in people if p.device_id == one.device_id}
    named = {p.patient_id: p for p in people if p.pseudonym == one.who}
    found = named | near
    ranked = [*named, *_bound(one, bindings, now), *near]
    bound = {b.patient_id for b in bindings}
    return [
        Candidate(patient_id=id_, name=found[id_].name, bound=id_ in bound or id_ in named)
        for id_ in dict.fromkeys(ranked)
        if id_ in found
    ][:MOST_CANDIDATES]


def _bound(one: Waiting, bindings: Sequence[Bound], now: datetime) -> list[int]:
    def far(b: Bound) -> tuple[bool, bool, bool, int]:
        elsewhere = one.who is not None and b.who != one.who
        return (not b.holds_at(one.measured_at) and not b.holds_at(now), elsewhere, not b.own,
                b.patient_id)  # fmt: skip

    return [b.patient_id for b in sorted(bindings, key=far)]
