"""Acknowledging and resolving an episode: the same actions as the API, with what they require."""

from abc import ABC, abstractmethod
from datetime import datetime
from typing import Final

from nicegui import ui
from nicegui.element import Element

from alerts import actions
from care.console.deeds import Deed, DeedRefused, Note, do
from care.console.frame import Frame, Refresh
from care.console.pieces import button, dialog_card, element, label
from store import worklist
from store.pool import Connection

HOURS: Final = (1, 4, 12, 24)
OUTCOMES: Final = (
    "controlled",
    "medication_changed",
    "called",
    "visited",
    "referred",
    "artefact",
    "false_alarm",
    "device_fixed",
)
NEXT_STEPS: Final = (
    "follow_up_2w",
    "measure_tomorrow",
    "call_tomorrow",
    "home_visit",
    "none_needed",
)
LONGEST_TEXT: Final = 500


class EpisodeDialogs:
    """The two dialogs of one page; made once, opened for each episode."""

    def __init__(self, page: Frame, done: Refresh) -> None:
        self.page = page
        self.done = done
        self._acknowledge = _Acknowledge(self)
        self._resolve = _Resolve(self)

    def acknowledge(self, episode_id: int, who: str, what: str, priority: str) -> None:
        """Ask for how long, and a note."""
        self._acknowledge.usual = min(HOURS, key=lambda n: abs(n - actions.HOURS[priority]))
        self._acknowledge.open(episode_id, who, what)

    def resolve(self, episode_id: int, who: str, what: str) -> None:
        """Ask for the outcome and the next step."""
        self._resolve.open(episode_id, who, what)

    async def act(self, action: str, episode_id: int, said: str, deed: Deed) -> None:
        """Do it within the person's scope, and bring the page up to date."""
        page = self.page

        async def checked(conn: Connection, now: datetime) -> None:
            seen = await worklist.entry(
                conn, episode_id=episode_id, staff_id=page.visitor.staff_id, now=now
            )
            if seen is None:
                raise DeedRefused(page.say("problem.changed"))
            try:
                await deed(conn, now)
            except actions.ActionError as refused:
                raise DeedRefused(page.say("problem.changed")) from refused

        note = Note(
            needs="handle_episode", action=action, subject_kind="episode", subject_id=episode_id
        )
        await do(page, note, checked, said=said)
        await page.refresh_now(self.done)


class _EpisodeDialog(ABC):
    """What both dialogs share: whom it is about, and two buttons."""

    key = ""

    def __init__(self, dialogs: EpisodeDialogs) -> None:
        self.dialogs = dialogs
        self.say = dialogs.page.say
        self.episode_id = 0
        self.who = ""
        with dialog_card(self.say(f"{self.key}.title")) as self.dialog:
            self.subject = label("", "dialog__subject", tag="p")
            label(self.say(f"{self.key}.lead"), "dialog__lead", tag="p")
            self.fields()
            with element("div", "dialog__buttons"):
                button(self.say("app.cancel"), "quiet", self.dialog.close)
                button(self.say(f"{self.key}.title"), "main", self.confirm)

    def open(self, episode_id: int, who: str, what: str) -> None:
        self.episode_id, self.who = episode_id, who
        self.subject.set_text(f"{who} · {what}")
        self.reset()
        self.dialog.open()

    async def _act(self, deed: Deed) -> None:
        self.dialog.close()
        said = self.say(f"{self.key}.done", who=self.who)
        await self.dialogs.act(self.key, self.episode_id, said, deed)

    @abstractmethod
    def fields(self) -> None:
        """Build what this deed asks for."""

    @abstractmethod
    def reset(self) -> None:
        """Forget what was filled in for the episode before."""

    @abstractmethod
    async def confirm(self) -> None:
        """Do it, with what was filled in."""


class _Acknowledge(_EpisodeDialog):
    key = "acknowledge"
    usual = HOURS[0]

    def fields(self) -> None:
        label(self.say("acknowledge.hours"), "field__label")
        options = {n: self.say("acknowledge.hours_n", n=n) for n in HOURS}
        self.hours = ui.toggle(options, value=self.usual).classes("choices")
        self.hours.props["aria-label"] = self.say("acknowledge.hours")
        self.hours.props("no-caps unelevated")
        self.note = _text(self.say("acknowledge.note"))

    def reset(self) -> None:
        self.hours.value = self.usual
        self.note.value = ""

    async def confirm(self) -> None:
        episode_id, note = self.episode_id, self.note.value.strip() or None
        hours, staff_id = self.hours.value, self.dialogs.page.visitor.staff_id

        async def deed(conn: Connection, now: datetime) -> None:
            await actions.acknowledge(
                conn, episode_id=episode_id, staff_id=staff_id, now=now, note=note, hours=hours
            )

        await self._act(deed)


class _Resolve(_EpisodeDialog):
    key = "resolve"

    def fields(self) -> None:
        options = {key: self.say(f"outcome.{key}") for key in OUTCOMES}
        self.outcome = ui.select(options, label=self.say("resolve.outcome")).classes("field")
        self.outcome.props("outlined")
        self.next_step = ui.input(self.say("resolve.next_step")).classes("field")
        self.next_step.props(f"outlined maxlength={LONGEST_TEXT}")
        with element("div", "suggestions") as group:
            group.props["role"] = "group"
            group.props["aria-label"] = self.say("resolve.suggestions")
            for key in NEXT_STEPS:
                self._suggestion(self.say(f"next_step.{key}"))
        self.note = _text(self.say("resolve.note"))

    def _suggestion(self, text: str) -> Element:
        return button(text, "chip", lambda: self._suggest(text))

    def _suggest(self, text: str) -> None:
        self.next_step.value = text

    def reset(self) -> None:
        self.outcome.value = None
        self.next_step.value = ""
        self.note.value = ""
        self._point_out(None, None)

    def _point_out(self, outcome: str | None, next_step: str | None) -> None:
        self.outcome.error = outcome
        self.next_step.error = next_step

    async def confirm(self) -> None:
        outcome, next_step = self.outcome.value, (self.next_step.value or "").strip()
        note = (self.note.value or "").strip() or None
        self._point_out(
            None if outcome else self.say("resolve.outcome_missing"),
            None if next_step else self.say("resolve.next_step_missing"),
        )
        if not outcome or not next_step:
            return
        episode_id, staff_id = self.episode_id, self.dialogs.page.visitor.staff_id

        async def deed(conn: Connection, now: datetime) -> None:
            await actions.resolve(
                conn,
                episode_id=episode_id,
                staff_id=staff_id,
                outcome=outcome,
                next_step=next_step,
                note=note,
                now=now,
            )

        await self._act(deed)


def _text(said: str) -> ui.textarea:
    field = ui.textarea(said).classes("field")
    field.props(f"outlined autogrow rows=2 maxlength={LONGEST_TEXT}")
    return field
