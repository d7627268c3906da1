"""`python -m firmware_sim.fleet.proxy`: a network that fails by seed."""

import asyncio
import json
import time
from typing import Annotated, cast, get_args

import typer

from firmware_sim.fleet.proxy.listener import Proxy
from firmware_sim.fleet.proxy.troubles import KINDS, Kind, apply, troubles
from runtime.supervision import run_service

_EXAMPLES = """Examples:

python -m firmware_sim.fleet.proxy --listen 1884 --target 127.0.0.1:1883

python -m firmware_sim.fleet.proxy --listen 1884 --target 127.0.0.1:1883 --troubles cut,stall
  --every 5 --minutes 10 --seed 7
"""


def _kinds(text: str) -> tuple[Kind, ...]:
    said = [one for one in text.split(",") if one]
    wrong = sorted(set(said) - set(get_args(Kind)) - {"all"})
    if wrong:
        raise typer.BadParameter(f"{', '.join(wrong)}: there are {', '.join(KINDS)}, or all")
    return KINDS if "all" in said else cast(tuple[Kind, ...], tuple(said))


def _target(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal():
        raise typer.BadParameter("--target looks like 127.0.0.1:1883")
    return host, int(port)


def main(
    target: Annotated[str, typer.Option(help="HOST:PORT to forward to.")],
    listen: Annotated[int, typer.Option(help="Port on 127.0.0.1, 0: a free one.")] = 0,
    kinds: Annotated[
        str, typer.Option("--troubles", help=f"Of {', '.join(KINDS)}, or all; by commas.")
    ] = "",
    every: Annotated[float, typer.Option(help="Seconds between troubles, on average.")] = 10.0,
    minutes: Annotated[float | None, typer.Option(help="How long; without: until stopped.")] = None,
    seed: Annotated[int, typer.Option(help="The same seed, the same troubles.")] = 1,
) -> None:
    """Forward a port and let the network fail; each trouble is a line of JSON. Exit code 0 at the
    end, 1 when the port is taken."""
    host, port = _target(target)
    chosen = _kinds(kinds)

    async def run() -> None:
        async with Proxy(listen, host, port, seed=seed) as proxy:
            typer.echo(json.dumps({"port": proxy.port, "target": target, "seed": seed}))
            ends = None if minutes is None else time.monotonic() + minutes * 60
            await _fail(proxy, chosen, seed=seed, every_s=every, ends=ends)

    raise typer.Exit(run_service("proxy", run))


async def _fail(
    proxy: Proxy, kinds: tuple[Kind, ...], *, seed: int, every_s: float, ends: float | None
) -> None:
    """Trouble after trouble until the end."""

    async def rest(seconds: float) -> None:
        left = seconds if ends is None else min(seconds, ends - time.monotonic())
        await asyncio.sleep(max(0.0, left))

    coming = troubles(seed, kinds=kinds, every_s=every_s) if kinds else None
    while ends is None or time.monotonic() < ends:
        if coming is None:
            await rest(3600.0)
            continue
        trouble = next(coming)
        await rest(trouble.wait_s)
        said = {"trouble": trouble.kind, "hits": apply(proxy, trouble), "amount": trouble.amount}
        typer.echo(json.dumps(said | {"share": trouble.share, "lasts_s": trouble.lasts_s}))
        await rest(trouble.lasts_s)
        proxy.heal()


if __name__ == "__main__":
    app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    app.command(epilog=_EXAMPLES)(main)
    app(prog_name="python -m firmware_sim.fleet.proxy")
