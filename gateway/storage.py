"""The gateway's one SQLite file: transactions that are on disk when they return, or never were.

Every statement runs in the thread of the event loop; a commit costs one fsync. So what is decided
and what is stored can never overtake each other.
"""

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import structlog

from gateway import salvage
from gateway.sql import schema, statements

_LOG = structlog.get_logger()
_FACT: Final = statements("fact")
_PRAGMAS: Final = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    "PRAGMA journal_size_limit = 4194304",
    "PRAGMA wal_autocheckpoint = 200",
    "PRAGMA cache_size = -1024",
)
FILE_MODE: Final = 0o600


class StorageUnavailableError(Exception):
    """The disk took nothing: full, read-only or broken. Nothing was changed."""


class Storage:
    """An open file. Use from one thread."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        salvage.mend(path)
        path.touch(mode=FILE_MODE)
        self.path = path
        self.connection = sqlite3.connect(path, isolation_level=None)
        self.connection.row_factory = sqlite3.Row
        for pragma in _PRAGMAS:
            self.connection.execute(pragma)
        self.connection.executescript(schema())
        self._keep_first_page()
        self._undo: list[Callable[[], None]] = []

    def _keep_first_page(self) -> None:
        try:
            self.connection.execute(statements("salvage")["settle"]).fetchall()
            salvage.keep_first_page(self.path)
        except (OSError, sqlite3.DatabaseError) as error:
            _LOG.warning("first_page_not_kept", error=str(error))

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Everything inside is stored together, or StorageUnavailableError and nothing is.

        A transaction inside another is part of the outer one.
        """
        if self.connection.in_transaction:
            yield
            return
        try:
            self.connection.execute(_FACT["begin"])
            yield
            self.connection.execute(_FACT["commit"])
        except BaseException as error:
            self._roll_back()
            if _is_the_disk(error):
                raise StorageUnavailableError(str(error)) from error
            raise
        finally:
            self._undo.clear()

    def on_rollback(self, undo: Callable[[], None]) -> None:
        """Run `undo` if the present transaction is not stored."""
        self._undo.append(undo)

    def _roll_back(self) -> None:
        for undo in reversed(self._undo):
            undo()
        if self.connection.in_transaction:
            self.connection.rollback()

    def rows(self, statement: str, values: Mapping[str, Any] | None = None) -> list[sqlite3.Row]:
        """All rows of a statement."""
        return self.connection.execute(statement, values or {}).fetchall()

    def row(self, statement: str, values: Mapping[str, Any] | None = None) -> sqlite3.Row | None:
        """The first row of a statement, or None."""
        rows = self.rows(statement, values)
        return rows[0] if rows else None

    def change(self, statement: str, values: Mapping[str, Any]) -> int:
        """Run a changing statement inside a transaction; how many rows it changed."""
        if not self.connection.in_transaction:
            raise RuntimeError("changes are made inside a transaction")
        return self.connection.execute(statement, values).rowcount

    def fact(self, name: str, default: Any = None) -> Any:
        """A named value."""
        row = self.row(_FACT["get"], {"name": name})
        return default if row is None else row["value"]

    def set_fact(self, name: str, value: Any) -> None:
        """Remember a named value; inside a transaction."""
        self.change(_FACT["set"], {"name": name, "value": value})

    def close(self) -> None:
        """Close the file; what was committed stays."""
        self.connection.close()


def _is_the_disk(error: BaseException) -> bool:
    ours = sqlite3.IntegrityError | sqlite3.ProgrammingError | sqlite3.InterfaceError
    return isinstance(error, sqlite3.DatabaseError) and not isinstance(error, ours)
