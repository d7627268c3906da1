"""One episode on the worklist: who, why, since when, the evidence, and the two things to do."""

from datetime import datetime
from typing import Final

from nicegui import ui

from care.console import evidence, judgement, words
from care.console.episode_dialogs import EpisodeDialogs
from care.console.frame import Frame
from care.console.pieces import button, element, label, link, phone_link, pill
from store.worklist import Entry

# Only what is urgent has a loud button: a list that shouts everywhere says nothing.
LOUD: Final = frozenset({"high", "expired"})


# The highest tier of an episode: nobody waited for a repeat.
EMERGENCY: Final = 3


LIVE: Final = "live"


class EpisodeCard:
    """A card that is drawn again only when its episode changed; times move on by themselves."""

    def __init__(self, page: Frame, dialogs: EpisodeDialogs) -> None:
        self.page = page
        self.dialogs = dialogs
        self.entry: Entry | None = None
        self.since: ui.label | None = None
        self.root = element("article", "card")

    @property
    def id(self) -> int:
        """The episode shown; 0 before the first."""
        return self.entry.id if self.entry else 0

    def show(self, entry: Entry, now: datetime) -> None:
        """Bring the card up to date."""
        if entry != self.entry:
            self.entry = entry
            self._draw(entry, now)
        if self.since is not None:
            self.since.set_text(words.ago(self.page.say, entry.opened_at, now))

    def _draw(self, entry: Entry, now: datetime) -> None:
        self.root.clear()
        wanted = "card--wanted" in self.root.classes
        self.root.classes(replace=f"card card--{_look(entry)}{' card--wanted' if wanted else ''}")
        self.root.props["aria-label"] = f"{who(self.page, entry)}: {what(self.page, entry)}"
        self.root.props["id"] = f"episode-{entry.id}"
        with self.root:
            self._when(entry, now)
            self._who(entry, now)
            self._what(entry, now)
            self._evidence(entry, now)
            self._actions(entry)

    def _when(self, entry: Entry, now: datetime) -> None:
        say = self.page.say
        with element("div", "card__when"):
            emergency = entry.priority == "high" and entry.tier >= EMERGENCY
            word = "emergency" if emergency else entry.priority
            pill(say(f"tier.{word}"), entry.priority)
            self.since = label("", "card__since")
            label(words.moment(say, entry.opened_at, entry.time_zone, now), "card__fine")

    def _who(self, entry: Entry, now: datetime) -> None:
        say = self.page.say
        with element("div", "card__who"):
            if entry.patient_id is not None:
                name = link(f"/patients/{entry.patient_id}", "card__name", entry.patient_name or "")
                name.props["aria-label"] = say("worklist.open_patient", name=entry.patient_name)
            else:
                label(who(self.page, entry), "card__name")
            label(words.person(say, entry.sex, entry.birth_date, now), "card__fine")
            place = [entry.area_name or "", entry.team_name or say("patient.no_team")]
            label(" · ".join(part for part in place if part), "card__fine")
            if entry.phone and entry.patient_name:
                phone_link(entry.phone, say("person.call", name=entry.patient_name))
            if entry.candidates:
                label(say("worklist.candidates"), "card__fine")
            for one in entry.candidates:
                with element("div", "candidate"):
                    link(f"/patients/{one.id}", "", one.name)
                    if one.phone:
                        phone_link(one.phone, say("person.call", name=one.name))

    def _what(self, entry: Entry, now: datetime) -> None:
        say = self.page.say
        with element("div", "card__what"):
            label(what(self.page, entry), "card__title")
            with element("div", "pills"):
                _confirmation(self.page, entry, now)
                if entry.late or any(p.lateness != LIVE for p in entry.evidence):
                    when = words.moment(say, entry.onset_at, entry.time_zone, now)
                    pill(say("worklist.late", when=when), "late")
            for line in _progress(self.page, entry, now):
                label(line, "card__fine")
            advice = judgement.of(entry, say.locale, entry.time_zone).next_step
            if advice:
                label(say("worklist.advice", advice=advice), "card__advice")

    def _evidence(self, entry: Entry, now: datetime) -> None:
        with element("div", "card__evidence"):
            for line in evidence.newest(self.page.say, entry.evidence, entry.time_zone, now):
                with element("div", "fact"):
                    with element("div", "fact__value"):
                        label(line.value, tag="span")
                        if line.unit:
                            label(line.unit, "fact__unit", tag="span")
                    label(line.when, "fact__when")

    def _actions(self, entry: Entry) -> None:
        say = self.page.say
        if not self.page.visitor.may("handle_episode"):
            return
        names = {"who": who(self.page, entry), "what": what(self.page, entry)}
        loud = "main" if entry.section in LOUD else "second"
        with element("div", "card__actions"):
            if entry.section != "in_hand":
                key = "acknowledge_again" if entry.section == "expired" else "acknowledge"
                button(
                    say(f"worklist.{key}"),
                    loud,
                    lambda: self.dialogs.acknowledge(entry.id, priority=entry.priority, **names),
                    said=say("worklist.acknowledge_who", **names),
                )
            button(
                say("worklist.resolve"),
                "second" if loud == "main" or entry.section == "in_hand" else "quiet",
                lambda: self.dialogs.resolve(entry.id, **names),
                said=say("worklist.resolve_who", **names),
            )


def _look(entry: Entry) -> str:
    return entry.section if entry.section in ("pending", "in_hand") else entry.priority


def who(page: Frame, entry: Entry) -> str:
    """The person, else the device the episode is about."""
    if entry.patient_name:
        return entry.patient_name
    if entry.node_id:
        return page.say("person.node", node=entry.node_label or entry.node_id)
    return page.say("person.unknown")


def what(page: Frame, entry: Entry) -> str:
    """The reason in the reader's language."""
    return judgement.of(entry, page.say.locale, entry.time_zone).title


def _confirmation(page: Frame, entry: Entry, now: datetime) -> None:
    say = page.say
    if entry.confirmation == "not_needed":
        return
    by = entry.confirm_by
    when = words.moment(say, by, entry.time_zone, now) if by else say("app.unknown")
    key = f"confirmation.{entry.confirmation}"
    pill(say(key, when=when) if entry.confirmation == "waiting" else say(key), entry.confirmation)


def _progress(page: Frame, entry: Entry, now: datetime) -> list[str]:
    """Who has it, or how far the ladder has come."""
    say = page.say
    if entry.acknowledged_at is not None:
        when = words.ago(say, entry.acknowledged_at, now)
        by = entry.acknowledged_by or say("app.unknown")
        line = say("worklist.acknowledged", who=by, when=when)
        if entry.acknowledged_until is None:
            return [line]
        end = words.moment(say, entry.acknowledged_until, entry.time_zone, now)
        key = "worklist.expired" if entry.section == "expired" else "worklist.until"
        return [line, say(key, when=end)]
    if entry.section == "pending" or entry.priority in ("low", "technical"):
        return []
    if entry.step == 0:
        return [say("worklist.told_nobody")]
    key = "worklist.told_round" if entry.round else "worklist.told"
    places = {"n": entry.step, "round": entry.round + 1} if entry.round else {"n": entry.step}
    return [say(key, **places)]
