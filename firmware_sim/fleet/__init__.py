"""A fleet of simulated nodes that loads a hub, keeps its own books, and a network that fails.

The books (`ledger`) are kept without any code of the hub: what was sent, which broker's word and
which hub's receipt came, and which rows must be there in the end. Whoever compares them with the
database learns what the hub lost, doubled or changed.
"""

from firmware_sim.fleet.fleet import Fleet
from firmware_sim.fleet.options import (
    Account,
    AccountsError,
    Device,
    FleetOptions,
    Mischief,
    Mix,
    read_accounts,
    write_accounts,
)
from firmware_sim.fleet.proxy import Proxy
from firmware_sim.fleet.tally import Summary

__all__ = [
    "Account",
    "AccountsError",
    "Device",
    "Fleet",
    "FleetOptions",
    "Mischief",
    "Mix",
    "Proxy",
    "Summary",
    "read_accounts",
    "write_accounts",
]
