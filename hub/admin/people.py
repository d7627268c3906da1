"""`hearthbeat staff add|list|token|password|disable`."""

import secrets
import sys
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

import msgspec
import typer

from care.people import account, care_team
from care.people.password import random_password
from hub.admin import defaults, output
from hub.admin.options import web_address
from hub.admin.reach import (
    HERE,
    AsJson,
    Data,
    DatabaseUrl,
    RefusedError,
    do,
    find_hub,
    say,
)
from store import staff as people
from store import team as teams
from store.pool import Connection

staff = typer.Typer(
    name="staff",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help="People who work with the hub: doctors, nurses, leads, administrators.",
)

Role = Literal["admin", "lead", "doctor", "nurse"]
User = Annotated[str, typer.Option("--user", help="Name to sign in with: a-z 0-9 . _ -")]
Name = Annotated[str | None, typer.Option(help="As others see it; without: the user name.")]
Team = Annotated[
    str | None, typer.Option(metavar="ID|NAME", help="Without: the only team, or the area's only.")
]
AreaName = Annotated[
    str | None,
    typer.Option("--area", metavar="ID|CODE|NAME", help="Take the team there, instead of --team."),
]
Step = Annotated[int, typer.Option(min=1, max=9, help="Place on the ladder; 1 is told first.")]
Webhook = Annotated[
    str | None,
    typer.Option(help="Tell them there too, signed.", callback=web_address),
]
Locale = Annotated[Literal["zh-CN", "en"], typer.Option(help="Their language.")]
NoPassword = Annotated[bool, typer.Option("--no-password", help="They use tokens only.")]
FromStdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from standard input.")
]
HOME_TEAM = "Family doctor team"

_ADD = """Examples:

hearthbeat staff add --user li --name "Dr Li"

hearthbeat staff add --user chen --role nurse --team 1 --step 2 --json

hearthbeat staff add --user script --no-password --json
"""
_TOKENS = """Examples:

hearthbeat staff token --user li --label ward-display

hearthbeat staff token --user li --revoke
"""


async def named_person(conn: Connection, user: str) -> people.Staff:
    """The person with this user name. Raises RefusedError."""
    found = await people.by_user(conn, user.strip().lower())
    if found is None:
        raise RefusedError(f"there is nobody called {user}: see `hearthbeat staff list`")
    return found


def _password(from_stdin: bool) -> tuple[str, bool]:
    """The password, and whether it was made here and has to be shown."""
    if not from_stdin:
        return random_password(), True
    if sys.stdin.isatty():
        return typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True), False
    return sys.stdin.readline().rstrip("\r\n"), False


