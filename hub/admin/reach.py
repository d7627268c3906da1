"""Finding the hub's database and doing one thing there, with the exit codes of the commands."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

import psycopg
import typer
from msgspec import Struct
from psycopg import AsyncConnection

from care.people.password import WeakPasswordError
from care.people.placing import AmbiguousPlaceError
from hub.home import Home
from runtime import log
from store.pool import Connection
from store.refused import RefusedByRuleError

T = TypeVar("T")

REFUSED = 1
USAGE = 2
UNREACHABLE = 3

Data = Annotated[
    Path, typer.Option("--data", envvar="HEARTHBEAT_DATA", help="Directory of the running hub.")
]
DatabaseUrl = Annotated[
    str | None,
    typer.Option(
        "--database-url",
        envvar="HEARTHBEAT_DATABASE_URL",
        help="The database itself, instead of --data: postgresql://user:password@host/name",
    ),
]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print one JSON object and nothing else, for scripts.")
]
NoWait = Annotated[
    bool, typer.Option("--no-wait", help="Do not wait for the broker to take it over.")
]
HERE = Path("hearthbeat-data")


class RefusedError(Exception):
    """What was asked for cannot be done as things are: exit code 1."""


class Hub(Struct, frozen=True, kw_only=True):
    """What `DIR/run/hub.json` says of a running hub; the broker is unknown without it."""

    database_url: str
    mqtt_host: str | None = None
    mqtt_port: int | None = None
    mqtt_tls: bool = False
    mqtt_tls_port: int | None = None
    mqtts_port: int | None = None
    ca: str | None = None
    certificate: str | None = None
    own_broker: bool | None = None


def say(text: str) -> None:
    """A remark for the person, never on standard output."""
    typer.echo(f"hearthbeat: {text}", err=True)


def end(code: int, text: str) -> NoReturn:
    """Say why and end with this exit code."""
    say(text)
    raise typer.Exit(code)


def find_hub(data: Path, database_url: str | None) -> Hub:
    """The hub of `--database-url`, else the one running on `--data`; ends the command if none."""
    file = Home(data).address_file
    try:
        noted: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        noted = {}
    except (OSError, ValueError) as error:
        if database_url is None:
            end(UNREACHABLE, f"cannot read {file} ({type(error).__name__}): who runs the hub can")
        noted = {}
    if database_url is None and "database_url" not in noted:
        end(
            UNREACHABLE,
            f"no hub runs on {data}: start one with `hearthbeat up --data {data}`,"
            " or give --data or --database-url",
        )
    if database_url is not None and database_url != noted.get("database_url"):
        return Hub(database_url=database_url)
    return Hub(**{name: noted[name] for name in Hub.__struct_fields__ if name in noted})


def do(hub: Hub, work: Callable[[Connection, datetime], Awaitable[T]]) -> T:
    """Do the work in one transaction, now; ends the command with its exit code when it fails."""
    log.configure("administration", "WARNING")  # to standard error, whatever a room logs
    try:
        return asyncio.run(_do(hub, work))
    except (RefusedError, WeakPasswordError, AmbiguousPlaceError) as error:
        end(REFUSED, str(error))
    except RefusedByRuleError as error:
        end(REFUSED, f"{error.message}: {error.hint}")
    except psycopg.errors.UndefinedTable:
        end(UNREACHABLE, "this database is not ready: run `hearthbeat migrate`")
    except psycopg.DataError as error:
        end(REFUSED, f"a value cannot be stored as it is ({type(error).__name__})")
    except (psycopg.OperationalError, psycopg.ProgrammingError, OSError) as error:
        end(UNREACHABLE, f"the database cannot be reached ({type(error).__name__}): is it running?")


async def _do(hub: Hub, work: Callable[[Connection, datetime], Awaitable[T]]) -> T:
    async with await AsyncConnection.connect(
        hub.database_url,
        connect_timeout=5,
        options="-c timezone=UTC -c statement_timeout=30s",
        application_name="hearthbeat administration",
    ) as conn:
        return await work(conn, datetime.now(UTC))


def wait_for_broker(hub: Hub, *, timeout_s: float = 5.0) -> None:
    """Wait until the broker works with the credentials; a remark when it does not in time."""
    from hub.credentials import wait_applied

    if hub.own_broker is False:
        say("this hub uses another broker: give it the node's user and password yourself")
        return

    async def wait(conn: Connection, _: datetime) -> bool:
        return await wait_applied(conn, timeout_s)

    if not do(hub, wait):
        say("no hub has taken the credential over to a broker yet: is the hub running?")


def wait_for_units(hub: Hub, *, no_wait: bool) -> None:
    """The same for units, which ask with their claim code; another broker never knows them."""
    if hub.own_broker is False:
        say("this hub uses another broker, where units are not followed: no unit can ask there")
    elif not no_wait:
        wait_for_broker(hub)
