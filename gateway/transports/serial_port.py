"""A serial port: runs a driver's conversation over pyserial.

The port is opened for each conversation and closed after it, so a cable pulled out in between
leaves nothing behind, and the same cable plugged in again is simply found again. All calls block;
they are made from a thread.
"""

from typing import Final

import serial
from serial.tools import list_ports

from gateway.drivers.driver import Ask, Conversation, Driver, Memory

AUTO: Final = "auto"


class PortUnavailableError(Exception):
    """No such port, or it went away: unplugged, in use, or not ours to open."""


class SerialPort:
    """A port by its path, or `auto`: the first with one of the driver's USB ids."""

    def __init__(self, path: str, driver: Driver) -> None:
        self._path = path
        self._driver = driver

    def read(self, last: tuple[bytes, ...] | None) -> Memory | None:
        """Hold one conversation; None when nothing changed since `last`.

        Raises PortUnavailableError, or the DriverError of what was said.
        """
        line = self._driver.line
        try:
            with serial.Serial(
                self._found(),
                line.baud,
                timeout=line.answer_seconds,
                write_timeout=line.answer_seconds,
                exclusive=True,
            ) as port:
                return _converse(port, self._driver.converse(last))
        except (serial.SerialException, OSError, ValueError) as error:
            # SerialException is an OSError; ValueError is a port that vanished while opening.
            raise PortUnavailableError(str(error)) from error

    def _found(self) -> str:
        if self._path != AUTO:
            return self._path
        for usb_id in self._driver.usb_ids:
            for port in list_ports.grep(usb_id):
                return str(port.device)
        raise PortUnavailableError(f"no port with USB id {' or '.join(self._driver.usb_ids)}")


def _converse(port: serial.Serial, conversation: Conversation) -> Memory | None:
    try:
        ask = next(conversation)
        while True:
            ask = conversation.send(_answer(port, ask))
    except StopIteration as end:
        result: Memory | None = end.value
        return result


def _answer(port: serial.Serial, ask: Ask) -> bytes:
    # What came unasked belongs to no question.
    port.reset_input_buffer()
    port.write(ask.send)
    port.flush()
    return bytes(port.read(ask.expect)) if ask.expect else b""
