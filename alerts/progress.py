"""What the device that called is told: who has it, and when nobody answers (safety rule 12)."""

from datetime import datetime, timedelta
from typing import Final

from alerts.reasons import Text
from alerts.rules import call_for_help
from contract.instants import to_millis
from contract.messages import Feedback, Reference, Reminder
from store import outbound
from store.episode import Episode
from store.pool import Connection

_KEPT: Final = timedelta(hours=1)
_WHO: Final = "family-doctor-team"

NOTIFIED: Final = Text("已通知家庭医生团队", "Your family doctor's team has been told")
ANSWERED: Final = Text("医生已收到，正在联系您", "The doctor has received it and will reach you")
CLOSED: Final = Text("本次呼叫已处理完毕", "This call has been dealt with")
_NOBODY: Final = Text(
    "还没有人应答，我们继续联系。如情况紧急，请拨打 {number}",
    "Nobody has answered yet, we keep trying. If it is urgent, call {number}",
)


async def tell(conn: Connection, episode: Episode, stage: str, text: Text, now: datetime) -> None:
    """The stage of a call for help, to the device it came from; other episodes have none."""
    if episode.rule != call_for_help.RULE.name or episode.node_id is None:
        return
    # A reused id is stored with its time appended; the device knows the id as it gave it.
    event_id = call_for_help.event_of(episode.subject).partition("~")[0]
    feedback = Feedback(
        v=0,
        t=to_millis(now),
        ok=True,
        ref=Reference(id=event_id),
        st=stage,
        who=_WHO,
        say=text.both(),
    )
    await outbound.put_feedback(
        conn, node_id=episode.node_id, feedback=feedback, now=now, expires_at=now + _KEPT
    )


async def nobody_answers(conn: Connection, episode: Episode, now: datetime) -> None:
    """The whole ladder stayed silent: the device says so, and which number to call."""
    if episode.node_id is None:
        return
    number = episode.policy.emergency_number
    text = Text(_NOBODY.zh.format(number=number), _NOBODY.en.format(number=number))
    if episode.rule == call_for_help.RULE.name:
        await tell(conn, episode, "unanswered", text, now)
        return
    reminder = Reminder(
        v=0,
        id=f"unanswered-{episode.id}-{episode.round}",
        at=to_millis(now),
        exp=to_millis(now + _KEPT),
        text=text.both(),
        ack=False,
        prio=1,
    )
    await outbound.put_reminder(
        conn, node_id=episode.node_id, reminder=reminder, now=now, expires_at=now + _KEPT
    )
