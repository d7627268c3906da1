"""Servers of somebody else, as `--database-url` and `--broker-url` name them.

What is written wrong is told before anything starts; what cannot be reached, within seconds.
"""

import asyncio
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

import aiomqtt
import psycopg
from psycopg import AsyncConnection
from psycopg.conninfo import conninfo_to_dict

from runtime.settings import parse_broker_url
from store.pool import NotDurableError

_PATIENCE_S = 4


class UnreachableError(RuntimeError):
    """A given database or broker does not let the hub in; the message says what to do."""


def check_database_url(url: str) -> None:
    """Raise ValueError for what is no address of a database; the URL is not repeated."""
    try:
        conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        raise ValueError(
            "--database-url looks like postgresql://user:password@host:5432/name, "
            "with special characters of the password written as %XX"
        ) from None


def check_broker_url(url: str) -> None:
    """Raise ValueError for what is no address of a broker; the URL is not repeated."""
    try:
        parse_broker_url(url)
    except ValueError:
        raise ValueError(
            "--broker-url looks like mqtt://user:password@host:1883 (mqtts:// with TLS), "
            "with special characters of the password written as %XX"
        ) from None


async def demand_database(url: str) -> None:
    """Connect once. Raises UnreachableError."""
    with told_of_database():
        async with await AsyncConnection.connect(url, connect_timeout=_PATIENCE_S):
            return


@contextmanager
def told_of_database() -> Iterator[None]:
    """What a database that is not the hub's own refuses, as one UnreachableError."""
    try:
        yield
    except psycopg.errors.InsufficientPrivilege as error:
        raise UnreachableError(
            f"the database of --database-url refuses: {_line(error)}; make its user the owner"
        ) from error
    except psycopg.OperationalError as error:
        raise UnreachableError(
            f"the database of --database-url cannot be used: {_line(error)}; "
            "is it running, and are host, port, name, user and password right?"
        ) from error
    except NotDurableError as error:
        raise UnreachableError(f"the database of --database-url: {error}") from error


async def demand_broker(url: str) -> None:
    """Connect once, as the hub's services will. Raises UnreachableError."""
    broker = parse_broker_url(url)
    where = f"{broker.host}:{broker.port}"
    try:
        async with (
            asyncio.timeout(_PATIENCE_S + 1),
            aiomqtt.Client(
                broker.host,
                broker.port,
                username=broker.user,
                password=broker.password,
                tls_context=ssl.create_default_context() if broker.tls else None,
                timeout=_PATIENCE_S,
            ),
        ):
            return
    except aiomqtt.MqttCodeError as error:
        raise UnreachableError(
            f"the broker at {where} does not let the hub in ({error}): "
            "are user and password of --broker-url right?"
        ) from error
    except (aiomqtt.MqttError, TimeoutError) as error:
        raise UnreachableError(
            f"no broker answers at {where} ({error or 'no answer'}): "
            "is it running, and are host, port and TLS of --broker-url right?"
        ) from error


def _line(error: Exception) -> str:
    """The last line of what libpq says; it has no password in it."""
    return (str(error).strip().splitlines() or [type(error).__name__])[-1].strip()
