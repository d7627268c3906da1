"""Refused messages one by one, as found by the words above them; all of them replayed or saved."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode

from nicegui import ui

from care.console import reject_counts, words
from care.console.deeds import DeedRefused, Note, do
from care.console.frame import WALL_ZONE, Frame, Refresh
from care.console.pieces import button, dialog_card, element, label, link
from care.console.replay_outcome import outcome
from care.console.table import table
from store import reject_query
from store.pool import Connection
from store.reject_query import Count, Line, ReplayLine, Wanted

COLUMNS: Final = ("last", "code", "node", "path", "got", "replay")
PAGE: Final = 25
LOOK_BACK: Final = timedelta(days=7)


class MessagesPart:
    """The list grows downwards by pages; nothing already shown is read again with another page."""

    def __init__(self, page: Frame, wanted: Callable[[], Wanted], done: Refresh) -> None:
        self.page, self.wanted, self.done = page, wanted, done
        self.most = PAGE
        self.lines: list[Line] | None = None
        self.counts: list[Count] | None = None
        self.replays: list[ReplayLine] | None = None
        self._counts_part()
        self._replays_part()
        say = page.say
        with element("section", "panel") as panel:
            panel.props["aria-label"] = say("rejects.messages")
            with element("div", "panel__head"):
                label(say("rejects.messages"), tag="h2")
                with element("div", "pills"):
                    self.file = link("/api/rejects/export", "", say("rejects.save"))
                    if page.visitor.may("manage_nodes"):
                        button(say("rejects.replay_found"), "second", self._ask)
            self.rows = table([say(f"rejects.{key}") for key in COLUMNS])
            self.further = button(say("rejects.further"), "quiet", self._more)
        with dialog_card(say("replay.ask")) as self.dialog:
            self.subject = label("", "dialog__subject", tag="p")
            for key in ("what_stored", "what_late", "what_again", "what_device"):
                label(say(f"replay.{key}"), "dialog__lead", tag="p")
            with element("div", "dialog__buttons"):
                button(say("app.cancel"), "quiet", self.dialog.close)
                button(say("replay.do"), "main", self._replay)

    def _counts_part(self) -> None:
        say = self.page.say
        with element("section", "panel") as self.figures:
            self.figures.props["aria-label"] = say("rejects.over_time")
            label(say("rejects.over_time"), tag="h2")
            self.chart = ui.echart({"series": []}).classes("chart").props("role=img")
            self.chart.style("height: 240px")

    def _replays_part(self) -> None:
        say = self.page.say
        with element("section", "panel") as self.progress:
            self.progress.props["aria-label"] = say("rejects.replays")
            label(say("rejects.replays"), tag="h2")
            self.progress_lines = element("div", "products")
        self.progress.set_visibility(False)

    async def _more(self) -> None:
        self.most += PAGE
        await self.page.refresh_now(self.done)

    async def refresh(self, conn: Connection, days: int, now: datetime) -> None:
        """Show what the database says now."""
        staff_id, wanted = self.page.visitor.staff_id, self.wanted()
        lines = await reject_query.page(conn, staff_id=staff_id, wanted=wanted, limit=self.most + 1)
        step = "hour" if days <= reject_counts.HOURLY_UP_TO else "day"
        counts = await reject_query.counts(
            conn, staff_id=staff_id, wanted=wanted, step="hour" if step == "hour" else "day"
        )
        replays = await reject_query.replays(
            conn, staff_id=staff_id, since=now - LOOK_BACK, limit=5
        )
        self._show_lines(lines, now)
        self._show_counts(counts, now)
        self._show_replays(replays, now)
        self.file.props["href"] = f"/api/rejects/export?{urlencode(asked(wanted))}"

    def _show_lines(self, lines: list[Line], now: datetime) -> None:
        self.further.set_visibility(len(lines) > self.most)
        if lines == self.lines:
            return
        self.lines = lines
        self.rows.clear()
        with self.rows:
            for line in lines[: self.most]:
                self._row(line, now)

    def _row(self, line: Line, now: datetime) -> None:
        say = self.page.say
        with element("tr"):
            with element("td"):
                when = words.moment(say, line.received_at, WALL_ZONE, now)
                link(f"/rejects/{line.id}", "", when)
            label(line.code, "code", tag="td")
            label(line.node_label or line.node_id or say("rejects.no_node"), tag="td")
            label(line.path or "", "code", tag="td")
            label((line.got or "")[:80], "code", tag="td")
            with element("td"):
                outcome(self.page, line.replay_asked_at, line.replayed_at, line.replay_result)

    def _show_counts(self, counts: list[Count], now: datetime) -> None:
        self.figures.set_visibility(bool(counts))
        if counts == self.counts or not counts:
            return
        self.counts = counts
        say = self.page.say
        offset = now.astimezone(words.zone(WALL_ZONE)).utcoffset() or timedelta()
        self.chart.options.clear()
        self.chart.options.update(reject_counts.options(counts, say("rejects.others"), offset))
        told = [f"{code} {n}" for code, n in reject_counts.totals(counts).most_common(6)]
        self.chart.props["aria-label"] = say("rejects.chart", codes=", ".join(told))
        self.chart.update()

    def _show_replays(self, replays: list[ReplayLine], now: datetime) -> None:
        self.progress.set_visibility(bool(replays))
        if replays == self.replays:
            return
        self.replays = replays
        say = self.page.say
        self.progress_lines.clear()
        with self.progress_lines:
            for one in replays:
                when = words.moment(say, one.at, WALL_ZONE, now)
                with element("div", "waiting__person"):
                    bar = element("progress", "replay__bar")
                    bar.props["max"], bar.props["value"] = one.asked, one.done
                    said = say("rejects.progress", done=one.done, asked=one.asked)
                    bar.props["aria-label"] = said
                    label(said)
                    came = say("rejects.came", stored=one.stored, refused=one.refused)
                    label(came)
                    label(say("replay.asked", who=one.by, when=when), "panel__fine")

    def _ask(self) -> None:
        n = len(self.lines or ())
        more = n > self.most
        say = self.page.say
        self.subject.set_text(say("rejects.all_found") if more else say("replay.count", n=n))
        self.dialog.open()

    async def _replay(self) -> None:
        """Ask ingest to take what the words find; the newest first, so many at once."""
        self.dialog.close()
        page, wanted = self.page, self.wanted()
        asked_for: list[int] = []

        async def deed(conn: Connection, now: datetime) -> None:
            person = page.visitor.person
            found = await reject_query.page(
                conn,
                staff_id=person.staff_id,
                wanted=wanted,
                limit=reject_query.MOST_AT_ONCE,
            )
            asked_for.extend(
                await reject_query.ask_replay(
                    conn,
                    ids=[line.id for line in found],
                    staff_id=person.staff_id,
                    by=person.user_name,
                    now=now,
                )
            )
            if not asked_for:
                raise DeedRefused(page.say("replay.nobody"))

        note = Note(
            needs="manage_nodes",
            action="rejects_replayed",
            subject_kind="reject",
            subject_id=self.lines[0].id if self.lines else 0,
            detail={"search": asked(wanted)},
        )
        await do(page, note, deed, said=page.say("replay.done"))
        await page.refresh_now(self.done)


def asked(wanted: Wanted) -> dict[str, Any]:
    """The same words as the API takes them."""
    said = {
        "since": wanted.since.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "node": wanted.node_id,
        "code": wanted.code,
        "text": wanted.text,
        "payload": wanted.payload.decode("utf-8", "replace") if wanted.payload else None,
        "limit": 1000,
    }
    return {name: value for name, value in said.items() if value is not None}
