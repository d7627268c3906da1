"""The whole screen at one moment: the most important thing going on, and how things stand."""

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Struct

from gateway import cards, texts
from gateway.commands import Commands
from gateway.guide import Guide
from gateway.help_call import HelpLine
from gateway.reminders import Reminders
from gateway.screen.view import Card, LastReading, Utterance, View
from gateway.settings import GatewaySettings
from gateway.severity import Level


class Link(Struct, frozen=True, kw_only=True):
    """How the node stands: its time, the hub, the cuff (None: there is none), and what waits."""

    time_known: bool
    online: bool
    hub_ready: bool
    cuff: str | None
    unsent: int
    unbound: str | None = None  # the serial number while this unit is no node yet


class Shown(Struct, frozen=True, kw_only=True):
    """The last reading, as kept through a restart. Millimetres of mercury, UTC milliseconds."""

    sys: float
    dia: float
    pr: float | None
    at: int


class Panel:
    """Builds views from the parts of the robot."""

    def __init__(
        self,
        settings: GatewaySettings,
        link: Callable[[], Link],
        *,
        help_number: Callable[[], str],
        reminders: Reminders,
        guide: Guide,
        commands: Commands,
        help_line: HelpLine,
    ) -> None:
        self._settings = settings
        self._link = link
        self._help_number = help_number
        self._reminders = reminders
        self._guide = guide
        self._commands = commands
        self._help = help_line

    def view(
        self,
        *,
        language: str,
        last: Shown | None,
        advice: Level | None,
        advice_is_new: bool,
        utterance: Utterance | None,
        volume: int,
        browser_speaks: bool,
    ) -> View:
        """What to show now."""
        link, session, due = self._link(), self._guide.session, self._reminders.next_due()
        return View(
            language=language,
            zone=self._settings.zone,
            time_known=link.time_known,
            online=link.online,
            hub_ready=link.hub_ready,
            unsent=link.unsent,
            cuff=link.cuff,
            emergency_number=self._settings.emergency_number,
            call=self._call_card(),
            card=self._card(advice, advice_is_new=advice_is_new),
            last=_last(last, link.unsent),
            next_dose_at=None if due is None else due.due,
            measuring=session is not None and session.open,
            utterance=utterance,
            volume=volume,
            browser_speaks=browser_speaks,
        )

    def _call_card(self) -> Card | None:
        call = self._help.current
        if call is None:
            return None
        return cards.call_card(
            call,
            unheard=self._help.unheard,
            may_cancel=self._help.may_cancel,
            number=self._help_number(),
        )

    def _card(self, advice: Level | None, *, advice_is_new: bool = True) -> Card | None:
        """One thing at a time. A question fills the rest but never hides "press start"; a dose
        waits behind what lasts for minutes, but not behind words that nobody put away."""
        question, session = self._commands.question, self._guide.session
        if question is not None and (session is None or session.stage != "waiting"):
            return cards.question_card(question)
        words = (
            None if advice is None else cards.advice_card(advice, self._settings.emergency_number)
        )
        if advice == "emergency" and advice_is_new:
            return words
        if session is not None and session.open:
            return cards.session_card(session, self._guide.seconds_left())
        if words is not None and advice_is_new:
            return words
        doing = self._dose_card() or words or self._message_card() or self._missed_card()
        return doing or self._unbound_card()

    def _unbound_card(self) -> Card | None:
        serial = self._link().unbound
        return None if serial is None else cards.unbound_card(serial)

    def _message_card(self) -> Card | None:
        speech = self._commands.speech
        return None if speech is None else cards.message_card(speech[0], speech[1])

    def _dose_card(self) -> Card | None:
        doses = self._reminders.open()
        if not doses:
            return None
        return cards.dose_card(
            doses[0],
            more=len(doses) - 1,
            may_snooze=self._reminders.may_snooze(doses[0]),
            several_people=self._reminders.serves_several(),
        )

    def _missed_card(self) -> Card | None:
        missed = self._reminders.missed()
        return cards.missed_card(missed[0]) if missed else None


def _last(last: Shown | None, unsent: int) -> LastReading | None:
    if last is None:
        return None
    sentence = texts.RECORDED_HERE if unsent else texts.RECORDED
    return LastReading(sys=last.sys, dia=last.dia, pr=last.pr, at=last.at, sentence=sentence)


def remembered(stored: Any) -> Shown | None:
    """The last reading from its stored form."""
    return None if stored is None else msgspec.json.decode(stored, type=Shown)
