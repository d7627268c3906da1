"""One patient (`/patients/{id}`): how the pressure goes, what was taken, what is open, the plan."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Final

from fastapi import Path, Request
from msgspec import Struct
from nicegui import ui
from nicegui.events import ValueChangeEventArguments
from starlette.responses import Response

from care.console import patient_chart, words
from care.console.frame import BUILT_WITHIN_S, Frame, frame
from care.console.patient_completeness import CompletenessPart
from care.console.patient_devices import DevicesPart
from care.console.patient_episodes import EpisodesPart
from care.console.patient_plan import PlanPart
from care.console.patient_readings import ReadingsPart
from care.console.patient_summary import SummaryPart
from care.console.patient_vitals import VitalsPart
from care.console.pieces import element, label, link
from care.console.problem import not_found
from care.console.visitor import Console, Visitor, to_sign_in
from measures.target import Target, home_target
from store import audit, chart
from store.chart import Dose, Patient, Pressure

RANGES: Final = (7, 30, 90)
USUAL: Final = 30
_LARGEST_ID: Final = 2**63 - 1


def register(console: Console) -> None:
    """Serve the page of one patient."""

    @ui.page("/patients/{patient_id}", response_timeout=BUILT_WITHIN_S)
    async def page(
        request: Request, patient_id: Annotated[int, Path(ge=1, le=_LARGEST_ID)]
    ) -> Response | None:
        visitor = await console.visitor(request)
        if visitor is None:
            return to_sign_in(request)
        person = await _seen(console, visitor, patient_id)
        with frame(console, visitor, current="patients") as page:
            if person is None:
                not_found(page)
                return None
            view = _PatientPage(page, person)
        await view.refresh()
        page.keep_fresh({"episode", "dose", "plan", "batch", "gap"}, view.refresh)
        return None


async def _seen(console: Console, visitor: Visitor, patient_id: int) -> Patient | None:
    """The patient if in the person's scope; looking at them is noted."""
    now = console.now()
    async with console.transaction() as conn:
        person = await chart.patient(
            conn, patient_id=patient_id, staff_id=visitor.staff_id, now=now
        )
        if person is not None:
            await audit.record(
                conn,
                at=now,
                action="view",
                staff_id=visitor.staff_id,
                subject_kind="patient",
                subject_id=patient_id,
                address=visitor.person.address,
            )
    return person


def target_of(person: Patient, now: datetime) -> Target:
    """What the person's home pressure should be, and why."""
    years = words.age(person.birth_date, now.date()) if person.birth_date else None
    own = (person.target_sys, person.target_dia)
    override = None if own[0] is None or own[1] is None else (own[0], own[1])
    return home_target(person.profile, years, person.frail, override)


class _Series(Struct, frozen=True):
    """What the chart shows; drawn again only when it differs."""

    pressures: list[Pressure]
    doses: list[Dose]
    days: int


class _PatientPage:
    """The parts of the page, each fed with what it shows."""

    def __init__(self, page: Frame, person: Patient) -> None:
        self.page = page
        self.person = person
        self.days = USUAL
        self.drawn: _Series | None = None
        _who(page, person)
        target = target_of(person, page.console.now())
        self.summary = SummaryPart(page, person, target)
        with element("div", "columns"):
            with element("div", "columns__main"):
                self._chart_part(target)
                self.readings = ReadingsPart(page, person, self.refresh)
                self.vitals = VitalsPart(page, person)
                self.completeness = CompletenessPart(page, person)
            with element("div", "columns__side"):
                self.episodes = EpisodesPart(page, person, self.refresh)
                self.plan = PlanPart(page, person, self.refresh)
                self.devices = DevicesPart(page)

    def _chart_part(self, target: Target) -> None:
        say = self.page.say
        self.target = target
        with element("section", "panel") as panel:
            panel.props["aria-label"] = say("chart.title")
            with element("div", "panel__head"):
                label(say("chart.title"), tag="h2")
                options = {n: say("chart.days", n=n) for n in RANGES}
                choice = ui.toggle(options, value=self.days, on_change=self._range)
                choice.classes("choices").props("no-caps unelevated")
                choice.props["aria-label"] = say("chart.range")
            self.chart = ui.echart({"series": []}).classes("chart").props("role=img")
            self.empty = label(say("chart.empty"), "note", tag="p")
            label(say("chart.zone", zone=self.person.time_zone), "panel__fine")

    async def _range(self, event: ValueChangeEventArguments[int]) -> None:
        self.days = event.value or USUAL
        await self.refresh()

    async def refresh(self) -> None:
        """Read everything and show what changed."""
        page, person = self.page, self.person
        now = page.console.now()
        since, until = now - timedelta(days=self.days), now + timedelta(hours=12)
        month = now - timedelta(days=max(RANGES[1], self.days))
        async with page.console.transaction() as conn:
            pressures = await chart.pressures(conn, patient_id=person.id, since=since, until=until)
            doses = await chart.doses(conn, patient_id=person.id, since=month, until=until)
            await self.vitals.refresh(conn, self.days, now)
            await self.episodes.refresh(conn, now)
            await self.plan.refresh(conn, now)
            await self.devices.refresh(conn, person.id, now)
            await self.completeness.refresh(conn, now)
        week = now - timedelta(days=7)
        self.summary.show(pressures, doses, week, now)
        self.readings.show(pressures, now)
        self._draw(pressures, [d for d in doses if d.due_at >= since], since, until)

    def _draw(
        self,
        pressures: Sequence[Pressure],
        doses: Sequence[Dose],
        since: datetime,
        until: datetime,
    ) -> None:
        say = self.page.say
        series = _Series(list(pressures), list(doses), self.days)
        if series == self.drawn:
            return
        self.drawn = series
        span = patient_chart.Span(since, until, words.zone(self.person.time_zone))
        drawn = patient_chart.options(say, pressures[::-1], doses, self.target, span)
        self.chart.options.clear()
        self.chart.options.update(drawn)
        self.chart.style(f"height: {patient_chart.height(doses)}px")
        self.chart.props["aria-label"] = say(
            "chart.label", days=self.days, n=len(pressures), doses=len(doses)
        )
        self.chart.update()
        self.empty.visible = not pressures


def _who(page: Frame, person: Patient) -> None:
    say, now = page.say, page.console.now()
    with element("div", "portrait"):
        back = link("/patients", "portrait__back")
        back.props["aria-label"] = say("nav.patients")
        with back:
            ui.icon("arrow_back").props("aria-hidden=true")
        with element("div", "portrait__who"):
            label(person.name, "portrait__name", tag="h1")
            line = [
                words.person(say, person.sex, person.birth_date, now),
                " ".join(p for p in (person.parent_area_name, person.area_name) if p),
                person.team_name or say("patient.no_team"),
            ]
            label(" · ".join(part for part in line if part), "portrait__line")
            with element("div", "pills"):
                for condition in person.conditions:
                    label(say.known("condition", condition, condition), "pill pill--plain")
                if person.frail:
                    label(say("patient.frail"), "pill pill--plain")
        with element("div", "portrait__side"):
            if person.phone:
                from_page = say("person.call", name=person.name)
                phone = ui.link(person.phone, f"tel:{person.phone}").classes("phone phone--large")
                phone.props["aria-label"] = from_page
            page.freshness = label("", "freshness")
