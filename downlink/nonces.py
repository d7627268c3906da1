"""Nonces for units that are about to prove themselves: good for five minutes, once each.

They live in memory: after a restart a unit is told to ask for another one.
"""

import secrets
from collections import OrderedDict
from datetime import datetime, timedelta
from typing import Final, NamedTuple

LIFETIME: Final = timedelta(minutes=5)
_EACH: Final = 4


class Nonce(NamedTuple):
    """One nonce and until when it is good."""

    text: str
    until: datetime


class Nonces:
    """The nonces that are out; a unit has at most four, and so many units at most."""

    def __init__(self, most: int = 10_000) -> None:
        self._most = most
        self._out: OrderedDict[str, list[Nonce]] = OrderedDict()

    def give(self, serial: str, now: datetime) -> Nonce:
        """A new one for this unit."""
        made = Nonce(secrets.token_hex(16), now + LIFETIME)
        self._out[serial] = [*self._out.get(serial, []), made][-_EACH:]
        self._out.move_to_end(serial)
        if len(self._out) > self._most:
            self._out.popitem(last=False)
        return made

    def take(self, serial: str, text: str, now: datetime) -> bool:
        """Whether this one was given to the unit lately; it is gone with that."""
        held = self._out.pop(serial, [])
        left = [one for one in held if one.text != text]
        if left:
            self._out[serial] = left
        return any(one.text == text and now < one.until for one in held)
