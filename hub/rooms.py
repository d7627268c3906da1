"""Running one room as this process: settings from the environment, signals, metrics."""

import asyncio
import importlib
import json
import os
from pathlib import Path
from typing import Any

import typer
from pydantic import ValidationError

from hub import options
from hub.clock_watch import tell_at_start
from hub.home import Home
from runtime import metrics
from runtime.clock import SystemClock
from runtime.supervision import run_service


def ingest(
    database_url: options.DatabaseUrl = None,
    broker_url: options.BrokerUrl = None,
    metrics_port: options.MetricsPort = None,
) -> None:
    """Run ingest alone: it takes what devices publish and makes it durable.

    Where one already runs on this database, it stands by: it takes the sessions at the broker over
    within ten seconds when the other is killed or frozen, at once when the other is stopped.

    The broker's user needs what hub-ingest has in the ACL. More settings: HEARTHBEAT_INGEST_….

    hearthbeat ingest --database-url postgresql://… --broker-url mqtt://hub-ingest:…@127.0.0.1
    """
    _run("ingest", database_url=database_url, broker_url=broker_url, metrics_port=metrics_port)


def downlink(
    database_url: options.DatabaseUrl = None,
    broker_url: options.BrokerUrl = None,
    metrics_port: options.MetricsPort = None,
) -> None:
    """Run downlink alone: plans, reminders and commands on their way to devices.

    The broker's user needs what hub-downlink has in the ACL.

    hearthbeat downlink --database-url postgresql://… --broker-url mqtt://hub-downlink:…@127.0.0.1
    """
    _run("downlink", database_url=database_url, broker_url=broker_url, metrics_port=metrics_port)


def alerts(
    database_url: options.DatabaseUrl = None, metrics_port: options.MetricsPort = None
) -> None:
    """Run alerts alone: rules, episodes, escalation, and what is told to whom.

    hearthbeat alerts --database-url postgresql://…
    """
    _run("alerts", database_url=database_url, metrics_port=metrics_port)


def care(
    database_url: options.DatabaseUrl = None,
    http_port: options.HttpPort = None,
    metrics_port: options.MetricsPort = None,
) -> None:
    """Run care alone: the API and the console.

    hearthbeat care --database-url postgresql://… --http-port 8080
    """
    _run("care", database_url=database_url, http_port=http_port, metrics_port=metrics_port)


def migrate(
    database_url: options.DatabaseUrl = None, data: options.Data = Path("hearthbeat-data")
) -> None:
    """Bring a database up to date: the one given, else that of the hub running on --data.

    Safe to run twice. `hearthbeat up` does this by itself.

    hearthbeat migrate --database-url postgresql://…
    """
    from store.migrate import migrate as bring_up_to_date

    url = database_url or _running_database(data)
    applied = asyncio.run(bring_up_to_date(url))
    typer.echo("\n".join(applied) if applied else "nothing to do")


def _running_database(data: Path) -> str:
    try:
        return str(json.loads(Home(data).address_file.read_text("utf-8"))["database_url"])
    except (OSError, ValueError, KeyError) as error:
        raise typer.BadParameter(
            f"no hub runs on {data}: give --database-url, or --data of a running hub"
        ) from error


def _run(room: str, **flags: object | None) -> None:
    """Serve the room until it is stopped. Flags win over the environment."""
    for name, value in flags.items():
        if value is not None:
            os.environ[f"HEARTHBEAT_{name.upper()}"] = str(value)
    try:
        settings = _settings(room)
    except ValidationError as error:
        typer.echo(_explained(room, error), err=True)
        raise typer.Exit(2) from error
    service = importlib.import_module(f"{room}.service")

    async def main() -> None:
        clock = SystemClock()
        async with metrics.served(settings.metrics_port):
            tell_at_start(clock)
            await service.serve(settings, clock)

    raise typer.Exit(run_service(room, main))


def _settings(room: str) -> Any:
    made = getattr(importlib.import_module(f"{room}.settings"), f"{room.capitalize()}Settings")
    return made()


def _explained(room: str, error: ValidationError) -> str:
    lines = [f"hearthbeat {room}: settings are missing or wrong"]
    for problem in error.errors(include_input=False, include_url=False):
        name = "_".join(map(str, problem["loc"])).upper().removeprefix("HEARTHBEAT_")
        where = f"HEARTHBEAT_{name} or --{name.lower().replace('_', '-')}: " if name else ""
        lines.append(f"  {where}{problem['msg']}")
    return "\n".join(lines)
