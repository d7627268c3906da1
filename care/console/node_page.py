"""One node (`/nodes/{id}`): how it is, what it should be set to and is, what it told last."""

import json
from datetime import datetime, timedelta
from typing import Annotated, Final

from fastapi import Path, Request
from msgspec import Struct
from nicegui import ui
from nicegui.element import Element
from starlette.responses import Response

from care.console import words
from care.console.frame import BUILT_WITHIN_S, WALL_ZONE, Frame, frame
from care.console.node_gaps import gaps_panel
from care.console.pieces import element, label, link, pill
from care.console.problem import not_found
from care.console.rejects import meaning
from care.console.visitor import Console, to_sign_in
from store import (
    certificate,
    configuration,
    credential,
    device,
    gap,
    node,
    node_diag,
    reject_query,
)
from store.certificate import Certificate
from store.configuration import Configuration
from store.device import Device
from store.gap import Counted, Gap
from store.node import Node
from store.node_diag import StoredDiag
from store.reject_query import KindLine, Wanted

GOOD: Final = frozenset({"ready", "sleeping"})
LOOK_BACK: Final = timedelta(days=7)
LOG_LINES: Final = 20


class _Told(Struct, frozen=True, kw_only=True):
    """Everything the page shows; it is drawn again when this differs."""

    node: Node
    devices: list[Device]
    config: Configuration
    diag: list[StoredDiag]
    rejects: list[KindLine]
    certificates: list[Certificate]
    password: bool
    gaps: list[Gap]
    counts: list[Counted]


def register(console: Console) -> None:
    """Serve the page of one node."""

    @ui.page("/nodes/{node_id}", response_timeout=BUILT_WITHIN_S)
    async def page(
        request: Request, node_id: Annotated[str, Path(pattern=r"^[a-z0-9]{8,24}$")]
    ) -> Response | None:
        visitor = await console.visitor(request)
        if visitor is None:
            return to_sign_in(request)
        async with console.transaction() as conn:
            found = await node.find_visible(conn, node_id=node_id, staff_id=visitor.staff_id)
        with frame(console, visitor, current="claims") as page:
            if found is None:
                not_found(page)
                return None
            view = _NodePage(page, found)
        await view.refresh()
        page.keep_fresh({"batch", "node_config", "reject", "claim", "gap"}, view.refresh)
        return None


class _NodePage:
    """The page; its parts are drawn anew when something changed."""

    def __init__(self, page: Frame, found: Node) -> None:
        self.page, self.node_id = page, found.id
        self.shown: _Told | None = None
        with element("div", "portrait"):
            back = link("/claims", "portrait__back")
            back.props["aria-label"] = page.say("nav.claims")
            with back:
                ui.icon("arrow_back").props("aria-hidden=true")
            with element("div", "portrait__who"):
                label(found.label or found.id, "portrait__name", tag="h1")
                self.line = label("", "portrait__line")
                self.pills = element("div", "pills")
            with element("div", "portrait__side"):
                page.freshness = label("", "freshness")
        with element("div", "columns"):
            self.main = element("div", "columns__main")
            self.side = element("div", "columns__side")

    async def refresh(self) -> None:
        """Show what the database says now."""
        told = await self._read()
        if told is None or told == self.shown:
            return
        self.shown = told
        now = self.page.console.now()
        self._head(told, now)
        self.main.clear()
        with self.main:
            _config(self.page, told, now)
            _rejects(self.page, told, now)
            gaps_panel(self.page, told.gaps, told.counts, now)
            _diag(self.page, told, now)
        self.side.clear()
        with self.side:
            _devices(self.page, told, now)
            _credentials(self.page, told, now)

    async def _read(self) -> _Told | None:
        page, node_id = self.page, self.node_id
        staff_id = page.visitor.staff_id
        wanted = Wanted(since=page.console.now() - LOOK_BACK, node_id=node_id)
        async with page.console.transaction() as conn:
            found = await node.find_visible(conn, node_id=node_id, staff_id=staff_id)
            if found is None:
                return None
            rejects: list[KindLine] = []
            for one in await reject_query.products(conn, staff_id=staff_id, wanted=wanted):
                rejects += await reject_query.kinds(
                    conn, one.product, staff_id=staff_id, wanted=wanted, limit=10
                )
            return _Told(
                node=found,
                devices=await device.of_node(conn, node_id),
                config=await configuration.read(conn, node_id),
                diag=await node_diag.latest(conn, node_id=node_id, limit=3),
                rejects=rejects[:10],
                certificates=await certificate.of_node(conn, node_id),
                password=await credential.has_password(conn, node_id),
                gaps=await gap.of_node(conn, node_id),
                counts=await gap.counts_of_node(conn, node_id),
            )

    def _head(self, told: _Told, now: datetime) -> None:
        say, one = self.page.say, told.node
        product = " ".join(part for part in (one.maker, one.model) if part)
        firmware = say("rejects.firmware", firmware=one.firmware) if one.firmware else ""
        self.line.set_text(" · ".join(part for part in (product, firmware, one.id) if part))
        self.pills.clear()
        with self.pills:
            state = "revoked" if one.revoked_at else one.state or "unknown"
            look = "confirmed" if state in GOOD else "unconfirmed"
            pill(say.known("node_state", state, state), look)
            seen = one.seen_at
            told_seen = say("devices.seen", when=words.ago(say, seen, now)) if seen else ""
            label(told_seen or say("devices.never_seen"), "panel__fine")


