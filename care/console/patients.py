"""The people in somebody's care (`/patients`): found quickly, those who need something first."""

from datetime import datetime
from typing import Final

from fastapi import Request
from nicegui import ui
from starlette.responses import Response

from care.console import words
from care.console.frame import BUILT_WITHIN_S, Frame, frame
from care.console.pieces import button, element, label, link, pill
from care.console.visitor import Console, to_sign_in
from measures.target import home_target
from store import worklist
from store.worklist import PatientLine

PAGE: Final = 60


def register(console: Console) -> None:
    """Serve the list of patients."""

    @ui.page("/patients", response_timeout=BUILT_WITHIN_S)
    async def page(request: Request) -> Response | None:
        visitor = await console.visitor(request)
        if visitor is None:
            return to_sign_in(request)
        with frame(console, visitor, current="patients") as page:
            page.headline(visitor.say("patients.title"))
            view = _Patients(page)
        await view.refresh()
        page.keep_fresh({"episode", "batch"}, view.refresh)
        return None


class _Patients:
    """The list as one browser sees it, drawn again only when something in it changed."""

    def __init__(self, page: Frame) -> None:
        self.page = page
        self.most = PAGE
        self.shown: list[PatientLine] | None = None
        say = page.say
        self.search = ui.input(placeholder=say("patients.search"), on_change=self.refresh)
        self.search.classes("search").props("outlined clearable debounce=250 type=search")
        self.search.props["aria-label"] = say("patients.search")
        with self.search.add_slot("prepend"):
            ui.icon("search").props("aria-hidden=true")
        self.body = element("div", "people").props("role=list")
        self.none = label(say("patients.none"), "note", tag="p")
        self.more = button(say("patients.more"), "second", self._more)

    async def _more(self) -> None:
        self.most += PAGE
        await self.refresh()

    async def refresh(self) -> None:
        """Show what the database says now."""
        console = self.page.console
        now = console.now()
        async with console.transaction() as conn:
            lines = await worklist.patients(
                conn,
                staff_id=self.page.visitor.staff_id,
                now=now,
                search=self.search.value or "",
                limit=self.most + 1,
            )
        self.more.visible = len(lines) > self.most
        self.none.visible = not lines
        if lines[: self.most] != self.shown:
            self.shown = lines[: self.most]
            self.body.clear()
            with self.body:
                for line in self.shown:
                    _row(self.page, line, now)


def _row(page: Frame, line: PatientLine, now: datetime) -> None:
    say = page.say
    with link(f"/patients/{line.id}", "person") as row:
        row.props("role=listitem")
        with element("div", "person__who"):
            label(line.name, "person__name")
            label(words.person(say, line.sex, line.birth_date, now), "person__fine")
        with element("div", "person__where"):
            label(line.area_name)
            label(line.team_name or say("patient.no_team"), "person__fine")
        with element("div", "person__last"):
            _pressure(page, line, now)
        with element("div", "person__open"):
            if line.open_priority:
                tier = say(f"tier.{line.open_priority}")
                text = say("patients.open_n", tier=tier, n=line.open_episodes)
                pill(text, line.open_priority)
        ui.icon("chevron_right").classes("person__go").props("aria-hidden=true")


def _pressure(page: Frame, line: PatientLine, now: datetime) -> None:
    say = page.say
    if line.measured_at is None:
        label(say("patients.no_reading"), "person__fine")
        return
    with element("div", "person__pressure"):
        if line.sys is None or line.dia is None:
            label(" · ".join(words.flags(say, line.flags or 0)) or "–", "person__value")
        else:
            label(words.pressure(line.sys, line.dia), "person__value")
            years = words.age(line.birth_date, now.date()) if line.birth_date else None
            own = (line.target_sys, line.target_dia)
            override = None if own[0] is None or own[1] is None else (own[0], own[1])
            target = home_target(line.profile, years, line.frail, override)
            if target.met(line.sys, line.dia):
                label(say("patient.in_target"), "trend trend--met")
            else:
                label(say("patient.above_target"), "trend trend--above")
    label(words.moment(say, line.measured_at, line.time_zone, now), "person__fine")
