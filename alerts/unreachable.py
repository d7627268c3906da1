"""An address that cannot be reached: somebody is to mend it, and the next step is told sooner."""

from datetime import UTC, datetime

from alerts import ladder
from alerts.carrying_out import carry_out
from alerts.conditions import settle
from alerts.drafts import Whose, Why
from alerts.reasons import Reason
from alerts.rules.registry import CONTACT_UNREACHABLE
from alerts.settings import AlertsSettings
from alerts.verdict import Stance, Tier, Verdict
from store import episode as episodes
from store.episode import Episode, Evidence, Trace
from store.notification import Due, Step, others_may_arrive
from store.pool import Connection


async def report(
    conn: Connection, due: Due, detail: str, *, settings: AlertsSettings, now: datetime
) -> None:
    """A technical episode for the address, one however many messages it swallows."""
    if due.contact_id is None:
        return
    about = await episodes.find(conn, due.episode_id)
    verdict = _verdict(due.contact_id, detail, now)
    draft = settle(await _open(conn, due.contact_id), verdict, whose=Whose(), now=now)
    if draft is not None and draft.before is None:
        draft = draft.but(team_id=about.team_id if about else None)
        await carry_out(conn, draft, settings=settings, now=now)


async def reached(conn: Connection, due: Due, *, settings: AlertsSettings, now: datetime) -> None:
    """It works again: the technical episode is taken back."""
    known = await _open(conn, due.contact_id) if due.contact_id is not None else None
    draft = settle(known, None, whose=Whose(), now=now)
    if draft is not None:
        await carry_out(conn, draft, settings=settings, now=now)


async def refused(conn: Connection, due: Due, *, now: datetime) -> None:
    """Nobody will be reached there: fail over, unless the step has another address."""
    if not await others_may_arrive(conn, due):
        step = Step(episode_id=due.episode_id, round=due.round, step=due.step)
        await fail_over(conn, step, now=now)


async def fail_over(conn: Connection, step: Step, *, now: datetime) -> None:
    """The next step of the ladder is due now, once for each step."""
    episode = await episodes.find(conn, step.episode_id, lock=True)
    if episode is None:
        return
    sooner = ladder.sooner(episode, step.round, step.step, now)
    if sooner != episode:
        await episodes.save(conn, sooner)
        detail = {"step": step.step, "round": step.round}
        line = Trace(phase="escalate", reason=Why.UNREACHABLE.value, detail=detail)
        await episodes.record(conn, episode.id, now, [line])


async def _open(conn: Connection, contact_id: int) -> Episode | None:
    found = await episodes.of_rule(
        conn,
        rule=CONTACT_UNREACHABLE.name,
        subjects=[f"contact:{contact_id}"],
        # Only open ones.
        closed_since=datetime(9999, 1, 1, tzinfo=UTC),
    )
    return found[0] if found else None


def _verdict(contact_id: int, detail: str, now: datetime) -> Verdict:
    return Verdict(
        rule=CONTACT_UNREACHABLE.name,
        version=CONTACT_UNREACHABLE.version,
        subject=f"contact:{contact_id}",
        stance=Stance.STANDING,
        tier=Tier.WORKLIST,
        technical=True,
        reason=Reason.CONTACT_UNREACHABLE,
        evidence=(
            Evidence(
                key=f"contact:{contact_id}",
                type="condition",
                at=now,
                stance=Stance.STANDING,
                detail={"contact_id": contact_id, "answer": detail},
            ),
        ),
    )
