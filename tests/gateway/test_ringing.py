"""When a dose is asked for: once, in its window, whatever is delivered, how often, in any order."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from contract.messages import Plan, PlanItem
from gateway import ringing
from gateway.ringing import Dose, Miss, Prompt

T0 = 1_772_582_400_000
MINUTE = 60_000
TEXT = {"zh-CN": "药", "en": "pill"}


def plan(
    rev: int, *doses: tuple[int, str], since: int = T0, rid: str = "r1", **item: object
) -> Plan:
    """A plan of one drug; doses are (minutes after T0, id)."""
    occ = [(T0 + minutes * MINUTE, dose_id) for minutes, dose_id in doses]
    items = [PlanItem(rid=rid, occ=occ, text=TEXT, **item)] if occ else []
    far = T0 + 10**9
    return Plan(v=0, rev=rev, tz="Asia/Shanghai", since=since, to=far, exp=far, items=items)


def known(minutes: int = 0, **state: object) -> Dose:
    """A dose due `minutes` after T0, window 15 min before to 60 min after, known since T0."""
    (dose,) = ringing.occurrences(plan(1, (minutes, "d")), now=T0)
    return structs.replace(dose, **state)


@pytest.mark.parametrize(
    ("state", "at", "expected"),
    [
        ({}, -1, None),
        ({}, 0, "first"),
        ({}, 59, "first"),
        ({}, 60, "first"),
        ({}, 61, "miss"),
        ({"shown": T0}, 1, None),
        ({"shown": T0}, 61, "miss"),
        ({"shown": T0, "snoozed_until": T0 + 10 * MINUTE, "snoozes": 1}, 9, None),
        ({"shown": T0, "snoozed_until": T0 + 10 * MINUTE, "snoozes": 1}, 10, "again"),
        ({"shown": T0, "snoozed_until": T0 + 10 * MINUTE, "snoozes": 1}, 61, "miss"),
        ({"outcome": "taken"}, 5, None),
        ({"outcome": "missed"}, 500, None),
        ({"known": T0 + 90 * MINUTE}, 91, None),
        ({"known": T0 + 30 * MINUTE}, 31, "first"),
        ({"known": T0 + 30 * MINUTE}, 61, "miss"),
    ],
)
def test_table_of_moments(state: dict[str, object], at: int, expected: str | None) -> None:
    """One prompt, at the due time or as soon after as there is somebody; then silence is a miss,
    unless the window had closed before this gateway knew of the dose."""
    actions = ringing.decide([known(**state)], T0 + at * MINUTE)
    kinds = [
        "miss" if isinstance(action, Miss) else "first" if action.first else "again"
        for action in actions
    ]
    assert kinds == ([] if expected is None else [expected])


class Device:
    """A gateway's memory: takes plans, ticks, answers; remembers what it did."""

    def __init__(self) -> None:
        self.doses: dict[str, Dose] = {}
        self.revision = -1
        self.prompts: list[str] = []
        self.misses: list[str] = []

    def receive(self, message: Plan, now: int) -> None:
        """As `reminders.accept` does."""
        if message.rev <= self.revision:
            return
        self.revision = message.rev
        planned = ringing.merge(self.doses, ringing.occurrences(message, now=now))
        gone = ringing.taken_away(self.doses.values(), message)
        self.doses.update((dose.id, dose) for dose in [*planned, *gone])

    def rings(self) -> set[str]:
        """The doses that may still ring."""
        return {dose.id for dose in self.doses.values() if ringing.stands(dose)}

    def tick(self, now: int) -> None:
        """As `reminders.tick` does."""
        for action in ringing.decide(self.doses.values(), now):
            dose = action.dose
            if isinstance(action, Prompt):
                assert dose.due <= now <= dose.closes, "asked outside the window"
                if action.first:
                    self.prompts.append(dose.id)
                self.doses[dose.id] = ringing.prompted(dose, now)
            else:
                self.misses.append(dose.id)
                self.doses[dose.id] = ringing.missed(dose, action.at)

    def answer(self, dose_id: str, said: str, now: int) -> None:
        """The person presses a button."""
        answered = ringing.answer(self.doses[dose_id], said, now) if dose_id in self.doses else None
        if answered is not None:
            self.doses[dose_id] = answered


IDS = [f"d{n}" for n in range(4)]
STEPS = st.one_of(
    st.tuples(st.just("plan"), st.integers(1, 6), st.sets(st.sampled_from(IDS))),
    st.tuples(st.just("tick"), st.integers(0, 40), st.none()),
    st.tuples(
        st.just("said"), st.sampled_from(IDS), st.sampled_from(["taken", "skipped", "snoozed"])
    ),
)


