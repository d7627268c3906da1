"""The BM 65 driver: documented bytes in, readings or a named error out."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.drivers.beurer_bm65 import DRIVER, converse, oldest_first, parse_record
from gateway.drivers.driver import (
    Ask,
    BadHandshake,
    BadHeader,
    DriverError,
    Memory,
    NoAnswer,
    ShortFrame,
    UnsteadyFrame,
    ValueOutOfRange,
)
from gateway.drivers.registry import UnknownModelError, driver

# Made by hand from the published layout (synthetic, no capture of a patient):
# header, systolic - 25, diastolic - 25, pulse, month, day, hour, minute, year - 2000.
GOLDEN = bytes.fromhex("AC 71 3D 48 0A 15 07 1E 0D")


class Meter:
    """Answers asks from a memory, or with whatever a test wants."""

    def __init__(self, frames: list[bytes]) -> None:
        self.frames = frames
        self.asked: list[bytes] = []

    def reply(self, send: bytes) -> bytes:
        """The bytes a BM 65 sends back."""
        self.asked.append(send)
        if send[:1] == b"\xa3":
            return self.frames[send[1] - 1]
        return {
            b"\xaa": b"\x55",
            b"\xa4": b"Andon Blood Pressure Meter KD001",
            b"\xa2": bytes((len(self.frames),)),
            b"\xf7": b"",
        }[send]

    def read(self, last: tuple[bytes, ...] | None = None) -> Memory | None:
        """Run the driver's conversation against this meter."""
        return converse_with(lambda ask: self.reply(ask.send)[: ask.expect], last)


def converse_with(reply: Callable[[Ask], bytes], last: tuple[bytes, ...] | None = None) -> Any:
    """Run a conversation; fails when it does not end."""
    conversation = converse(last)
    try:
        ask = next(conversation)
        for _ in range(5000):
            ask = conversation.send(reply(ask))
    except StopIteration as end:
        return end.value
    return pytest.fail("the conversation does not end")


def outcome(act: Callable[[], Any]) -> Any:
    """What it returns, or the driver's error it raises."""
    try:
        return act()
    except DriverError as error:
        return error


def at(minute: int, sys: int = 113, header: int = 0xAC) -> bytes:
    """A record of 2026-03-04 08:`minute`."""
    return bytes((header, sys, 61, 72, 3, 4, 8, minute, 26))


def test_golden_frame_is_the_documented_reading() -> None:
    """Offsets of 25, the month before the day, the year last."""
    record = parse_record(GOLDEN)
    assert record.values == {"sys": 138.0, "dia": 86.0, "pr": 72.0}
    assert record.local == datetime(2013, 10, 21, 7, 30)  # noqa: DTZ001 - the meter's own clock
    assert record.findings == ()
    assert record.raw == GOLDEN


@given(st.binary(max_size=12))
@settings(max_examples=400)
def test_any_bytes_give_a_reading_in_range_or_a_named_error(raw: bytes) -> None:
    """Noise never becomes a number outside what the cuff can measure."""
    record = outcome(lambda: parse_record(raw))
    if isinstance(record, DriverError):
        assert type(record) in {ShortFrame, BadHeader, ValueOutOfRange}
        return
    assert 26 <= record.values["dia"] <= record.values["sys"] <= 279
    assert record.values["pr"] is None or 1 <= record.values["pr"] <= 254
    assert record.local is not None or record.findings


@given(st.lists(st.binary(max_size=40), max_size=12))
@settings(max_examples=200)
def test_any_conversation_ends_in_records_or_a_named_error(replies: list[bytes]) -> None:
    """Whatever a strange device answers, the driver ends, and ends by name."""
    answers = iter(replies)
    memory = outcome(lambda: converse_with(lambda ask: next(answers, b"")[: ask.expect]))
    if isinstance(memory, DriverError):
        assert type(memory) in {NoAnswer, BadHandshake, ShortFrame}
    else:
        assert all(record.values["sys"] >= 26 for record in memory.records)


@pytest.mark.parametrize(
    ("raw", "error"),
    [
        (GOLDEN[:8], ShortFrame),
        (b"", ShortFrame),
        (bytes((0xAC, 0, 61, 72, 3, 4, 8, 1, 26)), ValueOutOfRange),
        (bytes((0xAC, 255, 61, 72, 3, 4, 8, 1, 26)), ValueOutOfRange),
        (bytes((0xAC, 60, 61, 72, 3, 4, 8, 1, 26)), ValueOutOfRange),
        (b"\xff" * 9, BadHeader),
        (bytes(9), BadHeader),
    ],
)
def test_bad_frames_have_names(raw: bytes, error: type[DriverError]) -> None:
    """A frame that cannot be taken says why, and never becomes a reading."""
    with pytest.raises(error):
        parse_record(raw)


