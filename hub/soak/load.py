"""A fleet on a hub that runs, through a line that can fail, while planned faults happen."""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from msgspec.structs import replace

from firmware_sim.fleet import Account, Fleet, FleetOptions, Mischief, Mix, Proxy, Summary
from hub.soak.actions import Breaker
from hub.soak.child import HubChild
from hub.soak.disk import Disk
from hub.soak.plan import Planned

# All kinds of messages, and what devices get wrong in the field.
MIX: Final = Mix(single=1.0, batch=0.2, block=0.2, event=0.02, ack=0.05)
MISCHIEF: Final = Mischief(
    tenfold=0.01,
    late=0.02,
    clock_1970=0.005,
    clock_2099=0.005,
    clock_none=0.01,
    fix=0.02,
    conflict=0.01,
    malformed=0.01,
)
# Devices wait longer than this; a run of minutes has no time for that.
_BRISK: Final = {
    "resend_s": 10.0,
    "catch_up_per_s": 100.0,
    "reconnect_base_s": 0.2,
    "reconnect_cap_s": 3.0,
    "reconnect_min_s": 0.5,
    "keep_alive_s": 15,
}


class Load:
    """One fleet for the time of an `async with` block. `doing` is the fault that is on."""

    def __init__(
        self,
        hub: HubChild,
        accounts: tuple[Account, ...],
        ledger: Path,
        *,
        disk: Disk | None = None,
        **options: Any,
    ) -> None:
        """`options` are those of the fleet that shall not be the usual ones."""
        self.ledger = ledger
        self.doing = ""
        self.done: list[Planned] = []
        usual = {"mix": MIX, "mischief": MISCHIEF, "share_v311": 0.3, "share_cbor": 0.3, **_BRISK}
        self._options = FleetOptions(
            broker="", accounts=accounts, ledger=ledger, **{**usual, **options}
        )
        self.proxy = Proxy(0, "127.0.0.1", hub.addresses()["mqtt_port"])
        self.breaker = Breaker(hub, proxy=self.proxy, disk=disk)

    async def __aenter__(self) -> Self:
        """Open the line; the fleet begins with `run`."""
        await self.proxy.__aenter__()
        broker = f"mqtt://127.0.0.1:{self.proxy.port}"
        self.fleet = Fleet(replace(self._options, broker=broker))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close it."""
        await self.proxy.__aexit__(kind, error, trace)

    async def run(self, planned: Sequence[Planned] = ()) -> Summary:
        """Load and break; returns when the last receipts came, or the fleet's patience ended.

        Raises HubDidNotStartError when a hub that was restarted does not come back.
        """
        breaking = asyncio.create_task(self._break(planned))
        loading = asyncio.create_task(self.fleet.run())
        try:
            await asyncio.wait({breaking, loading}, return_when=asyncio.FIRST_EXCEPTION)
            if not loading.done():
                await breaking
            return await loading
        finally:
            for task in (breaking, loading):
                task.cancel()
            await asyncio.gather(breaking, loading, return_exceptions=True)

    async def _break(self, planned: Sequence[Planned]) -> None:
        began = time.monotonic()
        for one in planned:
            self.doing = ""
            await asyncio.sleep(began + one.at_s - time.monotonic())
            self.doing = one.name
            self.done.append(one)
            await self.breaker.do(one)
        self.doing = ""
