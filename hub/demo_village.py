"""The people of the demo: a county with one village, its team, its patients and their gateways."""

from datetime import date, datetime

from msgspec import Struct

from care.people import enrolment, password, token
from store import area, session, staff, team
from store.patient import NewPatient
from store.pool import Connection

LEVELS = (
    ("province", "示范省 Demo Province"),
    ("city", "示范市 Demo City"),
    ("county", "青石县 Qingshi County"),
    ("township", "河口镇 Hekou Township"),
    ("village", "柳树村 Willow Village"),
)


class Person(Struct, frozen=True, kw_only=True):
    """One invented patient; systolic and diastolic are the level their home readings vary about."""

    name: str
    sex: str
    born: date
    sys: float
    dia: float
    adherence: float = 0.95
    conditions: tuple[str, ...] = ("hypertension",)
    frail: bool = False


PEOPLE = (
    Person(name="王桂兰", sex="female", born=date(1948, 3, 2), sys=131, dia=78),
    Person(name="李建国", sex="male", born=date(1951, 11, 20), sys=142, dia=84, adherence=0.7),
    Person(name="张秀英", sex="female", born=date(1943, 6, 9), sys=147, dia=80, frail=True),
    Person(name="刘志强", sex="male", born=date(1957, 1, 30), sys=128, dia=82),
    Person(name="陈玉梅", sex="female", born=date(1955, 8, 14), sys=151, dia=91, adherence=0.5),
    Person(name="赵德福", sex="male", born=date(1940, 2, 25), sys=136, dia=72),
    Person(name="孙丽华", sex="female", born=date(1962, 12, 5), sys=124, dia=76),
    Person(name="周永贵", sex="male", born=date(1949, 7, 18), sys=158, dia=88, adherence=0.6),
    Person(name="吴凤仙", sex="female", born=date(1946, 10, 1), sys=133, dia=74),
    Person(name="郑国栋", sex="male", born=date(1953, 5, 27), sys=139, dia=86),
)


class Home(Struct, frozen=True, kw_only=True):
    """A patient with a gateway: everything the simulator needs to be that home."""

    patient_id: int
    person: Person
    node_id: str
    password: str


class Village(Struct, frozen=True, kw_only=True):
    """What was made. The passwords and the token exist nowhere else in the clear."""

    team_id: int
    doctor: str
    doctor_password: str
    doctor_token: str
    homes: list[Home]


async def settle(
    conn: Connection,
    now: datetime,
    *,
    people: tuple[Person, ...] = PEOPLE,
    webhook: tuple[str, str] | None = None,
) -> Village:
    """Make the village in an empty hub. `webhook` is (address, secret) for the team."""
    area_id = await _areas(conn, now)
    name = "柳树村家庭医生团队 Willow Village team"
    team_id = (await team.add(conn, name=name, area_id=area_id, now=now)).id
    await area.set_duty_team(conn, area_id=area_id, team_id=team_id)
    if webhook is not None:
        address, secret = webhook
        await team.put_webhook(conn, address=address, secret=secret, team_id=team_id, now=now)
    doctor_id, doctor_password = await _staff(conn, "li", "李医生 Dr Li", "doctor", team_id, 1, now)
    await _staff(conn, "chen", "陈护士 Nurse Chen", "nurse", team_id, 2, now)
    made = token.api_token()
    await session.make_token(
        conn, digest=token.digest(made), staff_id=doctor_id, label="demo", now=now
    )
    homes = [await _home(conn, person, area_id, team_id, now) for person in people]
    return Village(
        team_id=team_id,
        doctor="li",
        doctor_password=doctor_password,
        doctor_token=made,
        homes=homes,
    )


async def _areas(conn: Connection, now: datetime) -> int:
    parent: int | None = None
    for level, name in LEVELS:
        added = await area.add(
            conn,
            name=name,
            level=level,
            parent_id=parent,
            code=None,
            time_zone="Asia/Shanghai",
            now=now,
        )
        parent = added.id
    if parent is None:
        raise LookupError("the demo has no area")
    return parent


async def _staff(
    conn: Connection, user: str, name: str, role: str, team_id: int, step: int, now: datetime
) -> tuple[int, str]:
    secret = password.random_password()
    added = await staff.add(
        conn,
        user_name=user,
        display_name=name,
        role=role,
        locale="zh-CN",
        password_hash=password.hash_password(secret),
        now=now,
    )
    await team.put_member(conn, team_id=team_id, staff_id=added.id, step=step)
    return added.id, secret


async def _home(
    conn: Connection, person: Person, area_id: int, team_id: int, now: datetime
) -> Home:
    new = NewPatient(
        name=person.name,
        area_id=area_id,
        team_id=team_id,
        pseudonym=enrolment.pseudonym(),
        sex=person.sex,
        birth_date=person.born,
        conditions=person.conditions,
        frail=person.frail,
    )
    patient = await enrolment.enrol(conn, new, by=None, now=now)
    node = await enrolment.add_node(
        conn, enrolment.NewNode(area_id=area_id, patient_id=patient.id), by=None, now=now
    )
    return Home(patient_id=patient.id, person=person, node_id=node.node_id, password=node.password)
