"""What time is it? The machine's clock, corrected by the hub where the machine is wrong.

A gateway usually has NTP and is right. Without it, or with an empty clock battery, the hub's
answer to a time request corrects it: the offset is applied, never the machine's clock set. Before
anything is known the quality is `none`, and no date is invented.
"""

from datetime import UTC, datetime, timedelta
from typing import Final

from msgspec import Struct

from contract.instants import to_millis
from contract.messages import TimeAnswer
from runtime.clock import Clock

# No gateway with this program is older; a clock before it was never set.
BUILD_FLOOR: Final = datetime(2026, 1, 1, tzinfo=UTC)
TRUSTED_WITHIN: Final = timedelta(seconds=2)
SLOWEST_ANSWER_MS: Final = 2000
# So far back the time stands still rather than go back under what was stored with it; what a
# larger step leaves in the future, the hub would call untrusted in any case.
STANDS_STILL: Final = timedelta(seconds=120)


class Step(Struct, frozen=True):
    """The gateway's time moved by so many milliseconds."""

    ms: int


class Timekeeper:
    """The gateway's time: `now()` and how far it can be trusted."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._offset = timedelta()
        self._from_hub = False
        self._error_ms: int | None = None
        self._said: datetime | None = None
        self.answers = 0

    def now(self) -> datetime:
        """The present instant as well as it is known; a small step back is waited out."""
        now, said = self._clock.now() + self._offset, self._said
        if said is not None and timedelta() < said - now <= STANDS_STILL:
            return said
        self._said = now
        return now

    def machine_millis(self) -> int:
        """The machine's own clock, for time requests."""
        return to_millis(self._clock.now())

    @property
    def clk(self) -> str:
        """The quality on the wire: `ntp` (the machine's), `hub`, or `none`."""
        if self._from_hub:
            return "hub"
        return "ntp" if self._clock.now() >= BUILD_FLOOR else "none"

    @property
    def error_ms(self) -> int | None:
        """The estimated error in milliseconds, if the hub ever answered."""
        return self._error_ms

    @property
    def known(self) -> bool:
        """Whether there is a time at all; without one nothing rings."""
        return self.clk != "none"

    def learn(self, answer: TimeAnswer) -> Step | None:
        """Take the hub's answer; returns the step if the gateway's time moved.

        An answer that took over two seconds says too little and is dropped.
        """
        t4 = self.machine_millis()
        round_trip = (t4 - answer.t1) - (answer.t3 - answer.t2)
        if not 0 <= round_trip <= SLOWEST_ANSWER_MS:
            return None
        self.answers += 1
        offset = timedelta(milliseconds=((answer.t2 - answer.t1) + (answer.t3 - t4)) / 2)
        self._error_ms = round_trip // 2
        if not self._from_hub and abs(offset) <= TRUSTED_WITHIN:
            self._error_ms += abs(offset) // timedelta(milliseconds=1)
            return None
        moved = offset - self._offset
        self._offset, self._from_hub = offset, True
        return (
            Step(round(moved / timedelta(milliseconds=1))) if abs(moved) > TRUSTED_WITHIN else None
        )
