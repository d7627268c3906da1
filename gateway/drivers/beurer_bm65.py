"""Beurer BM 65: an upper-arm blood-pressure monitor with a USB serial port and a memory.

Protocol as published by its reverse engineers (https://www.atbrask.dk/?p=98); what of it is
certain and what is assumed stands in docs/devices/beurer-bm65.md. One byte asks, a fixed number
of bytes answers; there is no checksum. Therefore a record not seen before is asked for until two
answers in a row are the same, and only then read.
"""

from collections.abc import Generator
from datetime import datetime
from itertools import pairwise
from typing import Final, TypeVar

from gateway.drivers.driver import (
    Ask,
    BadHandshake,
    BadHeader,
    Conversation,
    Driver,
    DriverError,
    ImpossibleDate,
    Line,
    Memory,
    MeterRecord,
    NoAnswer,
    RefusedRecord,
    ShortFrame,
    UnsteadyFrame,
    ValueOutOfRange,
)

HELLO: Final = Ask(b"\xaa", 1)
HELLO_ANSWER: Final = b"\x55"
DESCRIBE: Final = Ask(b"\xa4", 32)
COUNT: Final = Ask(b"\xa2", 1)
GOODBYE: Final = Ask(b"\xf7", 0)
RECORD_BYTES: Final = 9
RECORD_HEADER: Final = 0xAC
PRESSURE_OFFSET: Final = 25
LAST_YEAR: Final = 99
# Erased or blank memory reads as all ones or all zeros; neither is a pressure.
BLANK: Final = frozenset({0x00, 0xFF})
ANSWERS_TRIED: Final = 4


Answer = TypeVar("Answer")
# A part of the conversation: yields asks, is sent answers, returns what it found out.
Part = Generator[Ask, bytes, Answer]


def ask_record(slot: int) -> Ask:
    """Ask for the record in a slot; slots count from 1."""
    return Ask(bytes((0xA3, slot)), RECORD_BYTES)


def parse_record(frame: bytes) -> MeterRecord:
    """The measurement in a nine-byte frame.

    Raises ShortFrame, BadHeader or ValueOutOfRange. Two things are findings and no errors, because
    they may not hide a reading: an impossible date, and a first byte other than AC (nobody has
    published what its other values mean) in a frame where everything else makes sense.
    """
    if len(frame) != RECORD_BYTES:
        raise ShortFrame(f"a record has {RECORD_BYTES} bytes, this has {len(frame)}")
    local, findings = _local_minute(frame)
    if frame[0] != RECORD_HEADER:
        finding = f"BadHeader: {frame[0]:02X}"
        if findings:
            raise BadHeader(f"a record begins with AC, this with {frame[0]:02X}")
        findings = (finding,)
    systolic, diastolic, pulse = frame[1], frame[2], frame[3]
    if systolic in BLANK or diastolic in BLANK or systolic < diastolic:
        raise ValueOutOfRange("the pressures are blank or the wrong way round")
    return MeterRecord(
        k="bp",
        values={
            "sys": float(systolic + PRESSURE_OFFSET),
            "dia": float(diastolic + PRESSURE_OFFSET),
            "pr": None if pulse in BLANK else float(pulse),
        },
        local=local,
        raw=frame,
        findings=findings,
    )


def _local_minute(frame: bytes) -> tuple[datetime | None, tuple[str, ...]]:
    try:
        return _date(frame), ()
    except ImpossibleDate as error:
        return None, (f"ImpossibleDate: {error}",)


def _date(frame: bytes) -> datetime:
    month, day, hour, minute, year = frame[4:9]
    if year > LAST_YEAR:
        raise ImpossibleDate(f"year 2000+{year}")
    try:
        # Naive on purpose: the meter knows its wall clock, not the zone of the home.
        return datetime(2000 + year, month, day, hour, minute)  # noqa: DTZ001
    except ValueError as error:
        raise ImpossibleDate(str(error)) from error


