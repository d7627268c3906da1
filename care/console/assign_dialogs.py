"""Two questions about readings: whose they are, and why they are nobody's here."""

from functools import partial
from typing import Final

from nicegui import ui

from care.console.assign_deeds import AssignDeeds
from care.console.frame import Frame
from care.console.pieces import button, dialog_card, element, label
from care.people import assigning
from care.people.assigning import REASONS, Reason
from store import worklist
from store.deed import Load

# People a list to choose from holds; it is searched by typing.
MOST: Final = 500


class AssignDialogs:
    """The dialogs of one page. `owner`: whose readings they are now, None for nobody's."""

    def __init__(self, page: Frame, deeds: AssignDeeds, owner: int | None = None) -> None:
        self.page, self.deeds, self.owner = page, deeds, owner
        self.load = Load()
        self.names: dict[int, str] = {}
        self._whose()
        self._nobody()

    def _whose(self) -> None:
        say = self.page.say
        with dialog_card(say("unassigned.whose")) as self.whose:
            self.whose_count = label("", "dialog__subject", tag="p")
            self.choice = ui.select({}, label=say("unassigned.who"), with_input=True)
            self.choice.classes("field").props("outlined")
            self.problem = label("", "field__problem", tag="p").props("role=alert")
            with element("div", "dialog__buttons"):
                button(say("app.cancel"), "quiet", self.whose.close)
                button(say("unassigned.do_give"), "main", self._chosen)

    def _nobody(self) -> None:
        say = self.page.say
        with dialog_card(say("unassigned.why_nobody")) as self.nobody:
            self.nobody_count = label("", "dialog__subject", tag="p")
            label(say("unassigned.kept"), "dialog__lead", tag="p")
            with element("div", "reasons"):
                for reason in REASONS:
                    said = say(f"aside_reason.{reason}")
                    button(said, "chip", partial(self._set_aside, reason))
            with element("div", "dialog__buttons"):
                button(say("app.cancel"), "quiet", self.nobody.close)

    async def ask_whose(self, load: Load) -> None:
        """Choose among everybody in scope."""
        self.load = load
        self.whose_count.set_text(self.page.say("unassigned.count", n=_size(load)))
        async with self.page.console.transaction() as conn:
            people = await worklist.patients(
                conn,
                staff_id=self.page.visitor.staff_id,
                now=self.page.console.now(),
                limit=MOST,
            )
        self.names = {one.id: one.name for one in people if one.id != self.owner}
        places = {one.id: one.area_name for one in people}
        self.choice.set_options({id_: f"{n} · {places[id_]}" for id_, n in self.names.items()})
        self.choice.value = None
        self.problem.set_text("")
        self.whose.open()

    def ask_why_nobody(self, load: Load) -> None:
        """Choose a reason, which sets them aside at once."""
        self.load = load
        self.nobody_count.set_text(self.page.say("unassigned.count", n=_size(load)))
        self.nobody.open()

    async def _chosen(self) -> None:
        if self.choice.value is None:
            self.problem.set_text(self.page.say("unassigned.whom_missing"))
            return
        self.whose.close()
        patient_id = int(self.choice.value)
        await self.give(self.load, patient_id, self.names[patient_id])

    async def give(self, load: Load, patient_id: int, name: str) -> None:
        """They are this patient's."""
        move = (
            assigning.to_patient(patient_id)
            if self.owner is None
            else assigning.from_patient(self.owner, patient_id)
        )
        said = self.page.say("unassigned.given", n=_size(load), name=name)
        await self.deeds.act(move, load, said)

    async def _set_aside(self, reason: Reason) -> None:
        self.nobody.close()
        move = assigning.set_aside(reason, owner=self.owner)
        said = self.page.say("unassigned.aside", n=_size(self.load))
        await self.deeds.act(move, self.load, said)


def _size(load: Load) -> int:
    return len(load.readings) + len(load.blocks) + len(load.chunks)
