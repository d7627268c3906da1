"""The simulated BM 65 says, byte by byte, what the protocol's sources say the real one does."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import serial
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_sim.cuff import SimulatedCuff
from firmware_sim.models.beurer_bm65 import BeurerBM65
from firmware_sim.serial_line import Trouble
from runtime.clock import ManualClock

# 09:41 on 22 November 2026 in Shanghai.
AT = datetime(2026, 11, 22, 9, 41, tzinfo=UTC).replace(tzinfo=None)


def meter(*readings: tuple[int, int, int]) -> BeurerBM65:
    """A meter in which these were measured, a minute apart."""
    made = BeurerBM65()
    for n, (sys, dia, pulse) in enumerate(readings):
        made.measure(sys, dia, pulse, at=AT + timedelta(minutes=n))
    return made


def test_the_conversation_byte_by_byte() -> None:
    """Ping, description, count, two records (the newest is number 1), good-bye."""
    bm65 = meter((148, 91, 72), (152, 95, 70))
    assert bm65.hear(b"\xaa") == b"\x55"
    description = bm65.hear(b"\xa4")
    assert description == b"Andon Blood Pressure Meter KD001"
    assert len(description) == 32
    assert bm65.hear(b"\xa2") == b"\x02"
    # AC, 152-25, 95-25, 70, month 11, day 22, 09:42, 2026-2000
    assert bm65.hear(b"\xa3\x01") == bytes([0xAC, 127, 70, 70, 11, 22, 9, 42, 26])
    assert bm65.hear(b"\xa3\x02") == bytes.fromhex("ac7b42480b1609291a")
    assert bm65.hear(b"\xf7") == b""


def test_an_empty_memory_counts_zero() -> None:
    """No records is an answer, not silence."""
    assert BeurerBM65().hear(b"\xa2") == b"\x00"


@pytest.mark.parametrize("question", [b"\xa3\x00", b"\xa3\x03", b"\xa3\xff", b"\x00", b"Z"])
def test_what_it_does_not_know_stays_unanswered(question: bytes) -> None:
    """A number outside the memory, another byte: silence, and the next question is answered."""
    bm65 = meter((148, 91, 72), (152, 95, 70))
    assert bm65.hear(question) == b""
    assert bm65.hear(b"\xaa") == b"\x55"


def test_a_question_in_two_pieces_is_one_question() -> None:
    """Serial lines deliver bytes, not packets."""
    bm65 = meter((148, 91, 72))
    assert bm65.hear(b"\xa3") == b""
    assert bm65.hear(b"\x01")[:1] == b"\xac"


def test_the_oldest_record_makes_room() -> None:
    """The memory holds 30; the 31st pushes the first one out."""
    bm65 = meter(*[(100 + n, 60, 70) for n in range(31)])
    assert bm65.hear(b"\xa2") == bytes([30])
    assert bm65.hear(bytes([0xA3, 1]))[1] == 130 - 25
    assert bm65.hear(bytes([0xA3, 30]))[1] == 101 - 25


@pytest.mark.parametrize(("sys", "dia"), [(24, 20), (281, 90), (150, 24)])
def test_what_the_meter_cannot_store_is_refused(sys: int, dia: int) -> None:
    """One byte less 25 mmHg: 25 to 280; nothing half is stored."""
    bm65 = BeurerBM65()
    with pytest.raises(ValueError, match="stores pressures"):
        bm65.measure(sys, dia, 70, at=AT)
    assert bm65.memory == ()


@settings(max_examples=60, deadline=None)
@given(
    sys=st.integers(25, 280),
    dia=st.integers(25, 280),
    pulse=st.integers(0, 255),
    minutes=st.integers(0, 60 * 24 * 365 * 30),
)
def test_every_frame_has_nine_bytes_that_say_what_was_measured(
    sys: int, dia: int, pulse: int, minutes: int
) -> None:
    """Property: read by the published layout, the frame gives the reading back."""
    at = datetime(2001, 1, 1, tzinfo=UTC).replace(tzinfo=None) + timedelta(minutes=minutes)
    bm65 = BeurerBM65()
    bm65.measure(sys, dia, pulse, at=at)
    header, s, d, p, month, day, hour, minute, year = bm65.hear(b"\xa3\x01")
    assert (header, s + 25, d + 25, p) == (0xAC, sys, dia, pulse)
    assert (2000 + year, month, day, hour, minute) == at.timetuple()[:5]


@pytest.fixture
def cuff(clock: ManualClock, tmp_path: Path) -> Iterator[SimulatedCuff]:
    """A cuff on a pseudo-terminal with a stable path; its clock says 08:00 in Shanghai."""
    with SimulatedCuff(clock, link=tmp_path / "ttyCUFF") as made:
        yield made


def port(cuff: SimulatedCuff, **settings: float) -> serial.Serial:
    """The port as a host opens it."""
    return serial.Serial(str(cuff.path), 4800, timeout=settings.get("timeout", 0.5))


def test_a_host_reads_it_through_pyserial(cuff: SimulatedCuff) -> None:
    """The bytes on the pseudo-terminal, at 4800 baud 8N1, are those of the meter."""
    cuff.measure(148, 91, 72)
    with port(cuff) as line:
        line.write(b"\xaa")
        assert line.read(1) == b"\x55"
        line.write(b"\xa2")
        assert line.read(1) == b"\x01"
        line.write(b"\xa3\x01")
        assert line.read(9) == bytes([0xAC, 123, 66, 72, 3, 4, 8, 0, 26])
        assert line.read(1) == b"", "nothing is echoed and nothing follows"


def test_every_byte_value_passes_the_line(cuff: SimulatedCuff) -> None:
    """Raw mode: no byte is taken for a control character, not even ^C, ^S or a line end."""
    passed = bytes(range(256))
    cuff.line._hear = lambda asked: asked
    with port(cuff) as line:
        for start in range(0, 256, 32):
            line.write(passed[start : start + 32])
            assert line.read(32) == passed[start : start + 32]


def test_a_new_reading_appears_while_the_port_is_open(cuff: SimulatedCuff) -> None:
    """What the person measures now is the newest record."""
    with port(cuff) as line:
        cuff.measure(148, 91, 72)
        cuff.measure(190, 115, 88)
        line.write(b"\xa2")
        assert line.read(1) == b"\x02"
        line.write(b"\xa3\x01")
        assert line.read(9)[1:4] == bytes([190 - 25, 115 - 25, 88])


def test_troubles_of_the_line(cuff: SimulatedCuff) -> None:
    """Silence, a cut frame, noise, slowness: each arrives at the host as it would."""
    cuff.measure(148, 91, 72)
    frame = bytes([0xAC, 123, 66, 72, 3, 4, 8, 0, 26])
    with port(cuff) as line:
        cuff.line.trouble = Trouble(silent=True)
        line.write(b"\xa3\x01")
        assert line.read(9) == b""
        cuff.line.trouble = Trouble(cut_after=5)
        line.write(b"\xa3\x01")
        assert line.read(9) == frame[:5]
        cuff.line.trouble = Trouble(noise=1.0)
        line.write(b"\xa3\x01")
        noisy = line.read(9)
        assert len(noisy) == 9
        assert all(is_wrong != right for is_wrong, right in zip(noisy, frame, strict=True))
        cuff.line.trouble = Trouble(delay_s=0.7)
        line.write(b"\xa3\x01")
        assert line.read(9) == b"", "later than the host waits"
        assert line.read(9) == frame
        cuff.line.trouble = Trouble()
        line.write(b"\xaa")
        assert line.read(1) == b"\x55"


def test_the_cable_can_be_pulled_out_and_put_in(cuff: SimulatedCuff) -> None:
    """The open port dies, the path is gone; put in again, the meter still knows everything."""
    cuff.measure(148, 91, 72)
    line = port(cuff)
    link = cuff.path
    cuff.line.pull_out()
    assert not link.exists()
    with pytest.raises((serial.SerialException, OSError)):
        [line.write(b"\xaa") or line.read(1) for _ in range(3)]
    line.close()
    cuff.line.plug_in()
    with port(cuff) as line:
        line.write(b"\xa2")
        assert line.read(1) == b"\x01"
    assert cuff.path == link


def test_the_meter_has_a_clock_of_its_own(cuff: SimulatedCuff, clock: ManualClock) -> None:
    """Wrong by a day, or back at its factory date: its records say what it believes."""
    cuff.set_clock(datetime(2026, 3, 3, 7, 58, tzinfo=UTC))
    clock.advance(120)
    assert cuff.measure(148, 91, 72).at.isoformat() == "2026-03-03T08:00:00"
    cuff.change_batteries()
    assert cuff.measure(148, 91, 72).at.isoformat() == "2012-01-01T00:00:00"
    cuff.set_right()
    assert cuff.measure(148, 91, 72).at.isoformat() == "2026-03-04T08:02:00"


def test_at_the_real_speed_a_record_takes_its_time(clock: ManualClock) -> None:
    """Nine bytes of ten bits at 4800 baud are at least 18.75 ms."""
    with SimulatedCuff(clock, real_time=True) as slow:
        slow.measure(148, 91, 72)
        with port(slow) as line:
            line.write(b"\xa3\x01")
            started = datetime.now(UTC)
            assert len(line.read(9)) == 9
            assert datetime.now(UTC) - started > timedelta(milliseconds=15)
