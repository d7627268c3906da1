"""One reading of a patient: its values side by side, what it was, and whose it is if not theirs."""

from datetime import datetime, time, timedelta
from functools import partial
from typing import Final

from nicegui import ui

from care.console import words
from care.console.assign_deeds import AssignDeeds
from care.console.assign_dialogs import AssignDialogs
from care.console.deeds import DeedRefused, do_noted
from care.console.frame import Frame, Refresh
from care.console.pieces import button, dialog_card, element, label, toast
from care.people import assigning, choosing
from care.people.assigning import Actor
from store import chosen, reassign_query
from store.chart import Patient, Pressure
from store.chosen import Other, Step
from store.deed import Load, Place, Ref
from store.pool import Connection
from store.reassign_query import MOST, Span
from store.refused import RefusedByRuleError

KIND: Final = "bp"


class ReadingDialog:
    """The dialog of one page, opened for each reading; above it the bar that undoes."""

    def __init__(self, page: Frame, person: Patient, done: Refresh) -> None:
        self.page, self.person, self.done = page, person, done
        self.one: Pressure
        self.deeds = AssignDeeds(page, done)
        self.dialogs = AssignDialogs(page, self.deeds, owner=person.id)
        say = page.say
        with dialog_card(say("reading.title")) as self.dialog:
            self.subject = label("", "dialog__subject", tag="p")
            self.values = element("div", "products")
            label(say("reading.not_theirs"), tag="h3")
            self.scope = ui.radio({"this": say("reading.this")}, value="this")
            with element("div", "pills"):
                button(say("unassigned.somebody_else"), "second", self._to_somebody)
                button(say("unassigned.nobody"), "quiet", self._to_nobody)
                button(say("reading.put_back"), "quiet", self._put_back)
            self.steps = element("div", "products")
            with element("div", "dialog__buttons"):
                button(say("app.cancel"), "quiet", self.dialog.close)

    @property
    def ref(self) -> Ref:
        """The reading it is about."""
        return Ref(self.one.device_id, KIND, self.one.measured_at, self.one.ordinal)

    async def open(self, one: Pressure) -> None:
        """Show one reading."""
        self.one = one
        page, say = self.page, self.page.say
        async with page.console.transaction() as conn:
            mine = await reassign_query.belongs(conn, self.ref, self.person.id)
            others = await chosen.others(conn, self.ref) if mine else []
            steps = await chosen.history(conn, self.ref) if mine else []
        when = self._when(one.measured_at)
        self.subject.set_text(f"{words.pressure(one.sys, one.dia)} mmHg · {when}")
        options = {"this": say("reading.this"), "day": say("reading.day")}
        if one.session_id is not None:
            options["session"] = say("reading.session")
        self.scope.set_options(options, value="this")
        self._show_values(others)
        self._show_steps(steps)
        self.dialog.open()

    def _when(self, at: datetime) -> str:
        return words.moment(self.page.say, at, self.person.time_zone, self.page.console.now())

    # --- values that contradict each other --------------------------------------------------

    def _show_values(self, others: list[Other]) -> None:
        self.values.clear()
        if not others:
            return
        say, one = self.page.say, self.one
        with self.values:
            label(say("reading.contradict"), tag="h3")
            self._value(words.pressure(one.sys, one.dia), None, one.received_at)
            for other in others:
                sys, dia = other.values[:2]
                self._value(words.pressure(sys, dia), other.id, other.received_at)

    def _value(self, value: str, other: int | None, received_at: datetime) -> None:
        say = self.page.say
        with element("div", "waiting__person"):
            label(value, "table__value")
            label(say("unassigned.received", when=self._when(received_at)), "panel__fine")
            button(
                say("reading.holds"),
                "second",
                partial(self._choose, other),
                said=say("reading.holds_said", value=value),
            )

    async def _choose(self, other: int | None) -> None:
        self.dialog.close()
        page, ref = self.page, self.ref

        async def deed(conn: Connection, now: datetime) -> None:
            visitor = page.visitor
            by = Actor(staff_id=visitor.staff_id, address=visitor.person.address, at=now)
            try:
                await choosing.choose(conn, by, ref, patient_id=self.person.id, other=other)
            except RefusedByRuleError as error:
                raise DeedRefused(page.say("unassigned.gone")) from error

        said = page.say("reading.chosen")
        await do_noted(page, "assign_reading", deed, said=said, action="reading_chosen")
        await page.refresh_now(self.done)

    # --- what it was --------------------------------------------------------------------------

    def _show_steps(self, steps: list[Step]) -> None:
        self.steps.clear()
        if not steps:
            return
        say = self.page.say
        with self.steps:
            label(say("reading.history"), tag="h3")
            for step in steps:
                values = step.before.get("values") or [None, None]
                was = words.pressure(*values[:2])
                who = step.by or say("reading.the_device")
                reason = say(f"reading_step.{step.reason}", was=was)
                label(f"{self._when(step.at)} · {who} · {reason}", "panel__fine")

    # --- not theirs ---------------------------------------------------------------------------

    async def _to_somebody(self) -> None:
        load = await self._load()
        if load:
            self.dialog.close()
            await self.dialogs.ask_whose(load)

    async def _to_nobody(self) -> None:
        load = await self._load()
        if load:
            self.dialog.close()
            self.dialogs.ask_why_nobody(load)

    async def _put_back(self) -> None:
        load = await self._load()
        if load:
            self.dialog.close()
            move = assigning.from_patient(self.person.id, None)
            await self.deeds.act(move, load, self.page.say("reading.waits"))

    async def _load(self) -> Load:
        """This reading, its session, or what its device measured of them that day."""
        if self.scope.value == "this":
            return Load([self.ref])
        async with self.page.console.transaction() as conn:
            load = await reassign_query.of_span(conn, self._span(), Place(self.person.id))
        if not load or max(len(load.readings), len(load.blocks), len(load.chunks)) > MOST:
            toast(self.page.say("unassigned.gone"), good=False)
            return Load()
        return load

    def _span(self) -> Span:
        one, day = self.one, timedelta(days=1)
        if self.scope.value == "session":
            return Span(
                device_id=one.device_id,
                since=one.measured_at - day,
                until=one.measured_at + day,
                session_id=one.session_id,
            )
        zone = words.zone(self.person.time_zone)
        first = datetime.combine(one.measured_at.astimezone(zone).date(), time(), tzinfo=zone)
        return Span(device_id=one.device_id, since=first, until=first + day)
