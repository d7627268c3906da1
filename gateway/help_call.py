"""The call for help: one press, one event, sent until the hub has it, followed until it is closed.

Whatever the hub says of itself, the call goes out. The person sees and hears how far it has come;
without a receipt within a minute the robot says so and names the emergency number, and goes on
trying.
"""

import time
from collections.abc import Callable
from typing import Any, Final

import msgspec
import structlog
from msgspec import Struct, structs

from contract.instants import to_millis
from contract.messages import Feedback
from gateway.reports import Reports, new_id
from gateway.spool import Key
from gateway.sql import statements
from gateway.storage import Storage, StorageUnavailableError
from gateway.timekeeper import Timekeeper

_LOG = structlog.get_logger()
_SQL: Final = statements("help_call")
# In the order in which they may come; an unknown stage leaves the stage and shows the words.
STAGES: Final = ("sent", "accepted", "notified", "answered", "closed")
_SHOWN_FOR_MS: Final = 12 * 3_600_000


class Call(Struct, frozen=True, kw_only=True):
    """One call for help. `at` is UTC milliseconds, `say` the team's own words, if any."""

    id: str
    at: int
    key: Key
    stage: str = "sent"
    say: dict[str, str] | None = None
    cancelled: bool = False
    dismissed: bool = False


class HelpLine:
    """The call button of this node."""

    def __init__(
        self,
        storage: Storage,
        reports: Reports,
        timekeeper: Timekeeper,
        *,
        waits: Callable[[Key], bool],
        fallback_seconds: float,
        cancel_seconds: float,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._storage = storage
        self._reports = reports
        self._time = timekeeper
        self._waits = waits
        self._fallback_seconds = fallback_seconds
        self._cancel_seconds = cancel_seconds
        self._monotonic = monotonic
        row = storage.row(_SQL["last"])
        self._call = None if row is None else _call(row)
        # After a restart the minute has passed for a call that still waits.
        self._pressed = float("-inf")

    @property
    def current(self) -> Call | None:
        """The call to show: the last one, unless it was put away or is long over."""
        call = self._call
        if call is None or call.dismissed:
            return None
        return call if to_millis(self._time.now()) - call.at < _SHOWN_FOR_MS else None

    @property
    def unheard(self) -> bool:
        """A minute has passed and nobody has it: time for the telephone."""
        call = self.current
        if call is None or call.cancelled or self._landed(call):
            return False
        return self._monotonic() - self._pressed >= self._fallback_seconds

    @property
    def may_cancel(self) -> bool:
        """A slip of the finger can be taken back for some seconds."""
        call = self.current
        fresh = self._monotonic() - self._pressed < self._cancel_seconds
        return call is not None and not call.cancelled and fresh

    def _landed(self, call: Call) -> bool:
        return call.stage != "sent" or not self._waits(call.key)

    def press(self, how: str) -> str:
        """Call. A second press within the cancel time is the same call; later it is a new one."""
        if self.may_cancel and self._call is not None:
            return self._call.id
        now = to_millis(self._time.now())
        call_id = new_id(now)
        key = self._reports.event(
            "call_doctor",
            event_id=call_id,
            sev="critical",
            src={"dev": "robot", "how": how},
        )
        self._pressed = self._monotonic()
        self._save(Call(id=call_id, at=now, key=key))
        _LOG.info("help_called", event_id=call_id)
        return call_id

    def cancel(self) -> bool:
        """Take the call back; False when it is too late for that."""
        call = self._call
        if call is None or not self.may_cancel:
            return False
        self._reports.event("cancel", ref=call.id)
        self._save(structs.replace(call, cancelled=True))
        _LOG.info("help_cancelled", event_id=call.id)
        return True

    def dismiss(self) -> bool:
        """Put the card away; only once it is closed, cancelled or answered."""
        call = self._call
        if call is None or not (call.cancelled or call.stage in {"answered", "closed"}):
            return False
        self._save(structs.replace(call, dismissed=True))
        return True

    def progress(self, feedback: Feedback) -> Call | None:
        """The hub says how far it has come; returns the call if that is news."""
        call, ref = self._call, feedback.ref
        if call is None or ref is None or ref.id != call.id or feedback.st is None:
            return None
        stage = feedback.st if _rank(feedback.st) >= _rank(call.stage) else call.stage
        updated = structs.replace(call, stage=stage, say=feedback.say or call.say)
        if updated == call:
            return None
        self._save(updated)
        return updated

    def _save(self, call: Call) -> None:
        self._call = call
        try:
            with self._storage.transaction():
                self._storage.change(_SQL["put"], _values(call))
        except StorageUnavailableError as error:
            _LOG.error("help_call_not_stored", event_id=call.id, error=str(error))


def _rank(stage: str) -> int:
    return STAGES.index(stage) if stage in STAGES else -1


def _values(call: Call) -> dict[str, Any]:
    return structs.asdict(call) | {
        "boot": call.key[0],
        "seq": call.key[1],
        "say": None if call.say is None else msgspec.json.encode(call.say),
    }


def _call(row: Any) -> Call:
    return Call(
        id=row["id"],
        at=row["at"],
        key=(row["boot"], row["seq"]),
        stage=row["stage"],
        say=None if row["say"] is None else msgspec.json.decode(row["say"], type=dict[str, str]),
        cancelled=bool(row["cancelled"]),
        dismissed=bool(row["dismissed"]),
    )