def test_impossible_date_keeps_the_reading() -> None:
    """30 February is a finding; the pressure counts all the same (safety rule 2)."""
    record = parse_record(bytes((0xAC, 160, 90, 72, 2, 30, 8, 1, 26)))
    assert (record.local, record.values["sys"]) == (None, 185.0)
    assert record.findings[0].startswith("ImpossibleDate")


def test_unknown_header_keeps_a_sensible_reading() -> None:
    """Nobody has published what other first bytes mean; an irregular pulse is no reason to lose
    a pressure, a shifted frame is."""
    assert parse_record(at(1, header=0xAD)).findings == ("BadHeader: AD",)
    shifted = at(1)[1:] + b"\xac"
    with pytest.raises(BadHeader):
        parse_record(shifted)


def test_memory_is_read_whole_and_in_order() -> None:
    """All stored records come, oldest first, whichever end slot 1 is."""
    newest_first = Meter([at(3), at(2), at(1)])
    memory = newest_first.read()
    assert memory is not None
    assert [record.local.minute for record in memory.records if record.local] == [1, 2, 3]
    assert memory.frames == (at(3), at(2), at(1))
    assert memory.identity == "Andon Blood Pressure Meter KD001"
    turned = Meter([at(1), at(2), at(3)]).read()
    assert turned is not None
    assert turned.records == memory.records


def test_one_minute_in_slot_order_is_turned() -> None:
    """With nothing to tell the direction by, slot 1 is the newest."""
    same = [parse_record(at(1, sys=110)), parse_record(at(1, sys=120))]
    assert [record.values["sys"] for record in oldest_first(same)] == [145.0, 135.0]


def test_new_records_are_asked_twice_and_known_ones_once() -> None:
    """There is no checksum: two equal answers in a row stand in for it."""
    meter = Meter([at(2), at(1)])
    memory = meter.read(last=(at(1),))
    assert memory is not None
    assert meter.asked.count(b"\xa3\x02") == 1
    # The newest once more at the end: did the memory stand still?
    assert meter.asked.count(b"\xa3\x01") == 3


def test_a_reading_that_comes_while_we_read_is_neither_doubled_nor_hidden() -> None:
    """A new record moves every other by one; the memory is read again until it stood still."""

    class Measuring(Meter):
        def reply(self, send: bytes) -> bytes:
            if self.asked.count(b"\xa3\x02") == 1 and len(self.frames) == 3:
                self.frames.insert(0, at(4))
            return super().reply(send)

    memory = Measuring([at(3), at(2), at(1)]).read()
    assert memory is not None
    assert [record.raw for record in memory.records] == [at(1), at(2), at(3), at(4)]


def test_a_flipped_bit_on_the_line_is_not_taken() -> None:
    """An answer that differs from the next one is asked for again."""

    class Noisy(Meter):
        def reply(self, send: bytes) -> bytes:
            clean = super().reply(send)
            first = self.asked.count(send) == 1
            return (
                bytes((clean[0], clean[1] ^ 0x10, *clean[2:]))
                if first and len(clean) == 9
                else clean
            )

    memory = Noisy([at(1)]).read()
    assert memory is not None
    assert [record.values["sys"] for record in memory.records] == [138.0]


def test_a_line_that_never_agrees_refuses_the_slot_only() -> None:
    """Noise on one record keeps no other from being read, and reading again may help."""

    class Torn(Meter):
        def reply(self, send: bytes) -> bytes:
            clean = super().reply(send)
            return (
                bytes((*clean[:3], len(self.asked), *clean[4:])) if send == b"\xa3\x02" else clean
            )

    memory = Torn([at(3), at(2), at(1)]).read()
    assert memory is not None
    assert [record.local.minute for record in memory.records if record.local] == [1, 3]
    assert isinstance(memory.refused[0].error, UnsteadyFrame)
    assert not memory.complete


def test_unchanged_memory_ends_early() -> None:
    """Between two measurements a look costs four questions."""
    frames = [at(3), at(2), at(1)]
    meter = Meter(frames)
    assert meter.read(last=tuple(frames)) is None
    assert meter.asked == [b"\xaa", b"\xa2", b"\xa3\x01", b"\xa3\x03", b"\xf7"]
    full = Meter([at(4), at(3), at(2)])
    assert full.read(last=tuple(frames)) is not None
    assert Meter([]).read(last=()) is None


@pytest.mark.parametrize(
    ("hello", "error"), [(b"", NoAnswer), (b"\x56", BadHandshake), (b"\xaa", BadHandshake)]
)
def test_silence_and_strangers_are_told_apart(hello: bytes, error: type[DriverError]) -> None:
    """No answer is a sleeping cuff; another answer is another device."""
    conversation = converse(None)
    next(conversation)
    with pytest.raises(error):
        conversation.send(hello)


def test_registry_names_what_it_has() -> None:
    """A wrong model is answered with the right ones."""
    assert driver("beurer-bm65") is DRIVER
    with pytest.raises(UnknownModelError, match="beurer-bm65"):
        driver("beurer-bm66")
