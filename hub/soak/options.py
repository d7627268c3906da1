"""Options of `hearthbeat soak`."""

from pathlib import Path
from typing import Annotated

import typer

from store.ledger_check import SPOILS

Seed = Annotated[int, typer.Option(help="Of the load and of the plan of faults.")]
Minutes = Annotated[float, typer.Option(min=0.05, help="How long there is load.")]
Faults = Annotated[str, typer.Option(help="all, none, or names with commas.")]
Nodes = Annotated[int, typer.Option(min=1, max=10_000, help="Simulated nodes.")]
MessagesPerSecond = Annotated[float, typer.Option(min=0.1, help="Messages a second, all nodes.")]
Out = Annotated[Path, typer.Option(help="A new or empty directory.")]
DiskSize = Annotated[int, typer.Option(min=512, help="Largest size of the hub's disk.")]
Settle = Annotated[float, typer.Option(min=1, help="How long to wait for the last receipts.")]
Spoil = Annotated[
    str | None,
    typer.Option(help=f"Test the verdict: {', '.join(SPOILS)} one row behind the hub's back."),
]
ShowPlan = Annotated[bool, typer.Option("--plan", help="Print the faults and exit.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the report as JSON.")]
