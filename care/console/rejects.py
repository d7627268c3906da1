"""Messages that were refused (`/rejects`), merged by device and defect."""

from datetime import datetime, timedelta
from typing import Final

from fastapi import Request
from nicegui import ui
from starlette.responses import Response

from care.console import words
from care.console.frame import BUILT_WITHIN_S, WALL_ZONE, Frame, frame
from care.console.pieces import element, label
from care.console.table import table
from care.console.visitor import Console, to_sign_in
from store import worklist
from store.worklist import RejectLine

COLUMNS: Final = ("node", "code", "reason", "got", "times", "last")
LOOK_BACK: Final = timedelta(days=7)


def register(console: Console) -> None:
    """Serve the list."""

    @ui.page("/rejects", response_timeout=BUILT_WITHIN_S)
    async def page(request: Request) -> Response | None:
        visitor = await console.visitor(request)
        if visitor is None:
            return to_sign_in(request)
        with frame(console, visitor, current="rejects") as page:
            page.headline(visitor.say("rejects.title"))
            view = _List(page)
        await view.refresh()
        page.keep_fresh({"batch"}, view.refresh)
        return None


class _List:
    """The refusals as one browser sees them."""

    def __init__(self, page: Frame) -> None:
        self.page = page
        self.shown: list[RejectLine] | None = None
        say = page.say
        label(say("rejects.lead"), "lead", tag="p")
        with element("div", "panel panel--table") as self.panel:
            self.body = table([say(f"rejects.{key}") for key in COLUMNS])
        self.none = label(say("rejects.none"), "note", tag="p")

    async def refresh(self) -> None:
        """Show what the database says now."""
        console = self.page.console
        now = console.now()
        async with console.transaction() as conn:
            found = await worklist.rejects(
                conn, staff_id=self.page.visitor.staff_id, since=now - LOOK_BACK
            )
        self.none.visible, self.panel.visible = not found, bool(found)
        if found != self.shown:
            self.shown = found
            self.body.clear()
            with self.body:
                for one in found:
                    _row(self.page, one, now)


def _row(page: Frame, one: RejectLine, now: datetime) -> None:
    say = page.say
    with element("tr"):
        with element("td"):
            label(one.node_label or one.node_id or say("rejects.no_node"))
            if one.node_label and one.node_id:
                label(one.node_id, "person__fine")
        with element("td"):
            label(one.code, "code")
            label(one.path or "", "code code--fine")
        label(one.reason, tag="td")
        label((one.got or "")[:120], "code", tag="td")
        label(str(one.times), tag="td")
        label(words.moment(say, one.last_at, WALL_ZONE, now), tag="td")
