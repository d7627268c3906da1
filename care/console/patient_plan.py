"""The medication plan: what was edited, and whether the device holds it (safety rule 10)."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from nicegui import ui

from care.console import words
from care.console.frame import Frame, Refresh
from care.console.pieces import button, element, label, pill
from care.console.plan_dialogs import PlanDialogs
from store import chart, plan
from store.chart import Device, Patient
from store.plan import PlanItem, PlanStatus
from store.pool import Connection

# A change this young is on its way; after it nobody may rely on the device having it.
ON_ITS_WAY = timedelta(minutes=1)


class PlanPart:
    """The lines of the plan and the state of each device; drawn again when one changed."""

    def __init__(self, page: Frame, person: Patient, done: Refresh) -> None:
        self.page, self.person = page, person
        self.dialogs = PlanDialogs(page, person, done)
        self.shown: tuple[list[PlanItem], list[PlanStatus], bool] | None = None
        say = page.say
        with element("section", "panel") as panel:
            panel.props["aria-label"] = say("plan.title")
            with element("div", "panel__head"):
                label(say("plan.title"), tag="h2")
                self.add = button(say("plan.add"), "second", self.dialogs.add)
            self.state = element("div", "plan__state")
            self.body = element("div", "plan")
            self.none = label("", "note", tag="p")

    async def refresh(self, conn: Connection, now: datetime) -> None:
        """Read and show."""
        items = await plan.items_of(conn, self.person.id)
        statuses = await plan.plans_of(conn, self.person.id)
        devices = await chart.devices(conn, patient_id=self.person.id, now=now)
        self.dialogs.nodes = _nodes(devices)
        may = self.page.visitor.may("edit_plan")
        self.add.visible = may and bool(devices)
        running = [item for item in items if item.stopped_at is None]
        key = "plan.none" if devices or not may else "plan.no_node"
        self.none.set_text(self.page.say(key))
        self.none.visible = not running
        late = any(s.unconfirmed(now) for s in statuses)
        if (items, statuses, late) == self.shown:
            return
        self.shown = (items, statuses, late)
        self._draw(items, statuses, now)

    def _draw(
        self, items: Sequence[PlanItem], statuses: Sequence[PlanStatus], now: datetime
    ) -> None:
        running = [item for item in items if item.stopped_at is None]
        stopped = [item for item in items if item.stopped_at is not None]
        self.state.clear()
        with self.state:
            for status in statuses:
                self._status(status, now)
        self.body.clear()
        with self.body:
            for item in sorted(running, key=lambda one: (min(one.times), one.id)):
                self._item(item)
            if stopped:
                text = self.page.say("plan.stopped_items", n=len(stopped))
                with ui.expansion(text).classes("more"), element("div", "more__body"):
                    for item in stopped:
                        self._stopped(item, now)

    def _status(self, status: PlanStatus, now: datetime) -> None:
        say, zone = self.page.say, self.person.time_zone
        edited = words.moment(say, status.edited_at, zone, now)
        young = now - status.edited_at < ON_ITS_WAY
        kind = "on" if status.on_device else "way" if young else "off"
        with element("div", f"plan__device plan__device--{kind}") as block:
            block.props("role=status")
            label(self.dialogs.nodes.get(status.node_id, status.node_id), "plan__node")
            if status.on_device and status.confirmed_at is not None:
                when = words.moment(say, status.confirmed_at, zone, now)
                label(say("plan.on_device", when=when), "plan__word")
            else:
                key = "plan.sending" if young else "plan.not_on_device"
                label(say(key), "plan__word")
            if kind == "off":
                label(say("plan.not_on_device_more", when=edited), "plan__advice")
            if status.on_device and status.confirmed_until is not None:
                until = words.moment(say, status.confirmed_until, zone, now)
                label(say("plan.holds_until", when=until), "panel__fine")
            held = status.confirmed_revision
            label(
                say(
                    "plan.revisions",
                    edit=status.edit,
                    revision=status.revision,
                    device=say("plan.none_on_device") if held is None else held,
                ),
                "panel__fine",
            )

    def _item(self, item: PlanItem) -> None:
        say = self.page.say
        with element("div", "med") as block:
            block.props["data-item"] = str(item.id)
            with element("div", "med__what"):
                label(item.drug, "med__drug")
                if item.dose_text:
                    label(item.dose_text, "med__dose")
                if item.kind == "measure":
                    pill(say("plan.measure"), "plain")
            label(" ".join(at.strftime("%H:%M") for at in sorted(item.times)), "med__times")
            label(self._when(item), "panel__fine")
            if self.page.visitor.may("edit_plan"):
                self._buttons(item)

    def _when(self, item: PlanItem) -> str:
        say = self.page.say
        days = say("plan.every_day")
        if len(item.weekdays) < 7:
            days = " ".join(say(f"weekday.{day}") for day in sorted(item.weekdays))
        parts = [days, say("plan.from", date=item.starts_on.isoformat())]
        if item.ends_on is not None:
            parts.append(say("plan.until", date=item.ends_on.isoformat()))
        if item.who:
            parts.append(say("devices.slot", who=item.who))
        return " · ".join(parts)

    def _buttons(self, item: PlanItem) -> None:
        say = self.page.say
        with element("div", "med__buttons"):
            button(
                say("plan.change"),
                "quiet",
                lambda: self.dialogs.change(item),
                said=say("plan.change_item", drug=item.drug),
            )
            button(
                say("plan.stop"),
                "quiet",
                lambda: self.dialogs.stop(item),
                said=say("plan.stop_item", drug=item.drug),
            )

    def _stopped(self, item: PlanItem, now: datetime) -> None:
        say = self.page.say
        if item.stopped_at is None:
            return
        when = words.moment(say, item.stopped_at, self.person.time_zone, now)
        what = " ".join(part for part in (item.drug, item.dose_text) if part)
        label(f"{what} · {say('plan.stopped', when=when)}", "more__fact")


def _nodes(devices: Sequence[Device]) -> dict[str, str]:
    """The nodes that could ring, by id, as people call them."""
    return {
        device.node_id: f"{device.node_label} ({device.node_id})"
        if device.node_label
        else device.node_id
        for device in devices
    }
