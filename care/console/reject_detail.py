"""One refusal (`/rejects/{id}`): the message with the place, what its maker is told, the replay."""

from datetime import datetime, timedelta
from typing import Annotated, Final

from fastapi import Path, Request
from nicegui import ui
from starlette.responses import Response

from care.console import words
from care.console.frame import BUILT_WITHIN_S, WALL_ZONE, Frame, frame
from care.console.payload import shown
from care.console.pieces import button, element, label, link, pill
from care.console.problem import not_found
from care.console.rejects import product_name
from care.console.replay_dialog import ReplayDialog
from care.console.replay_outcome import outcome
from care.console.table import table
from care.console.visitor import Console, Visitor, to_sign_in
from contract.errors import ERRORS
from store import audit, reject_query
from store.reject_query import AlikeLine, RejectPage, Wanted

COLUMNS: Final = ("last", "node", "path", "got", "replay")
LOOK_BACK: Final = timedelta(days=90)
MOST: Final = 50
_LARGEST_ID: Final = 2**63 - 1


def register(console: Console) -> None:
    """Serve the page of one refusal."""

    @ui.page("/rejects/{reject_id}", response_timeout=BUILT_WITHIN_S)
    async def page(
        request: Request, reject_id: Annotated[int, Path(ge=1, le=_LARGEST_ID)]
    ) -> Response | None:
        visitor = await console.visitor(request)
        if visitor is None:
            return to_sign_in(request)
        found = await _seen(console, visitor, reject_id)
        with frame(console, visitor, current="rejects") as page:
            if found is None:
                not_found(page)
                return None
            view = _Detail(page, found)
        await view.refresh()
        page.keep_fresh({"reject"}, view.refresh)
        return None


async def _seen(console: Console, visitor: Visitor, reject_id: int) -> RejectPage | None:
    """The refusal if in the person's scope; a message can tell of health, so a look is noted."""
    async with console.transaction() as conn:
        found = await reject_query.one(conn, reject_id=reject_id, staff_id=visitor.staff_id)
        if found is not None:
            await audit.record(
                conn,
                at=console.now(),
                action="view",
                staff_id=visitor.staff_id,
                subject_kind="reject",
                subject_id=reject_id,
                address=visitor.person.address,
            )
    return found


class _Detail:
    """The page: fixed above, and below the messages alike with what became of them."""

    def __init__(self, page: Frame, one: RejectPage) -> None:
        self.page, self.one = page, one
        self.place = reject_query.place_of(one.path)
        self.alike: list[AlikeLine] | None = None
        self.all: ui.button | None = None
        self.replay = ReplayDialog(page, one, self.refresh)
        _head(page, one)
        with element("div", "columns"):
            with element("div", "columns__main"):
                _message(page, one)
                self._alike_part()
            with element("div", "columns__side"):
                _said(page, one)
                self._replay_part()

    def _replay_part(self) -> None:
        say = self.page.say
        with element("section", "panel") as panel:
            panel.props["aria-label"] = say("replay.title")
            label(say("replay.title"), tag="h2")
            label(say("replay.lead"), "panel__fine", tag="p")
            self.state = element("div", "plan__state")
            if self.one.node_id is None:
                label(say("replay.no_node"), "note", tag="p")
            elif not self.page.visitor.may("manage_nodes"):
                label(say("replay.not_yours"), "note", tag="p")
            else:
                with element("div", "replay__buttons"):
                    button(say("replay.this"), "main", self.replay.this)
                    self.all = button(say("replay.alike", n=0), "second", self.replay.alike)

    def _alike_part(self) -> None:
        say = self.page.say
        with element("section", "panel") as panel:
            panel.props["aria-label"] = say("rejects.alike")
            with element("div", "panel__head"):
                label(say("rejects.alike"), tag="h2")
            label(say("rejects.alike_more", n=MOST), "panel__fine")
            self.rows = table([say(f"rejects.{key}") for key in COLUMNS])

    async def refresh(self) -> None:
        """Show what a replay made of them."""
        page, one = self.page, self.one
        now = page.console.now()
        async with page.console.transaction() as conn:
            newer = await reject_query.one(conn, reject_id=one.id, staff_id=page.visitor.staff_id)
            found = await reject_query.alike(
                conn,
                one.product,
                code=one.code,
                place=self.place,
                staff_id=page.visitor.staff_id,
                wanted=Wanted(since=now - LOOK_BACK),
                limit=reject_query.MOST_AT_ONCE,
            )
        self._show_state(newer or one, now)
        self.replay.ids = [line.id for line in found]
        if self.all is not None:
            self.all.set_text(page.say("replay.alike", n=len(found)))
            self.all.set_visibility(len(found) > 1)
        if found[:MOST] != self.alike:
            self.alike = found[:MOST]
            self.rows.clear()
            with self.rows:
                for line in found[:MOST]:
                    self._row(line, now)

    def _show_state(self, one: RejectPage, now: datetime) -> None:
        self.state.clear()
        say = self.page.say
        if one.replay_asked_at is None:
            return
        with self.state:
            outcome(self.page, one.replay_asked_at, one.replayed_at, one.replay_result)
            when = words.moment(say, one.replay_asked_at, WALL_ZONE, now)
            label(say("replay.asked", who=one.replay_asked_by or "–", when=when), "panel__fine")

    def _row(self, line: AlikeLine, now: datetime) -> None:
        say = self.page.say
        with element("tr") as row:
            if line.id == self.one.id:
                row.classes("row--here")
            with element("td"):
                link(f"/rejects/{line.id}", "", words.moment(say, line.received_at, WALL_ZONE, now))
            label(line.node_label or line.node_id or say("rejects.no_node"), tag="td")
            label(line.path or "", "code", tag="td")
            label((line.got or "")[:80], "code", tag="td")
            with element("td"):
                outcome(self.page, line.replay_asked_at, line.replayed_at, line.replay_result)


