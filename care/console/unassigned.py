"""Readings nobody owns yet (`/unassigned`): whose each is, with one press."""

from typing import Final

from fastapi import Request
from nicegui import ui
from starlette.responses import Response

from care.console.assign_deeds import AssignDeeds
from care.console.assign_dialogs import AssignDialogs
from care.console.frame import BUILT_WITHIN_S, Frame, frame
from care.console.pieces import button, element, label
from care.console.unassigned_card import Card
from care.console.unassigned_recordings import RecordingsPart
from care.console.unassigned_slots import SlotsPart
from care.console.visitor import Console, to_sign_in
from care.people import queue
from care.people.queue import Question
from store.deed import Load, Ref
from store.unassigned import Which

PAGE: Final = 30


def register(console: Console) -> None:
    """Serve the list."""

    @ui.page("/unassigned", response_timeout=BUILT_WITHIN_S)
    async def page(request: Request) -> Response | None:
        visitor = await console.visitor(request)
        if visitor is None:
            return to_sign_in(request)
        with frame(console, visitor, current="unassigned") as page:
            page.headline(visitor.say("unassigned.title"))
            view = _Queue(page)
        await view.refresh()
        page.keep_fresh({"batch", "reassignment"}, view.refresh)
        return None


class _Queue:
    """The queue as one browser sees it; cards that stay are not drawn again."""

    def __init__(self, page: Frame) -> None:
        self.page = page
        self.most = PAGE
        self.cards: dict[Ref, Card] = {}
        say = page.say
        label(say("unassigned.lead"), "lead", tag="p")
        self.deeds = AssignDeeds(page, self.refresh)
        self.dialogs = AssignDialogs(page, self.deeds)
        self.slots = SlotsPart(page, self.deeds)
        self.recordings = RecordingsPart(page, self.dialogs)
        self._selection()
        self.body = element("div", "products")
        self.none = label(say("unassigned.none"), "note", tag="p")
        self.further = button(say("unassigned.more"), "quiet", self._more)

    def _selection(self) -> None:
        say = self.page.say
        with element("div", "undo") as self.bar:
            self.bar.props("role=region")
            self.chosen = label("", tag="span").props("role=status")
            self.people = element("div", "pills")
            button(say("unassigned.somebody_else"), "second", self._ask_whose)
            button(say("unassigned.nobody"), "quiet", self._ask_why_nobody)
            button(say("unassigned.clear"), "quiet", self._clear)
        self.bar.set_visibility(False)

    def selected(self) -> list[Ref]:
        """What is ticked and still there."""
        return [ref for ref, card in self.cards.items() if card.ticked]

    def ticked(self) -> None:
        """Show what is selected, with the people that all of it may be of."""
        chosen = [card.question for card in self.cards.values() if card.ticked]
        self.bar.set_visibility(bool(chosen))
        said = self.page.say("unassigned.chosen", n=len(chosen))
        self.chosen.set_text(said)
        self.bar.props["aria-label"] = said
        self.people.clear()
        with self.people:
            for patient_id, name in _shared(chosen).items():
                button(
                    self.page.say("unassigned.give", name=name),
                    "main",
                    lambda id_=patient_id, name=name: self.dialogs.give(
                        Load(self.selected()), id_, name
                    ),
                )

    async def _ask_whose(self) -> None:
        await self.dialogs.ask_whose(Load(self.selected()))

    def _ask_why_nobody(self) -> None:
        self.dialogs.ask_why_nobody(Load(self.selected()))

    def _clear(self) -> None:
        for card in self.cards.values():
            card.untick()
        self.ticked()

    async def _more(self) -> None:
        self.most += PAGE
        await self.refresh()

    async def refresh(self) -> None:
        """Show what the database says now."""
        page = self.page
        now, staff_id = page.console.now(), page.visitor.staff_id
        async with page.console.transaction() as conn:
            found = await queue.questions(
                conn, staff_id=staff_id, which=Which(), now=now, limit=self.most + 1
            )
            await self.slots.refresh(conn, now)
            await self.recordings.refresh(conn, now)
        self.none.set_visibility(not found)
        self.further.set_visibility(len(found) > self.most)
        self._show(found[: self.most])

    def _show(self, found: list[Question]) -> None:
        before = self.selected()
        for ref in set(self.cards) - {Ref(*one.reading.identity) for one in found}:
            self.cards.pop(ref).root.delete()
        for place, one in enumerate(found):
            ref = Ref(*one.reading.identity)
            if ref not in self.cards:
                with self.body:
                    self.cards[ref] = Card(self.page, self.dialogs, self.ticked)
            card = self.cards[ref]
            card.root.move(self.body, place)
            card.show(one)
        if self.selected() != before:
            self.ticked()


def _shared(chosen: list[Question]) -> dict[int, str]:
    """Whoever all of them may be of, the likeliest of the first one first."""
    if not chosen:
        return {}
    each = [{person.patient_id for person in one.candidates} for one in chosen]
    in_all = set.intersection(*each)
    return {p.patient_id: p.name for p in chosen[0].candidates if p.patient_id in in_all}
