"""How long a sign-in has to wait after failures. Pure.

Three counters, so that nobody is guessed at and nobody is locked out by a stranger for long:
the account from one address waits up to 15 minutes, an address that tries many accounts too,
and the account as a whole at most one minute, from wherever.
"""

from datetime import datetime, timedelta
from typing import Final

from msgspec import Struct

from store.audit import FailedSignIns

LOOK_BACK: Final = timedelta(hours=1)


class Patience(Struct, frozen=True):
    """`free` failures cost nothing; then 2, 4, 8 … seconds up to `longest_s`."""

    free: int
    longest_s: float

    def wait(self, failures: int) -> timedelta:
        """How long after the newest failure the next try is looked at."""
        if failures < self.free:
            return timedelta(0)
        return timedelta(seconds=min(self.longest_s, 2.0 ** min(failures - self.free + 1, 30)))


PAIR: Final = Patience(free=5, longest_s=900)
ACCOUNT: Final = Patience(free=20, longest_s=60)
ADDRESS: Final = Patience(free=30, longest_s=900)


def wait_s(failed: FailedSignIns, *, now: datetime) -> float:
    """Seconds until a sign-in is looked at; 0 when at once."""
    ends = (
        (failed.pair_at, PAIR.wait(failed.pair)),
        (failed.account_at, ACCOUNT.wait(failed.account)),
        (failed.address_at, ADDRESS.wait(failed.address)),
    )
    left = [(at + wait - now).total_seconds() for at, wait in ends if at is not None]
    return max([0.0, *left])
