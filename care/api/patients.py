"""Patients: /api/patients, /api/patients/{id}."""

from datetime import date, datetime
from typing import Annotated, Literal

from dateutil.relativedelta import relativedelta
from fastapi import APIRouter, Query
from pydantic import Field

from care.api.deps import Db, Enrols, Limit, Me, Now, PatientInScope, note
from care.api.problem import PROBLEMS, refused
from care.api.shapes import Asked, Line, Locale, Told
from care.people import assigning, enrolment
from care.people.assigning import Actor
from care.people.placing import AmbiguousPlaceError, for_person
from measures.target import home_target
from store import chart, patient
from store.pool import Connection

router = APIRouter(prefix="/api/patients", tags=["patients"], responses=PROBLEMS)

Sex = Literal["female", "male", "other"]


class Pressures(Asked):
    """A pair of pressures in mm[Hg]."""

    sys: int = Field(ge=90, le=200)
    dia: int = Field(ge=40, le=130)


class NewPatient(Asked):
    """A patient to enrol. Without area and team: your only team's, or your only area."""

    name: Line
    birth_date: date | None = None
    sex: Sex | None = None
    phone: Line | None = None
    area_id: int | None = Field(default=None, ge=1)
    team_id: int | None = Field(default=None, ge=1)
    locale: Locale = "zh-CN"
    conditions: list[Line] = Field(default=[], max_length=30)
    frail: bool = False
    target: Pressures | None = Field(default=None, description="the doctor's own home target")
    expect_reading_every_s: int | None = Field(default=259_200, ge=3600, le=31_536_000)
    pseudonym: str | None = Field(
        default=None,
        pattern=r"^r:[0-9a-z]{16}$",
        description="what a check-up station knows them by already; else the hub makes one",
    )


class TargetBody(Told):
    """The home target in mm[Hg] and why it is that."""

    sys: int
    dia: int
    reason: str


class PatientBody(Told):
    """A patient."""

    id: int
    name: str
    sex: Sex | None
    birth_date: date | None
    phone: str | None
    area_id: int
    team_id: int | None
    household_id: int | None
    pseudonym: str
    locale: Locale
    conditions: list[str]
    frail: bool
    target_sys: int | None
    target_dia: int | None
    expect_reading_every_s: int | None
    created_at: datetime
    archived_at: datetime | None


class PatientPage(PatientBody):
    """A patient with the home target that holds for them and the time zone they live in."""

    target: TargetBody
    time_zone: str


class Patients(Told):
    """Patients by id; `next_after` continues the list, null at its end."""

    patients: list[PatientBody]
    next_after: int | None


After = Annotated[int, Query(ge=0, le=2**63 - 1, description="ids above this one")]


@router.get("", operation_id="list_patients", response_model=Patients)
async def list_patients(me: Me, conn: Db, now: Now, after: After = 0, limit: Limit = 100) -> object:
    """The patients in your scope."""
    found = await patient.visible(conn, staff_id=me.staff_id, after=after, limit=limit)
    await note(conn, me, now, "list", "patients", "", count=len(found))
    return {"patients": found, "next_after": found[-1].id if len(found) == limit else None}


@router.post("", operation_id="add_patient", response_model=PatientPage, status_code=201)
async def add_patient(asked: NewPatient, me: Enrols, conn: Db, now: Now) -> object:
    """Enrol a patient; the hub gives them a pseudonym for check-up stations. With the pseudonym
    under which readings wait already, those readings are theirs.
    """
    try:
        area_id, team_id = await for_person(
            conn, staff_id=me.staff_id, area_id=asked.area_id, team_id=asked.team_id
        )
    except AmbiguousPlaceError as error:
        raise refused(
            f"{error}.".capitalize(),
            "GET /api/areas and GET /api/teams list what you may use.",
            status=422,
            name="place-not-clear",
        ) from error
    new = patient.NewPatient(
        **asked.model_dump(exclude={"area_id", "team_id", "target", "conditions", "pseudonym"}),
        area_id=area_id,
        team_id=team_id,
        pseudonym=asked.pseudonym or enrolment.pseudonym(),
        conditions=tuple(asked.conditions),
        target_sys=asked.target.sys if asked.target else None,
        target_dia=asked.target.dia if asked.target else None,
    )
    added = await enrolment.enrol(conn, new, by=me.staff_id, now=now)
    body = await _page(conn, added, me.staff_id, now)
    if asked.pseudonym is not None:
        by = Actor(staff_id=me.staff_id, address=me.address, at=now)
        await assigning.resolve_pseudonym(conn, by, pseudonym=asked.pseudonym, patient_id=added.id)
    return body


@router.get("/{patient_id}", operation_id="read_patient", response_model=PatientPage)
async def read_patient(person: PatientInScope, me: Me, conn: Db, now: Now) -> object:
    """One patient."""
    await note(conn, me, now, "view", "patient", person.id, what="patient")
    return await _page(conn, person, me.staff_id, now)


async def _page(
    conn: Connection, person: patient.Patient, staff_id: int, now: datetime
) -> PatientPage:
    target = home_target(
        await patient.profile(conn, person.id),
        relativedelta(now.date(), person.birth_date).years if person.birth_date else None,
        person.frail,
        _own_target(person),
    )
    body = PatientBody.model_validate(person).model_dump()
    told = TargetBody(sys=target.sys, dia=target.dia, reason=target.reason)
    zone = await zone_of(conn, person.id, staff_id, now)
    return PatientPage(**body, target=told, time_zone=zone)


def _own_target(person: patient.Patient) -> tuple[int, int] | None:
    if person.target_sys is None or person.target_dia is None:
        return None
    return person.target_sys, person.target_dia


async def zone_of(conn: Connection, patient_id: int, staff_id: int, now: datetime) -> str:
    """The time zone a patient lives in."""
    page = await chart.patient(conn, patient_id=patient_id, staff_id=staff_id, now=now)
    return page.time_zone if page else "Asia/Shanghai"
