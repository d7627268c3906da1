"""Readings nobody owns yet (`/unassigned`)."""

from datetime import datetime

from fastapi import Request
from nicegui import ui
from starlette.responses import Response

from care.console import words
from care.console.frame import BUILT_WITHIN_S, Frame, frame
from care.console.pieces import element, label, pill
from care.console.table import table
from care.console.visitor import Console, to_sign_in
from store import worklist
from store.worklist import Unassigned

COLUMNS = ("when", "reading", "device", "slot", "candidates")


def register(console: Console) -> None:
    """Serve the list."""

    @ui.page("/unassigned", response_timeout=BUILT_WITHIN_S)
    async def page(request: Request) -> Response | None:
        visitor = await console.visitor(request)
        if visitor is None:
            return to_sign_in(request)
        with frame(console, visitor, current="unassigned") as page:
            page.headline(visitor.say("unassigned.title"))
            view = _List(page)
        await view.refresh()
        page.keep_fresh({"batch"}, view.refresh)
        return None


class _List:
    """The readings as one browser sees them."""

    def __init__(self, page: Frame) -> None:
        self.page = page
        self.shown: list[Unassigned] | None = None
        say = page.say
        label(say("unassigned.lead"), "lead", tag="p")
        with element("div", "panel panel--table") as self.panel:
            self.body = table([say(f"unassigned.{key}") for key in COLUMNS])
        self.none = label(say("unassigned.none"), "note", tag="p")

    async def refresh(self) -> None:
        """Show what the database says now."""
        console = self.page.console
        async with console.transaction() as conn:
            found = await worklist.unassigned(conn, staff_id=self.page.visitor.staff_id)
        self.none.visible, self.panel.visible = not found, bool(found)
        if found != self.shown:
            self.shown = found
            self.body.clear()
            with self.body:
                for one in found:
                    _row(self.page, one, console.now())


def _row(page: Frame, one: Unassigned, now: datetime) -> None:
    say = page.say
    with element("tr"):
        label(words.moment(say, one.measured_at, one.time_zone, now), tag="td")
        with element("td"):
            value = words.reading(one.kind, (one.v0, one.v1, one.v2, one.v3))
            label(" ".join(value).strip(), "table__value")
            label(words.kind_name(say, one.kind), "person__fine")
            for name in words.flags(say, one.flags):
                pill(name, "plain")
        with element("td"):
            label(one.node_label or one.node_id)
            label(" · ".join(p for p in (one.model, one.dev) if p), "person__fine")
        label(one.who or "–", tag="td")
        names = "、" if say.locale == "zh-CN" else ", "
        label(names.join(one.candidates) or say("unassigned.no_candidates"), tag="td")
