"""Troubles by seed: which one comes next, how bad, and when."""

from collections.abc import Iterator, Sequence
from random import Random
from typing import Final, Literal

from msgspec import Struct

from firmware_sim.fleet.proxy.listener import Proxy

Kind = Literal["cut", "cut-after", "stall", "half-open", "delay", "bandwidth", "refuse"]
KINDS: Final[tuple[Kind, ...]] = (
    "cut",
    "cut-after",
    "stall",
    "half-open",
    "delay",
    "bandwidth",
    "refuse",
)
_SHARES: Final = (0.1, 0.5, 1.0)


class Trouble(Struct, frozen=True, kw_only=True):
    """`wait_s` after the last one, this begins, and is over after `lasts_s`.

    `amount` is bytes for `cut-after`, milliseconds for `delay`, bytes a second for `bandwidth`.
    """

    wait_s: float
    kind: Kind
    share: float
    lasts_s: float
    amount: int = 0


def troubles(
    seed: int, *, kinds: Sequence[Kind] = KINDS, every_s: float = 10.0
) -> Iterator[Trouble]:
    """Troubles without an end, the same for the same seed; on average one in `every_s`."""
    if not kinds:
        raise ValueError(f"no kind of trouble given; there are {', '.join(KINDS)}")
    chance = Random(seed)  # noqa: S311 - repeatable
    while True:
        kind = chance.choice(kinds)
        amounts = {
            "cut-after": chance.randint(1, 2000),
            "delay": chance.randint(20, 2000),
            "bandwidth": chance.randint(500, 50_000),
        }
        yield Trouble(
            wait_s=round(chance.uniform(0.2, 1.8) * every_s, 3),
            kind=kind,
            share=chance.choice(_SHARES),
            lasts_s=round(chance.uniform(0.1, 0.6) * every_s, 3),
            amount=amounts.get(kind, 0),
        )


def apply(proxy: Proxy, trouble: Trouble) -> int:
    """Begin a trouble; how many connections it hits. `heal` ends what lasts."""
    match trouble.kind:
        case "cut":
            return proxy.cut(trouble.share)
        case "cut-after":
            return proxy.cut_after(trouble.amount, trouble.share)
        case "stall":
            return proxy.stall(trouble.lasts_s, trouble.share)
        case "half-open":
            return proxy.half_open(trouble.share)
        case "delay":
            proxy.delay(trouble.amount)
        case "bandwidth":
            proxy.bandwidth(trouble.amount)
        case "refuse":
            proxy.refuse()
    return proxy.connections
