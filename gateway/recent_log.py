"""The last lines of this process's log, for whoever asks from afar. Never about a person.

Lines hold what happened and the plain values beside it that are known to be harmless; a traceback
or the text of an error stays here.
"""

import logging
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from contract.messages import LogLine

_KEPT: Final = 200
_LONGEST: Final = 300
# Names of values that say how the machine does, and nothing of who lives with it.
_HARMLESS: Final = frozenset(
    {
        *("again_in", "attempt", "clk", "code", "connects", "count", "device", "errors", "fault"),
        *("generation", "kind", "link", "ms", "on_trial", "online", "op", "path", "reason"),
        *("resident_mb", "retry", "rev", "rows_rescued", "seconds", "seq", "slot", "st", "status"),
        *("task", "topic", "ver", "why", "works"),
    }
)
_WORST: Final = logging.WARNING


class RecentLog(logging.Handler):
    """A logging handler that remembers the last lines."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self._lines: deque[LogLine] = deque(maxlen=_KEPT)
        self._unsaid: deque[LogLine] = deque(maxlen=_KEPT)

    def emit(self, record: logging.LogRecord) -> None:
        """Take a line of ours; those of libraries may hold anything."""
        if not isinstance(record.msg, dict):
            return
        line = LogLine(
            t=int(record.created * 1000),
            lvl=record.levelname.lower(),
            msg=_text(record.msg)[:_LONGEST],
        )
        self._lines.append(line)
        if record.levelno >= _WORST:
            self._unsaid.append(line)

    def last(self, count: int) -> list[LogLine]:
        """The last lines, the oldest first."""
        return list(self._lines)[-count:]

    def warnings(self) -> list[LogLine]:
        """The warnings and errors since the last call."""
        found = list(self._unsaid)
        self._unsaid.clear()
        return found

    @contextmanager
    def attached(self) -> Iterator[None]:
        """Listen to this process's log meanwhile."""
        root = logging.getLogger()
        root.addHandler(self)
        try:
            yield
        finally:
            root.removeHandler(self)


def _text(event: dict[str, Any]) -> str:
    values = [
        f"{name}={value}"
        for name, value in event.items()
        if name in _HARMLESS and isinstance(value, str | int | float | bool)
    ]
    return " ".join([str(event.get("event", "")), *values])
