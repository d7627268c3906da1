"""`hearthbeat demo`: a hub with a small village to look around in, or the walk of `--check`."""

import asyncio
import secrets
import tempfile
from pathlib import Path
from typing import Annotated

import typer
from psycopg import AsyncConnection
from rich.console import Console

from hub.composition import Hub
from hub.demo_check import STEPS, Scene
from hub.demo_home import LiveHome
from hub.demo_village import PEOPLE, Village, settle
from hub.doctor import Doctor
from hub.hops import MissingHopError, Walk
from hub.settings import ROOMS, UpSettings
from hub.webhook_listener import WebhookListener
from runtime import log
from runtime.clock import SystemClock
from runtime.free_port import free_port
from store.credential import revision

_CONSOLE = Console(soft_wrap=True, highlight=False)
# The walk waits for minutes of the wall clock already; everything else may be brisk.
_BRISK_GATEWAY = {
    "HEARTHBEAT_GATEWAY_POLL_SECONDS": "0.3",
    "HEARTHBEAT_GATEWAY_RECONNECT_BASE": "0.2",
    "HEARTHBEAT_GATEWAY_RECONNECT_CAP": "1",
    "HEARTHBEAT_GATEWAY_RECONNECT_PAUSE": "0.2",
    "HEARTHBEAT_GATEWAY_VOICE": "none",
}


def demo(
    *,
    check: Annotated[
        bool, typer.Option("--check", help="Walk the whole loop headless, hop by hop, and exit.")
    ] = False,
    without: Annotated[
        list[str] | None, typer.Option(help="With --check: leave this room out; it must fail.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="Directory of the demo's hub (a fresh one without).")
    ] = None,
    http_port: Annotated[int | None, typer.Option(help="Port of the console.")] = None,
    mqtt_port: Annotated[int | None, typer.Option(help="Port for devices.")] = None,
) -> None:
    """Run a hub with a small simulated village, and say what to try.

    With --check it walks the whole loop by itself on free ports: readings, a severe one with its
    repeat, a call for help, a plan that rings with the broker stopped. It prints every hop with
    its latency; exit code 1 names the hop that is missing.

    hearthbeat demo

    hearthbeat demo --check

    hearthbeat demo --check --without downlink
    """
    left_out = frozenset(without or [])
    if unknown := left_out - set(ROOMS):
        raise typer.BadParameter(f"--without takes {', '.join(ROOMS)}, not {', '.join(unknown)}")
    if left_out and not check:
        raise typer.BadParameter("--without goes with --check")
    with tempfile.TemporaryDirectory(prefix="hearthbeat-") as fresh:
        folder = data or Path(fresh) / "demo"
        if check:
            raise typer.Exit(asyncio.run(_check(folder, left_out)))
        from hub.demo_tour import tour

        raise typer.Exit(tour(folder, http_port=http_port, mqtt_port=mqtt_port))


async def _check(folder: Path, without: frozenset[str]) -> int:
    walk = Walk(_CONSOLE)
    log.configure("demo", "ERROR")
    try:
        await _walk(walk, folder, without)
    except MissingHopError as error:
        _CONSOLE.print(f"[red]{error}[/]")
        return 1
    _CONSOLE.print(f"all {len(walk.hops)} hops in {walk.total_s:.0f} s")
    return 0


async def _walk(walk: Walk, folder: Path, without: frozenset[str]) -> None:
    settings = UpSettings(
        data=folder / "hub",
        mqtt_port=free_port(),
        mqtt_tls_port=0,
        mqtts_port=0,
        http_port=free_port(),
        without=without,
    )
    secret = secrets.token_urlsafe(16)
    hooks = WebhookListener(secret)
    hub = Hub(settings)
    try:
        await hub.start()
        village = await _people(hub, (hooks.url, secret))
        await _steps(walk, hub, village, hooks, folder)
    finally:
        await hub.stop()
        hooks.close()


async def _people(hub: Hub, webhook: tuple[str, str]) -> Village:
    now = SystemClock().now()
    async with await AsyncConnection.connect(hub.database_url, autocommit=True) as conn:
        village = await settle(conn, now, people=PEOPLE[:1], webhook=webhook)
        while True:
            credentials = await revision(conn)
            if credentials.applied >= credentials.wanted:
                return village
            await asyncio.sleep(0.05)


async def _steps(
    walk: Walk, hub: Hub, village: Village, hooks: WebhookListener, folder: Path
) -> None:
    clock = SystemClock()
    doctor = Doctor(hub.http_url, village.doctor_token)
    live = LiveHome(
        village.homes[0],
        folder / "home",
        clock,
        broker=(hub.mqtt_host, hub.mqtt_port),
        screen_port=free_port(),
        environment=_BRISK_GATEWAY,
    )
    try:
        async with live as home:
            scene = Scene(hub=hub, home=home, doctor=doctor, hooks=hooks, walk=walk, clock=clock)
            await _ready(scene)
            for step in STEPS:
                await step(scene)
    finally:
        await doctor.close()


async def _ready(scene: Scene) -> None:
    """The first hop: somebody can sign in at all."""

    async def answers() -> bool | None:
        me = await scene.doctor.get("/api/me")
        return True if me else None

    await scene.walk.hop("care: the API answers", answers, within_s=15)
