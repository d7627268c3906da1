"""The books of a fleet: an append-only file of what was sent and what was answered.

Each record is four bytes of length (big-endian) and an array in MessagePack, whose first element
says what it is. A send is written before its first byte leaves, so that a fleet killed at any
moment has sent nothing that is not written; answers are written after they came. A torn record at
the end (killed while writing) is left out when reading.

Of one message there is one `Sent`, then perhaps `Again`, `Acked`, and it lies in a `Receipted`.
Nodes are numbered; their `Node` record comes before their first message.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal, Self

import msgspec
from msgspec import Struct

VERSION: Final = 1
NOT_COUNTED: Final = -1  # the `seq` of what carries no readable number
_PIECE: Final = 1 << 20
_LENGTH: Final = 4

Role = Literal["new", "conflict", "fix"]


class ReadingDue(Struct, array_like=True, frozen=True, gc=False):
    """One row of `reading` (or of `reading_conflict`) that a message must lead to.

    `values` are v0..v3 in the canonical units. With `anchored` the row's identity is
    (device, kind, measured_ms, ordinal); without, its time comes from its arrival (`measured_ms`
    is what was claimed, None where nothing was; `ordinal` says nothing), and (node, boot, seq) of
    the row identifies it.
    `clock` is the clock quality to be stored. `role`: `new`; `conflict` has the identity of an
    earlier one and other values: both are kept, which of them as the reading depends on who came
    first; `fix` takes over from what had its identity, the latest by `sent_ms`, then `seq`.
    `patient` is whose it is; None: it must wait for a person to decide.
    """

    dev: str
    kind: str
    measured_ms: int | None
    ordinal: int
    values: tuple[float | None, ...]
    who: str | None
    patient: int | None
    clock: str
    anchored: bool
    role: Role = "new"


class BlockDue(Struct, array_like=True, frozen=True, gc=False):
    """One row of `block`: identity is (device, kind, start_ms, part)."""

    dev: str
    kind: str
    part: int
    start_ms: int
    step_ms: int
    samples: tuple[float | None, ...]
    patient: int | None
    clock: str


class Head(Struct, array_like=True, frozen=True, tag=1):
    """The first record: with `Start`, what makes the run repeatable. `options` are for people."""

    version: int
    seed: int
    boot: int
    at_ms: int
    options: dict[str, Any]


class Node(Struct, array_like=True, frozen=True, tag=2):
    """Which node a number stands for. `protocol` is 5 or 4 (MQTT 3.1.1)."""

    number: int
    id: str
    protocol: int
    encoding: Literal["json", "cbor"]


class Sent(Struct, array_like=True, frozen=True, gc=False, tag=3):
    """A message is about to leave for the first time, `copies` times in a row.

    `seq` is NOT_COUNTED for a broken payload without a readable number, of which nothing ever
    comes back. `fate` is what has to become of it: `stored`, or `rejected` (a row of `reject` and,
    if it is counted, a receipt too). `sent_ms` is `t` of the envelope.
    """

    node: int
    boot: int
    seq: int
    kind: str
    sha256: bytes
    at_ms: int
    sent_ms: int | None
    readings: tuple[ReadingDue, ...] = ()
    blocks: tuple[BlockDue, ...] = ()
    fate: Literal["stored", "rejected"] = "stored"
    copies: int = 1


class Again(Struct, array_like=True, frozen=True, gc=False, tag=4):
    """The same message is about to leave once more; its bytes differ at most in `up`."""

    node: int
    boot: int
    seq: int
    sha256: bytes
    at_ms: int


class Acked(Struct, array_like=True, frozen=True, gc=False, tag=5):
    """The broker has acknowledged it, which promises nothing. `code` 0x80 or over: refused."""

    node: int
    boot: int
    seq: int
    at_ms: int
    code: int = 0


class Receipted(Struct, array_like=True, frozen=True, gc=False, tag=6):
    """The hub's receipt covered these numbers, first and last included, for the first time: they
    are stored or refused for good. Only numbers that were sent are written."""

    node: int
    boot: int
    first: int
    last: int
    at_ms: int


class Refused(Struct, array_like=True, frozen=True, gc=False, tag=7):
    """The hub said that it will never take this message (`retry` false); the device drops it."""

    node: int
    boot: int
    seq: int
    code: str
    at_ms: int


class Gone(Struct, array_like=True, frozen=True, gc=False, tag=8):
    """The node told the hub, asked to resend, that it does not have these any more."""

    node: int
    boot: int
    first: int
    last: int
    at_ms: int


class End(Struct, array_like=True, frozen=True, tag=9):
    """The last record of a fleet that ended by itself. `open` messages have no receipt."""

    at_ms: int
    sent: int
    receipted: int
    open: int


class Start(Struct, array_like=True, frozen=True, tag=10):
    """Measuring begins: every planned time counts from `start_ms`."""

    start_ms: int
    at_ms: int


Record = Head | Start | Node | Sent | Again | Acked | Receipted | Refused | Gone | End

_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(Record)


class LedgerError(Exception):
    """The file is no ledger, or one of another version."""


class Ledger:
    """The writing end. `note` gathers, `flush` hands everything to the operating system at once:
    what was flushed survives a kill of the process."""

    def __init__(self, path: Path) -> None:
        """Make the file. Raises FileExistsError: books are never written over."""
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        self._gathered = bytearray()

    def note(self, record: Record) -> None:
        """Gather a record for the next flush."""
        start = len(self._gathered)
        _ENCODER.encode_into(record, self._gathered, start + _LENGTH)
        length = len(self._gathered) - start - _LENGTH
        self._gathered[start : start + _LENGTH] = length.to_bytes(_LENGTH, "big")

    def flush(self) -> None:
        """Write what was gathered. Raises OSError when the disk is full: then send nothing."""
        # What was written is forgotten at once, so that a flush that failed can go on.
        while self._gathered:
            del self._gathered[: os.write(self._file, self._gathered)]

    def close(self) -> None:
        """Flush and close."""
        self.flush()
        os.close(self._file)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def read(path: Path) -> Iterator[Record]:
    """Every record in the order of writing, in constant memory; a torn one at the end is left out.

    Works on a ledger that is still being written: it ends where the file ends then. Raises
    LedgerError.
    """
    first = True
    for body in _bodies(path):
        try:
            record = _DECODER.decode(body)
        except msgspec.DecodeError as error:
            raise LedgerError(f"{path}: a record that makes no sense: {error}") from error
        if first and not (isinstance(record, Head) and record.version == VERSION):
            raise LedgerError(f"{path} is no ledger of version {VERSION}")
        first = False
        yield record


def _bodies(path: Path) -> Iterator[bytes | memoryview]:
    with path.open("rb", buffering=0) as file:
        rest = b""
        while piece := file.read(_PIECE):
            buffer, start = rest + piece, 0
            view = memoryview(buffer)
            while start + _LENGTH <= len(buffer):
                end = start + _LENGTH + int.from_bytes(buffer[start : start + _LENGTH], "big")
                if end > len(buffer):
                    break
                yield view[start + _LENGTH : end]
                start = end
            rest = buffer[start:]
