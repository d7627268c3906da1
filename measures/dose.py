"""What becomes of one dose: the order of its states, and which report wins. Pure.

Reports arrive late, twice and in any order. A dose's state is therefore the strongest of all that
was said of it, so the same reports always give the same state:

    scheduled < received < shown < snoozed < missed < failed < skipped < withdrawn
              < late_taken < taken

`missed` only means that nothing was heard, so any later word of the person corrects it; a tablet
that was taken stays taken whatever is said afterwards; `withdrawn` (the drug was stopped) gives
way only to that. Nothing else ever goes back.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Final

from msgspec import Struct

STATES: Final = (
    "scheduled",
    "received",
    "shown",
    "snoozed",
    "missed",
    "failed",
    "skipped",
    "withdrawn",
    "late_taken",
    "taken",
)
OPEN: Final = frozenset({"scheduled", "received", "shown", "snoozed"})
FINAL: Final = frozenset(STATES) - OPEN
TAKEN: Final = frozenset({"taken", "late_taken"})
# What a device may say; `scheduled` and `withdrawn` are the hub's.
SAID: Final = frozenset(STATES) - {"scheduled", "withdrawn"}

_RANK: Final[Mapping[str, int]] = MappingProxyType({state: i for i, state in enumerate(STATES)})


class Report(Struct, frozen=True):
    """One thing said of a dose: the state, and the true time of it."""

    state: str
    at: datetime
    by: str | None = None
    why: str | None = None


def meant(said: str, at: datetime, window_to: datetime) -> str | None:
    """The state a report stands for; None when no such state exists (a newer device).

    Whether a dose was late is told by its time, not by the word: up to the end of the window,
    the end included, it is `taken`.
    """
    if said in TAKEN:
        return "taken" if at <= window_to else "late_taken"
    return said if said in _RANK else None


def next_state(current: str, said: str, *, at: datetime, window_to: datetime) -> str:
    """The state of a dose after one more report; `at` is the device's time of what it reports."""
    new = meant(said, at, window_to)
    if new is None or _RANK[new] <= _RANK[current]:
        return current
    return new


def settle(reports: Iterable[Report], *, window_to: datetime) -> Report | None:
    """The report a dose stands by: the strongest, among equals the earliest; None without any.

    The same for every order and any repetition of the same reports.
    """
    known = [
        Report(state, report.at, report.by, report.why)
        for report in reports
        if (state := meant(report.state, report.at, window_to)) is not None
    ]
    return min(known, key=_strength, default=None)


def _strength(report: Report) -> tuple[int, datetime, str, str]:
    return -_RANK[report.state], report.at, report.by or "", report.why or ""
