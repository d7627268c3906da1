"""Why nobody could be decided on, and who comes first. Pure."""

from datetime import UTC, datetime, timedelta

import pytest

from care.people.undecided import WHYS, candidates, why
from store.unassigned import Bound, Person, Waiting

NOW = datetime(2026, 3, 4, 2, 0, tzinfo=UTC)
DAY = timedelta(days=1)
STATION = "r:0123456789abcdef"


def waiting(who: str | None = None, **more: object) -> Waiting:
    """A reading of device 1 without a patient."""
    return Waiting(
        device_id=1, kind="bp", measured_at=NOW, ordinal=0, patient_id=None,
        v0=150.0, v1=90.0, v2=None, v3=None, flags=0, clock="ntp", claimed_at=None, who=who,
        session_id=None, context=None, original=None, node_id="n0000000", dev="cuff1", model=None,
        boot=1, seq=1, sent_at=None, received_at=NOW, stored_at=NOW, corrected=False,
        node_label="", time_zone="Asia/Shanghai", assigned_at=more.get("assigned_at"),  # type: ignore[arg-type]
    )  # fmt: skip


def bound(
    patient_id: int, who: str = "", *, own: bool = True, since: datetime | None = None
) -> Bound:
    """A binding of device 1, or of its node."""
    return Bound(device_id=1, own=own, who=who, patient_id=patient_id, since=since, until=None)


TWO = [bound(1, "A"), bound(2, "B")]


@pytest.mark.parametrize(
    ("who", "bindings", "known", "said"),
    [
        (None, TWO, False, "several_people"),
        ("C", TWO, False, "slot_not_bound"),
        ("B", TWO, False, "bound_since"),
        (None, [], False, "nobody_bound"),
        ("A", [bound(1, "A", since=NOW + DAY)], False, "nobody_bound"),
        (None, [*TWO, bound(3, own=False)], False, "several_people"),
        (None, [bound(3, own=False)], False, "bound_since"),
        (STATION, TWO, False, "unknown_pseudonym"),
        (STATION, TWO, True, "known_since"),
        ("grandma", TWO, False, "not_understood"),
    ],
)
def test_why(who: str | None, bindings: list[Bound], known: bool, said: str) -> None:
    """The same order in which ingest decides."""
    assert why(waiting(who), bindings, known) == said
    assert said in WHYS


def test_what_a_person_put_back_says_so() -> None:
    """Whatever the bindings say."""
    assert why(waiting("A", assigned_at=NOW), TWO, False) == "put_back"


def test_the_likeliest_comes_first() -> None:
    """By pseudonym, by slot, by device, by home; nobody out of sight is named."""
    people = [
        Person(device_id=1, patient_id=n, name=f"p{n}", pseudonym=f"r:{n:016d}") for n in (1, 2, 4)
    ]
    people.append(Person(device_id=None, patient_id=9, name="p9", pseudonym=STATION))
    bindings = [bound(1, "A"), bound(2, "B"), bound(3, "A", own=False)]
    told = [(c.patient_id, c.bound) for c in candidates(waiting("B"), bindings, people, NOW)]
    assert told == [(2, True), (1, True), (4, False)]
    assert next(c.patient_id for c in candidates(waiting(STATION), bindings, people, NOW)) == 9
