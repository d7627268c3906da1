"""The ledger of a fleet in the words of the comparison: two passes, in little memory."""

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct, field

from firmware_sim.fleet import ledger
from store.ledger_check import Due, Group
from store.message import Boot


class Books(Struct, kw_only=True):
    """What a ledger says as a whole. Messages are counted once, however often they left."""

    seed: int = 0
    nodes: dict[int, str] = field(default_factory=dict)
    sent: int = 0
    counted: int = 0
    receipted: int = 0
    malformed: int = 0
    # Broken payloads without a readable number: nothing ever comes back for them.
    uncounted: int = 0
    # What the hub said it will never take: the device drops it. Of both kinds of messages.
    refused: set[tuple[str, int, int]] = field(default_factory=set)
    broken: set[tuple[str, int, int]] = field(default_factory=set)
    complete: bool = False
    receipts: dict[Boot, list[tuple[int, int]]] = field(default_factory=dict)
    highest: dict[Boot, int] = field(default_factory=dict)

    @property
    def unsettled(self) -> int:
        """Counted messages with neither a receipt nor a refusal."""
        dropped = sum(not self.has_receipt(*message) for message in self.refused)
        return self.counted - self.receipted - dropped

    @property
    def must_be_refused(self) -> set[tuple[str, int, int]]:
        """The broken messages that were receipted or refused: a reject must be there for each."""
        return {m for m in self.broken if m in self.refused or self.has_receipt(*m)}

    def has_receipt(self, node_id: str, boot: int, seq: int) -> bool:
        """Whether the hub has receipted the message."""
        spans = self.receipts.get(Boot(node_id, boot), [])
        low, high = 0, len(spans)
        while low < high:
            middle = (low + high) // 2
            if spans[middle][1] < seq:
                low = middle + 1
            else:
                high = middle
        return low < len(spans) and spans[low][0] <= seq


def opened(path: Path) -> Books:
    """The first pass: everything but the rows. Raises LedgerError or OSError."""
    books = Books()
    spans: defaultdict[Boot, list[tuple[int, int]]] = defaultdict(list)
    for record in ledger.read(path):
        match record:
            case ledger.Head():
                books.seed = record.seed
            case ledger.Node():
                books.nodes[record.number] = record.id
            case ledger.Sent():
                _note_sent(books, record)
            case ledger.Receipted():
                boot = Boot(books.nodes[record.node], record.boot)
                spans[boot].append((record.first, record.last))
                books.receipted += record.last - record.first + 1
            case ledger.Refused():
                books.refused.add((books.nodes[record.node], record.boot, record.seq))
            case ledger.End():
                books.complete = True
    books.receipts = {boot: _merged(found) for boot, found in spans.items()}
    return books


def _note_sent(books: Books, sent: ledger.Sent) -> None:
    books.sent += 1
    books.malformed += sent.fate == "rejected"
    if sent.seq == ledger.NOT_COUNTED:
        books.uncounted += 1
        return
    books.counted += 1
    boot = Boot(books.nodes[sent.node], sent.boot)
    if sent.fate == "rejected":
        books.broken.add((*boot, sent.seq))
    books.highest[boot] = max(sent.seq, books.highest.get(boot, 0))


def _merged(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for first, last in sorted(spans):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
        else:
            merged.append((first, last))
    return merged


def due_rows(path: Path, books: Books) -> Iterator[tuple[Group, Due]]:
    """The second pass: every row that a message must lead to."""
    for record in ledger.read(path):
        if isinstance(record, ledger.Sent) and record.seq != ledger.NOT_COUNTED:
            node_id = books.nodes[record.node]
            taken = books.has_receipt(node_id, record.boot, record.seq)
            for reading in record.readings:
                yield _reading(record, reading, node_id, taken=taken)
            for block in record.blocks:
                yield _block(record, block, node_id, taken=taken)


def _reading(
    sent: ledger.Sent, due: ledger.ReadingDue, node_id: str, *, taken: bool
) -> tuple[Group, Due]:
    named = (node_id, "reading", due.dev, due.kind)
    if due.anchored and due.measured_ms is not None:
        group = Group(*named, 0, 0, due.measured_ms, due.ordinal)
    else:
        group = Group(*named, sent.boot, sent.seq, 0, 0)
    owner = (due.who, due.patient, due.clock)
    return group, Due(
        sent.boot, sent.seq, due.values, *owner, due.role, sent.sent_ms or sent.at_ms, taken
    )


def _block(
    sent: ledger.Sent, due: ledger.BlockDue, node_id: str, *, taken: bool
) -> tuple[Group, Due]:
    group = Group(node_id, "block", due.dev, due.kind, 0, 0, due.start_ms, due.part)
    owner = (None, due.patient, due.clock)
    return group, Due(
        sent.boot, sent.seq, due.samples, *owner, "new", sent.sent_ms or sent.at_ms, taken
    )
