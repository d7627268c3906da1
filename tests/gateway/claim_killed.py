"""A unit that dies at each step of a claim in turn, and is started again each time.

`python -m tests.gateway.claim_killed DIRECTORY PORT CA_FILE` forks a unit for every step: it ends
without any cleaning up before the first, second, third … write, sync, rename or removal, and the
next one claims to the end in the same directory. Prints how many steps there were.
"""

import asyncio
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gateway import claiming, identity, trust
from gateway.claiming import Order
from gateway.identity import Vault
from tests.gateway.claim_hub import CODE, SECRET, SERIAL

DIED = 9


def main(directory: Path, port: int, ca_file: Path) -> None:
    """Until no step is left."""
    order = Order(
        host="127.0.0.1",
        port=port,
        serial=SERIAL,
        code=CODE,
        secret=SECRET,
        context=lambda: trust.by_authority(ca_file),
    )
    step, died = 0, True
    while died:
        step += 1
        vault = Vault(directory / str(step))
        died = unit(order, vault, dies_at=step) == DIED
        if died:
            assert unit(order, vault) == 0
    sys.stdout.write(f"{step}\n")


def unit(order: Order, vault: Vault, dies_at: int = 0) -> int:
    """One life of the unit; its exit code."""
    child = os.fork()
    if child == 0:
        seen = 0

        def counted(call: Callable[..., Any]) -> Callable[..., Any]:
            def counting(*args: Any, **more: Any) -> Any:
                nonlocal seen
                seen += 1
                if seen == dies_at:
                    os._exit(DIED)
                return call(*args, **more)

            return counting

        for place, name in (
            *((identity, "write_private"), (identity, "_sync")),
            *((Path, "rename"), (Path, "unlink"), (Path, "replace")),
        ):
            setattr(place, name, counted(getattr(place, name)))
        asyncio.run(claiming.claim_once(order, vault))
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
