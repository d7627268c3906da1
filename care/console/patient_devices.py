"""The devices in a patient's home: which they are, and whether they can be heard."""

from collections.abc import Sequence
from datetime import datetime
from itertools import groupby
from typing import Final

from care.console import words
from care.console.frame import Frame
from care.console.pieces import element, label, link, pill
from store import chart
from store.chart import Device
from store.pool import Connection

LOW_BATTERY: Final = 20
_GOOD: Final = frozenset({"ready", "sleeping"})


class DevicesPart:
    """One block a node, with the devices behind it."""

    def __init__(self, page: Frame) -> None:
        self.page = page
        self.shown: list[Device] | None = None
        with element("section", "panel") as panel:
            panel.props["aria-label"] = page.say("devices.title")
            with element("div", "panel__head"):
                label(page.say("devices.title"), tag="h2")
            self.body = element("div", "nodes")
            self.none = label(page.say("devices.none"), "note", tag="p")

    async def refresh(self, conn: Connection, patient_id: int, now: datetime) -> None:
        """Read and show."""
        found = await chart.devices(conn, patient_id=patient_id, now=now)
        self.none.visible = not found
        if found == self.shown:
            return
        self.shown = found
        self.body.clear()
        with self.body:
            for _, group in groupby(found, key=lambda one: one.node_id):
                self._node(list(group), now)

    def _node(self, devices: Sequence[Device], now: datetime) -> None:
        say, node = self.page.say, devices[0]
        with element("div", "node"):
            with element("div", "node__head"):
                link(f"/nodes/{node.node_id}", "node__name", node.node_label or node.node_id)
                state = node.state or "unknown"
                kind = "confirmed" if state in _GOOD else "unconfirmed"
                pill(say.known("node_state", state, state), kind)
            known_as = node.node_id if node.node_label else ""
            line = [node.node_model or "", known_as, self._seen(node, now)]
            label(" · ".join(part for part in line if part), "panel__fine")
            if node.battery is not None:
                low = node.battery < LOW_BATTERY
                key = "devices.battery_low" if low else "devices.battery"
                pill(say(key, n=node.battery), "medium" if low else "plain")
            for device in devices:
                if device.device_id is not None and device.dev:
                    self._device(device, (node.subs or {}).get(device.dev))

    def _seen(self, node: Device, now: datetime) -> str:
        say = self.page.say
        if node.seen_at is None:
            return say("devices.never_seen")
        return say("devices.seen", when=words.ago(say, node.seen_at, now))

    def _device(self, device: Device, state: str | None) -> None:
        say = self.page.say
        kind = say.known("device_type", device.type, device.type or "")
        name = " ".join(part for part in (device.maker, device.model) if part) or device.dev or ""
        with element("div", "node__device"):
            slot = say("devices.slot", who=device.who) if device.who else ""
            label(" · ".join(part for part in (kind, name, slot) if part))
            if state:
                look = "confirmed" if state in _GOOD else "unconfirmed"
                pill(say.known("node_state", state, state), look)
