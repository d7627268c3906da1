"""`hearthbeat sim`: devices, people and homes that are not there."""

import asyncio
import json
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from firmware_sim.control import Control
from firmware_sim.fleet.command import FLEET_EXAMPLES, fleet
from firmware_sim.history import live_through
from firmware_sim.household import Appliance, Household, do_as_the_screen_says
from firmware_sim.network import Network
from firmware_sim.node import SimulatedNode
from firmware_sim.physiology import Pressure, draw
from firmware_sim.robot_cli import ROBOT_EXAMPLES, robot
from runtime.clock import SystemClock
from runtime.supervision import run_service

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Simulate devices, people and households.",
)

app.command(epilog=ROBOT_EXAMPLES)(robot)
app.command(epilog=FLEET_EXAMPLES)(fleet)

LinkOption = Annotated[Path | None, typer.Option(help="A stable path to the serial port.")]
NextOption = Annotated[
    list[str] | None,
    typer.Option("--next", help="What is measured next: SYS/DIA or SYS/DIA/PULSE."),
]
ControlOption = Annotated[int, typer.Option(help="Port of the controls, 0: a free one.")]
PersonOption = Annotated[
    list[int] | None, typer.Option("--person", help="A number that stands for a person.")
]
ZoneOption = Annotated[str, typer.Option(help="Time zone of the home.")]
EveryOption = Annotated[float | None, typer.Option(help="Measure by itself every so many seconds.")]
AfterOption = Annotated[float, typer.Option(help="Seconds from being asked to measuring.")]


def reading(text: str) -> Pressure:
    """150/92 or 150/92/70 as a reading."""
    parts = text.split("/")
    if len(parts) not in (2, 3) or not all(part.isdecimal() for part in parts):
        raise typer.BadParameter(f"{text} is not SYS/DIA or SYS/DIA/PULSE")
    sys, dia, *pulse = map(int, parts)
    return Pressure(sys, dia, pulse[0] if pulse else 72)


@app.command()
def cuff(
    *,
    link: LinkOption = None,
    chosen: NextOption = None,
    every: EveryOption = None,
    screen: Annotated[str | None, typer.Option(help="Address of a robot's screen to obey.")] = None,
    after: AfterOption = 3.0,
    person: PersonOption = None,
    zone: ZoneOption = "Asia/Shanghai",
    control_port: ControlOption = 0,
) -> None:
    """A Beurer BM 65 on a pseudo-terminal, with a person beside it."""
    home = _home(link, chosen, person, zone)
    _until_stopped(
        lambda: _live(home, control_port=control_port, every=every, screen=screen, after=after)
    )


@app.command()
def home(
    *,
    broker: Annotated[str, typer.Option(help="HOST:PORT of the hub's broker.")],
    gateway: Annotated[
        list[str] | None, typer.Argument(help="The gateway's command, after --; it gets a plug.")
    ] = None,
    listen: Annotated[int, typer.Option(help="Port the gateway connects to, 0: a free one.")] = 0,
    link: LinkOption = None,
    chosen: NextOption = None,
    every: EveryOption = None,
    screen: Annotated[
        str | None, typer.Option(help="Address of the robot's screen to obey.")
    ] = None,
    after: AfterOption = 3.0,
    person: PersonOption = None,
    zone: ZoneOption = "Asia/Shanghai",
    control_port: ControlOption = 0,
) -> None:
    """A whole home: cuff, person, a network that can be cut, a gateway with a plug."""
    host, _, port = broker.rpartition(":")
    if not host or not port.isdecimal():
        raise typer.BadParameter("--broker looks like 127.0.0.1:1883")
    network = Network(host, int(port), listen_port=listen)
    _until_stopped(
        lambda: _live(
            _home(link, chosen, person, zone),
            control_port=control_port,
            every=every,
            screen=screen,
            after=after,
            network=network,
            gateway=Appliance(gateway) if gateway else None,
        )
    )


