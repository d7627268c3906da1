"""Medication plans: what a person edits, and how far each edit has come on the device.

Every edit counts up `plan.edit` of the node in the same transaction; downlink makes the next
revision of it. An item never changes: a change stops it and adds another, so that every dose
keeps saying what it was a dose of.
"""

from datetime import date, datetime, time, timedelta
from typing import Any

import msgspec
from msgspec import Struct
from psycopg.rows import class_row, kwargs_row

from store.named import queries
from store.pool import Connection

_SQL = queries("plan")

# 15 days of so many doses are well below the largest packet (128 KiB).
MOST_DOSES_A_DAY = 60
_LONGEST_TEXT = 200
CONFIRM_WITHIN = timedelta(minutes=10)
RUNS_OUT_WITHIN = timedelta(hours=48)


class PlanRefused(Exception):  # noqa: N818 - the word says what happened, like contract's Refused
    """An edit that must not be made; `reason` is one of the words below.

    unknown_item, already_stopped, bad_item, who_needed (the node serves several people),
    not_of_this_node (the node measures other people only), too_many_doses.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class NewPlanItem(Struct, frozen=True, kw_only=True):
    """What to take or measure, when, and how the device says it.

    `times` are local; `weekdays` are ISO (Monday is 1); windows are seconds around the time in
    which an answer counts. `who` is the slot on a device for several people; left out, it is
    taken from the binding.
    """

    patient_id: int
    node_id: str
    drug: str
    text_zh: str
    text_en: str
    times: tuple[time, ...]
    starts_on: date
    ends_on: date | None = None
    who: str | None = None
    kind: str = "med"
    dose_text: str = ""
    weekdays: tuple[int, ...] = (1, 2, 3, 4, 5, 6, 7)
    window_before_s: int = 900
    window_after_s: int = 3600
    snooze_s: int = 600
    snooze_max: int = 2


class PlanItem(NewPlanItem, frozen=True, kw_only=True):
    """An item as stored."""

    id: int
    created_by: int | None
    created_at: datetime
    stopped_at: datetime | None
    stopped_by: int | None
    replaces_id: int | None


class PlanStatus(Struct, frozen=True, kw_only=True):
    """A node's plan: edited, published, confirmed. Revisions are what the wire calls `rev`."""

    node_id: str
    edited_at: datetime
    edit: int
    published_edit: int
    edit_revision: int
    revision: int
    published_at: datetime | None
    holds_until: datetime | None
    confirmed_revision: int | None
    confirmed_at: datetime | None
    confirmed_until: datetime | None

    @property
    def on_device(self) -> bool:
        """Whether the device says it holds the last edit."""
        return (
            self.published_edit >= self.edit
            and self.confirmed_revision is not None
            and self.confirmed_revision >= self.edit_revision
        )

    def unconfirmed(self, now: datetime) -> bool:
        """Whether the last edit is overdue on the device: somebody must telephone."""
        return not self.on_device and now - self.edited_at > CONFIRM_WITHIN


class RunningOut(Struct, frozen=True, kw_only=True):
    """A node whose device will soon have nothing left to ring for."""

    node_id: str
    device_holds_until: datetime | None
    holds_until: datetime | None


async def add_item(
    conn: Connection, item: NewPlanItem, *, staff_id: int | None, now: datetime
) -> int:
    """Add an item and return its id. Raises PlanRefused."""
    async with conn.transaction():
        item_id = await _insert(conn, item, staff_id=staff_id, now=now, replaces_id=None)
        await _edited(conn, item.node_id, now)
    return item_id


async def change_item(
    conn: Connection, item_id: int, item: NewPlanItem, *, staff_id: int | None, now: datetime
) -> int:
    """Stop an item and put another in its place; returns the new id. Raises PlanRefused.

    A dose already taken under the old item is not asked for again under the new one.
    """
    async with conn.transaction():
        old_node = await _stop(conn, item_id, staff_id, now)
        new_id = await _insert(conn, item, staff_id=staff_id, now=now, replaces_id=item_id)
        for node_id in sorted({old_node, item.node_id}):
            await _edited(conn, node_id, now)
    return new_id


async def stop_item(conn: Connection, item_id: int, staff_id: int | None, now: datetime) -> None:
    """Stop an item: its open doses are withdrawn, the device forgets it. Raises PlanRefused."""
    async with conn.transaction():
        await _edited(conn, await _stop(conn, item_id, staff_id, now), now)


async def replan(conn: Connection, patient_id: int, *, now: datetime) -> None:
    """Make new revisions for a patient whose time zone or standing has changed."""
    cursor = await conn.execute(_SQL["nodes_of"], {"patient_id": patient_id})
    for (node_id,) in await cursor.fetchall():
        await _edited(conn, node_id, now)


async def items_of(conn: Connection, patient_id: int) -> list[PlanItem]:
    """Every item a patient has or had; running ones first."""
    return await _items(conn, "items_of", {"patient_id": patient_id})


async def active_items(conn: Connection, node_id: str) -> list[PlanItem]:
    """What a node is to ring for."""
    return await _items(conn, "active_items", {"node_id": node_id})


async def item_of(conn: Connection, item_id: int) -> PlanItem | None:
    """One item, running or not."""
    return next(iter(await _items(conn, "item", {"item_id": item_id})), None)


