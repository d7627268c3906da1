"""What the commands print: one JSON object, or a table and a few plain lines for a person."""

import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

import typer
from rich.console import Console
from rich.table import Table


def _plain(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds")
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} is not for JSON")


def as_object(body: Mapping[str, Any]) -> None:
    """One JSON object on standard output."""
    typer.echo(json.dumps(body, ensure_ascii=False, default=_plain))


def shown(as_json: bool, body: Mapping[str, Any], *lines: str) -> None:
    """The object, or these lines for a person; secrets are not wrapped, so they can be copied."""
    if as_json:
        as_object(body)
        return
    for line in lines:
        typer.echo(line)


def listed(
    as_json: bool, noun: str, rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str]
) -> None:
    """All rows as `{noun: [...]}`, or a table with these columns (key -> heading)."""
    if as_json:
        as_object({noun: list(rows)})
        return
    table = Table(title=None, box=None, pad_edge=False, header_style="bold")
    for heading in columns.values():
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*(_cell(row[key]) for key in columns))
    Console(highlight=False, markup=False).print(table)
    if not rows:
        typer.echo(f"(no {noun} yet)")


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M UTC")
    if isinstance(value, list | tuple):
        return ", ".join(str(part) for part in value)
    return str(value)
