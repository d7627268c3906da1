"""`hearthbeat team add|list|member|webhook`."""

import secrets
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
import typer

from care.people import care_team
from hub.admin import defaults, output
from hub.admin.options import web_address
from hub.admin.people import named_person
from hub.admin.reach import HERE, AsJson, Data, DatabaseUrl, do, find_hub, say
from store import team as teams
from store.pool import Connection

team = typer.Typer(
    name="team",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help="Care teams: who cares for an area, who is told first, and where.",
)

Profile = Literal["cn", "esc", "us_uk"]
TeamName = Annotated[str, typer.Option("--team", metavar="ID|NAME", help="The team.")]
WebhookUrl = Annotated[
    str, typer.Option("--url", help="https://… or http://…", callback=web_address)
]
AreaName = Annotated[
    str | None, typer.Option("--area", metavar="ID|CODE|NAME", help="Without: the only area.")
]
Duty = Annotated[bool, typer.Option("--duty", help="Answers calls of the area nobody owns.")]
Webhook = Annotated[str | None, typer.Option(help="Tell the team there too.", callback=web_address)]
WebhookSecret = Annotated[
    str | None, typer.Option(help="Signs the webhook; without: made and shown once.")
]
EscalateAfter = Annotated[
    int, typer.Option(min=1, help="Seconds until the next step of the ladder is told.")
]
ShowsPatient = Annotated[
    bool, typer.Option("--shows-patient", help="Names and values may leave to this address.")
]

_ADD = """Examples:

hearthbeat team add --name "Willow Village team" --duty

hearthbeat team add --name 二组 --area 330127 --escalate-after 120
  --webhook https://pager.example/hook --json
"""
_MEMBER = """Examples:

hearthbeat team member --team 1 --user li --step 1

hearthbeat team member --team 1 --user chen --remove
"""
_WEBHOOK = """Examples:

hearthbeat team webhook --team 1 --url https://pager.example/hook

hearthbeat team webhook --team 1 --url https://in-house.example/hook --shows-patient --json
"""


@team.command("add", epilog=_ADD)
def add(
    *,
    name: Annotated[str, typer.Option(help="What people call it.")],
    area_: AreaName = None,
    duty: Duty = False,
    webhook: Webhook = None,
    webhook_secret: WebhookSecret = None,
    escalate_after: EscalateAfter = 300,
    profile: Annotated[Profile, typer.Option(help="Whose limits hold.")] = "cn",
    data: Data = HERE,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Add a team at an area; it cares for the area and everything below.

    It prints {"id", "team_id", "name", "area_id"} and "webhook_secret" where one was made.
    """
    secret = webhook_secret or secrets.token_urlsafe(32)
    new = care_team.NewTeam(
        name=name.strip(),
        area_id=0,  # known once the hub was asked
        profile=profile,
        escalate_after_s=escalate_after,
        duty=duty,
    )
    to = (webhook, secret) if webhook else None
    made = do(find_hub(data, database_url), lambda conn, now: _add(conn, now, new, area_, to))
    if made.on_duty and not duty:
        say("the first team of its area: it is on duty there")
    _show(as_json, made.team, secret if webhook and not webhook_secret else None)


async def _add(
    conn: Connection,
    now: datetime,
    new: care_team.NewTeam,
    named: str | None,
    webhook: tuple[str, str] | None,
) -> care_team.MadeTeam:
    at = await defaults.area_or_only(conn, now, named)
    placed = msgspec.structs.replace(new, area_id=at.id)
    made = await care_team.make_team(conn, placed, by=None, now=now)
    if webhook:
        address, secret = webhook
        await teams.put_webhook(conn, address=address, secret=secret, team_id=made.team.id, now=now)
    return made


def _show(as_json: bool, added: teams.Team, secret: str | None) -> None:
    body: dict[str, Any] = {"id": added.id, "team_id": added.id, "name": added.name}
    body["area_id"] = added.area_id
    lines = [f"team {added.id}: {added.name} (area {added.area_id})"]
    if secret:
        body["webhook_secret"] = secret
        lines.append(f"webhook secret, shown only now: {secret}")
    output.shown(as_json, body, *lines)


@team.command("list", epilog="Example:\n\nhearthbeat team list --json")
def list_(data: Data = HERE, database_url: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """List all teams with their ladders."""

    async def work(conn: Connection, _: datetime) -> list[dict[str, Any]]:
        return [
            {
                **msgspec.structs.asdict(one),
                "ladder": [f"{m.step}:{m.user_name}" for m in await teams.members(conn, one.id)],
            }
            for one in await teams.every(conn)
        ]

    columns = {
        "id": "id",
        "name": "name",
        "area_id": "area",
        "profile": "profile",
        "escalate_after_s": "escalates after s",
        "ladder": "ladder",
    }
    output.listed(as_json, "teams", do(find_hub(data, database_url), work), columns)


@team.command("member", epilog=_MEMBER)
def member(
    team_: TeamName,
    user: Annotated[str, typer.Option(help="The person's user name.")],
    step: Annotated[int, typer.Option(min=1, max=9, help="1 is told first.")] = 1,
    remove: Annotated[bool, typer.Option("--remove", help="Take them off instead.")] = False,
    data: Data = HERE,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Put a person on a team's ladder, on another step of it, or take them off."""

    async def work(conn: Connection, now: datetime) -> tuple[int, int]:
        person = await named_person(conn, user)
        team_id = (await defaults.named_team(conn, team_)).id
        if remove:
            await teams.remove_member(conn, team_id=team_id, staff_id=person.id)
        else:
            await teams.put_member(conn, team_id=team_id, staff_id=person.id, step=step)
        action = "member_removed" if remove else "member_put"
        await defaults.note(conn, now, action, "team", team_id, staff_id=person.id)
        return team_id, person.id

    team_id, staff_id = do(find_hub(data, database_url), work)
    body = {"team_id": team_id, "staff_id": staff_id, "step": None if remove else step}
    said = "is no longer in" if remove else f"is on step {step} of"
    output.shown(as_json, body, f"{user} {said} team {team_id}")


@team.command("webhook", epilog=_WEBHOOK)
def webhook(
    team_: TeamName,
    url: WebhookUrl,
    secret: WebhookSecret = None,
    shows_patient: ShowsPatient = False,
    data: Data = HERE,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Tell a team at a web address too, signed. Said again, it changes the secret."""
    signing = secret or secrets.token_urlsafe(32)

    async def work(conn: Connection, now: datetime) -> tuple[int, int]:
        team_id = (await defaults.named_team(conn, team_)).id
        contact = await teams.put_webhook(
            conn,
            address=url,
            secret=signing,
            team_id=team_id,
            shows_patient=shows_patient,
            now=now,
        )
        told = {"contact_id": contact, "shows_patient": shows_patient}
        await defaults.note(conn, now, "webhook_put", "team", team_id, **told)
        return team_id, contact

    team_id, contact = do(find_hub(data, database_url), work)
    body: dict[str, Any] = {"contact_id": contact, "team_id": team_id, "url": url}
    lines = [f"team {team_id} is told at {url}"]
    if secret is None:
        body["secret"] = signing
        lines.append(f"secret, shown only now: {signing}")
    output.shown(as_json, body, *lines)