def converse(last: tuple[bytes, ...] | None) -> Conversation:
    """Read the memory. With `last`, end early when count, first and last record are unchanged.

    Raises NoAnswer, ShortFrame or BadHandshake for the whole conversation; what is wrong with one
    record stands in `Memory.refused` and keeps no other from being read.
    """
    hello = yield HELLO
    if not hello:
        raise NoAnswer("no answer to AA")
    if hello != HELLO_ANSWER:
        raise BadHandshake(f"AA was answered by {hello.hex()}, not by 55")
    count = (yield from _whole(COUNT))[0]
    memory = None
    if last is None or not (yield from _unchanged(count, last)):
        memory = yield from _read_standing(count, frozenset(last or ()))
    yield GOODBYE
    return memory


def _read_standing(count: int, known: frozenset[bytes]) -> Part[Memory]:
    """The memory at one moment. A reading that comes while we ask moves every record by one:
    the same one would be read twice and another not at all. So it is read again until it stood
    still; raises UnsteadyFrame when it never does.
    """
    for _ in range(ANSWERS_TRIED):
        memory = yield from _read_all(count, known)
        known = known | frozenset(memory.frames)
        now = (yield from _whole(COUNT))[0]
        if now == count and (yield from _newest_is(memory.frames)):
            return memory
        count = now
    raise UnsteadyFrame("the memory changed while it was read")


def _newest_is(frames: tuple[bytes, ...]) -> Part[bool]:
    """Whether slot 1 still holds what it held; one that could not be read proves nothing."""
    return not frames or not frames[0] or (yield from _whole(ask_record(1))) == frames[0]


def _whole(ask: Ask) -> Part[bytes]:
    answer = yield ask
    if len(answer) != ask.expect:
        raise ShortFrame(f"{ask.send.hex()} was answered by {len(answer)} of {ask.expect} bytes")
    return answer


def _unchanged(count: int, last: tuple[bytes, ...]) -> Part[bool]:
    """A new record changes the count, or in a full memory moves every other one."""
    if count != len(last):
        return False
    for slot in {1, count} if count else ():
        if (yield from _whole(ask_record(slot))) != last[slot - 1]:
            return False
    return True


def _read_all(count: int, known: frozenset[bytes]) -> Part[Memory]:
    identity = (yield from _whole(DESCRIBE)).strip(b"\0 ").decode("ascii", "replace")
    frames: list[bytes] = []
    records: list[MeterRecord] = []
    refused: list[RefusedRecord] = []
    for slot in range(1, count + 1):
        frame = b""
        try:
            frame = yield from _steady(slot, known)
            records.append(parse_record(frame))
        except DriverError as error:
            refused.append(RefusedRecord(slot, error, frame))
        frames.append(frame)
    return Memory(
        identity=identity,
        records=oldest_first(records),
        frames=tuple(frames),
        refused=tuple(refused),
    )


def _steady(slot: int, known: frozenset[bytes]) -> Part[bytes]:
    """The frame in a slot: one seen before, or the same answer twice in a row."""
    before = yield from _whole(ask_record(slot))
    if before in known:
        return before
    for _ in range(ANSWERS_TRIED - 1):
        again = yield from _whole(ask_record(slot))
        if again == before:
            return again
        before = again
    raise UnsteadyFrame(f"slot {slot} answered differently {ANSWERS_TRIED} times")


def oldest_first(records: list[MeterRecord]) -> tuple[MeterRecord, ...]:
    """Records in slot order, turned so that the oldest comes first.

    Slot 1 is taken for the newest, unless the dates say that they rise with the slots.
    """
    dates = [record.local for record in records if record.local is not None]
    rising = sum(after > before for before, after in pairwise(dates))
    falling = sum(after < before for before, after in pairwise(dates))
    return tuple(records) if rising > falling else tuple(reversed(records))


DRIVER: Final = Driver(
    model="BM 65",
    maker="Beurer",
    device_type="bpm",
    link="serial",
    kinds=("bp",),
    line=Line(baud=4800, answer_seconds=1.0),
    usb_ids=("067B:2303",),
    converse=converse,
)
