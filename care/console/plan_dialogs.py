"""Adding, changing and stopping a medicine: a form that says what is wrong with each field."""

import re
from collections.abc import Callable
from datetime import date, datetime, time
from typing import Final, TypeVar

from nicegui import ui

from care.console import words
from care.console.deeds import Deed, DeedRefused, Note, do
from care.console.frame import Frame, Refresh
from care.console.pieces import button, dialog_card, element, label
from store import chart, plan
from store.chart import Patient
from store.plan import NewPlanItem, PlanItem, PlanRefused
from store.pool import Connection

MOST_TIMES: Final = 8
WEEKDAYS: Final = (1, 2, 3, 4, 5, 6, 7)
SLOTS: Final = ("", "A", "B", "C", "D", "E", "F", "G", "H")
_SEPARATORS: Final = re.compile(r"[\s,;，；、]+")

T = TypeVar("T")


class FieldError(ValueError):
    """A field cannot be taken; the message is the key of the text that says why."""


def parse_times(text: str) -> tuple[time, ...]:
    """`08:00 20:00` as times of day, in order, each once. Raises FieldError."""
    try:
        times = {time.fromisoformat(_padded(part)) for part in _SEPARATORS.split(text.strip())}
    except ValueError:
        raise FieldError("plan.times_wrong") from None
    if not 1 <= len(times) <= MOST_TIMES or any(at.second or at.tzinfo for at in times):
        raise FieldError("plan.times_wrong")
    return tuple(sorted(times))


def _padded(part: str) -> str:
    """`8:00` is how people write it."""
    part = part.replace("：", ":")
    return f"0{part}" if re.fullmatch(r"\d:\d\d", part) else part


def parse_day(text: str) -> date | None:
    """A date as people write it here, or nothing. Raises FieldError."""
    if not text.strip():
        return None
    try:
        return date.fromisoformat(text.strip().replace("/", "-"))
    except ValueError:
        raise FieldError("plan.date_wrong") from None


class PlanDialogs:
    """The form and the question before stopping; made once for the page."""

    def __init__(self, page: Frame, person: Patient, done: Refresh) -> None:
        self.page, self.person, self.done = page, person, done
        self.nodes: dict[str, str] = {}
        self.form = _Form(self)
        self.question = _StopQuestion(self)

    def add(self) -> None:
        """Ask for a new medicine."""
        self.form.open(None)

    def change(self, item: PlanItem) -> None:
        """Ask for what takes the item's place."""
        self.form.open(item)

    def stop(self, item: PlanItem) -> None:
        """Ask before stopping."""
        self.question.open(item)

    async def act(self, action: str, item_id: int | None, deed: Deed) -> bool:
        """Do it for a patient still in the person's care; whether it was done."""
        page, person = self.page, self.person

        async def checked(conn: Connection, now: datetime) -> None:
            seen = await chart.patient(
                conn, patient_id=person.id, staff_id=page.visitor.staff_id, now=now
            )
            if seen is None:
                raise DeedRefused(page.say("problem.not_allowed"))
            try:
                await deed(conn, now)
            except PlanRefused as refused:
                text = page.say.known("plan_refused", refused.reason, str(refused))
                raise DeedRefused(text) from refused

        note = Note(
            needs="edit_plan",
            action=action,
            subject_kind="patient",
            subject_id=person.id,
            detail={} if item_id is None else {"plan_item": item_id},
        )
        done = await do(page, note, checked, said=page.say("plan.saved"))
        await page.refresh_now(self.done)
        return done


