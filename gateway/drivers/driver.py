"""What a driver is: a conversation in bytes that ends in records, without any I/O of its own.

A driver writes by yielding `Ask`s and reads by being sent the answers; whoever holds the port
(`gateway/transports/`) runs it. So the same driver runs on a cable, a radio or a list of bytes
in a test, and a wrong frame can only end in a named error, never in a number.
"""

# ruff: noqa: N818 - the names are the errors' names in logs and docs

from collections.abc import Callable, Generator
from datetime import datetime
from typing import NamedTuple

from msgspec import Struct


class DriverError(Exception):
    """What the device said cannot be taken. The class name is the error's name."""

    # Whether asking again may help: noise on the line does, a record that is bad in memory not.
    transient = False


class NoAnswer(DriverError):
    """Nothing came back: no device, switched off, or another device on this port."""

    transient = True


class ShortFrame(DriverError):
    """The answer ended early."""

    transient = True


class UnsteadyFrame(DriverError):
    """The same question got different answers: noise on a line without checksum."""

    transient = True


class BadHandshake(DriverError):
    """Somebody answered, but not this model."""


class BadHeader(DriverError):
    """A record does not begin as records of this model do."""


class ImpossibleDate(DriverError):
    """The record carries a date that no calendar has."""


class ValueOutOfRange(DriverError):
    """A number that the device cannot have measured."""


class Ask(NamedTuple):
    """Write these bytes; the answer has so many bytes (0: none is expected)."""

    send: bytes
    expect: int


class Line(NamedTuple):
    """How the serial line of a model is set: always 8 data bits, no parity, 1 stop bit."""

    baud: int
    answer_seconds: float


class MeterRecord(Struct, frozen=True, kw_only=True):
    """One measurement as the meter keeps it.

    `local` is the meter's own wall clock, without a zone, to the minute; None where the date is
    impossible. `raw` identifies the record. `findings` name what is odd about a record that
    counts all the same.
    """

    k: str
    values: dict[str, float | None]
    local: datetime | None
    raw: bytes
    findings: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()


class RefusedRecord(NamedTuple):
    """A slot of the memory that gave no reading, and why."""

    slot: int
    error: DriverError
    raw: bytes


class Memory(Struct, frozen=True, kw_only=True):
    """What the meter holds: records oldest first, and the frames by slot as they were read."""

    identity: str
    records: tuple[MeterRecord, ...]
    frames: tuple[bytes, ...]
    refused: tuple[RefusedRecord, ...] = ()

    @property
    def complete(self) -> bool:
        """False where reading again may give more."""
        return not any(refused.error.transient for refused in self.refused)


# Sent the answer to each Ask; returns None when nothing changed since the last time.
Conversation = Generator[Ask, bytes, Memory | None]


class Driver(NamedTuple):
    """One model: how its line is set, what it measures, and how one talks to it.

    `converse(last)` reads the memory; `last` are the frames of the last complete reading, and
    None asks for everything.
    """

    model: str
    maker: str
    device_type: str
    link: str
    kinds: tuple[str, ...]
    line: Line
    usb_ids: tuple[str, ...]
    converse: Callable[[tuple[bytes, ...] | None], Conversation]
