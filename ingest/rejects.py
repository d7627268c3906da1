"""What of a message goes to the reject table: its defects, and what is kept aside."""

from collections.abc import Iterable, Sequence

import msgspec

from contract.errors import Defect, defect
from contract.pointer import pointer
from ingest.entry import Entry
from store.reject import RejectRow


def reject_rows(entry: Entry, aside: Sequence[Defect]) -> list[RejectRow]:
    """One row a defect, the first with the payload; `aside` are remarks on data kept only here."""
    rows = [_row(entry, reason, b"") for reason in (*entry.defects, *aside)]
    if rows:
        rows[0] = msgspec.structs.replace(rows[0], payload=entry.arrival.payload)
    return [*rows, *_unknown(entry)]


def _unknown(entry: Entry) -> Iterable[RejectRow]:
    """Series of vital signs nobody knows yet: each whole, so that they can be taken later."""
    for unknown in entry.unknown:
        path = pointer(["ser", unknown.index])
        reason = defect("W2001", path, got=unknown.series.k)
        yield _row(entry, reason, msgspec.json.encode(unknown.series))


def _row(entry: Entry, reason: Defect, payload: bytes) -> RejectRow:
    return RejectRow(
        received_at=entry.arrival.received_at,
        node_id=entry.node,
        topic=entry.arrival.topic,
        boot=entry.key.boot if entry.key else None,
        seq=entry.key.seq if entry.key else None,
        code=reason.code,
        path=reason.path,
        got=reason.got,
        reason=reason.msg,
        payload=payload,
        kept=entry.kept,
        dropped=entry.dropped,
    )
