"""Slots bound meanwhile: what waits under them is offered, from a day on, never given by itself."""

from collections.abc import Sequence
from datetime import date, datetime, time

from nicegui import ui

from care.console import words
from care.console.assign_deeds import AssignDeeds
from care.console.frame import Frame
from care.console.pieces import button, element, label, toast
from care.people import assigning
from store import reassign_query, unassigned
from store.deed import WAITING, Load
from store.pool import Connection
from store.reading_query import END
from store.reassign_query import MOST, Span
from store.unassigned import Heap


class SlotsPart:
    """The offers; not there while there are none."""

    def __init__(self, page: Frame, deeds: AssignDeeds) -> None:
        self.page, self.deeds = page, deeds
        self.shown: list[Heap] = []
        say = page.say
        with element("section", "panel") as self.panel:
            self.panel.props["aria-label"] = say("unassigned.slots")
            label(say("unassigned.slots"), tag="h2")
            label(say("unassigned.slots_lead"), "panel__fine", tag="p")
            self.body = element("div", "products")
        self.panel.set_visibility(False)

    async def refresh(self, conn: Connection, now: datetime) -> None:
        """Only slots that measure somebody now are an offer."""
        heaps: Sequence[Heap] = await unassigned.heaps(
            conn, staff_id=self.page.visitor.staff_id, now=now
        )
        offers = [heap for heap in heaps if heap.patient_id is not None]
        self.panel.set_visibility(bool(offers))
        if offers == self.shown:
            return
        self.shown = offers
        self.body.clear()
        with self.body:
            for heap in offers:
                _Offer(self, heap, now)


class _Offer:
    """One slot, with the day from which on it is given."""

    def __init__(self, part: SlotsPart, heap: Heap, now: datetime) -> None:
        self.part, self.heap = part, heap
        say, zone = part.page.say, heap.time_zone
        slot, name = heap.slot or say("unassigned.whole"), heap.patient_name or ""
        said = say(
            "unassigned.slot_offer",
            device=" · ".join(p for p in (heap.node_label or heap.node_id, heap.dev) if p),
            slot=slot,
            name=name,
            n=heap.readings + heap.blocks,
            first=words.moment(say, heap.first_at, zone, now),
            last=words.moment(say, heap.last_at, zone, now),
        )
        first = heap.first_at.astimezone(words.zone(zone)).date().isoformat()
        with element("div", "waiting__person"):
            label(said, tag="p")
            self.day = ui.input(say("unassigned.from_day"), value=first)
            self.day.props("outlined type=date stack-label")
            button(
                say("unassigned.give_slot", name=name),
                "second",
                self.give,
                said=say("unassigned.give_slot_said", slot=slot, name=name),
            )

    async def give(self) -> None:
        """What waits under the slot from that day on is theirs."""
        heap, page = self.heap, self.part.page
        load = await self._load()
        if heap.patient_id is None or not load or len(load.readings) > MOST:
            toast(page.say("unassigned.gone"), good=False)
            return
        n = len(load.readings) + len(load.blocks)
        said = page.say("unassigned.given", n=n, name=heap.patient_name or "")
        await self.part.deeds.act(assigning.to_patient(heap.patient_id), load, said)

    async def _load(self) -> Load:
        zone = words.zone(self.heap.time_zone)
        try:
            day = date.fromisoformat(self.day.value or "")
        except ValueError:
            return Load()
        span = Span(
            device_id=self.heap.device_id,
            since=datetime.combine(day, time(), tzinfo=zone),
            until=END,
            slots=(self.heap.slot,),
        )
        async with self.part.page.console.transaction() as conn:
            return await reassign_query.of_span(conn, span, WAITING)
