"""`hearthbeat area add|list`."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec
import typer

from hub.admin import defaults, output
from hub.admin.reach import HERE, AsJson, Data, DatabaseUrl, do, find_hub
from store import area as areas
from store.pool import Connection

area = typer.Typer(
    name="area",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help="Areas: province, city, county, township, village.",
)

Level = Literal["province", "city", "county", "township", "village"]

_ADD = """Examples:

hearthbeat area add --name 柳树村

hearthbeat area add --name "Qingshi County" --level county --code 330127

hearthbeat area add --name "Willow Village" --parent 330127 --json
"""


@area.command("add", epilog=_ADD)
def add(
    name: Annotated[str, typer.Option(help="What people call it.")],
    level: Annotated[Level, typer.Option(help="Any level may be a root.")] = "village",
    parent: Annotated[
        str | None, typer.Option(help="The area it lies in.", metavar="ID|CODE|NAME")
    ] = None,
    code: Annotated[str | None, typer.Option(help="Its public code, unique.")] = None,
    time_zone: Annotated[str, typer.Option(help="IANA name.")] = "Asia/Shanghai",
    data: Data = HERE,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Add an area. It prints {"id", "area_id", "name", "level", "parent_id", "code"}."""

    async def work(conn: Connection, now: datetime) -> areas.Area:
        above = await defaults.named_area(conn, parent) if parent else None
        parent_id = above.id if above else None
        await defaults.demand_new_name(conn, name.strip(), parent_id)
        return await defaults.make_area(
            conn,
            now,
            name=name.strip(),
            level=level,
            parent_id=parent_id,
            code=code,
            time_zone=time_zone,
        )

    added = do(find_hub(data, database_url), work)
    body = {
        "id": added.id,
        "area_id": added.id,
        "name": added.name,
        "level": added.level,
        "parent_id": added.parent_id,
        "code": added.code,
    }
    output.shown(as_json, body, f"area {added.id}: {added.level} {added.name}")


@area.command("list", epilog="Example:\n\nhearthbeat area list --json")
def list_(data: Data = HERE, database_url: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """List all areas, parents first."""

    async def work(conn: Connection, _: datetime) -> list[areas.Area]:
        return await areas.every(conn)

    rows = [msgspec.structs.asdict(one) for one in do(find_hub(data, database_url), work)]
    columns = {
        "id": "id",
        "level": "level",
        "name": "name",
        "code": "code",
        "parent_id": "in",
        "time_zone": "time zone",
        "duty_team_id": "duty team",
    }
    output.listed(as_json, "areas", rows, columns)
