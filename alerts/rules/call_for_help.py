"""Somebody calls, or has fallen: it always lands, whoever and whenever (safety 2, 4). Pure."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from msgspec import Struct

from alerts.reasons import Reason, Text
from alerts.rules.rule import Rule
from alerts.verdict import Lateness, Stance, Tier, Verdict, lateness
from store.episode import Evidence
from store.feed import EventItem

RULE: Final = Rule(
    name="call_for_help",
    version=1,
    title=Text("呼救", "Call for help"),
    source=Text("本系统安全规则 4：呼救必达", "Safety rule 4: a call for help always lands"),
    next_step=Text(
        "立即回电；无人应答则上门或拨打急救电话",
        "Call back at once; nobody answers: go there, or call the ambulance",
    ),
)

CANCEL: Final = "cancel"
_REASONS: Final = {
    "call_doctor": Reason.CALL_DOCTOR,
    "sos": Reason.SOS,
    "fall": Reason.FALL,
    "no_motion": Reason.CRITICAL_EVENT,
}
# Clocks that set themselves. On any other an old time may be a wrong one: it hides no emergency.
_SET_THEMSELVES: Final = frozenset({"ntp", "hub", "gnss", "cell", "phone"})
_EARLIEST: Final = datetime(2015, 1, 1, tzinfo=UTC)
_FUTURE: Final = timedelta(seconds=120)


class Call(Struct, frozen=True, kw_only=True):
    """A call with what the engine knows beside it: when it was withdrawn on the device."""

    event: EventItem
    cancelled_at: datetime | None = None


def is_call(event: EventItem) -> bool:
    """Whether an event is a call for help: by type, or because its device calls it critical."""
    if _type(event) in _REASONS:
        return True
    ours = event.type in {CANCEL, "answer", "device_fault", "clock_step"}
    return not ours and event.body.get("sev") == "critical"


def _type(event: EventItem) -> str:
    """The type, however a device writes it: a call lands (safety rule 4)."""
    return event.type.strip().lower().replace("-", "_")


def subject(node_id: str, event_id: str) -> str:
    """Each call is an episode of its own (safety rule 3)."""
    return f"{node_id}:{event_id}"


def event_of(episode_subject: str) -> str:
    """The event id in a subject."""
    return episode_subject.partition(":")[2]


def judge_call(call: Call) -> Verdict:
    """A call is refuted only by its own withdrawal on the device."""
    event = call.event
    at, late = _when(event)
    tier = Tier.WORKLIST if late is Lateness.OLD else Tier.EMERGENCY
    stance = Stance.AT_ONCE if call.cancelled_at is None else Stance.REFUTED
    detail: dict[str, Any] = {"type": event.type, "event_id": event.event_id}
    return Verdict(
        rule=RULE.name,
        version=RULE.version,
        subject=subject(event.node_id, event.event_id),
        stance=stance,
        tier=tier,
        reason=_REASONS.get(_type(event), Reason.CRITICAL_EVENT),
        evidence=(
            Evidence(
                key=f"e:{event.node_id}:{event.event_id}",
                type="event",
                at=at,
                received_at=event.received_at,
                node_id=event.node_id,
                clock=str(event.body.get("clk") or ""),
                stance=stance,
                tier=int(tier),
                lateness=late,
                detail=detail,
            ),
        ),
    )


def _when(event: EventItem) -> tuple[datetime, Lateness]:
    """When it happened, and how late it is. A time that cannot be true is the arrival's."""
    possible = _EARLIEST <= event.occurred_at <= event.received_at + _FUTURE
    if not possible:
        return event.received_at, Lateness.LIVE
    late = lateness(event.occurred_at, event.received_at)
    if late is Lateness.OLD and event.body.get("clk") not in _SET_THEMSELVES:
        late = Lateness.LATE
    return event.occurred_at, late
