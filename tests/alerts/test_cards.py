"""The card of an episode: what, since when, on what evidence, by which rule, what next."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from alerts.cards import card
from alerts.reasons import TEXTS
from alerts.rules.registry import RULES
from alerts.settings import AlertsSettings
from contract.vitals import FLAGS
from store.episode import Episode, Evidence

AT = datetime(2026, 3, 4, 0, 30, tzinfo=UTC)
DOCS = Path(__file__).parents[2] / "docs" / "alerts.md"


def episode(rule: str = "severe_pressure", **changes: object) -> Episode:
    """A severe pressure, confirmed, told."""
    reading = Evidence(
        key="r:1",
        type="reading",
        at=AT,
        kind="bp",
        values=(186.0, 112.0, None, 72.0),
        flags=FLAGS["ihb"].mask,
        stance="confirmed",
    )
    answer = Evidence(key="a:1", type="answer", at=AT, detail={"answer": "unknown"})
    values: dict[str, object] = {
        "rule": rule,
        "rule_version": 1,
        "priority": "high",
        "state": "open",
        "confirmation": "confirmed",
        "onset_at": AT,
        "last_evidence_at": AT + timedelta(minutes=3),
        "opened_at": AT,
        "reason": "severe_pressure",
        "evidence": (reading, answer),
        "tier": 2,
    }
    return Episode(**(values | changes))  # type: ignore[arg-type]


def test_a_card_in_chinese() -> None:
    """Every line, in the time of the place."""
    shown = card(episode(), locale="zh-CN", zone="Asia/Shanghai")
    assert shown.title == "血压极高"
    assert shown.status == "高优先级 · 未受理 · 已复测确认"
    assert shown.since == "始于 03-04 08:30，最近 03-04 08:33"
    assert shown.evidence == (
        "03-04 08:30 · 血压 186/112 · 已确认 · 脉搏不规则",
        "03-04 08:30 · 不适：未知",
    )
    assert shown.rule.startswith("血压极高 v1: 国家基本公共卫生服务规范")
    assert "转诊" in shown.next_step


def test_a_card_in_english_says_late_and_emergency() -> None:
    """What makes it urgent stands first."""
    shown = card(episode(late=True, tier=3), locale="en", zone="UTC")
    assert shown.status.startswith("emergency · high priority")
    assert shown.status.endswith("late data")
    assert "Blood pressure 186/112 · confirmed · Irregular pulse" in shown.evidence[0]
    assert shown.text().count("\n") == 6


@pytest.mark.parametrize("locale", ["zh-CN", "en"])
def test_every_rule_and_every_state_has_a_card(locale: str) -> None:
    """Also a rule and a reason that the code no longer knows."""
    for rule in [*RULES, "a_rule_of_last_year"]:
        for state in ("pending", "open", "acknowledged", "closed"):
            for priority in ("high", "medium", "low", "technical"):
                shown = card(
                    episode(rule, state=state, priority=priority, reason="gone"),
                    locale=locale,
                    zone="Nowhere/Unknown",
                )
                assert shown.title == "gone"
                assert all(line for line in shown.text().split("\n")[:4])


def test_many_pieces_of_evidence_are_counted_not_listed() -> None:
    """The newest twelve, and how many more there are."""
    many = tuple(Evidence(key=f"r:{n}", type="reading", at=AT, kind="bp") for n in range(20))
    assert card(episode(evidence=many), locale="en", zone="UTC").evidence[0] == "(8 more)"
    assert len(card(episode(evidence=many), locale="en", zone="UTC").evidence) == 13


def test_the_docs_name_every_rule_reason_and_setting() -> None:
    """docs/alerts.md is checked, so that it cannot go stale in silence."""
    text = DOCS.read_text(encoding="utf-8")
    settings = [name for name in AlertsSettings.model_fields if name.startswith("alerts_")]
    names = [*RULES, *(reason.value for reason in TEXTS), "console_url", "emergency_number"]
    names += [f"HEARTHBEAT_{name.upper()}" for name in settings]
    assert [name for name in names if name not in text] == []
