"""Module 1: what was committed since the last turn, judged in the same transaction.

The cursor moves with the episodes and the outbox, so each batch has its effects exactly once;
every effect is idempotent by the identity of what caused it, so a rebuilt cursor does no harm.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import msgspec
from psycopg import IntegrityError

from alerts import adherence, faults
from alerts.away import AWAY
from alerts.carrying_out import carry_out
from alerts.drafts import Whose
from alerts.episodes import reconcile
from alerts.judgement import judge
from alerts.reasons import Reason
from alerts.rules import call_for_help
from alerts.rules.call_for_help import Call
from alerts.rules.pressure import SIGNS
from alerts.settings import AlertsSettings
from alerts.subjects import Affected
from alerts.turn import Turn
from alerts.verdict import Stance, Tier, Verdict
from alerts.window import PRESSURE, SYMPTOM_QUESTION, Answer, answer_of, key_of
from contract.vitals import FLAGS
from runtime import metrics
from store import episode as episodes
from store import feed, window
from store.episode import Command, Episode, Evidence
from store.feed import DoseItem, EventItem, FeedItem, ReadingItem, ResultItem
from store.pool import Connection

CONSUMER: Final = "alerts"
_FAILED: Final = FLAGS["failed"].mask
_EVER: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NOT_DONE: Final = frozenset({"error", "busy", "unsupported", "expired"})


async def run(turn: Turn) -> bool:
    """Take the next batches; whether there may be more."""
    async with turn.pool.connection() as conn, conn.transaction():
        position = await feed.position(conn, CONSUMER)
        batches = await feed.read_after(conn, position, limit=turn.settings.alerts_feed_batches)
        if not batches:
            return False
        items = [item for batch in batches for item in batch.items]
        await _take_all(conn, items, turn.settings, turn.now)
        await feed.move(conn, CONSUMER, batches[-1].id)
    behind = (turn.now - batches[-1].committed_at).total_seconds()
    metrics.gauge("alerts_feed_lag_seconds", "Age of the newest batch when judged").set(behind)
    return True


async def _take_all(
    conn: Connection, items: Sequence[FeedItem], settings: AlertsSettings, now: datetime
) -> None:
    """Together, else one by one: what nobody can work out holds up nothing else."""
    try:
        async with conn.transaction():
            await take(conn, items, settings=settings, now=now)
    except AWAY:
        raise
    except Exception:  # noqa: BLE001 - found, and reported, below
        for item in items:
            await _take_one(conn, item, settings, now)


async def _take_one(
    conn: Connection, item: FeedItem, settings: AlertsSettings, now: datetime
) -> None:
    try:
        async with conn.transaction():
            await take(conn, [item], settings=settings, now=now)
    except AWAY:
        raise
    except Exception as error:  # noqa: BLE001 - one item must not stop all the others
        urgent = isinstance(item, ReadingItem | EventItem | ResultItem)
        tier = Tier.SEVERE if urgent else Tier.WORKLIST
        whose = Whose(patient_id=getattr(item, "patient_id", None))
        await faults.report(conn, CONSUMER, whose, now, error, settings, now, tier=tier)


async def take(
    conn: Connection, items: Sequence[FeedItem], *, settings: AlertsSettings, now: datetime
) -> None:
    """Judge what some items changed; calls for help come first."""
    events = [item for item in items if isinstance(item, EventItem)]
    await _calls(conn, events, settings, now)
    affected = Affected()
    readings = [item for item in items if isinstance(item, ReadingItem)]
    await _readings(conn, readings, affected)
    _signs(events, affected)
    results = [item for item in items if isinstance(item, ResultItem)]
    affected.episodes(await _results(conn, results, now))
    await judge(conn, affected, settings=settings, now=now)
    patients = {item.patient_id for item in items if isinstance(item, DoseItem)}
    await adherence.judge(conn, sorted(patients), settings=settings, now=now)


# --- readings -----------------------------------------------------------------------------


async def _readings(conn: Connection, items: Sequence[ReadingItem], affected: Affected) -> None:
    concerned = [item for item in items if item.kind == PRESSURE or item.flags & _FAILED]
    for item in concerned:
        affected.reading(item)
    keys = [
        key_of(item.device_id, item.kind, item.measured_at, item.ordinal)
        for item in concerned
        if item.change != "inserted"
    ]
    if keys:
        affected.episodes(await episodes.resting_on(conn, keys))


def _signs(events: Sequence[EventItem], affected: Affected) -> None:
    for event in events:
        if event.type in ("answer", "fall") and event.patient_id is not None:
            affected.patient(event.patient_id, event.occurred_at - SIGNS)


# --- calls for help -----------------------------------------------------------------------


async def _calls(
    conn: Connection, events: Sequence[EventItem], settings: AlertsSettings, now: datetime
) -> None:
    # A call that is in the feed twice is one call.
    once: dict[tuple[str, str], EventItem] = {}
    for event in events:
        if call_for_help.is_call(event):
            once.setdefault((event.node_id, event.event_id), event)
    calls = list(once.values())
    cancels = [event for event in events if event.type == call_for_help.CANCEL and event.ref]
    if not calls and not cancels:
        return
    cancelled = await window.cancelled(conn, [(e.node_id, e.event_id) for e in calls])
    subjects = [call_for_help.subject(e.node_id, e.event_id) for e in calls]
    subjects += [call_for_help.subject(e.node_id, e.ref or "") for e in cancels]
    known = await episodes.of_rule(
        conn, rule=call_for_help.RULE.name, subjects=subjects, closed_since=_EVER
    )
    for event in calls:
        at = cancelled.get((event.node_id, event.event_id))
        verdict = call_for_help.judge_call(Call(event=event, cancelled_at=at))
        whose = Whose(patient_id=event.patient_id, node_id=event.node_id)
        await _settle_call(conn, verdict, whose, known, settings, now)
    for event in cancels:
        subject = call_for_help.subject(event.node_id, event.ref or "")
        for episode in known:
            if episode.subject == subject and episode.state != "closed":
                whose = Whose(patient_id=episode.patient_id, node_id=episode.node_id)
                await _settle_call(conn, _taken_back(episode), whose, known, settings, now)


def _taken_back(episode: Episode) -> Verdict:
    """The call as its episode knows it, withdrawn on the device."""
    return Verdict(
        rule=episode.rule,
        version=episode.rule_version,
        subject=episode.subject,
        stance=Stance.REFUTED,
        tier=Tier(episode.tier),
        reason=Reason(episode.reason),
        evidence=episode.evidence[:1],
    )


async def _settle_call(
    conn: Connection,
    verdict: Verdict,
    whose: Whose,
    known: Sequence[Episode],
    settings: AlertsSettings,
    now: datetime,
) -> None:
    """A call always lands: where its patient or node cannot be written, without them."""
    try:
        try:
            await _carry_out_call(conn, verdict, whose, known, settings, now)
        except IntegrityError:
            await _carry_out_call(conn, verdict, Whose(), known, settings, now)
    except AWAY:
        raise
    except Exception as error:  # noqa: BLE001 - one call must not stop the others
        await faults.report(
            conn,
            verdict.rule,
            Whose(),
            verdict.onset_at,
            error,
            settings,
            now,
            tier=Tier.EMERGENCY,
        )


async def _carry_out_call(
    conn: Connection,
    verdict: Verdict,
    whose: Whose,
    known: Sequence[Episode],
    settings: AlertsSettings,
    now: datetime,
) -> None:
    drafts = reconcile(
        [episode for episode in known if episode.subject == verdict.subject],
        [verdict],
        whose=whose,
        judged_from=None,
        now=now,
        timing=settings.timing(),
    )
    async with conn.transaction():
        for draft in drafts:
            await carry_out(conn, draft, settings=settings, now=now)


# --- answers to what was asked --------------------------------------------------------------


async def _results(conn: Connection, results: Sequence[ResultItem], now: datetime) -> list[Episode]:
    """Note what became of questions and repeats; returns the episodes with a new yes."""
    asked = await episodes.commands(conn, [item.command_id for item in results])
    answered = []
    for item in results:
        command = asked.get(item.command_id)
        if command is None or command.node_id != item.node_id:
            continue
        episode = await episodes.find(conn, command.episode_id, lock=True)
        if episode is None:
            continue
        if command.op == "ask" and command.args.get("qid") == SYMPTOM_QUESTION:
            changed = await _answer(conn, episode, command, item, now)
            answered += [changed] if changed else []
        elif item.state in _NOT_DONE:
            await _not_repeated(conn, episode, item, now)
    return answered


async def _answer(
    conn: Connection, episode: Episode, command: Command, item: ResultItem, now: datetime
) -> Episode | None:
    """Keep the answer as evidence. What was not answered is unknown, never no (rule 8)."""
    said = answer_of(item.out) if item.state == "ok" else Answer.UNKNOWN
    piece = _answer_piece(command, item, said)
    final = item.state in _NOT_DONE or item.state == "ok"
    if not final or not _says_more(episode, piece):
        return None
    others = (one for one in episode.evidence if one.key != piece.key)
    changed = msgspec.structs.replace(episode, evidence=(*others, piece))
    await episodes.save(conn, changed)
    line = episodes.Trace(phase="update", reason=f"symptom_{said.value}", detail={"key": piece.key})
    await episodes.record(conn, episode.id, now, [line])
    # Also where a normal repeat was quicker than the answer: a symptom is told all the same.
    return changed if said is Answer.YES else None


def _answer_piece(command: Command, item: ResultItem, said: Answer) -> Evidence:
    """The answer; however late it arrives, it was given while the question stood."""
    return Evidence(
        key=f"a:{command.id}",
        type="answer",
        at=min(item.received_at, command.expires_at),
        received_at=item.received_at,
        node_id=item.node_id,
        detail={"qid": SYMPTOM_QUESTION, "answer": said.value, "state": item.state},
    )


def _says_more(episode: Episode, piece: Evidence) -> bool:
    """A word of the person outdoes an unknown, such as the hub's own guess, and a yes a no."""
    rank = [Answer.UNKNOWN, Answer.NO, Answer.YES]
    known = (one.detail["answer"] for one in episode.evidence if one.key == piece.key)
    return all(rank.index(piece.detail["answer"]) > rank.index(one) for one in known)


async def _not_repeated(
    conn: Connection, episode: Episode, item: ResultItem, now: datetime
) -> None:
    """No repeat will come: said in the history; the page goes out at the deadline."""
    line = episodes.Trace(
        phase="update", reason=f"repeat_{item.state}", detail={"command": item.command_id}
    )
    await episodes.record(conn, episode.id, now, [line])
