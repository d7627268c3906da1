"""A process to be killed: adds readings to a spool and says on standard output what it took.

`python -m tests.gateway.kept_alive DIRECTORY FIRST` adds FIRST, FIRST + 1, … each in one
transaction with a fact that names it, and prints the number once the transaction has returned.
Every few numbers the first half of what waits is receipted.
"""

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from contract.messages import Obs, Receipt, Series
from gateway.spool import Spool
from gateway.storage import Storage

START = datetime(2026, 3, 4, tzinfo=UTC)


def reading(number: int) -> Obs:
    """A reading that carries its number."""
    series = Series(k="bp", o=[0], c={"sys": [120.0], "dia": [80.0]}, rec=number)
    return Obs(v=0, boot=0, seq=0, t=number, clk="ntp", ser=[series])


def main(directory: Path, first: int) -> None:
    """Until killed."""
    storage = Storage(directory / "gateway.db")
    spool = Spool(storage)
    number = first
    while True:
        with storage.transaction():
            spool.add("obs", reading(number), START + timedelta(seconds=number))
            storage.set_fact(f"taken:{number}", number)
        sys.stdout.write(f"{number}\n")
        sys.stdout.flush()
        if number % 7 == 0:
            waiting = spool.waiting(START, live_since=START, limit=4)
            for message in waiting:
                spool.receive(
                    Receipt(boot=message.boot, upto=-1, also=[(message.seq, message.seq)])
                )
                sys.stdout.write(f"receipted {message.boot} {message.seq}\n")
                sys.stdout.flush()
        number += 1


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
