"""`hearthbeat sim robot`: a whole simulated robot on any hub, telling what it does."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Literal

import typer
from msgspec import Struct, convert, structs

from firmware_sim.robot import signals
from firmware_sim.robot.access import Access, Habits
from firmware_sim.robot.claiming import ClaimRefusedError, Unit, claim
from firmware_sim.robot.device import Robot
from firmware_sim.robot.line import LineEndedError
from firmware_sim.robot.memory import Memory
from runtime.supervision import run_service

ROBOT_EXAMPLES = """Examples:

hearthbeat sim robot --port 1883 --node 4k2m9x0qa1bz --password …

hearthbeat sim robot --port 8884 --tls --claim HH1:SN0001:4K2M9X0QA1 --secret 00112233…
  --state robot.json

hearthbeat sim robot --host hub.example --port 8883 --claim HH1:SN0001:4K2M9X0QA1
  --secret 00112233… --certificate --state robot.json --encoding cbor --mqtt 3

A claim needs a unit the hub knows (hearthbeat unit add) and somebody who has bound it. With
--state the robot stays that node: start it again without --claim.
"""


class Work(Struct, frozen=True, kw_only=True):
    """What it is to do."""

    every: float
    batches: int | None
    call: bool
    ecg: bool


Host = Annotated[str, typer.Option(help="The broker.")]
Port = Annotated[int, typer.Option(help="Its port for devices.", min=1, max=65_535)]
Node = Annotated[str | None, typer.Option(help="The node's id, as `node add` printed it.")]
Password = Annotated[str | None, typer.Option(help="Its password.")]
Claim = Annotated[str | None, typer.Option("--claim", help="Text of the QR code: HH1:SERIAL:CODE.")]
Secret = Annotated[str | None, typer.Option(help="The unit's factory secret, hexadecimal.")]
WithCertificate = Annotated[
    bool, typer.Option("--certificate", help="Claim a certificate instead of a password.")
]
Tls = Annotated[bool, typer.Option("--tls", help="Connect with TLS.")]
Authority = Annotated[
    Path | None, typer.Option("--ca", help="PEM file the broker is checked with.")
]
Encoding = Annotated[Literal["json", "cbor"], typer.Option(help="What it sends in.")]
Mqtt = Annotated[Literal["3", "5"], typer.Option(help="MQTT 3.1.1 or 5.")]
State = Annotated[Path | None, typer.Option(help="File that outlives it: numbers, credentials.")]
Every = Annotated[float, typer.Option(help="Seconds between two batches.", min=0.1)]
Batches = Annotated[int | None, typer.Option(help="Stop after so many, all of them receipted.")]
Call = Annotated[bool, typer.Option("--call", help="Also press the button: call the doctor.")]
Ecg = Annotated[bool, typer.Option("--ecg", help="Also send ten seconds of an electrocardiogram.")]


def robot(
    *,
    host: Host = "127.0.0.1",
    port: Port = 1883,
    node: Node = None,
    password: Password = None,
    code: Claim = None,
    secret: Secret = None,
    certificate: WithCertificate = False,
    tls: Tls = False,
    ca: Authority = None,
    encoding: Encoding = "json",
    mqtt: Mqtt = "5",
    state: State = None,
    every: Every = 5.0,
    batches: Batches = None,
    call: Call = False,
    ecg: Ecg = False,
) -> None:
    """A whole robot: measures, answers commands, takes plans, and says what it does.

    Exit codes: 0 stopped or everything receipted, 1 not reached or no receipt in time, 2 wrong
    input, 3 the hub refused the claim.
    """
    if code is not None and secret is None:
        raise typer.BadParameter("--claim needs --secret: the factory secret inside the unit")
    if code is None and state is None and node is None:
        raise typer.BadParameter("say who it is: --node and --password, or --claim and --secret")
    memory, habits = Memory(state), Habits(mqtt=int(mqtt), encoding=encoding)
    at = Access(host=host, port=port, node=node or "", password=password, tls=tls or certificate)
    at = structs.replace(at, ca=ca.read_text() if ca else None)
    unit = _unit(code, secret or "") if code is not None else None

    wanted = Work(every=every, batches=batches, call=call, ecg=ecg)

    wish = unit, certificate
    raise typer.Exit(_until_done(lambda: _come_and_live(at, wish, habits, memory, wanted)))


async def _come_and_live(
    at: Access, wish: tuple[Unit | None, bool], habits: Habits, memory: Memory, work: Work
) -> None:
    """Become a node where that is asked for, else be the one remembered or given; then work."""
    unit, certificate = wish
    access = _remembered(memory)
    if unit is not None:
        access = await _claimed(unit, at, habits, memory, certificate=certificate)
    await _live(access or at, habits, memory, work)


def _until_done(main: Callable[[], Awaitable[None]]) -> int:
    """Run it; what a person can do something about becomes a line and an exit code."""
    code = 0

    async def told() -> None:
        nonlocal code
        try:
            await main()
        except (ClaimRefusedError, LineEndedError, TimeoutError, ValueError) as error:
            typer.echo(f"hearthbeat sim robot: {_reason(error)}", err=True)
            code = 3 if isinstance(error, ClaimRefusedError) else 1

    return run_service("sim", told, log_level="warning") or code


def _unit(code: str, secret: str) -> Unit:
    try:
        unit = Unit.from_qr(code, secret)
        bytes.fromhex(secret)
    except ValueError as error:
        raise typer.BadParameter(f"{error}") from error
    return unit


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time: is the hub running, and is this the right port?"
    if isinstance(error, LineEndedError) and error.refused:
        return f"the broker refuses these credentials ({error})"
    return str(error)


def _remembered(memory: Memory) -> Access | None:
    kept = memory.take("access")
    return convert(kept, Access) if kept else None


async def _claimed(
    unit: Unit, at: Access, habits: Habits, memory: Memory, *, certificate: bool
) -> Access:
    typer.echo(f"claiming as unit {unit.serial} at {at.host}:{at.port}")
    access = await claim(unit, at, habits=habits, certificate=certificate)
    memory.put(access=structs.asdict(access))
    typer.echo(f"claimed: node {access.node}, from now on at {access.host}:{access.port}")
    return access


async def _live(access: Access, habits: Habits, memory: Memory, work: Work) -> None:
    async with Robot(access, habits=habits, memory=memory, tell=_say) as robot:
        await robot.hub_ready()
        if work.call:
            robot.call()
        if work.ecg:
            for chunk in signals.recording(f"e{robot.outbox.boot}", chunks=5):
                robot.send("wave", chunk)
        done = 0
        while work.batches is None or done < work.batches:
            robot.observe(signals.oxygen(5, seed=done))
            robot.observe([signals.pressure(132 + done % 9, 84, 70)])
            done += 1
            await asyncio.sleep(work.every if work.batches is None else 0)
        await robot.receipted()
        _say(f"{done} batches receipted by the hub")


def _say(line: str) -> None:
    typer.echo(f"{time.strftime('%H:%M:%S')} {line}")
