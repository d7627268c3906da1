"""Binding a unit: type or scan what is printed on it, say whose it is. A scanner is a keyboard."""

import math

from nicegui import ui
from nicegui.events import ValueChangeEventArguments
from psycopg import Error

from care.console import deeds
from care.console.frame import Frame, Refresh
from care.console.pieces import button, element, label, toast
from care.people import claiming, permission
from care.people.claiming import Bound, Denied, Place, UnreadableCodeError
from contract import claim_code
from runtime.sealing import CannotUnsealError, Sealer, load_sealer
from store import area, patient, worklist
from store.pool import Connection
from store.refused import RefusedByRuleError

MOST: int = 500


class ClaimForm:
    """The form of one page. `whom` is `p` and a patient's number, or `a` and an area's."""

    def __init__(self, page: Frame, done: Refresh) -> None:
        self.page, self.done = page, done
        say = page.say
        with element("section", "panel claim") as panel:
            panel.props["aria-label"] = say("claims.bind")
            label(say("claims.bind"), tag="h2")
            self.printed = _field(say("claims.printed"), self._scanned)
            self.printed.props("autofocus")
            self.printed.on("keydown.enter", self._to_whom)
            with element("div", "pair"):
                self.serial = _field(say("claims.serial"), None)
                self.code = _field(say("claims.code"), None)
            self.whom = ui.select({}, label=say("claims.for_whom"), with_input=True)
            self.whom.classes("field").props("outlined")
            self.label = _field(say("claims.label"), None)
            self.problem = label("", "field__problem", tag="p").props("role=alert")
            button(say("claims.do"), "main", self.bind)

    async def refresh(self, conn: Connection) -> None:
        """The people and places of this person."""
        staff_id, say = self.page.visitor.staff_id, self.page.say
        people = await worklist.patients(
            conn, staff_id=staff_id, now=self.page.console.now(), limit=MOST
        )
        options = {f"p{one.id}": f"{one.name} · {one.area_name}" for one in people}
        for place in await area.of_staff(conn, staff_id):
            if await area.may_place(conn, staff_id, place.id):
                options[f"a{place.id}"] = say("claims.station_in", area=place.name)
        if options != self.whom.options:
            self.whom.set_options(options)

    def _scanned(self, event: ValueChangeEventArguments[str | None]) -> None:
        """The text of a QR code is taken apart as soon as it is whole."""
        printed = claim_code.read_qr(event.value or "")
        if printed is not None:
            self.serial.value = printed.serial
            self.code.value = claim_code.grouped(printed.code)
            self.problem.set_text("")

    def _to_whom(self) -> None:
        self.whom.run_method("focus")

    async def bind(self) -> None:
        """Bind the unit, or say kindly why not."""
        said = await self._bind()
        self.problem.set_text(said or "")
        if said is None:
            toast(self.page.say("claims.done", serial=self.serial.value), good=True)
            for field in (self.printed, self.serial, self.code, self.label):
                field.value = ""
            self.whom.value = None  # the next unit is somebody else's
            await self.page.refresh_now(self.done)

    async def _bind(self) -> str | None:  # noqa: PLR0911 - one return a reason
        say = self.page.say
        sealer = _sealer(self.page)
        if sealer is None:
            return say("claims.not_served")
        if not self.serial.value or not self.code.value:
            return say("claims.missing")
        if not self.whom.value:
            return say("claims.whom_missing")
        try:
            return self._in_words(await self._open(sealer, self._printed()))
        except UnreadableCodeError:
            return say("claims.mistyped")
        except RefusedByRuleError:
            return say("claims.bound_already")
        except (Error, OSError):
            return say("problem.down")

    def _printed(self) -> claim_code.Printed:
        serial, code = self.serial.value.strip(), self.code.value.strip()
        return claiming.read_printed(qr=None, serial=serial, code=code)

    async def _open(self, sealer: Sealer, printed: claim_code.Printed) -> Bound | Denied | None:
        """None: not signed in any more, not allowed, or not theirs. A denial is committed."""
        page = self.page
        async with page.console.transaction() as conn:
            person = await deeds.still(page, conn)
            if person is None or not permission.may(person.role, "claim_unit"):
                return None
            place = await self._place(conn)
            if place is None:
                return None
            return await claiming.open_claim(
                conn,
                sealer,
                printed,
                place,
                by=person.staff_id,
                address=person.address or "",
                now=page.console.now(),
            )

    async def _place(self, conn: Connection) -> Place | None:
        kind, number = self.whom.value[0], int(self.whom.value[1:])
        staff_id, said = self.page.visitor.staff_id, (self.label.value or "").strip()
        if kind == "a":
            mine = await area.may_place(conn, staff_id, number)
            return Place(area_id=number, label=said) if mine else None
        person = await patient.find_visible(conn, patient_id=number, staff_id=staff_id)
        if person is None:
            return None
        return Place(area_id=person.area_id, patient_id=person.id, label=said)

    def _in_words(self, outcome: Bound | Denied | None) -> str | None:
        say = self.page.say
        if outcome is None:
            return say("problem.not_allowed")
        if isinstance(outcome, Bound):
            return None
        if outcome.wait_s > 0:
            return say("claims.wait", n=math.ceil(outcome.wait_s / 60))
        return say("claims.wrong")


def _field(said: str, changed: object) -> ui.input:
    field = ui.input(said).classes("field")
    field.props("outlined maxlength=80 autocomplete=off spellcheck=false")
    if changed is not None:
        field.on_value_change(changed)  # type: ignore[arg-type]
    return field


def _sealer(page: Frame) -> Sealer | None:
    try:
        key = page.console.unit_key
        return load_sealer(key) if key is not None else None
    except CannotUnsealError:
        return None