def _head(page: Frame, one: RejectPage) -> None:
    say, now = page.say, page.console.now()
    with element("div", "portrait"):
        back = link("/rejects", "portrait__back")
        back.props["aria-label"] = say("nav.rejects")
        with back:
            ui.icon("arrow_back").props("aria-hidden=true")
        with element("div", "portrait__who"):
            known = ERRORS.get(one.code)
            label(f"{one.code} {known.name if known else ''}", "portrait__name", tag="h1")
            firmware = one.firmware or say("rejects.no_firmware")
            line = [
                product_name(say, one.product),
                say("rejects.firmware", firmware=firmware),
                words.moment(say, one.received_at, WALL_ZONE, now),
            ]
            label(" · ".join(line), "portrait__line")
            with element("div", "portrait__line"):
                if one.node_id is None:
                    label(say("rejects.no_node"), tag="span")
                else:
                    link(f"/nodes/{one.node_id}", "", one.node_label or one.node_id)
                label(f" · {one.topic} · boot {one.boot} · seq {one.seq}", "code", tag="span")
        with element("div", "portrait__side"):
            page.freshness = label("", "freshness")


def _message(page: Frame, one: RejectPage) -> None:
    say = page.say
    view = shown(one.payload, one.path, one.reason)
    with element("section", "panel") as panel:
        panel.props["aria-label"] = say("rejects.message")
        with element("div", "panel__head"):
            label(say("rejects.message"), tag="h2")
            size = say("rejects.bytes", n=len(one.payload), form=view.form.upper())
            label(size, "panel__fine")
            link(f"/api/rejects/{one.carrier_id}/payload", "", say("rejects.save_one"))
        if one.path:
            label(say("rejects.at", path=one.path), "code")
        with element("pre", "payload") as text:
            text.props["tabindex"] = "0"
            text.props["aria-label"] = say("rejects.message")
            label(view.before, tag="span")
            if view.marked:
                label(view.marked, "payload__place", tag="mark")
            label(view.after, tag="span")
        if view.cut:
            label(say("rejects.cut"), "panel__fine")
        if one.kept or one.dropped:
            label(say("rejects.kept", kept=one.kept, dropped=one.dropped), "panel__fine")


def _said(page: Frame, one: RejectPage) -> None:
    say = page.say
    known = ERRORS.get(one.code)
    with element("section", "panel said") as panel:
        panel.props["aria-label"] = say("rejects.said")
        label(say("rejects.said"), tag="h2")
        label(one.reason, "code", tag="p")
        if one.got is not None:
            label(say("rejects.got_value", got=one.got), "code", tag="p")
        for language, wording in (("zh-CN", known.zh), ("en", known.en)) if known else ():
            with element("div", "said__language") as part:
                part.props["lang"] = language
                label(wording.meaning, tag="p")
                label(wording.hint, "panel__fine", tag="p")
        if known:
            pill(say("rejects.retry" if known.retry else "rejects.drop"), "plain")
            link(f"/errors#{one.code}", "", say("rejects.anchor", code=one.code))
