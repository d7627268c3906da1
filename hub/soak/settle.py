"""Who a soak's fleet is: nodes of a running hub, which its broker lets in."""

from datetime import datetime
from typing import Final

from psycopg import AsyncConnection

from firmware_sim.fleet import Account
from hub.credentials import wait_applied
from hub.fleet_nodes import make_fleet

# The broker reads a file with a line for each node; the larger, the longer.
_APPLIED_S: Final = 30.0
# Cuffs that two people use.
_SHARED: Final = 0.3


class NotSettledError(RuntimeError):
    """The broker did not take the nodes over in time."""


async def settle(database_url: str, *, nodes: int, now: datetime) -> tuple[Account, ...]:
    """Make nodes and wait until the broker lets them in. Raises NotSettledError."""
    async with await AsyncConnection.connect(database_url, autocommit=True) as conn:
        async with conn.transaction():
            accounts = await make_fleet(conn, count=nodes, now=now, shared=_SHARED)
        if not await wait_applied(conn, _APPLIED_S + nodes / 100):
            raise NotSettledError("the broker did not take the nodes over in time")
    return accounts