async def plan_status(conn: Connection, node_id: str) -> PlanStatus | None:
    """How far a node's plan has come; None for a node that never had one."""
    return next(iter(await _statuses(conn, "status", {"node_id": node_id})), None)


async def plans_of(conn: Connection, patient_id: int) -> list[PlanStatus]:
    """The plans of every node that rings, or rang, for a patient."""
    return await _statuses(conn, "status_of_patient", {"patient_id": patient_id})


async def unconfirmed(
    conn: Connection, *, now: datetime, within: timedelta = CONFIRM_WITHIN
) -> list[PlanStatus]:
    """Edits the device has not confirmed in time (safety rule 10): telephone the home."""
    return await _statuses(conn, "unconfirmed", {"edited_before": now - within})


async def running_out(
    conn: Connection, *, now: datetime, within: timedelta = RUNS_OUT_WITHIN
) -> list[RunningOut]:
    """Devices with less than 48 h of plan left (safety rule 10): a technical alarm."""
    async with conn.cursor(row_factory=class_row(RunningOut)) as cursor:
        await cursor.execute(
            _SQL["running_out"],
            {"until": now + within, "now": now},
        )
        return await cursor.fetchall()


async def _insert(
    conn: Connection,
    item: NewPlanItem,
    *,
    staff_id: int | None,
    now: datetime,
    replaces_id: int | None,
) -> int:
    _check_shape(item)
    row = {
        **msgspec.structs.asdict(item),
        "who": await _slot(conn, item, now),
        "times": sorted(item.times),
        "weekdays": sorted(set(item.weekdays)),
        "staff_id": staff_id,
        "now": now,
        "replaces_id": replaces_id,
    }
    found = await (await conn.execute(_SQL["doses_a_day"], row)).fetchone()
    if found is not None and int(found[0]) + len(item.times) > MOST_DOSES_A_DAY:
        raise PlanRefused("too_many_doses", f"a node rings at most {MOST_DOSES_A_DAY} times a day")
    added = await (await conn.execute(_SQL["add"], row)).fetchone()
    assert added is not None  # noqa: S101 - INSERT ... RETURNING gives one row or raises
    return int(added[0])


def _check_shape(item: NewPlanItem) -> None:
    """What the table's own checks cannot say."""
    if not item.times or any(at.second or at.microsecond or at.tzinfo for at in item.times):
        raise PlanRefused("bad_item", "times are local, whole minutes, at least one")
    if len(set(item.times)) != len(item.times):
        raise PlanRefused("bad_item", "each time of day once")
    if not item.weekdays or not set(item.weekdays) <= set(range(1, 8)):
        raise PlanRefused("bad_item", "weekdays are 1 (Monday) to 7")
    if item.ends_on is not None and item.ends_on < item.starts_on:
        raise PlanRefused("bad_item", "it ends before it starts")
    if any(len(text) > _LONGEST_TEXT for text in (item.text_zh, item.text_en, item.drug)):
        raise PlanRefused("bad_item", f"texts have at most {_LONGEST_TEXT} characters")


async def _slot(conn: Connection, item: NewPlanItem, now: datetime) -> str | None:
    """Whose item it is on this node (safety rule 10: right person, right pill)."""
    params = {"node_id": item.node_id, "patient_id": item.patient_id, "now": now}
    slot = await (await conn.execute(_SQL["slot"], params)).fetchone()
    who, own, others = slot or (None, 0, 0)
    if not own:
        at_home = await (await conn.execute(_SQL["same_household"], params)).fetchone()
        if at_home is None or not at_home[0]:
            raise PlanRefused("not_of_this_node", "the node is not in the patient's home")
    rings_for = await (await conn.execute(_SQL["others_in_plan"], params)).fetchone()
    chosen = item.who or who or None
    if chosen is None and (others or (rings_for is not None and rings_for[0])):
        raise PlanRefused("who_needed", "the node serves several people: say whose item it is")
    return chosen


async def _stop(conn: Connection, item_id: int, staff_id: int | None, now: datetime) -> str:
    params = {"item_id": item_id, "staff_id": staff_id, "now": now}
    stopped = await (await conn.execute(_SQL["stop"], params)).fetchone()
    if stopped is not None:
        return str(stopped[0])
    if await item_of(conn, item_id) is None:
        raise PlanRefused("unknown_item", "there is no such item")
    raise PlanRefused("already_stopped", "the item was stopped before")


async def _edited(conn: Connection, node_id: str, now: datetime) -> None:
    await conn.execute(_SQL["edited"], {"node_id": node_id, "now": now})


async def _items(conn: Connection, query: str, params: dict[str, Any]) -> list[PlanItem]:
    async with conn.cursor(row_factory=kwargs_row(_plan_item)) as cursor:
        await cursor.execute(_SQL[query], params)
        return await cursor.fetchall()


def _plan_item(*, times: list[time], weekdays: list[int], **row: Any) -> PlanItem:
    return PlanItem(times=tuple(times), weekdays=tuple(weekdays), **row)


async def _statuses(conn: Connection, query: str, params: dict[str, Any]) -> list[PlanStatus]:
    async with conn.cursor(row_factory=class_row(PlanStatus)) as cursor:
        await cursor.execute(_SQL[query], params)
        return await cursor.fetchall()
