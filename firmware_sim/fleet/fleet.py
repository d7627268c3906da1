"""The fleet: many nodes in one process, one ledger, one summary."""

from collections.abc import Callable

from firmware_sim.fleet.options import FleetOptions
from firmware_sim.fleet.tally import Summary


class Fleet:
    """Nodes that connect, measure, keep what the hub has not receipted and come back."""

    def __init__(
        self, options: FleetOptions, *, on_progress: Callable[[Summary], None] | None = None
    ) -> None:
        """Nothing is opened yet. `on_progress` is told twice a second."""
        self._options = options
        self._on_progress = on_progress

    async def run(self) -> Summary:
        """Load the hub for the minutes of the options, wait for the last receipts, and leave.

        Cancelling it ends it at once: the ledger stays complete for what was sent. Raises OSError
        (the ledger exists or cannot be written, the broker is not on this machine).
        """
        raise NotImplementedError

    def stop(self) -> None:
        """Make no new messages; `run` still waits for the last receipts, as long as it may."""
        raise NotImplementedError

    def summary(self) -> Summary:
        """How far it is, at any moment."""
        raise NotImplementedError
