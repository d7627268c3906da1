"""`hearthbeat sim fleet`: many simulated nodes on a hub, with books of their own."""

import asyncio
import json
import math
import signal
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from firmware_sim.fleet.fleet import Fleet
from firmware_sim.fleet.options import AccountsError, FleetOptions, Mischief, Mix, read_accounts
from firmware_sim.fleet.tally import Summary

S = TypeVar("S", Mix, Mischief)

FLEET_EXAMPLES = """Examples:

hearthbeat node fleet --count 1000 --out fleet.json

hearthbeat sim fleet --broker mqtt://127.0.0.1:1883 --accounts fleet.json --ledger fleet.ledger
  --rate 500 --minutes 10

hearthbeat sim fleet --broker mqtt://127.0.0.1:1883 --accounts fleet.json --ledger bad.ledger
  --mix single=4,batch=1,block=1 --mischief tenfold=0.01,late=0.02,clock_2099=0.01 --cbor 0.5

Exit codes: 0 the hub has receipted everything; 1 it has not; 2 wrong usage, or the
books cannot be written; 3 nobody got in.
"""
NOT_RECEIPTED = 1
USAGE = 2
NOBODY_IN = 3

BrokerUrl = Annotated[str, typer.Option(help="mqtt://127.0.0.1:PORT, on this machine only.")]
Accounts = Annotated[Path, typer.Option(help="The nodes, as `hearthbeat node fleet` wrote them.")]
LedgerFile = Annotated[Path, typer.Option(help="The books to write; must not be there yet.")]
Nodes = Annotated[int | None, typer.Option(help="Only so many of the nodes.", min=1)]
Rate = Annotated[float, typer.Option(help="Messages a second, of all nodes.", min=0.001)]
Minutes = Annotated[float, typer.Option(help="How long new messages are made.", min=0.0)]
Ramp = Annotated[float, typer.Option(help="Seconds until the rate is reached.", min=0.0)]
MixOption = Annotated[
    str, typer.Option(help=f"Weights of {', '.join(Mix.__struct_fields__)}: single=4,block=1.")
]
MischiefOption = Annotated[
    str, typer.Option(help=f"Shares of {', '.join(Mischief.__struct_fields__)}: late=0.01.")
]
Seed = Annotated[int, typer.Option(help="The same seed, the same messages.")]
Boot = Annotated[int | None, typer.Option(help="Their boot number; without: a new one.")]
Start = Annotated[int | None, typer.Option(help="First measured time, UTC ms; without: now.")]
V311 = Annotated[float, typer.Option(help="Share of nodes with MQTT 3.1.1.", min=0.0, max=1.0)]
Cbor = Annotated[float, typer.Option(help="Share of nodes with CBOR.", min=0.0, max=1.0)]
BurstFactor = Annotated[float, typer.Option(help="Bursts: how many times the rate.", min=0.001)]
BurstEvery = Annotated[float, typer.Option(help="Bursts: seconds between them.", min=0.001)]
BurstFor = Annotated[float, typer.Option(help="Bursts: how many seconds.", min=0.0)]
ResendAfter = Annotated[float, typer.Option(help="Seconds without a receipt.", min=0.1)]
CatchUp = Annotated[float, typer.Option(help="Backlog of a node, messages a second.", min=0.1)]
Settle = Annotated[float, typer.Option(help="Seconds to wait for the last receipts.", min=0.0)]
Regardless = Annotated[bool, typer.Option("--regardless", help="Send whatever the hub's status.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object at the end, no progress.")]


def fleet(
    *,
    broker: BrokerUrl,
    accounts: Accounts,
    ledger: LedgerFile,
    nodes: Nodes = None,
    rate: Rate = 50.0,
    minutes: Minutes = 1.0,
    ramp: Ramp = 0.0,
    mix: MixOption = "single=1",
    mischief: MischiefOption = "",
    seed: Seed = 1,
    boot: Boot = None,
    start: Start = None,
    v311: V311 = 0.0,
    cbor: Cbor = 0.0,
    burst_factor: BurstFactor = 1.0,
    burst_every: BurstEvery = 60.0,
    burst_for: BurstFor = 5.0,
    resend_after: ResendAfter = 60.0,
    catch_up: CatchUp = 20.0,
    settle: Settle = 60.0,
    regardless: Regardless = False,
    as_json: AsJson = False,
) -> None:
    """Load a hub with many simulated nodes and write down what was sent and receipted."""
    try:
        options = FleetOptions(
            broker=broker, accounts=read_accounts(accounts)[:nodes], ledger=ledger, rate=rate,
            minutes=minutes, ramp_s=ramp, mix=_shares(Mix, mix, {"single": 0.0}), seed=seed,
            mischief=_shares(Mischief, mischief, {}), boot=boot, start_ms=start, share_v311=v311,
            share_cbor=cbor, burst_factor=burst_factor, burst_every_s=burst_every,
            burst_s=burst_for, resend_s=resend_after, catch_up_per_s=catch_up, settle_s=settle,
            obey_hub_status=not regardless,
        )  # fmt: skip
        summary = asyncio.run(_run(options, quiet=as_json))
    except (AccountsError, OSError, ValueError) as error:
        _end(USAGE, _complaint(error))
    _tell(summary, as_json=as_json)
    raise typer.Exit(exit_code(summary))


