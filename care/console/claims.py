"""Units on their way into homes (`/claims`): scan one, say whose it is, watch it connect."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from fastapi import Request
from nicegui import ui
from starlette.responses import Response

from care.console import words
from care.console.claim_form import ClaimForm
from care.console.deeds import DeedRefused, Note, do
from care.console.frame import BUILT_WITHIN_S, WALL_ZONE, Frame, Refresh, frame
from care.console.pieces import button, dialog_card, element, label, link, pill
from care.console.table import table
from care.console.visitor import Console, to_sign_in
from care.people import claiming
from store import claim, patient
from store.claim import Claim
from store.pool import Connection

COLUMNS: Final = ("unit", "whom", "state", "since", "release")
LOOKS: Final[Mapping[str, str]] = {"open": "waiting", "issued": "low", "completed": "confirmed"}


def register(console: Console) -> None:
    """Serve the page."""

    @ui.page("/claims", response_timeout=BUILT_WITHIN_S)
    async def page(request: Request) -> Response | None:
        visitor = await console.visitor(request)
        if visitor is None:
            return to_sign_in(request)
        with frame(console, visitor, current="claims") as page:
            page.headline(visitor.say("claims.title"))
            view = _Claims(page)
        await view.refresh()
        page.keep_fresh({"claim", "batch"}, view.refresh)
        return None


class _Claims:
    """The form above, the units that are bound below."""

    def __init__(self, page: Frame) -> None:
        self.page = page
        self.shown: list[tuple[Claim, str]] | None = None
        say = page.say
        label(say("claims.lead"), "lead", tag="p")
        self.form = ClaimForm(page, self.refresh)
        self.release = _Release(page, self.refresh)
        with element("section", "panel panel--table") as self.panel:
            self.panel.props["aria-label"] = say("claims.bound")
            self.body = table([say(f"claims.{key}") for key in COLUMNS])
        self.none = label(say("claims.none"), "note", tag="p")

    async def refresh(self) -> None:
        """Show what the database says now."""
        page = self.page
        staff_id, now = page.visitor.staff_id, page.console.now()
        async with page.console.transaction() as conn:
            found = await claim.visible(conn, staff_id=staff_id)
            lines = [(one, await _whom(conn, one, staff_id)) for one in found]
            await self.form.refresh(conn)
        self.none.visible, self.panel.visible = not lines, bool(lines)
        if lines != self.shown:
            self.shown = lines
            self.body.clear()
            with self.body:
                for one, whom in lines:
                    self._row(one, whom, now)

    def _row(self, one: Claim, whom: str, now: datetime) -> None:
        say = self.page.say
        state = claiming.state_of(one)
        with element("tr"):
            with element("td"):
                label(one.label or one.serial, "person__name")
                label(one.serial, "code code--fine")
            label(whom or say("claims.station"), tag="td")
            with element("td"):
                pill(say(f"claim_state.{state}"), LOOKS.get(state, "plain"))
                label(say(f"claim_more.{state}"), "person__fine")
                if one.node_id is not None:
                    link(f"/nodes/{one.node_id}", "", say("claims.node"))
            label(words.moment(say, one.opened_at, WALL_ZONE, now), tag="td")
            with element("td"):
                if self.page.visitor.may("manage_nodes"):
                    said = say("claims.release_which", serial=one.serial)
                    press = say("claims.release")
                    button(press, "quiet", lambda: self.release.ask(one), said=said)


async def _whom(conn: Connection, one: Claim, staff_id: int) -> str:
    if one.patient_id is None:
        return ""
    person = await patient.find_visible(conn, patient_id=one.patient_id, staff_id=staff_id)
    return person.name if person else ""


class _Release:
    """Releasing a unit, after a question."""

    def __init__(self, page: Frame, done: Refresh) -> None:
        self.page, self.done = page, done
        self.one: Claim | None = None
        say = page.say
        with dialog_card(say("claims.release_title")) as self.dialog:
            self.subject = label("", "dialog__subject", tag="p")
            label(say("claims.release_lead"), "dialog__lead", tag="p")
            with element("div", "dialog__buttons"):
                button(say("app.cancel"), "quiet", self.dialog.close)
                button(say("claims.release"), "danger", self.confirm)

    def ask(self, one: Claim) -> None:
        """Ask about this unit."""
        self.one = one
        self.subject.set_text(f"{one.label} · {one.serial}")
        self.dialog.open()

    async def confirm(self) -> None:
        """Release it; what is retained of its node leaves the broker."""
        self.dialog.close()
        page, one = self.page, self.one
        if one is None:
            return

        async def deed(conn: Connection, now: datetime) -> None:
            mine = await claim.visible(conn, staff_id=page.visitor.staff_id)
            if one.id not in {found.id for found in mine}:
                raise DeedRefused(page.say("problem.changed"))
            await claiming.end_claim(conn, one, by=page.visitor.staff_id, now=now)

        note = Note(
            needs="manage_nodes", action="unit_released", subject_kind="claim", subject_id=one.id
        )
        await do(page, note, deed, said=page.say("claims.released", serial=one.serial))
        await page.refresh_now(self.done)
