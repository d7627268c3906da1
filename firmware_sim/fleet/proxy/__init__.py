"""A network that fails on purpose: a TCP proxy that cuts, stalls, delays and swallows.

python -m firmware_sim.fleet.proxy --help
"""

from firmware_sim.fleet.proxy.listener import Proxy
from firmware_sim.fleet.proxy.troubles import KINDS, Trouble, apply, troubles

__all__ = ["KINDS", "Proxy", "Trouble", "apply", "troubles"]
