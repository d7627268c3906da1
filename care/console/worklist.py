"""The worklist (`/`): the few people who need somebody, in order, and nothing else."""

from collections.abc import Sequence
from typing import Final

from fastapi import Request
from nicegui import ui
from nicegui.element import Element
from starlette.responses import Response

from care.console.episode_card import EpisodeCard
from care.console.episode_dialogs import EpisodeDialogs
from care.console.frame import BUILT_WITHIN_S, Frame, frame
from care.console.pieces import element, label, link
from care.console.visitor import Console, to_sign_in
from store import worklist
from store.worklist import SECTIONS, Entry

MOST: Final = 120


def register(console: Console) -> None:
    """Serve the worklist."""

    @ui.page("/", response_timeout=BUILT_WITHIN_S)
    async def page(request: Request, episode: int | None = None) -> Response | None:
        visitor = await console.visitor(request)
        if visitor is None:
            return to_sign_in(request)
        with frame(console, visitor, current="worklist") as page:
            page.headline(visitor.say("worklist.title"))
            view = _Worklist(page, episode)
        await view.refresh()
        page.keep_fresh({"episode"}, view.refresh)
        return None


class _Section:
    """One tier of the worklist; hidden while it is empty."""

    def __init__(self, page: Frame, key: str) -> None:
        self.say = page.say
        self.key = key
        with element("section", f"tier tier--{key}") as self.root:
            self.root.props["aria-labelledby"] = f"tier-{key}"
            with element("h2", "tier__title") as title:
                title.props["id"] = f"tier-{key}"
                label(page.say(f"section.{key}"), tag="span")
                self.count = label("", "tier__count", tag="span")
            self.body = element("div", "tier__body")
        self.shown = -1
        self.order: list[int] = []

    def show(self, n: int) -> None:
        if n != self.shown:
            self.shown = n
            self.count.set_text(str(n))
            self.root.visible = n > 0


class _Worklist:
    """The list as one browser sees it: cards are kept, moved and redrawn, never all rebuilt.

    `wanted` is the episode a message led here for: it is outlined and brought into view.
    """

    def __init__(self, page: Frame, wanted: int | None) -> None:
        self.page = page
        self.wanted = wanted
        self.cards: dict[int, EpisodeCard] = {}
        self.dialogs = EpisodeDialogs(page, self.refresh)
        with element("nav", "jumps") as jumps:
            jumps.props["aria-label"] = page.say("worklist.overview")
            self.jumps = {key: _Jump(page, key) for key in SECTIONS}
        self.empty = _nothing_to_do(page)
        self.sections = {key: _Section(page, key) for key in SECTIONS}
        self.cut = label(page.say("worklist.more", n=MOST), "note")

    async def refresh(self) -> None:
        """Show what the database says now."""
        console, staff_id = self.page.console, self.page.visitor.staff_id
        now = console.now()
        async with console.transaction() as conn:
            entries = await worklist.entries(conn, staff_id=staff_id, now=now, limit=MOST + 1)
        self._show(entries[:MOST])
        self.cut.visible = len(entries) > MOST

    def _show(self, entries: Sequence[Entry]) -> None:
        gone = set(self.cards) - {entry.id for entry in entries}
        for episode_id in gone:
            self.cards.pop(episode_id).root.delete()
        by_section = {key: [e for e in entries if e.section == key] for key in SECTIONS}
        for key, section in self.sections.items():
            section.order = [i for i in section.order if i not in gone]
            self._fill(section, by_section[key])
        for key, jump in self.jumps.items():
            jump.show(self.sections[key].shown)
        self.empty.visible = not entries
        self._bring_into_view()

    def _bring_into_view(self) -> None:
        card = self.cards.get(self.wanted or 0)
        if card is None:
            return
        self.wanted = None
        card.root.classes("card--wanted")
        place = f"document.getElementById('episode-{card.id}')"
        ui.timer(0.5, lambda: ui.run_javascript(f"{place}?.scrollIntoView()"), once=True)

    def _fill(self, section: _Section, entries: Sequence[Entry]) -> None:
        for place, entry in enumerate(entries):
            card = self._card(section, entry)
            if section.order[place : place + 1] != [entry.id]:
                card.root.move(section.body, place)
                section.order = [i for i in section.order if i != entry.id]
                section.order.insert(place, entry.id)
            card.show(entry, self.page.console.now())
        section.order = [entry.id for entry in entries]
        section.show(len(entries))

    def _card(self, section: _Section, entry: Entry) -> EpisodeCard:
        if entry.id not in self.cards:
            with section.body:
                self.cards[entry.id] = EpisodeCard(self.page, self.dialogs)
            section.order.append(entry.id)
        return self.cards[entry.id]


class _Jump:
    """How many there are of one tier, and a way to get there."""

    def __init__(self, page: Frame, key: str) -> None:
        self.page, self.key = page, key
        with link(f"#tier-{key}", f"jump jump--{key}") as self.root:
            self.number = label("", "jump__number", tag="span")
            label(page.say(f"section_short.{key}"), "jump__text", tag="span")
        self.shown = -1

    def show(self, n: int) -> None:
        if n != self.shown:
            self.shown = n
            self.number.set_text(str(n))
            section = self.page.say(f"section.{self.key}")
            self.root.props["aria-label"] = self.page.say("worklist.jump", section=section, n=n)
            self.root.visible = n > 0


def _nothing_to_do(page: Frame) -> Element:
    with element("div", "calm") as calm:
        ui.icon("task_alt").classes("calm__icon").props("aria-hidden=true")
        label(page.say("worklist.empty"), "calm__title", tag="p")
        label(page.say("worklist.empty_more"), "calm__more", tag="p")
    return calm
