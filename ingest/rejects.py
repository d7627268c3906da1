"""What of a message goes to the reject table: its defects, and what is kept aside."""

import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from contract import codec
from contract.errors import Defect, defect
from contract.pointer import pointer
from ingest.entry import Entry
from ingest.throttle import TOO_FAST
from store.identity import Product
from store.reject import RejectRow

_SERIES: Final = re.compile(r"/ser/(\d+)(?:/|$)")


def reject_rows(entry: Entry, aside: Sequence[Defect]) -> list[RejectRow]:
    """One row a defect, the first with the payload; `aside` are remarks on data kept only here.

    Nothing of a message refused for its haste: it is to come again. Nothing new of one that was
    kept here before.
    """
    if entry.replayed or any(reason.code == TOO_FAST for reason in entry.defects):
        return []
    rows = [_row(entry, reason, b"") for reason in (*entry.defects, *aside)]
    if rows:
        rows[0] = msgspec.structs.replace(rows[0], payload=entry.arrival.payload)
    return [*rows, *_unknown(entry)]


def _unknown(entry: Entry) -> Iterable[RejectRow]:
    """Series of vital signs nobody knows yet: the first row carries a message of them all, so
    that they can be taken once they are known."""
    payload = _message_of(entry) if entry.unknown else b""
    for unknown in entry.unknown:
        path = pointer(["ser", unknown.index, "k"])
        yield _row(entry, defect("W2001", path, got=unknown.series.k), payload)
        payload = b""


def _message_of(entry: Entry) -> bytes:
    """What was sent, without the series that were understood: as JSON, with every key as it was."""
    said: dict[str, Any] = codec.plain(entry.arrival.payload)
    indices = [unknown.index for unknown in entry.unknown]
    return msgspec.json.encode(said | {"ser": [said["ser"][index] for index in indices]})


def product_of(entry: Entry, path: str) -> Product:
    """What is behind a place of a message: whose series it is, else the node."""
    series = _SERIES.match(path)
    at = int(series[1]) if series else len(entry.makers)
    return entry.makers[at] if at < len(entry.makers) else entry.product


def _row(entry: Entry, reason: Defect, payload: bytes) -> RejectRow:
    product = product_of(entry, reason.path)
    return RejectRow(
        received_at=entry.arrival.received_at,
        node_id=entry.node,
        topic=entry.arrival.topic,
        boot=entry.boot,
        seq=entry.seq,
        code=reason.code,
        path=reason.path,
        got=reason.got,
        reason=reason.msg,
        payload=payload,
        kept=entry.kept,
        dropped=entry.dropped,
        maker=product.maker,
        model=product.model,
        firmware=product.firmware,
    )