class _Form:
    """The fields of one medicine."""

    def __init__(self, dialogs: PlanDialogs) -> None:
        self.dialogs = dialogs
        self.item: PlanItem | None = None
        self.say = dialogs.page.say
        with dialog_card(self.say("plan.add")) as self.dialog:
            self.lead = label("", "dialog__lead", tag="p")
            self._fields()
            with element("div", "dialog__buttons"):
                button(self.say("app.cancel"), "quiet", self.dialog.close)
                button(self.say("plan.save"), "main", self.save)

    def _fields(self) -> None:
        say = self.say
        self.drug = _input(say("plan.drug"))
        with element("div", "pair"):
            self.dose = _input(say("plan.dose"))
            self.times = _input(say("plan.times"))
        label(say("plan.weekdays"), "field__label")
        with element("div", "days") as days:
            days.props["role"] = "group"
            days.props["aria-label"] = say("plan.weekdays")
            self.days = {day: ui.checkbox(say(f"weekday.{day}")) for day in WEEKDAYS}
        self.days_problem = label(say("plan.weekdays_missing"), "field__problem")
        with element("div", "pair"):
            self.starts = _input(say("plan.starts"))
            self.ends = _input(say("plan.ends"))
        with element("div", "pair"):
            self.node = ui.select({}, label=say("plan.node")).classes("field").props("outlined")
            slots = {slot: slot or say("plan.who_any") for slot in SLOTS}
            self.who = ui.select(slots, label=say("plan.who")).classes("field").props("outlined")
        with ui.expansion(say("plan.spoken")).classes("more"), element("div", "more__body"):
            label(say("plan.spoken_hint"), "panel__fine")
            self.text_zh = _input(say("plan.spoken_zh"))
            self.text_en = _input(say("plan.spoken_en"))

    def open(self, item: PlanItem | None) -> None:
        self.item = item
        nodes = dict(self.dialogs.nodes)
        if item is not None:
            nodes.setdefault(item.node_id, item.node_id)
        self.node.set_options(nodes, value=item.node_id if item else next(iter(nodes), None))
        self.lead.set_text(self.say("plan.change_lead") if item else "")
        self.lead.visible = item is not None
        self.drug.value = item.drug if item else ""
        self.dose.value = item.dose_text if item else ""
        self.times.value = (
            " ".join(at.strftime("%H:%M") for at in sorted(item.times)) if item else "08:00"
        )
        for day, box in self.days.items():
            box.value = item is None or day in item.weekdays
        self.starts.value = self._today().isoformat()
        self.ends.value = item.ends_on.isoformat() if item and item.ends_on else ""
        self.who.value = (item.who or "") if item else ""
        self.text_zh.value = item.text_zh if item else ""
        self.text_en.value = item.text_en if item else ""
        self._point_out({})
        self.dialog.open()

    def _today(self) -> date:
        now = self.dialogs.page.console.now()
        return now.astimezone(words.zone(self.dialogs.person.time_zone)).date()

    def _point_out(self, problems: dict[str, str]) -> None:
        fields = {"drug": self.drug, "times": self.times, "starts": self.starts, "ends": self.ends}
        for name, field in fields.items():
            field.error = self.say(problems[name]) if name in problems else None
        self.days_problem.visible = "weekdays" in problems

    def _read(self) -> tuple[NewPlanItem | None, dict[str, str]]:
        """The item as filled in, or what is wrong with which field."""
        problems: dict[str, str] = {}
        drug = (self.drug.value or "").strip()
        if not drug:
            problems["drug"] = "plan.drug_missing"
        weekdays = tuple(day for day, box in self.days.items() if box.value)
        if not weekdays:
            problems["weekdays"] = "plan.weekdays_missing"
        times = _tried(parse_times, self.times.value, "times", problems) or ()
        starts_on = _tried(parse_day, self.starts.value, "starts", problems) or self._today()
        ends_on = _tried(parse_day, self.ends.value, "ends", problems)
        if ends_on is not None and ends_on < starts_on:
            problems["ends"] = "plan.ends_early"
        if problems or self.node.value is None:
            return None, problems
        dose = (self.dose.value or "").strip()
        return (
            NewPlanItem(
                patient_id=self.dialogs.person.id,
                node_id=self.node.value,
                drug=drug,
                dose_text=dose,
                text_zh=(self.text_zh.value or "").strip() or f"请服用{drug}{dose and ' ' + dose}",
                text_en=(self.text_en.value or "").strip() or f"Please take {drug} {dose}".strip(),
                times=times,
                weekdays=weekdays,
                starts_on=starts_on,
                ends_on=ends_on,
                who=self.who.value or None,
                kind=self.item.kind if self.item else "med",
            ),
            {},
        )

    async def save(self) -> None:
        new, problems = self._read()
        self._point_out(problems)
        if new is None:
            return
        item, staff_id = self.item, self.dialogs.page.visitor.staff_id

        async def deed(conn: Connection, now: datetime) -> None:
            if item is None:
                await plan.add_item(conn, new, staff_id=staff_id, now=now)
            else:
                await plan.change_item(conn, item.id, new, staff_id=staff_id, now=now)

        action = "plan_add" if item is None else "plan_change"
        if await self.dialogs.act(action, item.id if item else None, deed):
            self.dialog.close()


class _StopQuestion:
    """Stopping a medicine is asked for twice."""

    def __init__(self, dialogs: PlanDialogs) -> None:
        self.dialogs = dialogs
        self.item: PlanItem | None = None
        say = dialogs.page.say
        with dialog_card(say("plan.stop")) as self.dialog:
            self.subject = label("", "dialog__subject", tag="p")
            label(say("plan.stop_lead"), "dialog__lead", tag="p")
            with element("div", "dialog__buttons"):
                button(say("app.cancel"), "quiet", self.dialog.close)
                button(say("plan.stop"), "danger", self._stop)

    def open(self, item: PlanItem) -> None:
        self.item = item
        self.subject.set_text(self.dialogs.page.say("plan.stop_title", drug=item.drug))
        self.dialog.open()

    async def _stop(self) -> None:
        item, staff_id = self.item, self.dialogs.page.visitor.staff_id
        self.dialog.close()
        if item is None:
            return

        async def deed(conn: Connection, now: datetime) -> None:
            await plan.stop_item(conn, item.id, staff_id, now=now)

        await self.dialogs.act("plan_stop", item.id, deed)


def _input(said: str) -> ui.input:
    return ui.input(said).classes("field").props("outlined maxlength=200")


def _tried(
    parse: Callable[[str], T], text: str | None, field: str, problems: dict[str, str]
) -> T | None:
    """The parsed value; a field that cannot be taken is noted instead."""
    try:
        return parse(text or "")
    except FieldError as problem:
        problems[field] = str(problem)
        return None
