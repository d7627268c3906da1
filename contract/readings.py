"""What a batch of measurements becomes: readings, blocks, and what was wrong with the rest."""

from datetime import datetime
from typing import Any

from msgspec import Struct, field

from contract.errors import Defect
from contract.messages import Series


class Reading(Struct, frozen=True, kw_only=True, gc=False):
    """One reading; values in the canonical units, in the order of the parts, padded with None.

    Identity is (device, kind, measured_at, ordinal). With `anchored` False `measured_at` depends
    on the time of arrival: only the identity of the message keeps such a reading single.
    `who` "?" was said and not understood: never assign it to the person of the whole device.
    """

    kind: str
    dev: str
    measured_at: datetime
    ordinal: int
    values: tuple[float | None, ...]
    flags: int
    clock: str
    claimed_at: datetime | None = None
    who: str | None = None
    session_id: str | None = None
    session_n: int | None = None
    session_of: int | None = None
    session_done: bool = False
    context: dict[str, Any] | None = None
    original: dict[str, Any] | None = None
    fix: bool = False
    sent_at: datetime | None = None
    anchored: bool
    series: int


class Block(Struct, frozen=True, kw_only=True, gc=False):
    """One column of a series with a regular step. The flag `implausible` here says that at least
    one sample is."""

    kind: str
    dev: str
    part: int
    start_at: datetime
    step_ms: int
    samples: list[float | None]
    quality: list[int | None] | None = None
    flags: int
    clock: str
    claimed_at: datetime | None = None
    who: str | None = None
    context: dict[str, Any] | None = None
    anchored: bool
    series: int


class UnknownSeries(Struct, frozen=True, kw_only=True):
    """A series of a vital sign this hub does not know, whole, to be kept aside."""

    index: int
    series: Series


class Observation(Struct, frozen=True, kw_only=True, gc=False):
    """What became of a batch. `kept` and `dropped` count series."""

    readings: list[Reading] = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)
    defects: list[Defect] = field(default_factory=list)
    warnings: list[Defect] = field(default_factory=list)
    unknown: list[UnknownSeries] = field(default_factory=list)
    kept: int = 0
    dropped: int = 0
