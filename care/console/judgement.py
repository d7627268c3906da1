"""What the rules say of an episode, in the reader's words: the card of `alerts` on our rows."""

from alerts import cards
from care.console.texts import Say
from store.chart import Episode as ChartEpisode
from store.chart import Step
from store.episode import Episode
from store.worklist import Entry


def of(row: Entry | ChartEpisode, locale: str, zone: str, reason: str | None = None) -> cards.Card:
    """The episode's title, evidence, its rule with the source of its limits, the advised step."""
    episode = Episode(
        rule=row.rule,
        rule_version=row.rule_version,
        priority=row.priority,
        state=row.state,
        confirmation=row.confirmation,
        late=row.late,
        onset_at=row.onset_at,
        last_evidence_at=row.last_evidence_at,
        opened_at=row.opened_at,
        reason=row.reason if reason is None else reason,
        evidence=tuple(row.evidence),
        tier=row.tier,
    )
    return cards.card(episode, locale=locale, zone=zone)


def why(say: Say, row: ChartEpisode, step: Step) -> str:
    """Why a step of the history was taken: a reason of the rules, an outcome, or the engine's."""
    by_rule = of(row, say.locale, "UTC", step.reason).title
    text = say.known("why", step.reason, say.known("outcome", step.reason, by_rule))
    note = step.detail.get("note")
    return f"{text}: {note}" if note else text