def _complaint(error: Exception) -> str:
    if isinstance(error, FileExistsError):
        return f"{error.filename} is there already; books are never written over: name another"
    return str(error)


def exit_code(summary: Summary) -> int:
    """0 when the hub has receipted, or refused for good, all that was made and nothing else."""
    if not summary.acked and not summary.receipted:
        return NOBODY_IN
    open_ = summary.open or summary.held or summary.receipted_unsent
    return NOT_RECEIPTED if open_ else 0


def _shares(of: type[S], text: str, usual: dict[str, float]) -> S:
    """`name=number` pairs. Raises ValueError."""
    said = dict(usual)
    for pair in filter(None, text.split(",")):
        name, _, number = pair.partition("=")
        if name not in of.__struct_fields__:
            known = ", ".join(of.__struct_fields__)
            raise ValueError(f"{name} is not one of {known}")
        said[name] = float(number)
        if not 0 <= said[name] <= (1 if of is Mischief else math.inf):
            raise ValueError(
                f"{name}={number} is no share: from 0 to 1"
                if of is Mischief
                else f"{name} cannot be below 0"
            )
    return of(**said)


async def _run(options: FleetOptions, *, quiet: bool) -> Summary:
    """Run it; the first signal lets it come to its end, the second one ends it."""
    told: list[Summary] = []
    with _bar(quiet=quiet) as bar:
        task = bar.add_task("", total=options.minutes * 60)

        def show(now: Summary) -> None:
            told[:] = [now]
            bar.update(task, completed=now.seconds, description=_line(now))

        made = Fleet(options, on_progress=show)
        running = asyncio.ensure_future(made.run())

        def stop() -> None:
            if asked:
                running.cancel()
            asked.append(True)
            made.stop()

        asked: list[bool] = []
        for name in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(name, stop)
        try:
            return await running
        except asyncio.CancelledError:
            return told[0] if told else Summary()


def _bar(*, quiet: bool) -> Progress:
    columns = (BarColumn(bar_width=20), TimeElapsedColumn(), TextColumn("{task.description}"))
    return Progress(*columns, console=Console(stderr=True), disable=quiet, refresh_per_second=2)


def _line(now: Summary) -> str:
    return (
        f"{now.connected}/{now.nodes} nodes, {now.sends_per_s:.0f}/s, sent {now.sent},"
        f" receipted {now.receipted}, open {now.open}, held {now.held}"
    )


def _tell(summary: Summary, *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(msgspec.to_builtins(summary)))
        return
    table = Table(show_header=False, box=None)
    for name, value in _rows(summary):
        table.add_row(name, str(value))
    Console().print(table)


def _rows(summary: Summary) -> list[tuple[str, Any]]:
    p50, p99 = summary.receipt_p50_ms, summary.receipt_p99_ms
    rows: list[tuple[str, Any]] = [
        ("nodes", summary.nodes),
        ("connects", summary.connects),
        ("messages made", summary.made),
        ("sent", summary.sent),
        ("sent again, copies included", summary.again),
        ("acknowledged by the broker", summary.acked),
        ("receipted by the hub", summary.receipted),
        ("refused for good", summary.refused),
        ("sent, not receipted", summary.open),
        ("made, not sent", summary.held),
        ("asked to slow down", summary.throttled),
        ("from sending to receipt", f"p50 {p50} ms, p99 {p99} ms" if p50 else "no receipt"),
        ("sendings a second", f"{summary.sends_per_s:.0f} in {summary.seconds:.1f} s"),
        ("own CPU a sending", f"{summary.cpu_us_per_send:.1f} µs"),
    ]
    if summary.receipted_unsent:
        rows.append(("RECEIPTED AND NEVER SENT", summary.receipted_unsent))
    rows += [(f"connections ended: {why}", count) for why, count in summary.trouble.items()]
    return rows


def _end(code: int, text: str) -> NoReturn:
    typer.echo(f"fleet: {text}", err=True)
    raise typer.Exit(code)
