"""From plan items and their doses to the message a device rings by. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from contract.instants import to_millis
from contract.messages import Plan, PlanItem
from downlink.expansion import Schedule, Span, occurrences, rule_text
from store.dose import NewDose, TakenSlot
from store.plan import PlanItem as Item
from store.revision import ZoneSpan

_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


def spans_by_patient(zones: Sequence[ZoneSpan]) -> dict[int, list[Span]]:
    """Each patient's zones over time. Raises ZoneInfoNotFoundError for a zone nobody knows."""
    spans: dict[int, list[Span]] = {}
    for zone in zones:
        spans.setdefault(zone.patient_id, []).append(
            Span(zone.since or _LONG_AGO, ZoneInfo(zone.time_zone))
        )
    return spans


def zone_at(spans: Sequence[Span], at: datetime) -> ZoneInfo:
    """The zone that holds at an instant."""
    return [span for i, span in enumerate(spans) if i == 0 or span.since <= at][-1].zone


def wanted_doses(
    items: Iterable[Item],
    spans: Mapping[int, Sequence[Span]],
    taken: Sequence[TakenSlot],
    *,
    now: datetime,
    until: datetime,
) -> list[NewDose]:
    """Every dose the device should ring for, from those whose window is still open.

    Nothing is due before its item was written down. A slot already served under the item this
    one replaced is left out: never two doses for one slot.
    """
    wanted = []
    for item in items:
        since = max(item.created_at, now - timedelta(seconds=item.window_after_s))
        for dose_id, due_at in occurrences(schedule_of(item), spans[item.patient_id], since, until):
            dose = NewDose(
                id=dose_id,
                plan_item_id=item.id,
                patient_id=item.patient_id,
                node_id=item.node_id,
                due_at=due_at,
                window_from=due_at - timedelta(seconds=item.window_before_s),
                window_to=due_at + timedelta(seconds=item.window_after_s),
            )
            if dose.window_to > now and not any(_same_slot(dose, slot) for slot in taken):
                wanted.append(dose)
    return wanted


def schedule_of(item: Item) -> Schedule:
    """When the item is due."""
    return Schedule(item.id, item.times, item.weekdays, item.starts_on, item.ends_on)


def _same_slot(dose: NewDose, slot: TakenSlot) -> bool:
    return (
        slot.item_id == dose.plan_item_id
        and slot.window_from <= dose.window_to
        and slot.window_to >= dose.window_from
    )


def compose(
    items: Iterable[Item],
    doses: Sequence[NewDose],
    *,
    revision: int,
    zone: ZoneInfo,
    now: datetime,
    until: datetime,
) -> Plan:
    """The whole plan of a node: what it does not name is withdrawn."""
    rings: dict[int, list[tuple[int, str]]] = {}
    for dose in doses:
        rings.setdefault(dose.plan_item_id, []).append((to_millis(dose.due_at), dose.id))
    since = min([now, *(dose.due_at for dose in doses)])
    return Plan(
        v=0,
        rev=revision,
        tz=zone.key,
        since=to_millis(since),
        to=to_millis(until),
        exp=to_millis(until),
        items=[_item(item, rings[item.id]) for item in items if item.id in rings],
    )


def _item(item: Item, occ: list[tuple[int, str]]) -> PlanItem:
    return PlanItem(
        rid=f"r{item.id}",
        kind=item.kind,
        occ=occ,
        text={"zh-CN": item.text_zh, "en": item.text_en},
        rrule=rule_text(schedule_of(item)),
        win=(item.window_before_s, item.window_after_s),
        snooze=(item.snooze_s, item.snooze_max),
        who=item.who,
    )
