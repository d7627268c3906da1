"""What speaks about the quality of a reading, as short words beside it."""

from datetime import datetime

from care.console import words
from care.console.pieces import pill
from care.console.texts import Say
from store.chart import Pressure
from store.vital import Reading


def marks(say: Say, one: Pressure | Reading, zone: str, now: datetime) -> None:
    """Flags, conflict, correction, lateness and a time nobody trusts."""
    for name in words.flags(say, one.flags):
        pill(name, "plain")
    if one.conflict:
        pill(say("readings.conflict"), "medium")
    if one.corrected:
        pill(say("readings.corrected"), "plain")
    late = one.received_at - one.measured_at
    if late > words.LATE_AFTER:
        pill(say("readings.late", span=words.span(say, late)), "late")
    if one.claimed_at is not None:
        when = words.moment(say, one.claimed_at, zone, now)
        pill(say("readings.claimed", when=when), "unconfirmed")
