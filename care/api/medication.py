"""The plan, its doses, and how well they are taken: below /api/patients/{id}."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, time, timedelta
from typing import Annotated, Final, Literal
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query
from pydantic import Field, PlainSerializer

from care.api.deps import Db, EditsPlans, Id, Me, Now, PatientInScope, Since, Until, note
from care.api.patients import zone_of
from care.api.problem import PROBLEMS, missing, refused
from care.api.shapes import Asked, Line, Slot, Told
from measures.adherence import Dose as MeasuredDose
from measures.adherence import adherence
from store import device, dose, plan
from store.patient import Patient
from store.pool import Connection

router = APIRouter(prefix="/api/patients/{patient_id}", tags=["medication"], responses=PROBLEMS)

Clock = Annotated[time, PlainSerializer(lambda at: at.strftime("%H:%M"), return_type=str)]
Seconds = Annotated[int, Field(ge=0, le=86_400)]
_STATUS: Final = {"unknown_item": 404, "bad_item": 422}


class PlanItemAsked(Asked):
    """What to take or measure, when, and how the device says it. Times are local.

    Without `node_id` it rings on the patient's only node; without texts they are made from the
    drug and the dose.
    """

    drug: Line
    dose_text: Annotated[str, Field(max_length=200)] = ""
    text_zh: Line | None = None
    text_en: Line | None = None
    times: list[time] = Field(min_length=1, max_length=8)
    weekdays: list[Annotated[int, Field(ge=1, le=7)]] = Field(
        default=[1, 2, 3, 4, 5, 6, 7], min_length=1, max_length=7
    )
    starts_on: date | None = Field(default=None, description="today without")
    ends_on: date | None = None
    node_id: Annotated[str, Field(pattern=r"^[a-z0-9]{8,24}$")] | None = None
    who: Slot | None = None
    kind: Literal["med", "measure"] = "med"
    window_before_s: Seconds = 900
    window_after_s: Annotated[int, Field(ge=1, le=86_400)] = 3600
    snooze_s: Annotated[int, Field(ge=1, le=86_400)] = 600
    snooze_max: Annotated[int, Field(ge=0, le=10)] = 2


class PlanItemBody(Told):
    """One item of the plan; what was stopped stays readable."""

    id: int
    node_id: str
    who: str | None
    kind: str
    drug: str
    dose_text: str
    text_zh: str
    text_en: str
    times: list[Clock]
    weekdays: list[int]
    starts_on: date
    ends_on: date | None
    window_before_s: int
    window_after_s: int
    snooze_s: int
    snooze_max: int
    created_at: datetime
    stopped_at: datetime | None
    replaces_id: int | None


class OnDevice(Told):
    """The plan on one node: what was edited, published, and confirmed by the device.

    `overdue`: not confirmed within ten minutes of the edit; somebody must telephone.
    """

    node_id: str
    edit: int
    edited_at: datetime
    published_edit: int
    published_at: datetime | None
    revision: int
    confirmed_revision: int | None
    confirmed_at: datetime | None
    holds_until: datetime | None
    on_device: bool
    overdue: bool


class PlanBody(Told):
    """A patient's plan, beside what their devices have confirmed of it."""

    patient_id: int
    items: list[PlanItemBody]
    devices: list[OnDevice]


class ItemChanged(Told):
    """The item that holds now (the same content never changes its id), and the whole plan."""

    item_id: int
    plan: PlanBody


class DoseBody(Told):
    """One dose and what became of it."""

    id: str
    plan_item_id: int
    drug: str | None
    node_id: str
    due_at: datetime
    window_from: datetime
    window_to: datetime
    state: str
    state_at: datetime | None
    by: str | None
    why: str | None


class Doses(Told):
    """Doses by due time, oldest first."""

    patient_id: int
    doses: list[DoseBody]


class AdherenceBody(Told):
    """Shares of 1 over settled doses; null when there are none. Reported, not swallowed."""

    patient_id: int
    since: datetime
    until: datetime
    prescribed: int
    taken: int
    in_window: int
    days: int
    correct_days: int
    taking: float | None
    timing: float | None
    correct_dosing_days: float | None


@contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except plan.PlanRefused as error:
        if error.reason == "unknown_item":
            raise missing() from error
        raise refused(
            f"{error}.".capitalize(),
            "GET the plan, correct the item and send it again.",
            status=_STATUS.get(error.reason, 409),
            name=error.reason.replace("_", "-"),
        ) from error


@router.get("/plan", operation_id="read_plan", response_model=PlanBody)
async def read_plan(person: PatientInScope, me: Me, conn: Db, now: Now) -> object:
    """The plan as edited, beside what each device says it holds."""
    await note(conn, me, now, "view", "patient", person.id, what="plan")
    return await _plan(conn, person.id, now)


async def _plan(conn: Connection, patient_id: int, now: datetime) -> PlanBody:
    items = await plan.items_of(conn, patient_id)
    return PlanBody(
        patient_id=patient_id,
        items=[PlanItemBody.model_validate(item) for item in items],
        devices=[_on_device(status, now) for status in await plan.plans_of(conn, patient_id)],
    )


def _on_device(status: plan.PlanStatus, now: datetime) -> OnDevice:
    return OnDevice(
        node_id=status.node_id,
        edit=status.edit,
        edited_at=status.edited_at,
        published_edit=status.published_edit,
        published_at=status.published_at,
        revision=status.revision,
        confirmed_revision=status.confirmed_revision,
        confirmed_at=status.confirmed_at,
        holds_until=status.holds_until,
        on_device=status.on_device,
        overdue=status.unconfirmed(now),
    )


@router.post(
    "/plan/items", operation_id="add_plan_item", response_model=ItemChanged, status_code=201
)
async def add_plan_item(
    asked: PlanItemAsked, person: PatientInScope, me: EditsPlans, conn: Db, now: Now
) -> object:
    """Add an item; the device has it when `devices[].on_device` is true."""
    item = await _item(conn, asked, person, me.staff_id, now)
    with _refusals():
        item_id = await plan.add_item(conn, item, staff_id=me.staff_id, now=now)
    await note(conn, me, now, "plan_item_added", "patient", person.id, item_id=item_id)
    return ItemChanged(item_id=item_id, plan=await _plan(conn, person.id, now))


@router.put("/plan/items/{item_id}", operation_id="change_plan_item", response_model=ItemChanged)
async def change_plan_item(
    item_id: Id, asked: PlanItemAsked, person: PatientInScope, me: EditsPlans, conn: Db, now: Now
) -> object:
    """Put another item in the place of this one: it gets an id of its own."""
    old = await _own(conn, item_id, person)
    item = await _item(conn, asked, person, me.staff_id, now, node_id=old.node_id)
    with _refusals():
        new_id = await plan.change_item(conn, item_id, item, staff_id=me.staff_id, now=now)
    await note(
        conn, me, now, "plan_item_changed", "patient", person.id, item_id=new_id, replaces=item_id
    )
    return ItemChanged(item_id=new_id, plan=await _plan(conn, person.id, now))


@router.delete("/plan/items/{item_id}", operation_id="stop_plan_item", response_model=ItemChanged)
async def stop_plan_item(
    item_id: Id, person: PatientInScope, me: EditsPlans, conn: Db, now: Now
) -> object:
    """Stop an item: its open doses are withdrawn and the device forgets it."""
    await _own(conn, item_id, person)
    with _refusals():
        await plan.stop_item(conn, item_id, me.staff_id, now)
    await note(conn, me, now, "plan_item_stopped", "patient", person.id, item_id=item_id)
    return ItemChanged(item_id=item_id, plan=await _plan(conn, person.id, now))


async def _own(conn: Connection, item_id: int, person: Patient) -> plan.PlanItem:
    item = await plan.item_of(conn, item_id)
    if item is None or item.patient_id != person.id:
        raise missing()
    return item


