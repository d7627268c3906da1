"""Episodes of what a timer finds: they last as long as the condition. Pure."""

from datetime import datetime

import msgspec

from alerts.drafts import Draft, Whose, Why, new_episode, piece_of, priority_of, withdrawn
from alerts.verdict import Tier, Verdict
from store.episode import Episode, Evidence


def settle(
    open_episode: Episode | None, verdict: Verdict | None, *, whose: Whose, now: datetime
) -> Draft | None:
    """Open, update or withdraw the one episode of a condition; None when nothing has changed.

    Whether a person has dealt with it already is the caller's to ask: then there is no verdict.
    """
    if verdict is None:
        if open_episode is None:
            return None
        draft = Draft(before=open_episode, after=open_episode)
        return withdrawn(draft, "condition_ended", now)
    if open_episode is None:
        return _opened(verdict, whose, now)
    return _updated(Draft(before=open_episode, after=open_episode), verdict)


def _opened(verdict: Verdict, whose: Whose, now: datetime) -> Draft:
    episode = new_episode(verdict, whose, now)
    draft = Draft(before=None, after=episode).noting("start", verdict.reason.value)
    if verdict.tier == Tier.WORKLIST:
        return draft.noting("suppress", "worklist_only").shown()
    return _covering(draft, verdict).told(Why.FIRST)


def _updated(draft: Draft, verdict: Verdict) -> Draft | None:
    episode = draft.after
    if _said(episode.evidence) == _said(verdict.evidence) and episode.reason == verdict.reason:
        return None
    tier = max(int(verdict.tier), episode.told_tier or 0)
    changed = draft.but(
        evidence=tuple(piece_of(verdict, piece) for piece in verdict.evidence),
        reason=verdict.reason.value,
        tier=int(verdict.tier),
        priority=priority_of(tier, technical=verdict.technical),
        onset_at=min(episode.onset_at, verdict.onset_at),
        last_evidence_at=verdict.last_at,
    ).noting("update", verdict.reason.value)
    if verdict.tier > (episode.told_tier or 0):
        why = Why.FIRST if episode.told_tier is None else Why.HIGHER_TIER
        return _covering(changed, verdict).but(**_UNACKNOWLEDGED).told(why)
    return changed


_UNACKNOWLEDGED = {
    "state": "open",
    "acknowledged_at": None,
    "acknowledged_by": None,
    "acknowledged_until": None,
}


def _covering(draft: Draft, verdict: Verdict) -> Draft:
    return draft.but(told_tier=int(verdict.tier), covered_until=verdict.last_at)


def _said(evidence: tuple[Evidence, ...]) -> list[Evidence]:
    """What the pieces say, whatever reason they are kept for."""
    return [msgspec.structs.replace(piece, reason="") for piece in evidence]
