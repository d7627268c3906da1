"""When to ask for a dose, and what its silence means. Pure: state and `now` in, actions out.

A dose is prompted once, at its due time or as soon after it as the gateway is there, never after
its window, and never again whatever is delivered how often: what was done about a dose is kept by
the dose's own id, which is the same in every revision. A snooze hides the prompt for a while; it
does not make a second one.
"""

from collections.abc import Iterable, Mapping
from typing import Final, Literal

from msgspec import Struct, structs

from contract.messages import Plan, PlanItem, Reminder

Outcome = Literal["taken", "late_taken", "skipped", "missed"]
_MS: Final = 1000


class Item(Struct, frozen=True, kw_only=True):
    """What is said about a dose, and to whom. `ack` False: it is said, no answer is wanted."""

    kind: str
    text: dict[str, str]
    speak: bool = True
    snooze: tuple[int, int] = (600, 2)
    ack: bool = True
    who: str | None = None


class Dose(Struct, frozen=True, kw_only=True):
    """One occurrence and what became of it. Times are UTC milliseconds.

    `known` is since when this gateway has it: a window that had closed before is not missed here.
    """

    id: str
    rid: str
    rev: int
    due: int
    opens: int
    closes: int
    item: Item
    known: int
    shown: int | None = None
    snoozes: int = 0
    snoozed_until: int | None = None
    outcome: Outcome | None = None
    outcome_at: int | None = None
    noticed: bool = False
    withdrawn: bool = False


class Prompt(Struct, frozen=True):
    """Ask for this dose: the first and only time (`first`), or again after a snooze."""

    dose: Dose
    first: bool


class Miss(Struct, frozen=True):
    """Its window has closed without an answer."""

    dose: Dose
    at: int
    shown: bool


Action = Prompt | Miss


def occurrences(plan: Plan, *, now: int) -> list[Dose]:
    """The doses of a plan, as new ones. Those due after the plan's expiry are not in it."""
    return [
        Dose(
            id=dose_id,
            rid=item.rid,
            rev=plan.rev,
            due=due,
            opens=due - item.win[0] * _MS,
            closes=due + item.win[1] * _MS,
            item=_item(item),
            known=now,
        )
        for item in plan.items
        for due, dose_id in item.occ
        if due <= plan.exp
    ]


def _item(item: PlanItem | Reminder) -> Item:
    return Item(
        kind=item.kind,
        text=item.text,
        speak=item.speak,
        snooze=item.snooze,
        ack=item.ack,
        who=item.who,
    )


def single(reminder: Reminder, *, now: int) -> Dose:
    """An ad-hoc reminder as a dose: its window is from its instant to its expiry."""
    return Dose(
        id=reminder.id,
        rid=reminder.rid or reminder.id,
        rev=0,
        due=reminder.at,
        opens=reminder.at,
        closes=reminder.exp,
        item=_item(reminder),
        known=now,
    )


def merge(stored: Mapping[str, Dose], planned: Iterable[Dose]) -> list[Dose]:
    """The planned doses with what is already known of each: the plan says when and what, the
    state says what became of it. One taken away and given again is still the same dose."""
    return [
        structs.replace(
            stored[dose.id],
            rid=dose.rid,
            rev=dose.rev,
            due=dose.due,
            opens=dose.opens,
            closes=dose.closes,
            item=dose.item,
            withdrawn=False,
        )
        if dose.id in stored
        else dose
        for dose in planned
    ]


def taken_away(stored: Iterable[Dose], plan: Plan) -> list[Dose]:
    """The doses that a new revision took away, marked so. They do not ring, and are remembered:
    given again by a later revision, they are not asked for a second time.

    A plan is the whole truth from `from` on, so what is due since then and not in it is gone; so
    is what remains of a drug that is not in it any more. Ad-hoc reminders are no part of a plan,
    and what has an outcome stays as it is.
    """
    planned = {dose_id for item in plan.items for _, dose_id in item.occ}
    drugs = {item.rid for item in plan.items}
    return [
        structs.replace(dose, withdrawn=True)
        for dose in stored
        if stands(dose)
        and dose.rev > 0
        and dose.id not in planned
        and (dose.due >= plan.since or dose.rid not in drugs)
    ]


def stands(dose: Dose) -> bool:
    """Whether something is still to be said or heard of it."""
    return dose.outcome is None and not dose.withdrawn


def decide(doses: Iterable[Dose], now: int) -> list[Action]:
    """What is to be done now, in the order in which the doses are due."""
    actions: list[Action] = []
    for dose in sorted(doses, key=lambda d: (d.due, d.id)):
        if not stands(dose) or now < dose.due:
            continue
        if now > dose.closes:
            # A window that closed before the gateway knew of it is not this gateway's to judge.
            if dose.item.ack and dose.closes >= dose.known:
                actions.append(Miss(dose, dose.closes, dose.shown is not None))
        elif dose.shown is None:
            actions.append(Prompt(dose, first=True))
        elif dose.snoozed_until is not None and now >= dose.snoozed_until:
            actions.append(Prompt(dose, first=False))
    return actions


def is_open(dose: Dose, now: int) -> bool:
    """Whether its prompt stands on the screen: asked, not answered, not snoozed, in its window."""
    asked = dose.shown is not None and stands(dose) and dose.snoozed_until is None
    return asked and dose.due <= now <= dose.closes


def may_snooze(dose: Dose, now: int) -> bool:
    """Whether a snooze is left that ends inside the window."""
    seconds, most = dose.item.snooze
    return dose.snoozes < most and now + seconds * _MS < dose.closes


def answer(dose: Dose, said: str, now: int) -> Dose | None:
    """The dose after the person said `taken`, `skipped` or `snoozed`; None if that is no answer
    (a second press, a snooze too many). Taken after the window is `late_taken`: it is recorded,
    never asked for."""
    if dose.outcome == "missed" and said == "taken" and not dose.withdrawn:
        return structs.replace(dose, outcome="late_taken", outcome_at=now, noticed=True)
    if not stands(dose):
        return None
    if said == "taken":
        outcome: Outcome = "taken" if now <= dose.closes else "late_taken"
        return structs.replace(dose, outcome=outcome, outcome_at=now, snoozed_until=None)
    if said == "skipped":
        return structs.replace(dose, outcome="skipped", outcome_at=now, snoozed_until=None)
    if said == "snoozed" and may_snooze(dose, now):
        until = now + dose.item.snooze[0] * _MS
        return structs.replace(dose, snoozes=dose.snoozes + 1, snoozed_until=until)
    return None


def prompted(dose: Dose, now: int) -> Dose:
    """The dose once its prompt is on the screen."""
    return structs.replace(dose, shown=dose.shown or now, snoozed_until=None)


def missed(dose: Dose, at: int) -> Dose:
    """The dose once its window has closed. A person is told so only if they were asked."""
    return structs.replace(
        dose, outcome="missed", outcome_at=at, snoozed_until=None, noticed=dose.shown is None
    )
