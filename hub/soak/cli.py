"""`hearthbeat soak`: what to type, what is shown, and how it exits."""

import asyncio
import json
from pathlib import Path
from typing import Any, Final

import psycopg
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from hub.soak import options, plan
from hub.soak.child import HubDidNotStartError
from hub.soak.plan import UnknownFaultError
from hub.soak.run import Report, Soak, SoakSettings
from hub.soak.settle import NotSettledError
from runtime import log
from store.ledger_check import SPOILS

_FAULTS: Final = "\n\n".join(f"{fault.name}: {fault.says}" for fault in plan.CATALOGUE)
_EVERY_S: Final = 0.5
_LINE_EVERY_S: Final = 10.0

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(epilog=f"Faults:\n\n{_FAULTS}")
def soak(
    *,
    seed: options.Seed = 1,
    minutes: options.Minutes = 5.0,
    faults: options.Faults = "all",
    nodes: options.Nodes = 50,
    rate: options.MessagesPerSecond = 100.0,
    out: options.Out = Path("hearthbeat-soak"),
    disk_mb: options.DiskSize = 8192,
    settle_seconds: options.Settle = 120.0,
    spoil: options.Spoil = None,
    show_plan: options.ShowPlan = False,
    as_json: options.AsJson = False,
) -> None:
    """Load a hub of its own, break it by seed, and compare the fleet's books with its database.

    Only the hub in the directory is touched. Exit code 0: everything receipted is there once, as it
    was sent, and was fed once. 1: not so, or the hub did not come back. 2: wrong usage. 3: no run.

    hearthbeat soak --seed 7 --minutes 60 --nodes 1000 --rate 500 --out /var/tmp/soak-7

    hearthbeat soak --minutes 2 --faults kill-ingest,kill-postgres,cut
    """
    settings = SoakSettings(
        out=out.absolute(),
        seed=seed,
        minutes=minutes,
        faults=_chosen(faults),
        nodes=nodes,
        rate=rate,
        settle_s=settle_seconds,
        disk_mb=disk_mb,
        spoil=_spoil(spoil),
    )
    if show_plan:
        _print_plan(settings)
    else:
        raise typer.Exit(_run(settings, as_json=as_json))


def _print_plan(settings: SoakSettings) -> None:
    for planned in plan.plan(settings.seed, settings.minutes * 60, settings.faults):
        typer.echo(str(planned))


def _chosen(faults: str) -> tuple[str, ...]:
    try:
        return plan.chosen(faults)
    except UnknownFaultError as error:
        raise typer.BadParameter(str(error), param_hint="--faults") from error


def _spoil(spoil: str | None) -> str | None:
    if spoil is not None and spoil not in SPOILS:
        raise typer.BadParameter(f"one of {', '.join(SPOILS)}", param_hint="--spoil")
    return spoil


def _run(settings: SoakSettings, *, as_json: bool) -> int:
    out = settings.out
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise typer.BadParameter(f"{out} is not empty: choose a new directory", param_hint="--out")
    log.configure("soak", "ERROR")
    console = Console(stderr=as_json, soft_wrap=True, highlight=False)
    try:
        report = asyncio.run(_watched(Soak(settings), console))
    except (HubDidNotStartError, NotSettledError, OSError, psycopg.Error) as error:
        typer.echo(f"hearthbeat soak: could not run: {error}", err=True)
        return 3
    except KeyboardInterrupt:
        typer.echo("hearthbeat soak: interrupted; there is no verdict", err=True)
        return 3
    body = report.as_json()
    path = settings.out / "report.json"
    path.write_text(json.dumps(body, indent=2) + "\n", encoding="utf-8")
    if as_json:
        typer.echo(json.dumps(body))
    else:
        _show(report, console)
        console.print(f"Report  {path}", markup=False)
    return 0 if report.kept else 1


async def _watched(soak: Soak, console: Console) -> Report:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=30),
        TimeElapsedColumn(),
        TextColumn("{task.fields[fleet]}"),
    )
    running = asyncio.create_task(soak.run())
    told, told_at = "", 0.0
    try:
        with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
            task = progress.add_task("starting", total=soak.settings.minutes * 60, fleet="")
            while not running.done():
                now = soak.moment()
                counts = f"sent {now.fleet.sent}, receipted {now.fleet.receipted}"
                progress.update(task, completed=now.seconds, description=now.doing, fleet=counts)
                # A file or a pipe gets lines instead of a bar.
                if not console.is_terminal and (
                    now.doing != told or now.seconds >= told_at + _LINE_EVERY_S
                ):
                    console.print(f"{now.seconds:5.0f} s  {now.doing}: {counts}", markup=False)
                    told, told_at = now.doing, now.seconds
                await asyncio.wait([running], timeout=_EVERY_S)
        return running.result()
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def _show(report: Report, console: Console) -> None:
    verdict = report.verdict
    table = Table(title=None, box=None, pad_edge=False, show_header=False)
    rows: dict[str, Any] = {
        "Messages sent": verdict.sent,
        "receipted": verdict.receipted,
        "without a receipt": verdict.unreceipted,
        "Rows due": verdict.due,
        "stored": verdict.stored,
        "Feed batches": verdict.batches,
        "Readings fed": verdict.fed,
        "Rejects kept": verdict.rejects,
        "Faults done": len(report.faults),
        **{name.replace("_", " "): number for name, number in verdict.faults.items()},
    }
    for name, number in rows.items():
        table.add_row(name, f"{number:,}")
    for part, cost in report.costs.items():
        table.add_row(f"{part}: MB, most MB", f"{cost['rss_mb']:.0f}, {cost['rss_mb_most']:.0f}")
    console.print(table)
    for name, why in report.skipped.items():
        console.print(f"skipped {name}: {why}", markup=False)
    samples = [text for found in verdict.samples.values() for text in found]
    for text in (*samples, *report.troubles):
        console.print(f"  {text}", markup=False)
    console.print(_conclusion(report))


def _conclusion(report: Report) -> str:
    if report.kept:
        return "exact: everything receipted is there once, and was fed once"
    if not report.verdict.exact:
        return "NOT exact: what was receipted is not what is there"
    return "NOT kept: see above" if report.troubles else "NOT kept: some have no receipt"
