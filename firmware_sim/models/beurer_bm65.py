"""A Beurer BM 65 upper-arm blood pressure monitor, from the side of its cable. Pure: no I/O.

The meter carries a PL2303 USB-to-serial converter: 4800 baud, 8 data bits, no parity, 1 stop bit.
The protocol was taken from the wire by Andreas Brask (https://www.atbrask.dk/?p=98) and is spoken
the same way by independent readers of this meter and of its sister BM 58. The host asks, the
meter answers, without any checksum:

    AA        55                                   are you there
    A4        32 bytes                             what are you
    A2        n                                    how many records
    A3 i      AC s d p MM DD hh mm YY   (9 bytes)  record i, counted from 1, the newest first
    F7        nothing                              good-bye

s and d are mmHg less 25, p beats a minute, YY the year less 2000; the time is the meter's own
wall clock, to the minute. Assumed, because no source says: the size of the memory (30 records of
the chosen user; the oldest makes room), that a record number outside the memory and any other
byte stay unanswered, and that a meter that shows LO, HI or an error stores nothing. What AC
means is unknown; no source has seen another value there.
"""

from collections import deque
from datetime import datetime
from typing import Final

from msgspec import Struct

BAUD: Final = 4800
DESCRIPTION: Final = b"Andon Blood Pressure Meter KD001"

_PING: Final = 0xAA
_PONG: Final = b"\x55"
_DESCRIBE: Final = 0xA4
_COUNT: Final = 0xA2
_RECORD: Final = 0xA3
_BYE: Final = 0xF7
_HEADER: Final = 0xAC
_PRESSURE_OFFSET: Final = 25
_CAPACITY: Final = 30
_BYTE: Final = 255


class Stored(Struct, frozen=True):
    """One measurement in the meter's memory; `at` is its own wall clock, without a zone."""

    sys: int
    dia: int
    pulse: int
    at: datetime

    def frame(self) -> bytes:
        """The nine bytes that go over the cable."""
        return bytes(
            (
                _HEADER,
                self.sys - _PRESSURE_OFFSET,
                self.dia - _PRESSURE_OFFSET,
                self.pulse,
                self.at.month,
                self.at.day,
                self.at.hour,
                self.at.minute,
                self.at.year - 2000,
            )
        )


class BeurerBM65:
    """The meter: a memory that fills when somebody measures, and its side of the conversation."""

    def __init__(self, *, capacity: int = _CAPACITY) -> None:
        self._memory: deque[Stored] = deque(maxlen=capacity)
        self._asked_for_record = False

    @property
    def memory(self) -> tuple[Stored, ...]:
        """What is stored, the newest first, as the meter counts."""
        return tuple(self._memory)

    def measure(self, sys: int, dia: int, pulse: int, *, at: datetime) -> Stored:
        """Somebody has measured; raises ValueError for what the meter cannot store."""
        stored = Stored(sys, dia, pulse, at.replace(second=0, microsecond=0, tzinfo=None))
        try:
            stored.frame()
        except ValueError:
            low, high = _PRESSURE_OFFSET, _PRESSURE_OFFSET + _BYTE
            raise ValueError(
                f"this meter stores pressures from {low} to {high}, pulses to {_BYTE},"
                " years from 2000 to 2255"
            ) from None
        self._memory.appendleft(stored)
        return stored

    def erase(self) -> None:
        """Somebody has cleared the memory."""
        self._memory.clear()

    def hear(self, data: bytes) -> bytes:
        """What the meter answers to these bytes; a question may come in pieces."""
        return b"".join(self._hear(byte) for byte in data)

    def _hear(self, byte: int) -> bytes:
        if self._asked_for_record:
            self._asked_for_record = False
            found = self.memory[byte - 1 : byte] if byte else ()
            return found[0].frame() if found else b""
        if byte == _RECORD:
            self._asked_for_record = True
            return b""
        answers = {
            _PING: _PONG,
            _DESCRIBE: DESCRIPTION,
            _COUNT: bytes((len(self._memory),)),
            _BYE: b"",
        }
        return answers.get(byte, b"")