def _panel(page: Frame, key: str) -> Element:
    panel = element("section", "panel")
    panel.props["aria-label"] = page.say(key)
    with panel, element("div", "panel__head"):
        label(page.say(key), tag="h2")
    return panel


def _config(page: Frame, told: _Told, now: datetime) -> None:
    say, config = page.say, told.config
    with _panel(page, "node.config"):
        if config.standing == "none":
            label(say("node.config_none"), "note", tag="p")
            return
        pill(say(f"config_standing.{config.standing}"), _LOOK[config.standing])
        revisions = say(
            "node.revisions", wanted=config.revision, reported=config.reported_revision or 0
        )
        label(revisions, "panel__fine")
        if config.dev_until is not None and config.dev_until > now:
            until = words.moment(say, config.dev_until, WALL_ZONE, now)
            label(say("node.dev_until", when=until), "panel__fine")
        refused = {str(e.get("path", "")).lstrip("/"): str(e.get("msg", "")) for e in config.errors}
        applied = config.applied or {}
        for name in sorted({*config.wanted, *applied}):
            with element("div", "setting"):
                label(name, "code")
                label(say("node.wanted", value=_value(config.wanted.get(name))), "panel__fine")
                label(say("node.in_force", value=_value(applied.get(name))), "panel__fine")
                if name in refused:
                    label(refused[name][:200], "field__problem")


_LOOK: Final = {
    "waiting": "waiting",
    "sent": "waiting",
    "applied": "confirmed",
    "refused": "unconfirmed",
}


def _value(value: object) -> str:
    return "–" if value is None else json.dumps(value, ensure_ascii=False)[:80]


def _rejects(page: Frame, told: _Told, now: datetime) -> None:
    say = page.say
    with _panel(page, "node.rejects"):
        if not told.rejects:
            label(say("node.rejects_none"), "note", tag="p")
            return
        for one in told.rejects:
            with element("div", "setting"):
                link(f"/rejects/{one.newest_id}", "code", f"{one.code} {one.place}")
                label(meaning(say, one.code))
                last = words.moment(say, one.last_at, WALL_ZONE, now)
                label(f"{say('rejects.times_n', n=one.times)} · {last}", "panel__fine")
        link(f"/rejects?node={told.node.id}", "", say("node.all_rejects"))


def _diag(page: Frame, told: _Told, now: datetime) -> None:
    say = page.say
    with _panel(page, "node.diag"):
        if not told.diag:
            label(say("node.diag_none"), "note", tag="p")
            return
        newest = told.diag[0]
        label(words.moment(say, newest.received_at, WALL_ZONE, now), "panel__fine")
        with element("div", "pills"):
            for name, value in list(newest.metrics.items())[:24]:
                pill(f"{name} {words.number(value)}", "plain")
        lines = [line for one in told.diag for line in one.log][:LOG_LINES]
        if lines:
            with element("pre", "payload") as text:
                text.props["tabindex"] = "0"
                for line in lines:
                    label(f"{line.get('lvl', '')}  {str(line.get('msg', ''))[:200]}")


def _devices(page: Frame, told: _Told, now: datetime) -> None:
    say, one = page.say, told.node
    with _panel(page, "node.birth"):
        when = words.moment(say, one.birth_at, WALL_ZONE, now) if one.birth_at else None
        label(say("node.born", when=when) if when else say("node.never_born"), "panel__fine")
        for found in told.devices:
            if found.dev:
                kind = say.known("device_type", found.type, found.type)
                name = " ".join(p for p in (found.maker, found.model, found.serial) if p)
                label(" · ".join(p for p in (kind, found.dev, name) if p))


def _credentials(page: Frame, told: _Told, now: datetime) -> None:
    say = page.say
    with _panel(page, "node.credentials"):
        live = [one for one in told.certificates if one.revoked_at is None and one.not_after > now]
        if told.password:
            label(say("node.password"))
        for one in live:
            until = words.moment(say, one.ends_at or one.not_after, WALL_ZONE, now)
            label(say("node.certificate", when=until))
            label(one.serial_number, "code code--fine")
        if not live and not told.password:
            label(say("node.no_credentials"), "note", tag="p")
