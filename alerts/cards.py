"""An episode as a card of text: what, since when, on what evidence, by which rule, what next. Pure.

For the console and the API. Times are those of the person's place. The card of a person in care
may show values; it never names the person, whom the page names already.
"""

from typing import Any, Final

from msgspec import Struct

from alerts.messages import local_time
from alerts.reasons import Text, words
from alerts.rules.registry import RULES
from alerts.verdict import Tier
from contract.vitals import FLAGS, VITALS, flag_names
from store.episode import Episode, Evidence

_SHOWN: Final = 12


class Card(Struct, frozen=True, kw_only=True):
    """The lines of one card, in one language."""

    title: str
    status: str
    since: str
    evidence: tuple[str, ...]
    rule: str
    next_step: str

    def text(self) -> str:
        """The whole card as plain text."""
        lines = (self.title, self.status, self.since, *self.evidence, self.rule, self.next_step)
        return "\n".join(lines)


_STATES: Final = {
    "pending": Text("等待复测", "waiting for the repeat"),
    "open": Text("未受理", "not acknowledged"),
    "acknowledged": Text("已受理", "acknowledged"),
    "closed": Text("已关闭", "closed"),
}
_PRIORITIES: Final = {
    "high": Text("高优先级", "high priority"),
    "medium": Text("中优先级", "medium priority"),
    "low": Text("工作清单", "worklist"),
    "technical": Text("技术", "technical"),
}
_CONFIRMATIONS: Final = {
    "waiting": Text("等待复测", "a repeat is awaited"),
    "confirmed": Text("已复测确认", "confirmed by a repeat"),
    "unconfirmed": Text("未能复测，未确认", "unconfirmed, no repeat was given"),
    "refuted": Text("复测未支持", "the repeat did not bear it out"),
}
_STANCES: Final = {
    "confirmed": Text("已确认", "confirmed"),
    "waiting": Text("未复测", "not repeated"),
    "at_once": Text("无需复测", "no repeat needed"),
    "refuted": Text("复测正常", "the repeat was normal"),
}
_ANSWERS: Final = {
    "yes": Text("有不适", "symptoms: yes"),
    "no": Text("无不适", "symptoms: no"),
    # Unknown is not no (safety rule 8).
    "unknown": Text("不适：未知", "symptoms: unknown"),
}
_LATE: Final = Text("迟到数据", "late data")
_CANDIDATES: Final = Text("可能是 {n} 人之一", "one of {n} people")


def card(episode: Episode, *, locale: str, zone: str) -> Card:
    """The card of an episode in a locale (`zh-CN`, `en`) and a time zone (IANA name)."""
    rule = RULES.get(episode.rule)
    title = words(episode.reason).of(locale)
    by = f"{rule.title.of(locale) if rule else episode.rule} v{episode.rule_version}"
    source = f"{by}: {rule.source.of(locale)}" if rule else by
    next_step = episode.next_step or (rule.next_step.of(locale) if rule else "")
    return Card(
        title=title,
        status=_status(episode, locale),
        since=_since(episode, locale, zone),
        evidence=_evidence(episode.evidence, locale, zone),
        rule=source,
        next_step=next_step,
    )


def _status(episode: Episode, locale: str) -> str:
    parts = [_PRIORITIES[episode.priority].of(locale), _STATES[episode.state].of(locale)]
    if max(episode.tier, episode.told_tier or 0) == Tier.EMERGENCY:
        parts.insert(0, Text("危急", "emergency").of(locale))
    if episode.confirmation in _CONFIRMATIONS:
        parts.append(_CONFIRMATIONS[episode.confirmation].of(locale))
    if episode.late:
        parts.append(_LATE.of(locale))
    return " · ".join(parts)


def _since(episode: Episode, locale: str, zone: str) -> str:
    first, last = local_time(episode.onset_at, zone), local_time(episode.last_evidence_at, zone)
    if first == last:
        return Text(f"始于 {first}", f"since {first}").of(locale)
    return Text(f"始于 {first}，最近 {last}", f"since {first}, newest {last}").of(locale)


def _evidence(pieces: tuple[Evidence, ...], locale: str, zone: str) -> tuple[str, ...]:
    lines = [_line(piece, locale, zone) for piece in pieces[-_SHOWN:]]
    left_out = len(pieces) - len(lines)
    if left_out:
        lines.insert(0, Text(f"（另有 {left_out} 条）", f"({left_out} more)").of(locale))
    return tuple(lines)


def _line(piece: Evidence, locale: str, zone: str) -> str:
    parts = [local_time(piece.at, zone), _what(piece, locale)]
    if piece.stance in _STANCES:
        parts.append(_STANCES[piece.stance].of(locale))
    if piece.lateness != "live":
        parts.append(_LATE.of(locale))
    parts += [FLAGS[name].names.of(locale) for name in flag_names(piece.flags)]
    candidates = piece.detail.get("candidates")
    if candidates:
        parts.append(_CANDIDATES.of(locale).format(n=len(candidates)))
    return " · ".join(part for part in parts if part)


def _what(piece: Evidence, locale: str) -> str:
    if piece.type == "reading":
        return _reading(piece, locale)
    if piece.type == "answer":
        return _ANSWERS.get(str(piece.detail.get("answer")), _ANSWERS["unknown"]).of(locale)
    if piece.type == "dose":
        return Text("漏服一次", "a missed dose").of(locale)
    return words(piece.reason).of(locale)


def _reading(piece: Evidence, locale: str) -> str:
    vital = VITALS.get(piece.kind)
    name = vital.names.of(locale) if vital else piece.kind
    numbers = [_number(value) for value in piece.values[: vital.leading if vital else 1]]
    known = "/".join(number for number in numbers if number)
    return f"{name} {known}".strip()


def _number(value: Any) -> str:
    return "" if value is None else f"{value:.1f}".rstrip("0").rstrip(".")
