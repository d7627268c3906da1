"""What a notification says: little (safety rule 16). Pure.

Rule, priority, how late, a link and a sentence in both languages; a name and values only where
the team has allowed it for that address.
"""

from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from msgspec import Struct

from alerts.drafts import Why
from alerts.reasons import Text, words
from alerts.verdict import Tier
from contract.vitals import VITALS
from store.contact import About
from store.episode import Episode, Evidence

VERSION: Final = 1
_LONGEST_LIST: Final = 5

_WHY: Final = {
    Why.FIRST: Text("", ""),
    Why.HIGHER_TIER: Text("情况加重", "it has become graver"),
    Why.RENEWED: Text("再次出现", "it has happened again"),
    Why.ESCALATED: Text("上一级未应答", "the step before has not answered"),
    Why.NOBODY_ANSWERED: Text(
        "所有人均未应答，重新通知", "nobody has answered, the ladder starts again"
    ),
    Why.UNREACHABLE: Text("上一级无法送达", "the step before cannot be reached"),
    Why.WITHDRAWN: Text("已撤回，无需处理", "withdrawn, nothing needs to be done"),
    Why.LISTED: Text("已列入工作清单", "it is on the worklist"),
}
_CONFIRMATION: Final = {
    "confirmed": Text("已复测确认", "confirmed by a repeat"),
    "unconfirmed": Text("未能复测，未确认", "unconfirmed, no repeat was given"),
}


class Notice(Struct, frozen=True, kw_only=True):
    """What is said, before it is known to whom."""

    episode: Episode
    why: Why
    link: str
    zone: str


def body(notice: Notice, *, about: About, shows_patient: bool) -> dict[str, Any]:
    """The JSON object of one notification."""
    episode = notice.episode
    text = sentence(notice)
    said: dict[str, Any] = {
        "v": VERSION,
        "episode": episode.id,
        "rule": episode.rule,
        "rule_version": episode.rule_version,
        "reason": episode.reason,
        "priority": episode.priority,
        "tier": Tier(max(episode.tier, episode.told_tier or 0)).name.lower(),
        "confirmation": episode.confirmation,
        "late": episode.late,
        "why": notice.why.value,
        "step": episode.step,
        "round": episode.round,
        "onset_at": episode.onset_at.isoformat(),
        "measured_at": episode.last_evidence_at.isoformat(),
        "link": notice.link,
        "text": text.both(),
    }
    if shows_patient:
        said["patient"] = {"id": episode.patient_id, "name": about.patient_name}
        said["values"] = values(episode.evidence)
    return said


def sentence(notice: Notice) -> Text:
    """One line in both languages: what, how sure, how late, why now."""
    episode = notice.episode
    what = words(episode.reason)
    parts = [what]
    if episode.confirmation in _CONFIRMATION:
        parts.append(_CONFIRMATION[episode.confirmation])
    if episode.late:
        when = local_time(episode.last_evidence_at, notice.zone)
        parts.append(Text(f"迟到数据，测量于 {when}", f"late, measured at {when}"))
    if notice.why is not Why.FIRST:
        parts.append(_WHY[notice.why])
    return Text("；".join(part.zh for part in parts), "; ".join(part.en for part in parts))


def values(evidence: tuple[Evidence, ...]) -> list[dict[str, Any]]:
    """The newest readings as numbers with their names, oldest first."""
    readings = [piece for piece in evidence if piece.type == "reading"]
    return [
        {
            "kind": piece.kind,
            "measured_at": piece.at.isoformat(),
            "values": _named(piece),
        }
        for piece in readings[-_LONGEST_LIST:]
    ]


def _named(piece: Evidence) -> dict[str, float]:
    vital = VITALS.get(piece.kind)
    names = [part.key for part in vital.parts] if vital else []
    return {
        name: value for name, value in zip(names, piece.values, strict=False) if value is not None
    }


def local_time(at: datetime, zone: str) -> str:
    """An instant as people there say it; UTC where the zone is unknown."""
    try:
        local = at.astimezone(ZoneInfo(zone))
    except (ZoneInfoNotFoundError, ValueError):
        local = at
    return local.strftime("%m-%d %H:%M")
