"""How often a node may send, as the page tells it: soft rates, and hard ones far above.

Ingest keeps to its own table (`ingest.throttle`); a test holds the two together.
"""

from typing import Final, NamedTuple


class Rate(NamedTuple):
    """A kind of message: `per_s` a second on average and `burst` at once after a rest."""

    kind: str
    what: str
    per_s: float
    burst: int
    beyond: str

    @property
    def soft(self) -> str:
        """The rate in words."""
        slow = self.per_s < 1
        often = f"{self.per_s * 60:g} a minute" if slow else f"{self.per_s:g} a second"
        return f"{often}, {self.burst} at once"


# Values of measurements and waveforms together: a second, and at once.
SOFT_SAMPLES: Final = (2_000, 40_000)
HARD_SAMPLES: Final = (50_000, 1_000_000)
HARD_PER_S: Final = 1_000
HARD_BURST: Final = 20_000
_KEPT: Final = "kept, W5101"
SOFT: Final = (
    Rate("obs", "`obs`, live", 2, 20, _KEPT),
    Rate("hist", "`obs`, backlog (`hist`)", 20, 100, _KEPT),
    Rate("wave", "`wave`, each channel", 2, 20, _KEPT),
    Rate("other", "`ack`, `res` and the rest, together", 5, 50, _KEPT),
    Rate("event", "`event`", 10 / 60, 10, "kept and marked"),
    Rate("diag", "`diag`", 1, 10, "dropped and counted"),
)