@given(st.lists(STEPS, max_size=40))
@settings(max_examples=300)
def test_no_dose_is_asked_for_twice(steps: list[tuple[str, object, object]]) -> None:
    """Plans redelivered, out of order, in any number; answers at any time; snoozes: each dose has
    at most one first prompt and one miss, never outside its window, never after an answer."""
    device, now = Device(), T0
    due = {dose_id: 10 + 20 * n for n, dose_id in enumerate(IDS)}
    settled: set[str] = set()
    for kind, first, second in steps:
        if kind == "plan":
            chosen = [(due[d], d) for d in sorted(second)]  # type: ignore[call-overload]
            device.receive(plan(first, *chosen), now)  # type: ignore[arg-type]
        elif kind == "tick":
            now += first * MINUTE  # type: ignore[operator]
            before = len(device.prompts)
            device.tick(now)
            assert not settled & set(device.prompts[before:])
        else:
            device.answer(first, second, now)  # type: ignore[arg-type]
        settled = {d.id for d in device.doses.values() if d.outcome}
    assert len(device.prompts) == len(set(device.prompts))
    assert len(device.misses) == len(set(device.misses))


@given(st.permutations([1, 2, 3, 3, 2, 1]))
@settings(max_examples=60)
def test_the_newest_revision_wins_in_any_order(revisions: list[int]) -> None:
    """Whatever arrives last, what rings is what the highest revision says."""
    plans = {
        1: plan(1, (10, "d0"), (30, "d1")),
        2: plan(2, (10, "d0")),
        3: plan(3, (10, "d0"), (50, "d2")),
    }
    device = Device()
    for rev in revisions:
        device.receive(plans[rev], T0)
    assert device.rings() == {"d0", "d2"}


def test_a_stopped_drug_is_withdrawn_and_a_past_dose_of_a_kept_one_is_not() -> None:
    """What is due from the plan's beginning and not in it is gone; so is a drug that is not in it;
    an open dose of a drug that goes on stays on the screen."""
    device = Device()
    device.receive(plan(1, (0, "d0"), (600, "d1")), T0)
    device.tick(T0)
    later = T0 + 20 * MINUTE
    device.receive(plan(2, (600, "d1"), since=later), later)
    assert device.rings() == {"d0", "d1"}
    device.receive(plan(3, (600, "d9"), since=later, rid="other"), later)
    assert device.rings() == {"d9"}


def test_an_answered_dose_stays_answered_when_its_plan_comes_again() -> None:
    """The plan says when; what became of the dose is the device's own."""
    device = Device()
    device.receive(plan(1, (0, "d0")), T0)
    device.tick(T0)
    device.answer("d0", "taken", T0)
    device.receive(plan(2, (5, "d0")), T0)
    device.tick(T0 + 5 * MINUTE)
    assert device.prompts == ["d0"]
    assert device.doses["d0"].outcome == "taken"


def test_snoozes_are_few_and_end_inside_the_window() -> None:
    """Ten minutes, twice; never so that the prompt would return after the window."""
    dose = known(shown=T0)
    once = ringing.answer(dose, "snoozed", T0)
    assert once is not None
    assert once.snoozed_until == T0 + 10 * MINUTE
    twice = ringing.answer(ringing.prompted(once, T0 + 10 * MINUTE), "snoozed", T0 + 10 * MINUTE)
    assert twice is not None
    assert ringing.answer(ringing.prompted(twice, T0 + 20 * MINUTE), "snoozed", T0) is None
    assert ringing.answer(dose, "snoozed", T0 + 51 * MINUTE) is None


def test_after_the_window_taking_is_recorded_as_late() -> None:
    """Never asked for, never advised, but what the person says is kept."""
    missed = ringing.missed(known(shown=T0), T0 + 60 * MINUTE)
    late = ringing.answer(missed, "taken", T0 + 90 * MINUTE)
    assert late is not None
    assert (late.outcome, late.noticed) == ("late_taken", True)
    assert ringing.answer(missed, "skipped", T0 + 90 * MINUTE) is None
    assert ringing.answer(late, "taken", T0 + 91 * MINUTE) is None


def test_what_wants_no_answer_is_never_missed() -> None:
    """A reminder with `ack` false is said; nobody records that nothing was said to it."""
    (dose,) = ringing.occurrences(plan(1, (0, "d"), ack=False), now=T0)
    assert ringing.decide([ringing.prompted(dose, T0)], T0 + 61 * MINUTE) == []


def test_doses_beyond_the_plans_expiry_do_not_exist() -> None:
    """An old plan does not ring for ever."""
    short = structs.replace(plan(1, (0, "d0"), (60, "d1")), exp=T0 + 30 * MINUTE)
    assert [dose.id for dose in ringing.occurrences(short, now=T0)] == ["d0"]
