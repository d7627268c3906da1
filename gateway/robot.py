"""The robot: everything the person sees, hears and presses, and everything the hub tells it.

One object on one thread. It holds no rules of its own: each part decides (ringing, guidance,
commands, the help line), and this passes on what was pressed, said or read.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

import msgspec
import structlog

from contract.instants import to_millis
from contract.messages import Command, Feedback, Plan, Reminder
from gateway import severity, texts
from gateway.commands import Commands, Patience
from gateway.configured import Configured
from gateway.guidance import Session, Times
from gateway.guide import Guide
from gateway.help_call import HelpLine
from gateway.observing import Taken
from gateway.panel import Link, Panel, Shown, remembered
from gateway.reminders import Reminders
from gateway.reports import Reports
from gateway.ringing import Dose
from gateway.screen.board import Board
from gateway.screen.server import Press
from gateway.screen.view import Utterance
from gateway.settings import GatewaySettings
from gateway.spool import Spool
from gateway.storage import Storage, StorageUnavailableError
from gateway.texts import LANGUAGES, Text
from gateway.timekeeper import Timekeeper
from gateway.voice import Voice

_LOG = structlog.get_logger()
_LANGUAGE: Final = "language"
_LAST: Final = "last_reading"
# So long advice stands before a dose; after that the dose is shown first, and it comes back.
_ADVICE_GOES_FIRST: Final = timedelta(minutes=10)


class Robot:
    """The person's side of the gateway."""

    def __init__(
        self,
        settings: GatewaySettings,
        storage: Storage,
        spool: Spool,
        timekeeper: Timekeeper,
        reports: Reports,
        configured: Configured,
        *,
        board: Board,
        voice: Voice,
        link: Callable[[], Link],
    ) -> None:
        self._settings = settings
        self._storage = storage
        self._waits = spool.waits
        self._time = timekeeper
        self._configured = configured
        self._board = board
        self._voice = voice
        self._link = link
        self._language = storage.fact(_LANGUAGE, settings.language)
        self._advice: severity.Level | None = None
        self._advised_at = timekeeper.now()
        self._utterance: Utterance | None = None
        self._last = remembered(storage.fact(_LAST))
        self.reminders = Reminders(storage, reports, timekeeper, on_prompt=self._ask_for)
        times = Times(rest=settings.rest_seconds, reading=settings.reading_seconds)
        self.guide = Guide(timekeeper, times, on_end=self._session_ended)
        self.help = self._make_help(reports)
        self.commands = self._make_commands(reports)
        self._unheard = False
        self._panel = self._make_panel()
        self._actions = self._all_actions()

    def _make_panel(self) -> Panel:
        return Panel(
            self._settings,
            self._link,
            help_number=self._help_number,
            reminders=self.reminders,
            guide=self.guide,
            commands=self.commands,
            help_line=self.help,
        )

    def _make_help(self, reports: Reports) -> HelpLine:
        return HelpLine(
            self._storage,
            reports,
            self._time,
            waits=self._waits,
            fallback_seconds=self._settings.fallback_seconds,
            cancel_seconds=self._settings.cancel_seconds,
        )

    def _make_commands(self, reports: Reports) -> Commands:
        settings = self._settings
        return Commands(
            self._storage,
            reports,
            self._time,
            self.guide,
            waits=self._waits,
            has_cuff=settings.serial is not None,
            patience=Patience(
                measuring=settings.rest_seconds + settings.reading_seconds,
                answering=settings.reading_seconds,
            ),
            on_speech=self.say,
        )

    def _help_number(self) -> str:
        """Whom to telephone when nobody answers; the emergency number goes with it."""
        emergency, given = self._settings.emergency_number, self._configured.given("help_number")
        return emergency if given is None else f"{given} / {emergency}"

    def _all_actions(self) -> dict[str, Callable[[Press], bool]]:
        return {
            "measure": lambda _: self._measure(),
            "stop": lambda _: self.guide.stop(),
            "take": lambda press: self._answer_dose(press, "taken"),
            "snooze": lambda press: self._answer_dose(press, "snoozed"),
            "skip": lambda press: self._answer_dose(press, "skipped"),
            "noticed": lambda press: self.reminders.notice(press.id or ""),
            "answer": lambda press: self.commands.answer(press.id or "", press.value or ""),
            "heard": lambda press: self.commands.heard(press.id or ""),
            "heard_advice": lambda _: self._put_advice_away(),
            "call": self._call,
            "cancel_call": lambda _: self.help.cancel(),
            "close_call": lambda _: self.help.dismiss(),
            "language": self._choose_language,
        }

    # --- what the person does -----------------------------------------------------------------

    async def press(self, press: Press) -> bool:
        """A button was pressed; whether it changed anything."""
        action = self._actions.get(press.do)
        changed = action is not None and action(press)
        _LOG.info("pressed", do=press.do, changed=changed)
        self.refresh()
        return changed

    def _measure(self) -> bool:
        if self._settings.serial is None or not self.guide.begin():
            return False
        self._advice = None
        self.say(texts.REST)
        return True

    def _answer_dose(self, press: Press, said: str) -> bool:
        answered = self.reminders.answer(press.id or "", said)
        if answered:
            self.say(texts.DOSE_THANKS)
        return answered

    def _put_advice_away(self) -> bool:
        put_away, self._advice = self._advice is not None, None
        return put_away

    def _call(self, press: Press) -> bool:
        self.help.press(press.value or "button")
        self._unheard = False
        self.say(texts.CALL_STAGES["sent"])
        return True

    def _choose_language(self, press: Press) -> bool:
        return self._speak_in(press.value or "")

    def _speak_in(self, language: str) -> bool:
        if language not in LANGUAGES or language == self._language:
            return False
        self._language = language
        self._remember(_LANGUAGE, language)
        return True

    # --- what the hub says --------------------------------------------------------------------

    def told(self, message: Plan | Reminder | Command | Feedback) -> None:
        """Act upon a downlink message."""
        if isinstance(message, Plan):
            self.reminders.accept(message)
        elif isinstance(message, Reminder):
            self.reminders.accept_reminder(message)
        elif isinstance(message, Command):
            before = self.guide.session
            self.commands.accept(message)
            if self.guide.session is not before and message.op == "measure_now":
                self.say(texts.ASKED)
        else:
            call = self.help.progress(message)
            if call is not None:
                self.say(call.say or texts.CALL_STAGES.get(call.stage, {}))
        self.refresh()

    def configured(self, before: Mapping[str, Any]) -> None:
        """The hub set something. What the person chose on the screen stays, unless it was that."""
        language = self._configured.value("lang")
        if language != before.get("lang", self._settings.language):
            self._speak_in(language)
        self.refresh()

    @property
    def busy(self) -> bool:
        """Whether somebody measures or calls: no moment to restart."""
        session, call = self.guide.session, self.help.current
        calling = call is not None and not call.cancelled and call.stage not in {"closed"}
        return calling or (session is not None and session.open)

    def plan_cleared(self) -> None:
        """The plan was taken from the broker."""
        self.reminders.clear()
        self.refresh()

    # --- what the cuff says -------------------------------------------------------------------

    def taken(self, taken: Sequence[Taken]) -> None:
        """New readings are in the spool."""
        newest = taken[-1]
        fetched_at = self._time.now()
        at = to_millis(newest.placed.at or fetched_at)
        values = newest.record.values
        sys, dia = values.get("sys"), values.get("dia")
        if sys is not None and dia is not None:
            self._last = Shown(sys=sys, dia=dia, pr=values.get("pr"), at=at)
            self._remember(_LAST, msgspec.json.encode(self._last))
            # What lay in the memory for hours is no reason for advice now.
            if to_millis(fetched_at) - at <= 15 * 60_000:
                self._speak_result(sys, dia)
        self.refresh()

    def _speak_result(self, sys: float, dia: float) -> None:
        self.say(texts.fill(texts.RESULT, sys=round(sys), dia=round(dia)))
        limits = (self._configured.given("sys_limit"), self._configured.given("dia_limit"))
        self._advice = severity.level(sys, dia, self._settings.profile, limits)
        self._advised_at = self._time.now()
        if self._advice is not None:
            number = self._settings.emergency_number
            self.say(texts.fill(texts.ADVICE[self._advice], number=number))
        session = self.guide.session
        if session is not None and session.stage == "done":
            self.say(texts.SESSION_DONE)
        elif session is not None and session.stage == "resting":
            self.say(texts.REST_AGAIN)

    def _session_ended(self, session: Session) -> None:
        if session.command_id is not None:
            self.commands.finish(session.command_id, "error", msg="no reading in time")
        self.say(texts.SESSION_OVER)

    # --- time passes --------------------------------------------------------------------------

    def tick(self) -> None:
        """Ring, guide, give up, fall back: whatever the time asks for."""
        self.reminders.tick()
        resting = self.guide.session is not None and self.guide.session.stage == "resting"
        if self.guide.tick() and resting:
            self.say(texts.PRESS_START)
        self.commands.tick()
        if self.help.unheard and not self._unheard:
            self.say(texts.fill(texts.CALL_UNHEARD_HOW, number=self._help_number()))
            _LOG.warning("help_unheard")
        self._unheard = self.help.unheard
        self.refresh()

    def _ask_for(self, dose: Dose) -> None:
        if dose.item.speak:
            self.say(dose.item.text)

    def say(self, text: Text) -> None:
        """Say something, on the voice or in the browser."""
        if not text:
            return
        number = 1 if self._utterance is None else self._utterance.number + 1
        self._utterance = Utterance(number, text)
        self._voice.say(text, self._language, self._configured.value("volume"))

    def forget(self) -> None:
        """Let go of doses and commands so old that nobody asks for them again."""
        self.reminders.forget()
        self.commands.forget()

    def _remember(self, name: str, value: Any) -> None:
        try:
            with self._storage.transaction():
                self._storage.set_fact(name, value)
        except StorageUnavailableError as error:
            _LOG.warning("fact_not_stored", fact=name, error=str(error))

    def refresh(self) -> None:
        """Show how things stand."""
        self._board.show(
            self._panel.view(
                language=self._language,
                last=self._last,
                advice=self._advice,
                advice_is_new=self._time.now() - self._advised_at < _ADVICE_GOES_FIRST,
                utterance=self._utterance,
                volume=self._configured.value("volume"),
                browser_speaks=self._settings.voice != "none" and not self._voice.works,
            )
        )
