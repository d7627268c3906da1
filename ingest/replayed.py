"""What changes about a message when it is taken again, and how its outcome is told. Pure."""

from collections.abc import Mapping
from datetime import datetime

import msgspec

from contract import messages
from ingest.entry import Checked, Entry, Outcome


def still_of_use(checked: Checked, born_at: Mapping[str, datetime]) -> Checked:
    """A description of a node older than the one that is known says nothing any more."""
    said = checked.decoded
    later = born_at.get(said.node or "")
    if not isinstance(said.message, messages.Birth) or later is None:
        return checked
    if later <= said.arrival.received_at:
        return checked
    return msgspec.structs.replace(checked, decoded=msgspec.structs.replace(said, message=None))


def as_replayed(entry: Entry, now: datetime) -> Entry:
    """The entry without its numbers: they were settled when it came. An event landed then, in
    whatever state it was, and does not land twice."""
    readings = (msgspec.structs.replace(row, replayed_at=now) for row in entry.readings)
    return msgspec.structs.replace(
        entry,
        key=None,
        receipt=False,
        readings=tuple(readings),
        event=None,
        echoed=None,
        replayed=True,
    )


def result_of(outcome: Outcome) -> str:
    """In few words, without a value: `stored`, `refused: CODE why`, `nothing new`, or a part of it
    stored and the rest refused."""
    entry = outcome.entry
    why = [f"{one.code} {one.path} {one.msg}" for one in entry.defects]
    why += [f"W2001 {one.series.k} is still unknown" for one in entry.unknown]
    if not why:
        return "stored" if outcome.news else "nothing new"
    return f"{'stored in part, ' if outcome.news else ''}refused: {why[0]}"[:500]
