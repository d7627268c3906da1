"""A network that fails on purpose: a TCP proxy that cuts, stalls, delays and swallows.

python -m firmware_sim.fleet.proxy --help
"""

from types import TracebackType
from typing import Self


class Proxy:
    """Forwards a loopback port to a target, for the time of an `async with` block.

    `share` (0 to 1) says how many of the connections that are there are hit, drawn by the seed.
    """

    def __init__(
        self, listen_port: int, target_host: str, target_port: int, *, seed: int = 1
    ) -> None:
        """`listen_port` 0 takes a free one; see `port`."""
        raise NotImplementedError

    @property
    def port(self) -> int:
        """Where clients connect."""
        raise NotImplementedError

    @property
    def connections(self) -> int:
        """How many there are now."""
        raise NotImplementedError

    async def __aenter__(self) -> Self:
        raise NotImplementedError

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        raise NotImplementedError

    def cut(self, share: float = 1.0) -> int:
        """End connections at once, with a reset; how many. New ones are let in."""
        raise NotImplementedError

    def cut_after(self, count: int, share: float = 1.0) -> int:
        """End connections after so many further bytes from the client, in the middle of whatever
        packet that is; how many it will hit."""
        raise NotImplementedError

    def stall(self, seconds: float, share: float = 1.0) -> int:
        """Pass nothing on for a while, then everything that came meanwhile; how many."""
        raise NotImplementedError

    def half_open(self, share: float = 1.0) -> int:
        """Swallow everything in both directions from now on and close nothing; how many."""
        raise NotImplementedError

    def delay(self, ms: float) -> None:
        """Pass every byte on so much later, in both directions, until told otherwise; 0 ends it."""
        raise NotImplementedError

    def bandwidth(self, bytes_per_s: float | None) -> None:
        """Limit each connection and direction, until told otherwise; None ends it."""
        raise NotImplementedError

    def refuse(self, refuse: bool = True) -> None:
        """Take no new connections; those that are there go on."""
        raise NotImplementedError

    def heal(self) -> None:
        """End every trouble; what was swallowed stays lost, so half-open connections are cut."""
        raise NotImplementedError
