"""How long to wait before trying again."""

from collections.abc import Callable
from random import random


def full_jitter(
    attempt: int, *, base: float, cap: float, rand: Callable[[], float] = random
) -> float:
    """Seconds to wait before retry number `attempt` (0 is the first).

    Uniform between zero and `base * 2**attempt`, never over `cap`: many clients that lost the
    same server come back spread out. `rand` gives numbers in [0, 1).
    """
    # 2**60 is past any cap; without the limit an endless retry would overflow a float.
    ceiling = min(cap, base * 2.0 ** min(attempt, 60))
    return ceiling * rand()
