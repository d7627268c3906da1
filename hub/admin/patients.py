"""`hearthbeat patient add|list`."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec
import typer

from care.people import enrolment
from hub.admin import defaults, options, output
from hub.admin.reach import HERE, AsJson, Data, DatabaseUrl, do, find_hub
from store import area, team
from store import patient as patients
from store.pool import Connection

patient = typer.Typer(
    name="patient",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help="Patients: who measures at home.",
)

_ADD = """Examples:

hearthbeat patient add --name 王桂兰 --birth-date 1948-03-02 --sex female

hearthbeat patient add --name "Li Wei" --target 135/85 --conditions hypertension,diabetes --json
"""


Sex = Annotated[Literal["female", "male", "other"] | None, typer.Option()]
BirthDate = Annotated[str | None, typer.Option(metavar="YYYY-MM-DD")]
AreaName = Annotated[
    str | None,
    typer.Option("--area", metavar="ID|CODE|NAME", help="Without: the team's, or the only one."),
]
TeamName = Annotated[
    str | None, typer.Option("--team", metavar="ID|NAME", help="Without: the only team.")
]
Target = Annotated[str | None, typer.Option(metavar="SYS/DIA", help="The doctor's home target.")]
Conditions = Annotated[
    list[str] | None, typer.Option(help="Such as hypertension,diabetes; may be repeated.")
]
Locale = Annotated[Literal["zh-CN", "en"], typer.Option(help="What devices speak to them.")]


@patient.command("add", epilog=_ADD)
def add(
    *,
    name: Annotated[str, typer.Option(help="The patient's name.")],
    birth_date: BirthDate = None,
    sex: Sex = None,
    phone: Annotated[str | None, typer.Option()] = None,
    area_: AreaName = None,
    team_: TeamName = None,
    target: Target = None,
    frail: Annotated[bool, typer.Option("--frail")] = False,
    conditions: Conditions = None,
    locale: Locale = "zh-CN",
    data: Data = HERE,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Enrol a patient; prints {"id", "patient_id", "pseudonym", "name", "area_id", "team_id"}."""
    pair = options.target(target)
    new = patients.NewPatient(
        name=name.strip(),
        sex=sex,
        birth_date=options.day(birth_date),
        phone=phone,
        area_id=0,  # known once the hub was asked
        pseudonym=enrolment.pseudonym(),
        locale=locale,
        conditions=options.words(conditions),
        frail=frail,
        target_sys=pair[0] if pair else None,
        target_dia=pair[1] if pair else None,
    )

    async def work(conn: Connection, now: datetime) -> patients.Patient:
        at, by = await _place(conn, now, area_, team_)
        placed = msgspec.structs.replace(new, area_id=at.id, team_id=by.id if by else None)
        return await enrolment.enrol(conn, placed, by=None, now=now)

    _show(as_json, do(find_hub(data, database_url), work))


def _show(as_json: bool, added: patients.Patient) -> None:
    body = {
        "id": added.id,
        "patient_id": added.id,
        "pseudonym": added.pseudonym,
        "name": added.name,
        "area_id": added.area_id,
        "team_id": added.team_id,
    }
    output.shown(
        as_json,
        body,
        f"patient {added.id}: {added.name} (area {added.area_id}, team {added.team_id or 'none'})",
        f"pseudonym for check-up stations: {added.pseudonym}",
    )


async def _place(
    conn: Connection, now: datetime, named: str | None, team_name: str | None
) -> tuple[area.Area, team.Team | None]:
    """Area and team: as named, else the only ones; a team brings its area."""
    by = await defaults.named_team(conn, team_name) if team_name else await defaults.only_team(conn)
    if named is None and by is not None:
        named = str(by.area_id)
    return await defaults.area_or_only(conn, now, named), by


@patient.command("list", epilog="Example:\n\nhearthbeat patient list --json")
def list_(data: Data = HERE, database_url: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """List all patients."""

    async def work(conn: Connection, _: datetime) -> list[patients.Patient]:
        return await patients.every(conn)

    rows = [msgspec.structs.asdict(one) for one in do(find_hub(data, database_url), work)]
    columns = {
        "id": "id",
        "name": "name",
        "sex": "sex",
        "birth_date": "born",
        "area_id": "area",
        "team_id": "team",
        "pseudonym": "pseudonym",
    }
    output.listed(as_json, "patients", rows, columns)
