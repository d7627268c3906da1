"""Every vital sign of a patient but the pressure: a chart and a table each, where there is data.

A vital sign that is new in the dictionary appears here by itself.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby
from time import monotonic
from typing import Final

from msgspec import Struct
from nicegui import ui

from care.console import vital_chart, words
from care.console.frame import Frame
from care.console.patient_chart import Span
from care.console.pieces import button, element, label
from care.console.reading_marks import marks
from care.console.table import table
from contract.vitals import VITALS, Vital
from store import vital
from store.chart import Patient
from store.pool import Connection
from store.vital import Bucket, Reading

COLUMNS: Final = ("when", "quality", "received")
FIRST: Final = 5
MOST: Final = 200
_BUCKETS: Final = 360
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SHORTEST: Final = timedelta(minutes=1)
# Dense series may be dear to read: they rest ten times as long as reading them took.
_REST: Final = 10


class _Shown(Struct, frozen=True):
    """What a panel shows; drawn again only when it differs."""

    readings: list[Reading]
    buckets: list[Bucket]
    days: int
    all: bool


class VitalsPart:
    """One panel a vital sign, in the order of the dictionary."""

    def __init__(self, page: Frame, person: Patient) -> None:
        self.page, self.person = page, person
        self.panels: dict[str, _Panel] = {}
        self.buckets: list[Bucket] = []
        self.read_again = 0.0
        self.days = 0
        self.box = element("div", "columns__main")

    async def refresh(self, conn: Connection, days: int, now: datetime) -> None:
        """Read what the span holds and show it."""
        since, until = now - timedelta(days=days), now + timedelta(hours=12)
        who = self.person.id
        found = await vital.readings(conn, patient_id=who, since=since, until=until)
        began = monotonic()
        if days != self.days or began >= self.read_again:
            width = max(_SHORTEST, timedelta(days=days) / _BUCKETS)
            # Buckets keep their edges while time goes on, so that nothing trembles.
            edge = since - (since - _EPOCH) % width
            self.buckets = await vital.buckets(
                conn, patient_id=who, since=edge, until=until, width=width, now=now
            )
            self.days, self.read_again = days, monotonic() + _REST * (monotonic() - began)
        self._show(found, Span(since, until, words.zone(self.person.time_zone)), now)

    def _show(self, found: Sequence[Reading], span: Span, now: datetime) -> None:
        readings = {kind: list(rows) for kind, rows in groupby(found, lambda r: r.kind)}
        dense = {kind: list(rows) for kind, rows in groupby(self.buckets, lambda b: b.kind)}
        for one in VITALS.values():
            if one.k not in self.panels and (one.k in readings or one.k in dense):
                with self.box:
                    self.panels[one.k] = _Panel(self.page, self.person, one)
                self._in_order(one.k)
        for kind, panel in self.panels.items():
            panel.show(readings.get(kind, []), dense.get(kind, []), self.days, span, now)

    def _in_order(self, kind: str) -> None:
        """A panel that came later stands where the dictionary has it."""
        order = [k for k in VITALS if k in self.panels]
        self.panels[kind].panel.move(target_index=order.index(kind))


class _Panel:
    """One vital sign: its chart, the continuous part in words, its readings."""

    def __init__(self, page: Frame, person: Patient, one: Vital) -> None:
        self.page, self.person, self.vital = page, person, one
        self.shown: _Shown | None = None
        self.all = False
        say = page.say
        name, unit = one.names.of(say.locale), words.unit_symbol(one.parts[0].unit)
        with element("section", "panel") as self.panel:
            self.panel.props["aria-label"] = name
            with element("div", "panel__head"):
                label(name, tag="h2")
                self.latest = label("", "panel__fine")
            self.chart = ui.echart({"series": []}).classes("chart").props("role=img")
            self.chart.style(f"height: {vital_chart.HEIGHT}px")
            self.dense = label("", "panel__fine")
            value = say("vitals.value", name=name, unit=unit).strip()
            when, *others = (say(f"readings.{key}") for key in COLUMNS)
            with element("div") as self.readings:
                self.body = table([when, value, *others], "table--readings")
                self.toggle = button("", "quiet", self._toggle)

    def _toggle(self) -> None:
        if self.shown is not None:
            self.all = not self.all
            self._rows(self.shown.readings, self.page.console.now())

    def show(
        self,
        readings: list[Reading],
        buckets: list[Bucket],
        days: int,
        span: Span,
        now: datetime,
    ) -> None:
        """Show what was measured; readings come newest first."""
        shown = _Shown(readings, buckets, days, self.all)
        if shown == self.shown:
            return
        self.shown = shown
        say = self.page.say
        drawn = vital_chart.options(say, self.vital, readings[::-1], buckets, span)
        self.chart.options.clear()
        self.chart.options.update(drawn)
        samples = sum(b.samples for b in buckets if b.part == 0)
        name = self.vital.names.of(say.locale)
        self.chart.props["aria-label"] = say(
            "vitals.label", name=name, days=days, n=len(readings), samples=samples
        )
        self.chart.update()
        self._latest(readings, now)
        self.dense.set_text(self._dense(buckets, samples))
        self.dense.visible = bool(buckets)
        self._rows(readings, now)

    def _latest(self, readings: Sequence[Reading], now: datetime) -> None:
        newest = next((r for r in readings if r.v0 is not None), None)
        text = ""
        if newest is not None:
            value, unit = words.reading(self.vital.k, newest.values)
            when = words.moment(self.page.say, newest.measured_at, self.person.time_zone, now)
            text = self.page.say("vitals.latest", value=f"{value} {unit}".strip(), when=when)
        self.latest.set_text(text)

    def _dense(self, buckets: Sequence[Bucket], samples: int) -> str:
        say = self.page.say
        told = [say("vitals.dense", n=samples)]
        for place, part in enumerate(self.vital.parts):
            own = [b for b in buckets if b.part == place and not b.left_out]
            if own:
                mean = sum(b.mean * b.samples for b in own) / sum(b.samples for b in own)
                told.append(
                    say(
                        "vitals.dense_part",
                        name=part.names.of(say.locale),
                        low=words.number(min(b.low for b in own)),
                        mean=words.number(mean),
                        high=words.number(max(b.high for b in own)),
                    )
                )
        return " · ".join(told)

    def _rows(self, readings: Sequence[Reading], now: datetime) -> None:
        say = self.page.say
        self.readings.visible = bool(readings)
        self.toggle.visible = len(readings) > FIRST
        key = "readings.fewer" if self.all else "readings.all"
        self.toggle.set_text(say(key) if self.all else say(key, n=len(readings)))
        self.body.clear()
        with self.body:
            for one in readings[: MOST if self.all else FIRST]:
                self._row(one, now)

    def _row(self, one: Reading, now: datetime) -> None:
        say, zone = self.page.say, self.person.time_zone
        value, _ = words.reading(one.kind, one.values)
        with element("tr"):
            label(words.moment(say, one.measured_at, zone, now), tag="td")
            label(value, "table__value", tag="td")
            with element("td"):
                with element("div", "pills"):
                    marks(say, one, zone, now)
                label(say("readings.clock", clock=say.known("clock", one.clock, one.clock)), "fine")
            label(words.moment(say, one.received_at, zone, now), tag="td")
