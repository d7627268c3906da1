"""The life of an episode, as decisions: from what is stored and what the rules say now. Pure.

`reconcile` takes the episodes of one rule and one person, and a verdict on every reading of a
window, and returns what has to change. Verdicts depend on measured time only and each reading
belongs to one episode, so running it again changes nothing, and late data corrects what earlier
data said. Every change carries its reason; so does every page that is held back.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import msgspec

from alerts.drafts import (
    Draft,
    Timing,
    Whose,
    Why,
    new_episode,
    piece_of,
    priority_of,
    withdrawn,
)
from alerts.held_back import covered_by, listed_because, refuted_by, waits_for
from alerts.verdict import LIVE, Lateness, Stance, Tier, Verdict
from store.episode import Episode, Evidence

_DECISIVE: Final = frozenset({Stance.CONFIRMED, Stance.AT_ONCE, Stance.STANDING})


def reconcile(
    episodes: Sequence[Episode],
    verdicts: Sequence[Verdict],
    *,
    whose: Whose,
    judged_from: datetime | None,
    now: datetime,
    timing: Timing | None = None,
) -> list[Draft]:
    """What has to change, oldest episode first, so that the episodes say what the verdicts say.

    `episodes` are the open one and the closed ones with evidence in the window. Readings
    measured from `judged_from` on that no verdict speaks of any more leave their open episode;
    None leaves them.
    """
    drafts: list[Draft] = []
    for subject in sorted({e.subject for e in episodes} | {v.subject for v in verdicts}):
        case = _Case([e for e in episodes if e.subject == subject], whose, now, timing or Timing())
        mine = sorted(
            (v for v in verdicts if v.subject == subject), key=lambda v: (v.onset_at, _key(v))
        )
        if judged_from is not None:
            case.forget_corrected(frozenset(map(_key, mine)), judged_from)
        for verdict in mine:
            case.take(verdict)
        drafts += case.changed()
    return drafts


def _key(verdict: Verdict) -> str:
    return verdict.evidence[0].key


class _Case:
    """The episodes of one rule, person and subject while the verdicts are gone through."""

    def __init__(
        self, episodes: Sequence[Episode], whose: Whose, now: datetime, timing: Timing
    ) -> None:
        self.whose, self.now, self.timing = whose, now, timing
        drafts = [Draft(before=episode, after=episode) for episode in episodes]
        self.open = next((d for d in drafts if d.after.state != "closed"), None)
        self.closed = [d for d in drafts if d.after.state == "closed"]

    def changed(self) -> list[Draft]:
        """What is to be written; what was closed goes first, so that another may open."""
        everything = [*self.closed, *([self.open] if self.open else [])]
        return [draft for draft in everything if draft.changed]

    # --- evidence ---------------------------------------------------------------------------

    def forget_corrected(self, spoken_of: frozenset[str], since: datetime) -> None:
        """Readings that were corrected, reassigned or withdrawn support nothing any more."""
        if self.open is None:
            return
        for piece in self.open.after.evidence:
            known = piece.type == "reading" and piece.stance != Stance.REFUTED
            gone = known and piece.at >= since and piece.key not in spoken_of
            if gone and self.open is not None:
                self._detach(piece.key, "evidence_corrected", confirmation="refuted")

    def take(self, verdict: Verdict) -> None:
        """Go through one verdict."""
        if verdict.stance is Stance.REFUTED:
            self._refute(verdict)
        else:
            self._stand(verdict)

    def _refute(self, verdict: Verdict) -> None:
        key, reason = _key(verdict), refuted_by(verdict)
        if self.open is not None and _has(self.open.after, key):
            if self.open.after.acknowledged_at is not None:
                # Somebody has it in hand: they close it, knowing what the repeat said.
                self._mark_refuted(verdict, reason)
                return
            self._detach(key, reason, confirmation="refuted")
            if self.open is not None:
                self._add_withdrawn(verdict, reason)
        elif not any(_has(draft.after, key) for draft in self.closed):
            self._add_withdrawn(verdict, reason)

    def _stand(self, verdict: Verdict) -> None:
        key = _key(verdict)
        owners = [draft for draft in self.closed if _has(draft.after, key)]
        # What a person closed counts before what the engine had taken back.
        owner = min(owners, key=lambda d: d.after.closed_by is None) if owners else None
        if self.open is not None and _has(self.open.after, key):
            fresh = self._renew(self.open, verdict)
        elif owner is not None and owner.after.closed_by is None and self.open is None:
            self._reopen(owner, verdict)
            fresh = True
        elif self._is_dealt_with(owner, verdict):
            return
        else:
            self._add(verdict)
            fresh = True
        self._tell(verdict, fresh=fresh)

    def _add(self, verdict: Verdict) -> None:
        if self.open is None:
            episode = new_episode(verdict, self.whose, self.now)
            draft = Draft(before=None, after=episode).noting(
                "start", verdict.reason.value, stance=verdict.stance.value
            )
            self.open = _settled(draft)
            return
        piece = piece_of(verdict, verdict.evidence[0])
        evidence = tuple(
            sorted((*self.open.after.evidence, piece), key=lambda one: (one.at, one.key))
        )
        self.open = _settled(self.open.but(evidence=evidence)).noting(
            "update", "new_evidence", key=piece.key, stance=verdict.stance.value
        )

    def _renew(self, draft: Draft, verdict: Verdict) -> bool:
        """Take over what the rule makes of known evidence now; whether it became decisive."""
        key = _key(verdict)
        known = next(piece for piece in draft.after.evidence if piece.key == key)
        piece = piece_of(verdict, verdict.evidence[0])
        if draft.after.covered_until is not None:
            # What people were told does not get less grave because more is known.
            piece = msgspec.structs.replace(piece, tier=max(piece.tier, known.tier))
        piece = msgspec.structs.replace(piece, detail={**piece.detail, **_asked(known)})
        if piece == known:
            return False
        self.open = _settled(_replacing(draft, piece))
        if piece.stance != known.stance:
            self.open = self.open.noting("update", f"now_{piece.stance}", key=key)
        return piece.stance != known.stance and verdict.stance in _DECISIVE

    def _detach(self, key: str, reason: str, *, confirmation: str) -> None:
        assert self.open is not None  # noqa: S101 - the callers have looked
        left = tuple(piece for piece in self.open.after.evidence if piece.key != key)
        draft = self.open.noting("update", reason, key=key)
        if any(piece.type in ("reading", "event") for piece in left):
            self.open = draft.but(evidence=left)
            self._wait_no_longer()
        elif draft.after.acknowledged_at is not None:
            known = next(piece for piece in draft.after.evidence if piece.key == key)
            piece = msgspec.structs.replace(known, stance=Stance.REFUTED.value)
            self.open = _settled(_replacing(draft, piece).but(confirm_by=None))
        else:
            self.closed.append(withdrawn(draft, reason, self.now, confirmation=confirmation))
            self.open = None

    def _mark_refuted(self, verdict: Verdict, reason: str) -> None:
        assert self.open is not None  # noqa: S101 - the caller has looked
        key = _key(verdict)
        known = next(piece for piece in self.open.after.evidence if piece.key == key)
        if known.stance == Stance.REFUTED:
            return
        piece = msgspec.structs.replace(known, stance=Stance.REFUTED.value)
        self.open = _replacing(self.open, piece).noting("de-escalate", reason, key=key)
        self._wait_no_longer()

    def _wait_no_longer(self) -> None:
        """The repeat that a second page waited for was normal: there is nothing more to tell."""
        assert self.open is not None  # noqa: S101 - the callers have looked
        told = self.open.after.covered_until is not None
        if told and not any(map(self._is_awaited, self.open.after.evidence)):
            self.open = self.open.but(confirm_by=None)
        self.open = _settled(self.open)

    def _is_awaited(self, piece: Evidence) -> bool:
        waiting = piece.stance == Stance.WAITING and piece.tier > Tier.WORKLIST
        return waiting and self._why_page(piece.tier, piece.at) is not None

    def _add_withdrawn(self, verdict: Verdict, reason: str) -> None:
        """A finding that its own repeat refuted before anybody had to be told: a trace of it."""
        episode = new_episode(verdict, self.whose, self.now)
        draft = Draft(before=None, after=episode).noting("start", verdict.reason.value)
        draft = draft.noting("suppress", reason)
        self.closed.append(withdrawn(draft, reason, self.now, confirmation="refuted"))

    def _reopen(self, draft: Draft, verdict: Verdict) -> None:
        """What had been taken back stands after all: the same episode, told anew."""
        self.closed.remove(draft)
        piece = piece_of(verdict, verdict.evidence[0])
        self.open = _settled(
            _replacing(draft, piece).but(
                state="open",
                closed_at=None,
                outcome=None,
                covered_until=None,
                told_tier=None,
                confirmation="not_needed",
            )
        ).noting("continue", "stands_after_all", key=piece.key)

    def _is_dealt_with(self, owner: Draft | None, verdict: Verdict) -> bool:
        """Late evidence of what a person has dealt with is kept there and tells nobody."""
        if owner is not None:
            return owner.after.closed_by is not None and not _graver(owner, verdict)
        if self.open is not None:
            return False
        at = verdict.onset_at
        for place, draft in enumerate(self.closed):
            done = draft.after
            inside = done.onset_at <= at <= done.last_evidence_at
            if done.closed_by is not None and inside and not _graver(draft, verdict):
                piece = piece_of(verdict, verdict.evidence[0])
                self.closed[place] = draft.but(evidence=(*done.evidence, piece)).noting(
                    "suppress", "covered_by_closed_episode", key=piece.key
                )
                return True
        return False

    # --- telling people ---------------------------------------------------------------------

    def _tell(self, verdict: Verdict, *, fresh: bool) -> None:
        assert self.open is not None  # noqa: S101 - evidence was just added to it
        if verdict.tier == Tier.WORKLIST:
            self._list(verdict, fresh=fresh)
            return
        why = self._why_page(int(verdict.tier), verdict.last_at)
        if self.open.page is not None:
            # They are being told right now: of this, too.
            self.open = self._covering(self.open, verdict)
        elif why is None:
            if fresh:
                reason = covered_by(self.open.after)
                self.open = self.open.noting("suppress", reason, key=_key(verdict))
        elif verdict.stance in _DECISIVE:
            self._page(verdict, why)
        else:
            self._wait(verdict, why)

    def _why_page(self, tier: int, at: datetime) -> Why | None:
        """Whether an acknowledgement, or what people were told already, covers this."""
        assert self.open is not None  # noqa: S101
        episode = self.open.after
        if episode.covered_until is None:
            return Why.FIRST
        if tier > (episode.told_tier or 0):
            return Why.HIGHER_TIER
        if episode.state == "open" and episode.escalate_at is not None:
            return None
        if at - episode.covered_until > self.timing.renew_after:
            return Why.RENEWED
        return None

    def _list(self, verdict: Verdict, *, fresh: bool) -> None:
        """Old, or superseded: shown, and nobody is paged (safety rule 1)."""
        assert self.open is not None  # noqa: S101
        draft = self.open
        if draft.after.covered_until is None and draft.after.tier == Tier.WORKLIST:
            is_new = draft.before is None or draft.before.state in ("pending", "closed")
            if is_new and not draft.listed:
                draft = draft.but(state="open", confirm_by=None).shown()
        if fresh or (draft.listed and not self.open.listed):
            draft = draft.noting("suppress", listed_because(verdict), key=_key(verdict))
        self.open = _settled(draft)

    def _wait(self, verdict: Verdict, why: Why) -> None:
        """Hold the page back for the repeat, up to the deadline (safety rules 6 and 13)."""
        assert self.open is not None  # noqa: S101
        draft, piece = self.open, verdict.evidence[0]
        if draft.after.confirm_by is None:
            pending = "pending" if draft.after.covered_until is None else draft.after.state
            until = self.timing.deadline(piece, self.now)
            draft = draft.but(state=pending, confirm_by=until).noting(
                "suppress", waits_for(verdict), key=piece.key, until=until.isoformat()
            )
        deadline = draft.after.confirm_by
        self.open = _settled(draft)
        if deadline is not None and self.now >= deadline:
            self.open = self.open.noting("update", "unconfirmed_at_deadline", key=piece.key)
            self._page(verdict, why)
        elif piece.lateness == Lateness.LIVE and not verdict.guided:
            self._ask(piece)

    def _ask(self, piece: Evidence) -> None:
        """Ask for one repeat at a time, once for a reading."""
        assert self.open is not None  # noqa: S101
        near = (one for one in self.open.after.evidence if abs(one.at - piece.at) <= LIVE)
        if any(_asked(one) for one in near):
            return
        known = next(one for one in self.open.after.evidence if one.key == piece.key)
        asked = msgspec.structs.replace(known, detail={**known.detail, "asked": True})
        self.open = _replacing(self.open, asked).asking(asked)

    def _page(self, verdict: Verdict, why: Why) -> None:
        assert self.open is not None  # noqa: S101
        draft = self._covering(self.open, verdict).but(
            state="open",
            confirm_by=None,
            late=verdict.evidence[0].lateness == Lateness.LATE,
            escalate_at=None,
            unanswered_at=None,
            acknowledged_at=None,
            acknowledged_by=None,
            acknowledged_until=None,
        )
        if why is not Why.FIRST:
            draft = draft.noting("escalate", why.value, key=_key(verdict))
        self.open = _settled(draft).told(why)

    @staticmethod
    def _covering(draft: Draft, verdict: Verdict) -> Draft:
        """The page speaks of everything that is known now."""
        return draft.but(
            told_tier=max(int(verdict.tier), draft.after.tier),
            covered_until=draft.after.last_evidence_at,
        )


def _settled(draft: Draft) -> Draft:
    """The columns that follow from the evidence."""
    episode = draft.after
    standing = [piece for piece in episode.evidence if piece.stance != Stance.REFUTED]
    about = [piece for piece in standing if piece.type != "answer"] or list(episode.evidence)
    gravest = max(about, key=lambda piece: (piece.tier, piece.reason != "", piece.at))
    tier = gravest.tier
    technical = episode.priority == "technical"
    return draft.but(
        onset_at=min(piece.at for piece in about),
        last_evidence_at=max(piece.at for piece in about),
        tier=tier,
        reason=gravest.reason or episode.reason,
        priority=priority_of(max(tier, episode.told_tier or 0), technical=technical),
        confirmation=_confirmation(episode, standing),
    )


def _confirmation(episode: Episode, standing: Sequence[Evidence]) -> str:
    stances = {piece.stance for piece in standing}
    if Stance.CONFIRMED in stances:
        return "confirmed"
    if episode.confirm_by is not None:
        return "waiting"
    if stances & {Stance.AT_ONCE, Stance.STANDING}:
        return "not_needed"
    return "unconfirmed" if Stance.WAITING in stances else "refuted"


def _has(episode: Episode, key: str) -> bool:
    return any(piece.key == key for piece in episode.evidence)


def _replacing(draft: Draft, piece: Evidence) -> Draft:
    return draft.but(
        evidence=tuple(piece if one.key == piece.key else one for one in draft.after.evidence)
    )


def _graver(draft: Draft, verdict: Verdict) -> bool:
    """Graver than what the person knew who closed it."""
    return verdict.tier > max(draft.after.tier, draft.after.told_tier or 0)


def _asked(piece: Evidence) -> dict[str, bool]:
    return {"asked": True} if piece.detail.get("asked") else {}