@staff.command("add", epilog=_ADD)
def add(
    *,
    user: User,
    name: Name = None,
    role: Annotated[Role, typer.Option(help="What they may do.")] = "doctor",
    team: Team = None,
    area_: AreaName = None,
    step: Step = 1,
    webhook: Webhook = None,
    locale: Locale = "zh-CN",
    password_stdin: FromStdin = False,
    no_password: NoPassword = False,
    data: Data = HERE,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Add a person; prints {"id", "staff_id", "user", "token"} and "password" where one was made.

    Token and password are shown this once. `token` is for the API: Authorization: Bearer hbt_…
    """
    if no_password and password_stdin:
        raise typer.BadParameter("--no-password and --password-stdin exclude each other")
    if team is not None and area_ is not None:
        raise typer.BadParameter("--team and --area exclude each other: a team has its area")
    secret, made = (None, False) if no_password else _password(password_stdin)
    signing = secrets.token_urlsafe(32) if webhook else None
    new = account.NewAccount(
        user_name=user.strip().lower(),
        display_name=(name or user).strip(),
        role=role,
        locale=locale,
        password=secret,
        step=step,
    )
    to = (webhook, signing) if webhook and signing else None
    staff_id, token = do(
        find_hub(data, database_url), lambda conn, now: _add(conn, now, new, (team, area_), to)
    )
    shown_once = {"password": secret if made else None, "webhook_secret": signing}
    _show_account(as_json, new, staff_id, token, shown_once)


async def _add(
    conn: Connection,
    now: datetime,
    new: account.NewAccount,
    place: tuple[str | None, str | None],
    webhook: tuple[str, str] | None,
) -> tuple[int, str]:
    team_id = await _team_of(conn, now, *place, new.role)
    placed = msgspec.structs.replace(new, team_id=team_id)
    person = await account.open_account(conn, placed, by=None, now=now)
    if webhook:
        address, secret = webhook
        await teams.put_webhook(conn, address=address, secret=secret, staff_id=person.id, now=now)
    return person.id, await account.make_token(conn, person.id, label="first", by=None, now=now)


def _show_account(
    as_json: bool,
    new: account.NewAccount,
    staff_id: int,
    token: str,
    shown_once: dict[str, str | None],
) -> None:
    made = {name: secret for name, secret in shown_once.items() if secret}
    body: dict[str, Any] = {"id": staff_id, "staff_id": staff_id, "user": new.user_name}
    body |= {"token": token, **made}
    lines = [f"{name:<15} {secret}" for name, secret in {"token": token, **made}.items()]
    title = f"staff {staff_id}: {new.user_name} ({new.role}); shown only now:"
    output.shown(as_json, body, title, *lines)


async def _team_of(
    conn: Connection, now: datetime, asked: str | None, area: str | None, role: str
) -> int | None:
    """The team named, else the only one (there); made in an empty hub. An administrator needs none.

    Raises RefusedError.
    """
    if asked is not None:
        return (await defaults.named_team(conn, asked)).id
    if role == "admin" and area is None:
        return None
    known = await teams.every(conn)
    if not known:
        return await _first_team(conn, now, area)
    if area is not None:
        at = await defaults.named_area(conn, area)
        known = [one for one in known if one.area_id == at.id]
        if not known:
            raise RefusedError(f"area {at.name} has no team: `hearthbeat team add --area {at.id}`")
    if len(known) > 1:
        say("there are several teams: they see no patient until `hearthbeat team member`")
    return known[0].id if len(known) == 1 else None


async def _first_team(conn: Connection, now: datetime, area: str | None) -> int:
    at = await defaults.area_or_only(conn, now, area)
    new = care_team.NewTeam(name=HOME_TEAM, area_id=at.id)
    made = await care_team.make_team(conn, new, by=None, now=now)
    say(f"there was no team: made '{HOME_TEAM}'")
    return made.team.id


@staff.command("list", epilog="Example:\n\nhearthbeat staff list --json")
def list_(data: Data = HERE, database_url: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """List everybody who works here."""

    async def work(conn: Connection, _: datetime) -> list[people.Staff]:
        return await people.every(conn)

    rows = [msgspec.structs.asdict(one) for one in do(find_hub(data, database_url), work)]
    columns = {
        "id": "id",
        "user_name": "user",
        "display_name": "name",
        "role": "role",
        "locale": "language",
        "disabled_at": "disabled",
    }
    output.listed(as_json, "staff", rows, columns)


@staff.command("token", epilog=_TOKENS)
def token(
    user: User,
    label: Annotated[str, typer.Option(help="What it is for.")] = "API",
    expires_days: Annotated[
        int | None, typer.Option(min=1, help="Without: until it is revoked.")
    ] = None,
    revoke: Annotated[bool, typer.Option("--revoke", help="End all tokens instead.")] = False,
    data: Data = HERE,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Make an API token, shown this once; or end every token of a person."""

    async def work(conn: Connection, now: datetime) -> dict[str, Any]:
        person = await named_person(conn, user)
        if revoke:
            count = await account.revoke_tokens(conn, person.id, by=None, now=now)
            return {"staff_id": person.id, "user": person.user_name, "revoked": count}
        ends = now + timedelta(days=expires_days) if expires_days else None
        secret = await account.make_token(
            conn, person.id, label=label, by=None, now=now, expires_at=ends
        )
        return {"staff_id": person.id, "user": person.user_name, "token": secret}

    body = do(find_hub(data, database_url), work)
    said = (
        f"{body['revoked']} tokens ended" if revoke else f"token, shown only now: {body['token']}"
    )
    output.shown(as_json, body, said)


@staff.command("password", epilog="Example:\n\nhearthbeat staff password --user admin")
def password(
    user: User,
    password_stdin: FromStdin = False,
    data: Data = HERE,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Set a new password, a random one shown this once without --password-stdin.

    It ends every session of the person.
    """
    secret, made = _password(password_stdin)

    async def work(conn: Connection, now: datetime) -> int:
        person = await named_person(conn, user)
        await account.set_password(conn, person, secret, by=None, now=now)
        return person.id

    body: dict[str, Any] = {"staff_id": do(find_hub(data, database_url), work), "user": user}
    if made:
        body["password"] = secret
    said = f"password, shown only now: {secret}" if made else "password set"
    output.shown(as_json, body, said)


@staff.command("disable", epilog="Example:\n\nhearthbeat staff disable --user chen")
def disable(
    user: User, data: Data = HERE, database_url: DatabaseUrl = None, as_json: AsJson = False
) -> None:
    """Let a person in no more: sessions and tokens end at once, their deeds stay theirs."""

    async def work(conn: Connection, now: datetime) -> int:
        person = await named_person(conn, user)
        await account.close_account(conn, person.id, by=None, now=now)
        return person.id

    staff_id = do(find_hub(data, database_url), work)
    output.shown(as_json, {"staff_id": staff_id, "user": user}, f"{user} is out")
