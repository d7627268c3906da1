"""The readings behind the chart, with everything that speaks about their quality."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Final

from care.console import words
from care.console.frame import Frame, Refresh
from care.console.patient_reading import ReadingDialog
from care.console.pieces import button, element, label, pill
from care.console.reading_marks import marks
from care.console.table import table
from measures.target import is_severe
from store.chart import Patient, Pressure

COLUMNS: Final = ("when", "pressure", "pulse", "quality", "received")
FIRST: Final = 10
MOST: Final = 400


class ReadingsPart:
    """A table, the newest reading first; drawn again only when a reading changed."""

    def __init__(self, page: Frame, person: Patient, done: Refresh) -> None:
        self.page, self.person = page, person
        self.shown: tuple[list[Pressure], bool] | None = None
        self.all = False
        self.pressures: Sequence[Pressure] = ()
        say = page.say
        with element("section", "panel") as panel:
            panel.props["aria-label"] = say("readings.title")
            with element("div", "panel__head"):
                label(say("readings.title"), tag="h2")
            self.dialog = ReadingDialog(page, person, done)
            self.body = table([say(f"readings.{key}") for key in COLUMNS], "table--readings")
            self.none = label(say("readings.none"), "note", tag="p")
            self.toggle = button("", "quiet", self._toggle)

    def _toggle(self) -> None:
        self.all = not self.all
        self.show(self.pressures, self.page.console.now())

    def show(self, pressures: Sequence[Pressure], now: datetime) -> None:
        """Show the readings; they come newest first."""
        say = self.page.say
        self.pressures = pressures
        shown = (list(pressures), self.all)
        self.none.visible = not pressures
        self.toggle.visible = len(pressures) > FIRST
        key = "readings.fewer" if self.all else "readings.all"
        self.toggle.set_text(say(key) if self.all else say(key, n=len(pressures)))
        if shown == self.shown:
            return
        self.shown = shown
        self.body.clear()
        with self.body:
            for pressure in pressures[: MOST if self.all else FIRST]:
                self._row(pressure, now)

    def _row(self, one: Pressure, now: datetime) -> None:
        say = self.page.say
        severe = is_severe(self.person.profile, one.sys, one.dia)
        with element("tr", "row--severe" if severe else ""):
            label(words.moment(say, one.measured_at, self.person.time_zone, now), tag="td")
            self._value(one, now)
            label(words.number(one.pulse), tag="td")
            with element("td"):
                with element("div", "pills"):
                    if severe:
                        pill(say("readings.severe"), "high")
                    marks(say, one, self.person.time_zone, now)
                label(say("readings.clock", clock=say.known("clock", one.clock, one.clock)), "fine")
            label(words.moment(say, one.received_at, self.person.time_zone, now), tag="td")

    def _value(self, one: Pressure, now: datetime) -> None:
        """The value, and the way to everything about it: there on the smallest screen, too."""
        say, value = self.page.say, words.pressure(one.sys, one.dia)
        when = words.moment(say, one.measured_at, self.person.time_zone, now)
        with element("td"):
            label(value, "table__value")
            button(
                say("reading.open"),
                "quiet",
                partial(self.dialog.open, one),
                said=say("reading.open_said", value=value, when=when),
            )
