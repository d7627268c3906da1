"""Turns a draft into rows: the episode, its history, who is told, what the device is asked.

All of it in the caller's transaction, so that an episode never exists without its outbox.
"""

from datetime import datetime
from typing import Any, Final

import msgspec

from alerts import ladder, progress, telling
from alerts.drafts import Draft
from alerts.reasons import Text
from alerts.settings import AlertsSettings
from alerts.window import PRESSURE, SYMPTOM_QUESTION
from contract.instants import to_millis
from store import command, notification, reach
from store import episode as episodes
from store.episode import Episode, Evidence, Policy, Trace
from store.pool import Connection

_QUESTION: Final = Text(
    "现在有没有胸痛、气短、剧烈头痛、头晕、看不清、手脚无力或说话不清？",
    "Do you have chest pain, shortness of breath, a severe headache, dizziness, blurred vision,"
    " weakness or trouble speaking right now?",
)
_OPTIONS: Final = (("yes", Text("有", "Yes")), ("no", Text("没有", "No")))


async def carry_out(
    conn: Connection, draft: Draft, *, settings: AlertsSettings, now: datetime
) -> Episode:
    """Write one draft and everything that goes with it; returns the episode as stored.

    Raises UniqueViolation where another engine has opened the same episode meanwhile.
    """
    episode = draft.after
    if draft.page is not None or (episode.state != "closed" and not episode.policy.via):
        episode = await stamped(conn, episode, settings)
    rung = ladder.first(episode, now) if draft.page is not None else None
    if rung is not None:
        episode = rung.episode
    episode = await _written(conn, episode)
    traces = list(draft.traces)
    if rung is not None and draft.page is not None:
        rung = msgspec.structs.replace(rung, episode=episode)
        traces += await telling.tell(conn, rung, draft.page, settings=settings, now=now)
    elif draft.listed:
        traces += await telling.show(conn, episode, settings=settings, now=now)
    if draft.ask is not None:
        traces += await _ask(conn, episode, draft.ask, settings, now)
    if episode.state == "closed":
        traces += await _closed(conn, draft, episode, settings, now)
    await episodes.record(conn, episode.id, now, traces)
    return episode


async def stamped(conn: Connection, episode: Episode, settings: AlertsSettings) -> Episode:
    """Whom to tell is settled when a ladder starts: people come and go meanwhile."""
    nobodys = episode.patient_id is None and episode.node_id is None
    found = await reach.ladder(
        conn,
        patient_id=episode.patient_id,
        node_id=episode.node_id,
        team_id=episode.team_id if nobodys else None,
    )
    policy = Policy(
        ladder=found.ladder,
        escalate_after_s=found.escalate_after_s,
        restart_after_s=settings.alerts_restart_after_s,
        via=found.via,
        emergency_number=settings.emergency_number,
    )
    return msgspec.structs.replace(episode, policy=policy, team_id=found.team_id)


async def _written(conn: Connection, episode: Episode) -> Episode:
    if episode.id:
        await episodes.save(conn, episode)
        return episode
    return msgspec.structs.replace(episode, id=await episodes.insert(conn, episode))


async def _closed(
    conn: Connection, draft: Draft, episode: Episode, settings: AlertsSettings, now: datetime
) -> list[Trace]:
    """Withdrawn: what was not sent is not sent any more, and who was told hears of it."""
    if draft.before is None or draft.before.state == "closed":
        return []
    await notification.drop_queued(conn, episode.id, now=now, why="episode_withdrawn")
    await progress.tell(conn, episode, "closed", progress.CLOSED, now)
    if not episode.step or episode.priority not in ladder.PAGING:
        return []
    return await telling.take_back(conn, episode, settings=settings, now=now)


async def _ask(
    conn: Connection, episode: Episode, piece: Evidence, settings: AlertsSettings, now: datetime
) -> list[Trace]:
    """A second measurement and how the person feels; the person starts it (safety rule 7)."""
    if piece.node_id is None:
        return []
    who = {"who": piece.who} if piece.who else {}
    wishes: list[tuple[str, str, dict[str, Any]]] = [
        ("measure", "measure_now", {"k": PRESSURE, "rest_s": settings.alerts_rest_s, **who}),
        (f"ask-{SYMPTOM_QUESTION}", "ask", {**_question(), **who}),
    ]
    for name, op, args in wishes:
        await command.request(
            conn,
            command_id=f"{name}-{episode.id}-{to_millis(piece.at)}",
            node_id=piece.node_id,
            op=op,
            args=args,
            episode_id=episode.id,
            created_by="engine",
            now=now,
            expires_at=episode.confirm_by or now,
        )
    return [Trace(phase="update", reason="repeat_asked", detail={"key": piece.key})]


def _question() -> dict[str, Any]:
    return {
        "qid": SYMPTOM_QUESTION,
        "text": _QUESTION.both(),
        "options": [{"id": name, "text": text.both()} for name, text in _OPTIONS],
    }
