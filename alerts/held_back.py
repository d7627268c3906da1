"""The words of the history for what is held back or taken back (safety rule 13). Pure."""

from alerts.verdict import Lateness, Verdict
from store.episode import Episode


def refuted_by(verdict: Verdict) -> str:
    """What took a finding back."""
    return "cancelled_on_device" if verdict.evidence[0].type == "event" else "repeat_normal"


def covered_by(episode: Episode) -> str:
    """Why nobody is told again."""
    return "covered_by_acknowledgement" if episode.acknowledged_at else "already_told"


def listed_because(verdict: Verdict) -> str:
    """Why it is shown and pages nobody."""
    if verdict.superseded:
        return "superseded_by_newer_normal"
    late = verdict.evidence[0].lateness == Lateness.OLD
    return "older_than_a_day" if late else "worklist_only"


def waits_for(verdict: Verdict) -> str:
    """What a page waits for."""
    if verdict.guided:
        return "guided_session_open"
    live = verdict.evidence[0].lateness == Lateness.LIVE
    return "waiting_for_repeat" if live else "waiting_for_backlog"
