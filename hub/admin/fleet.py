"""`hearthbeat node fleet`: the nodes of a simulated fleet, all at once."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from firmware_sim.fleet.options import Account, write_accounts
from hub.admin import output
from hub.admin.nodes import node
from hub.admin.reach import (
    HERE,
    REFUSED,
    AsJson,
    Data,
    DatabaseUrl,
    NoWait,
    do,
    end,
    find_hub,
    wait_for_broker,
)
from hub.fleet_nodes import make_fleet
from store.pool import Connection

_EXAMPLES = """Examples:

hearthbeat node fleet --count 1000 --out fleet.json

hearthbeat node fleet --count 100 --shared 0.2 --area 7 --out fleet.json
"""


@node.command("fleet", epilog=_EXAMPLES)
def fleet(
    count: Annotated[int, typer.Option(help="How many nodes.", min=1, max=100_000)],
    out: Annotated[Path, typer.Option(help="The file of accounts to write, readable by you only.")],
    shared: Annotated[
        float, typer.Option(help="The share of cuffs that two people use.", min=0.0, max=1.0)
    ] = 0.0,
    area: Annotated[int | None, typer.Option(help="Their area; without: a new village.")] = None,
    no_wait: NoWait = False,
    data: Data = HERE,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Add many simulated nodes with invented people, for `hearthbeat sim fleet`."""
    if out.exists():
        end(REFUSED, f"{out} exists: choose another file, the passwords in it are shown only once")
    hub = find_hub(data, database_url)

    async def work(conn: Connection, now: datetime) -> tuple[Account, ...]:
        return await make_fleet(conn, count=count, now=now, shared=shared, area_id=area)

    accounts = do(hub, work)
    write_accounts(out, accounts)
    if not no_wait:
        wait_for_broker(hub, timeout_s=30.0)
    body = {"count": len(accounts), "file": str(out), "port": hub.mqtt_port}
    broker = f"mqtt://{hub.mqtt_host or '127.0.0.1'}:{hub.mqtt_port or 1883}"
    output.shown(
        as_json,
        body,
        f"{len(accounts)} nodes added, their passwords are in {out}; now, for example:",
        f"hearthbeat sim fleet --broker {broker} --accounts {out} --ledger fleet.ledger",
    )
