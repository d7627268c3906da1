"""`hearthbeat demo`: the running system to look around in, with a village and two live homes."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

import typer
from psycopg import AsyncConnection
from rich.console import Console
from rich.progress import Progress

from firmware_sim.control import Control
from firmware_sim.household import do_as_the_screen_says
from firmware_sim.network import Network
from hub import demo_history
from hub.composition import Hub
from hub.credentials import wait_applied
from hub.demo_home import LiveHome
from hub.demo_village import Home, Village, settle
from hub.home import HomeError
from hub.listening import RefusedError
from hub.settings import UpSettings
from runtime.account import CannotRunServerError
from runtime.clock import SystemClock
from runtime.free_port import free_port
from runtime.supervision import run_service

LIVE_HOMES: Final = 2
_CONSOLE: Final = Console(soft_wrap=True, highlight=False)
# Five minutes of waiting belong to a home, not to a demonstration.
_PACE: Final = {
    "HEARTHBEAT_GATEWAY_REST_SECONDS": "10",
    "HEARTHBEAT_GATEWAY_POLL_SECONDS": "0.5",
    "HEARTHBEAT_GATEWAY_RECONNECT_CAP": "5",
}


def tour(folder: Path, *, http_port: int | None, mqtt_port: int | None) -> int:
    """Run the demo until interrupted; 0 stopped, 1 failed, 2 refused to start like this."""
    settings = UpSettings(data=folder / "hub", http_port=http_port, mqtt_port=mqtt_port)
    refused = False

    async def main() -> None:
        nonlocal refused
        try:
            async with AsyncExitStack() as stack:
                await _show_around(stack, settings, folder)
        except (RefusedError, HomeError, CannotRunServerError) as error:
            typer.echo(f"hearthbeat demo: {error}", err=True)
            refused = True

    code = run_service("demo", main, log_level="WARNING")
    return 2 if refused else code


async def _show_around(stack: AsyncExitStack, settings: UpSettings, folder: Path) -> None:
    _CONSOLE.print("Starting the hub …")
    hub = await stack.enter_async_context(Hub(settings))
    now = SystemClock().now()
    async with await AsyncConnection.connect(hub.database_url, autocommit=True) as conn:
        village = await settle(conn, now)
        await wait_applied(conn, 15.0)
    readings = await _past(hub, village)
    homes = [await _live(stack, hub, home, folder) for home in village.homes[:LIVE_HOMES]]
    _explain(hub, village, homes, readings)
    await hub.wait()


async def _past(hub: Hub, village: Village) -> int:
    """Every home's last four weeks, through the front door; returns the number of readings.

    Downlink would call doses missed whose answers are not in yet, and alerts would say so.
    """
    readings = 0
    for room in ("alerts", "downlink"):
        await hub.keeper.suspend(room)
    with Progress(console=_CONSOLE, transient=True) as progress:
        task = progress.add_task("The village's last four weeks", total=len(village.homes))
        for home in village.homes:
            url, now = _broker_url(hub, home), SystemClock().now()
            readings += await demo_history.remember(hub.database_url, url, home, now)
            progress.advance(task)
    await hub.keeper.resume("downlink")
    asleep = village.homes[LIVE_HOMES:]
    await asyncio.gather(*(demo_history.confirm_plan(_broker_url(hub, home)) for home in asleep))
    await hub.keeper.resume("alerts")
    return readings


async def _live(
    stack: AsyncExitStack, hub: Hub, home: Home, folder: Path
) -> tuple[LiveHome, Control]:
    """A home whose gateway, network and cuff can be played with."""
    network = await stack.enter_async_context(Network(hub.mqtt_host, hub.mqtt_port))
    live = LiveHome(
        home,
        folder / home.node_id,
        SystemClock(),
        broker=("127.0.0.1", network.port),
        screen_port=free_port(),
        person=demo_history.person_of(home),
        environment=_PACE,
    )
    await stack.enter_async_context(live)
    loop = asyncio.get_running_loop()
    control = stack.enter_context(Control(live.household, network=network, loop=loop))
    person = asyncio.create_task(do_as_the_screen_says(live.household, live.screen_url))
    stack.callback(person.cancel)
    return live, control


def _broker_url(hub: Hub, home: Home) -> str:
    return f"mqtt://{home.node_id}:{home.password}@{hub.mqtt_host}:{hub.mqtt_port}"


def _explain(
    hub: Hub, village: Village, homes: list[tuple[LiveHome, Control]], readings: int
) -> None:
    say = _CONSOLE.print
    say(f"\nThe village has {len(village.homes)} patients and {readings} readings of four weeks.\n")
    say(f"Console           {hub.http_url}")
    say(f"Sign in           {village.doctor} / {village.doctor_password}", markup=False)
    if hub.administrator:
        user, password = hub.administrator
        say(f"Administrator     {user} / {password}", markup=False)
    for live, control in homes:
        say(f"Robot of {live.home.person.name}   {live.screen_url}", markup=False)
        say(f"  its controls    http://127.0.0.1:{control.port}", markup=False)
    url = f"http://127.0.0.1:{homes[0][1].port}"
    say(
        f"""
What to try, with the console and a robot side by side:
  1. Press "measure" on the robot. The simulated person presses the cuff's button when told to.
  2. Make the next readings severe, then measure. The robot asks for a second one before anybody
     is paged; after it the worklist has an episode to acknowledge and to resolve:
       hearthbeat sim tell {url} next 192/114
       hearthbeat sim tell {url} next 188/112
  3. Press "call my doctor" on the robot, acknowledge in the console, and look at the robot again.
  4. Add a medicine in the console that is due in two minutes; cut the network; it rings anyway:
       hearthbeat sim tell {url} network '{{"cut": "refused"}}'
       hearthbeat sim tell {url} network '{{"cut": null}}'
Rests are 10 s here instead of a minute. Ctrl-C stops everything.""",
        markup=False,
    )
