"""Why a write failed: not now (try again), or never (these values). Different types, on purpose.

Only an error about the values themselves is for ever. Everything else (the server is away, the
disk is full, a deadlock, a missing table) may pass, and what was to be written must be kept.
"""

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import psycopg


class UnavailableError(Exception):
    """The database cannot take it now; the same again may work later."""


class ClashError(UnavailableError):
    """Two transactions stood in each other's way, and this one gave way: the same at once works."""


class ExhaustedError(UnavailableError):
    """The server has no room, memory or connection left (SQLSTATE class 53)."""


class DamagedError(UnavailableError):
    """A page on the server's disk is damaged: what belongs there cannot be written until somebody
    has mended it; everything else can."""


class UnstorableError(Exception):
    """The database will never take these values."""


# The last ones are raised while values are turned into bytes for the wire.
_ABOUT_THE_VALUES: Final = (
    psycopg.DataError,
    psycopg.IntegrityError,
    psycopg.errors.ProgramLimitExceeded,
    UnicodeError,
    OverflowError,
    struct.error,
)
_CLASHES: Final = (psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure)
_DAMAGES: Final = (psycopg.errors.DataCorrupted, psycopg.errors.IndexCorrupted)
_EXHAUSTED: Final = "53"
_MAY_PASS: Final = (psycopg.Error, OSError, TimeoutError)


@contextmanager
def told_apart() -> Iterator[None]:
    """Turn what the database raises into UnavailableError (or one of its kinds) or
    UnstorableError."""
    try:
        yield
    except (UnavailableError, UnstorableError):
        raise
    except _ABOUT_THE_VALUES as error:
        if _no_partition(error):
            raise UnavailableError("a partition is missing") from error
        raise UnstorableError(_say(error)) from error
    except _CLASHES as error:
        raise ClashError(_say(error)) from error
    except _DAMAGES as error:
        raise DamagedError(_say(error)) from error
    except _MAY_PASS as error:
        exhausted = (getattr(error, "sqlstate", None) or "").startswith(_EXHAUSTED)
        raise (ExhaustedError if exhausted else UnavailableError)(_say(error)) from error


def _no_partition(error: Exception) -> bool:
    # PostgreSQL reports it as a violated check without a name; somebody dropped the month.
    return isinstance(error, psycopg.errors.CheckViolation) and not error.diag.constraint_name


def _say(error: Exception) -> str:
    """What failed without the values in it: class and code, not the server's text."""
    state = getattr(error, "sqlstate", None)
    return f"{type(error).__name__} {state}" if state else type(error).__name__
