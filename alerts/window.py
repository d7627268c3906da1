"""What the pressure rules look at: readings of one person in measured order, and signs. Pure."""

from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from msgspec import Struct

from contract.instants import to_millis
from contract.vitals import FLAGS
from store.episode import Evidence
from store.window import WindowReading

PRESSURE: Final = "bp"
# The question asked beside a repeat; its answer comes as a result or as an event.
SYMPTOM_QUESTION: Final = "symptoms"
_YES: Final = frozenset({"yes", "y", "true", "1", "是", "有"})
_NO: Final = frozenset({"no", "n", "false", "0", "否", "没有", "无"})
_NOT_COUNTED: Final = FLAGS["demo"].mask | FLAGS["failed"].mask


class SignKind(StrEnum):
    """What was said or seen beside a number."""

    SYMPTOM = "symptom"
    FALL = "fall"


class Answer(StrEnum):
    """Unknown is not no (safety rule 8): only a spoken no is a no."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


class Sign(Struct, frozen=True):
    """A symptom answered yes, or a fall."""

    at: datetime
    kind: SignKind


class Window(Struct, frozen=True, kw_only=True):
    """One person's readings, sorted by measured time; or a device's that nobody owns.

    Verdicts are wanted from `judged_from` on; what is older is context. `owned` is False where
    the person is unknown: then a normal reading may be somebody else's and refutes nothing
    outside its own session. `candidates` are the patients it may have been.
    """

    profile: str
    readings: tuple[WindowReading, ...]
    judged_from: datetime
    signs: tuple[Sign, ...] = ()
    owned: bool = True
    candidates: tuple[int, ...] = ()

    def near(self, at: datetime, before: timedelta, after: timedelta) -> tuple[WindowReading, ...]:
        """The readings measured in [at - before, at + after]."""
        first = bisect_left(self.readings, at - before, key=_measured)
        last = bisect_right(self.readings, at + after, key=_measured)
        return self.readings[first:last]

    def judged(self) -> tuple[WindowReading, ...]:
        """The readings a verdict is wanted on; demonstrations never are."""
        first = bisect_left(self.readings, self.judged_from, key=_measured)
        demo = FLAGS["demo"].mask
        return tuple(reading for reading in self.readings[first:] if not reading.flags & demo)

    def signs_around(self, at: datetime, reach: timedelta) -> frozenset[SignKind]:
        """What was said or seen within `reach` of an instant."""
        return frozenset(sign.kind for sign in self.signs if abs(sign.at - at) <= reach)


def _measured(reading: WindowReading) -> datetime:
    return reading.measured_at


def has(reading: WindowReading, flag: str) -> bool:
    """Whether a flag of the dictionary is set on the reading."""
    return bool(reading.flags & FLAGS[flag].mask)


def pressure(reading: WindowReading) -> tuple[float, float] | None:
    """Systolic and diastolic in mmHg; None without both, for a failure or a demonstration."""
    sys, dia = reading.values[0], reading.values[1]
    if reading.kind != PRESSURE or reading.flags & _NOT_COUNTED or sys is None or dia is None:
        return None
    return sys, dia


def key_of(device_id: int, kind: str, measured_at: datetime, ordinal: int, beside: str = "") -> str:
    """The identity of a reading as evidence: that of its row, without the patient."""
    own = f"r:{device_id}:{kind}:{to_millis(measured_at)}:{ordinal}"
    return f"{own}/{beside}" if beside else own


def rivals(one: WindowReading, other: WindowReading) -> bool:
    """Whether these are two values of one reading."""
    names = ("device_id", "kind", "measured_at", "ordinal")
    return one is not other and all(getattr(one, n) == getattr(other, n) for n in names)


def evidence_of(
    reading: WindowReading, *, stance: str, tier: int, lateness: str, **detail: Any
) -> Evidence:
    """A reading as a piece of evidence."""
    return Evidence(
        key=key_of(
            reading.device_id,
            reading.kind,
            reading.measured_at,
            reading.ordinal,
            f"{reading.beside}:{reading.conflict}" if reading.beside else "",
        ),
        type="reading",
        at=reading.measured_at,
        received_at=reading.received_at,
        node_id=reading.node_id,
        device_id=reading.device_id,
        kind=reading.kind,
        ordinal=reading.ordinal,
        values=reading.values,
        flags=reading.flags,
        clock=reading.clock,
        who=reading.who,
        session_id=reading.session_id,
        stance=stance,
        tier=int(tier),
        lateness=lateness,
        detail=detail,
    )


def answer_of(said: Mapping[str, Any]) -> Answer:
    """What was answered, from the `out` of a result or the `ctx` of an event."""
    value = said.get("answer")
    text = str(value).strip().lower() if isinstance(value, str | bool | int) else ""
    if text in _YES:
        return Answer.YES
    return Answer.NO if text in _NO else Answer.UNKNOWN


def answered_event(body: Mapping[str, Any]) -> Answer:
    """The answer an event of type `answer` carries to our question; else unknown."""
    context = body.get("ctx")
    said = context if isinstance(context, Mapping) else {}
    question = str(said.get("qid") or body.get("ref") or "")
    ours = question.startswith((SYMPTOM_QUESTION, f"ask-{SYMPTOM_QUESTION}"))
    return answer_of(said) if ours else Answer.UNKNOWN