async def _item(
    conn: Connection,
    asked: PlanItemAsked,
    person: Patient,
    staff_id: int,
    now: datetime,
    node_id: str | None = None,
) -> plan.NewPlanItem:
    zone = ZoneInfo(await zone_of(conn, person.id, staff_id, now))
    words = f"{asked.drug} {asked.dose_text}".strip()
    measure = asked.kind == "measure"
    return plan.NewPlanItem(
        **asked.model_dump(
            exclude={"times", "weekdays", "node_id", "text_zh", "text_en", "who", "starts_on"}
        ),
        patient_id=person.id,
        node_id=asked.node_id or node_id or await _only_node(conn, person, now),
        text_zh=asked.text_zh or (f"请测量：{words}" if measure else f"请服用 {words}"),
        text_en=asked.text_en
        or (f"Please measure: {words}" if measure else f"Please take {words}"),
        times=tuple(asked.times),
        weekdays=tuple(asked.weekdays),
        who=asked.who or None,
        starts_on=asked.starts_on or now.astimezone(zone).date(),
    )


async def _only_node(conn: Connection, person: Patient, now: datetime) -> str:
    serving = await device.nodes_of_patient(conn, patient_id=person.id, now=now)
    nodes = sorted({one.node_id for one in serving})
    if len(nodes) != 1:
        raise refused(
            "The patient has no node." if not nodes else "The patient has several nodes.",
            "Say node_id: where it shall ring." if nodes else "Add a node for the patient first.",
            name="node-not-clear",
        )
    return nodes[0]


@router.get("/doses", operation_id="list_doses", response_model=Doses)
async def list_doses(
    person: PatientInScope,
    me: Me,
    conn: Db,
    now: Now,
    since: Since = None,
    until: Until = None,
    withdrawn: Annotated[bool, Query(description="also doses of stopped items")] = False,
) -> object:
    """Doses by due time; without times those from a week ago until tomorrow."""
    await note(conn, me, now, "view", "patient", person.id, what="doses")
    first, last = since or now - timedelta(days=7), until or now + timedelta(days=1)
    rows = await dose.of_patient(conn, person.id, since=first, until=last)
    drugs = {item.id: item.drug for item in await plan.items_of(conn, person.id)}
    told = [_dose(row, drugs) for row in rows if withdrawn or row.state != "withdrawn"]
    return {"patient_id": person.id, "doses": told}


def _dose(row: dose.Dose, drugs: dict[int, str]) -> DoseBody:
    return DoseBody(
        id=row.id,
        plan_item_id=row.plan_item_id,
        drug=drugs.get(row.plan_item_id),
        node_id=row.node_id,
        due_at=row.due_at,
        window_from=row.window_from,
        window_to=row.window_to,
        state=row.state,
        state_at=row.state_at,
        by=row.by,
        why=row.why,
    )


@router.get("/adherence", operation_id="read_adherence", response_model=AdherenceBody)
async def read_adherence(
    person: PatientInScope,
    me: Me,
    conn: Db,
    now: Now,
    days: Annotated[int, Query(ge=1, le=366, description="so many days back")] = 30,
) -> object:
    """How well medicines are taken: taking, timing and correct-dosing days."""
    await note(conn, me, now, "view", "patient", person.id, what="adherence")
    # A dose may be taken a little before it is due; what is not settled yet does not count.
    since, until = now - timedelta(days=days), now + timedelta(days=1)
    rows = await dose.of_patient(conn, person.id, since=since, until=until)
    meds = {item.id for item in await plan.items_of(conn, person.id) if item.kind == "med"}
    figures = adherence(
        [
            MeasuredDose(row.due_at, row.window_from, row.window_to, row.state, row.state_at)
            for row in rows
            if row.plan_item_id in meds
        ],
        ZoneInfo(await zone_of(conn, person.id, me.staff_id, now)),
    )
    return AdherenceBody(
        patient_id=person.id,
        since=since,
        until=until,
        prescribed=figures.prescribed,
        taken=figures.taken,
        in_window=figures.in_window,
        days=figures.days,
        correct_days=figures.correct_days,
        taking=figures.taking,
        timing=figures.timing,
        correct_dosing_days=figures.correct_dosing_days,
    )
