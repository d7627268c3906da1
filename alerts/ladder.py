"""Who is told next, and when the one after (safety rule 12). Pure.

High priority climbs the ladder step by step and starts again after the last, without end. When
the last step has not answered either, the device says so before the ladder starts again.
Medium climbs once. The rest is on the worklist and pages nobody.
"""

from datetime import datetime, timedelta
from typing import Final

import msgspec
from msgspec import Struct

from store.episode import Episode

PAGING: Final = frozenset({"high", "medium"})


class Rung(Struct, frozen=True, kw_only=True):
    """What the next step does: `staff` are told. `again`: the ladder starts anew."""

    episode: Episode
    staff: tuple[int, ...]
    again: bool = False


def first(episode: Episode, now: datetime) -> Rung:
    """Tell the first step: a new round, unless nobody was told before."""
    round_ = episode.round + 1 if episode.step else episode.round
    return _at(episode, round_, 1, now)


def following(episode: Episode, now: datetime) -> Rung | None:
    """The step after the last that was told; None where the ladder is climbed once and done."""
    if episode.step < len(episode.policy.ladder):
        return _at(episode, episode.round, episode.step + 1, now)
    return restarted(episode, now) if episode.priority == "high" else None


def restarted(episode: Episode, now: datetime) -> Rung:
    """The ladder from its first step, once more."""
    rung = _at(episode, episode.round + 1, 1, now)
    return msgspec.structs.replace(rung, again=True)


def _at(episode: Episode, round_: int, step: int, now: datetime) -> Rung:
    policy = episode.policy
    staff = policy.ladder[step - 1] if step <= len(policy.ladder) else ()
    last = step >= len(policy.ladder) and episode.priority == "high"
    patience = min(policy.escalate_after_s, policy.restart_after_s)
    told = msgspec.structs.replace(
        episode,
        step=step,
        round=round_,
        escalate_at=_next_at(episode.priority, step, episode, now),
        unanswered_at=now + timedelta(seconds=patience) if last else None,
    )
    return Rung(episode=told, staff=staff)


def _next_at(priority: str, step: int, episode: Episode, now: datetime) -> datetime | None:
    policy = episode.policy
    if step < len(policy.ladder):
        return now + timedelta(seconds=policy.escalate_after_s)
    if priority == "high":
        return now + timedelta(seconds=policy.restart_after_s)
    return None


def sooner(episode: Episode, round_: int, step: int, now: datetime) -> Episode:
    """Nobody on this step can be reached: the next one is due now.

    Only while that step is the last that was told, so that one failure moves it once; and not
    after the last step, whose restart keeps its time.
    """
    current = episode.state == "open" and (episode.round, episode.step) == (round_, step)
    if not current or episode.step >= len(episode.policy.ladder):
        return episode
    return msgspec.structs.replace(episode, escalate_at=now)
