"""A damaged file is set aside, and every row that can still be read is carried into a new one.

A flipped bit inside a message is found by its digest when it is sent. A flipped bit in SQLite's
own structure would otherwise take the readings around it, the plan and the doses with it.
"""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

import structlog

from gateway.sql import schema, statements

_LOG = structlog.get_logger()
_CHECK: Final = statements("salvage")
_BESIDE: Final = ("", "-wal", "-shm")


def mend(path: Path) -> Path | None:
    """Check the file; if it is damaged, keep it beside and rebuild what is readable.

    Returns where the damaged file was put, None if there was nothing to do.
    """
    if not path.exists() or _is_sound(path):
        return None
    aside = _free_name(path)
    for suffix in _BESIDE:
        source = path.with_name(path.name + suffix)
        if source.exists():
            source.rename(aside.with_name(aside.name + suffix))
    rescued = _rescue(aside, path)
    _LOG.error("storage_damaged", kept_as=aside.name, rows_rescued=rescued)
    return aside


def _free_name(path: Path) -> Path:
    number = 1
    while (aside := path.with_name(f"{path.name}.damaged-{number}")).exists():
        number += 1
    return aside


def _is_sound(path: Path) -> bool:
    try:
        with closing(sqlite3.connect(path)) as file:
            file.execute(_CHECK["settle"]).fetchall()
            return bool(file.execute(_CHECK["check"]).fetchone()[0] == "ok")
    except sqlite3.DatabaseError:
        return False


def _rescue(source: Path, target: Path) -> int:
    rescued = 0
    with closing(sqlite3.connect(target, isolation_level=None)) as new:
        new.executescript(schema())
        tables = [row[0] for row in new.execute(_CHECK["tables"])]
        with closing(sqlite3.connect(source)) as old:
            new.execute(statements("fact")["begin"])
            for table in tables:
                rescued += _rescue_table(old, new, table)
            new.execute(statements("fact")["commit"])
    return rescued


def _rescue_table(old: sqlite3.Connection, new: sqlite3.Connection, table: str) -> int:
    columns = [row[1] for row in new.execute(_CHECK["columns"], {"table": table})]
    into = _CHECK["insert"].format(
        table=table, columns=", ".join(columns), marks=", ".join("?" * len(columns))
    )
    rescued = 0
    for row in _readable(old, table, columns):
        rescued += new.execute(into, row).rowcount
    return rescued


def _readable(old: sqlite3.Connection, table: str, columns: list[str]) -> list[tuple[object, ...]]:
    """The rows of a table; where reading them in one go fails, one by one, forwards and back."""
    names = ", ".join(columns)
    rows: dict[tuple[object, ...], None] = {}
    for direction in ("ASC", "DESC"):
        try:
            order = _CHECK["read"].format(columns=names, table=table, direction=direction)
            for row in old.execute(order):
                rows[row] = None
        except sqlite3.DatabaseError as error:
            _LOG.warning("storage_unreadable", table=table, direction=direction, error=str(error))
    return list(rows)
