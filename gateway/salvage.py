"""A damaged file is set aside, and every row that can still be read is carried into a new one.

A flipped bit inside a message is found by its digest when it is sent. A flipped bit in SQLite's
own structure would otherwise take the readings around it, the plan and the doses with it; one in
the first page, which says where everything is, would take all. So a copy of that page is kept.
"""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

import structlog

from gateway.sql import schema, statements

_LOG = structlog.get_logger()
_SQL: Final = statements("salvage")
_BESIDE: Final = ("", "-wal", "-shm")
_PAGE: Final = 4096
_HEADER: Final = 100  # counters, which change
_SIZE_FIELD: Final = slice(28, 32)
_HEAD: Final = ".head"


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
    patched = _with_first_page(aside, path)
    rescued = _rescue(patched, path)
    for suffix in _BESIDE:
        patched.with_name(patched.name + suffix).unlink(missing_ok=True)
    _LOG.error("storage_damaged", kept_as=aside.name, rows_rescued=rescued)
    return aside


def keep_first_page(path: Path) -> None:
    """Remember the first page of a sound file, which changes only with the schema."""
    with path.open("rb") as file:
        page = bytearray(file.read(_PAGE))
    page[_SIZE_FIELD] = bytes(4)  # unknown: SQLite then goes by the file's length
    head = path.with_name(path.name + _HEAD)
    if not head.exists() or head.read_bytes()[_HEADER:] != page[_HEADER:]:
        head.write_bytes(page)
        head.chmod(0o600)


def _with_first_page(aside: Path, path: Path) -> Path:
    """A copy of the damaged file with the first page as it was."""
    patched = path.with_name(path.name + ".patched")
    for suffix in _BESIDE:
        source = aside.with_name(aside.name + suffix)
        if source.exists():
            shutil.copyfile(source, patched.with_name(patched.name + suffix))
    head = path.with_name(path.name + _HEAD)
    if head.exists():
        with patched.open("r+b") as file:
            file.write(head.read_bytes())
    return patched


def _free_name(path: Path) -> Path:
    number = 1
    while (aside := path.with_name(f"{path.name}.damaged-{number}")).exists():
        number += 1
    return aside


def _is_sound(path: Path) -> bool:
    try:
        with closing(sqlite3.connect(path)) as file:
            file.execute(_SQL["settle"]).fetchall()
            whole = bool(file.execute(_SQL["check"]).fetchone()[0] == "ok")
        return whole and _schema_is_as_it_was(path)
    except (sqlite3.DatabaseError, UnicodeDecodeError):  # the latter: from an error's own text
        return False


def _schema_is_as_it_was(path: Path) -> bool:
    """A changed letter in the name of a column breaks nothing SQLite would notice."""
    head = path.with_name(path.name + _HEAD)
    if not head.exists():
        return True
    with path.open("rb") as file:
        return file.read(_PAGE)[_HEADER:] == head.read_bytes()[_HEADER:]


def _rescue(source: Path, target: Path) -> int:
    rescued = 0
    begin, commit = statements("fact")["begin"], statements("fact")["commit"]
    with closing(sqlite3.connect(target, isolation_level=None)) as new:
        new.executescript(schema())
        tables = [row[0] for row in new.execute(_SQL["tables"])]
        new.execute(begin)
        for table in tables:
            rescued += _rescue_table(source, new, table)
        new.execute(commit)
    return rescued


def _rescue_table(source: Path, new: sqlite3.Connection, table: str) -> int:
    columns = [row[1] for row in new.execute(_SQL["columns"], {"table": table})]
    into = _SQL["insert"].format(
        table=table, columns=", ".join(columns), marks=", ".join("?" * len(columns))
    )
    rescued = 0
    for row in _readable(source, table, columns):
        try:
            rescued += new.execute(into, row).rowcount
        except sqlite3.DatabaseError as error:
            _LOG.warning("storage_row_lost", table=table, error=str(error))
    return rescued


def _readable(source: Path, table: str, columns: list[str]) -> list[tuple[object, ...]]:
    """The rows of a table from one end until reading fails, and then from the other."""
    names = ", ".join(columns)
    rows: dict[tuple[object, ...], None] = {}
    for direction in ("ASC", "DESC"):
        statement = _SQL["read"].format(columns=names, table=table, direction=direction)
        try:
            with closing(sqlite3.connect(source)) as old:
                for row in old.execute(statement):
                    rows[row] = None
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
            _LOG.warning("storage_unreadable", table=table, direction=direction, error=str(error))
        else:
            break
    return list(rows)