@app.command()
def history(
    broker: Annotated[str, typer.Option(help="mqtt://node:password@host:port of a node.")],
    weeks: Annotated[float, typer.Option(help="How far back.")] = 4.0,
    person: Annotated[int, typer.Option(help="A number that stands for a person.")] = 1,
    dev: Annotated[str, typer.Option(help="The cuff's name at the node.")] = "cuff1",
    zone: ZoneOption = "Asia/Shanghai",
) -> None:
    """Send the readings of some weeks as a node would after a long time without network."""

    until = SystemClock().now()
    past = live_through(
        draw(person), since=until - timedelta(weeks=weeks), until=until, zone=zone, dev=dev
    )

    async def send() -> None:
        async with SimulatedNode(broker) as node:
            await node.hub_ready()
            for message in past.observations:
                node.send(message)
            await node.receipted(timeout_s=60.0)

    try:
        asyncio.run(send())
    except (ConnectionError, TimeoutError) as error:
        typer.echo(str(error) or "the hub sent no receipt in time", err=True)
        raise typer.Exit(1) from error
    typer.echo(f"{len(past.measured)} readings stored by the hub")


@app.command()
def tell(
    control: Annotated[str, typer.Argument(help="Address of the controls, http://127.0.0.1:PORT.")],
    what: Annotated[str, typer.Argument(help="measure, next, network, power, cuff or clock.")],
    value: Annotated[str, typer.Argument(help="A reading like 190/115, or JSON.")] = "{}",
) -> None:
    """Tell a running home what happens next, for example: tell URL next 190/115."""
    body = value
    if "/" in value and not value.startswith("{"):
        shown = reading(value)
        one = {"sys": shown.sys, "dia": shown.dia, "pulse": shown.pulse}
        body = json.dumps({"readings": [one]} if what == "next" else one)
    request = urllib.request.Request(  # noqa: S310 - an address the person typed
        f"{control.rstrip('/')}/{what}", data=body.encode(), method="POST"
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - likewise
            typer.echo(answer.read())
    except urllib.error.HTTPError as error:
        typer.echo(error.read(), err=True)
        raise typer.Exit(1) from error


def _home(
    link: Path | None, chosen: list[str] | None, person: list[int] | None, zone: str
) -> Household:
    return Household(
        SystemClock(),
        people=[draw(seed) for seed in person or [1]],
        zone=zone,
        link=link,
        next_readings=[reading(text) for text in chosen or []],
    )


async def _live(
    home: Household,
    *,
    control_port: int,
    every: float | None,
    screen: str | None,
    after: float,
    network: Network | None = None,
    gateway: Appliance | None = None,
) -> None:
    """The home until it is interrupted."""
    async with AsyncExitStack() as stack:
        stack.enter_context(home)
        if network is not None:
            await stack.enter_async_context(network)
        if gateway is not None:
            stack.callback(gateway.stop)
            gateway.power(on=True)
        loop = asyncio.get_running_loop()
        control = Control(home, port=control_port, network=network, gateway=gateway, loop=loop)
        stack.enter_context(control)
        _announce(home, control, network)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(asyncio.Event().wait(), name="until interrupted")
            if every is not None:
                tasks.create_task(_measure_every(home, every))
            if screen is not None:
                tasks.create_task(do_as_the_screen_says(home, screen, after_s=after))


async def _measure_every(home: Household, seconds: float) -> None:
    while True:
        await asyncio.sleep(seconds)
        home.measure()


def _announce(home: Household, control: Control, network: Network | None) -> None:
    """One line a script can read: where everything is."""
    where: dict[str, Any] = {
        "serial": str(home.cuff.path),
        "control": f"http://127.0.0.1:{control.port}",
    }
    if network is not None:
        where["broker"] = f"127.0.0.1:{network.port}"
    typer.echo(json.dumps(where))


def _until_stopped(work: Callable[[], Awaitable[None]]) -> None:
    raise typer.Exit(run_service("sim", work))
