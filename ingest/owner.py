"""Whose reading is it? Decided from the bindings at the measured time, never guessed.

A device with no binding of its own at that time measures for whomever the node as a whole is
bound to. What stays undecided is stored without a patient and judged all the same (safety rule
5). A household is no binding: who lives there is not who was measured.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final

from store.identity import Binding, DeviceIdentity, NodeIdentity

PSEUDONYM: Final = re.compile(r"r:[0-9a-z]{16}")
_SLOT: Final = re.compile(r"[A-H]")
_NODE_ITSELF: Final = ""


def owner(
    node: NodeIdentity, dev: str, who: str | None, at: datetime, people: Mapping[str, int]
) -> int | None:
    """The patient a reading of this device at that time belongs to, or None.

    `people` are the patients by pseudonym. A `who` that nobody understands belongs to nobody.
    """
    if who is not None and not _SLOT.fullmatch(who):
        return people.get(who)
    return _by_slot(_bindings(node, dev, at), who)


def owner_of_event(
    node: NodeIdentity, dev: str, who: str | None, at: datetime, people: Mapping[str, int]
) -> int | None:
    """Like `owner`; where that decides nothing, whoever alone is measured by the whole node."""
    known = dev if dev in node.devices else _NODE_ITSELF
    found = owner(node, known, who, at, people)
    if found is not None or (who is not None and not _SLOT.fullmatch(who)):
        return found
    everyone = [
        binding
        for device in node.devices.values()
        for binding in _holding(device, at)
        if who is None or binding.who in (who, "")
    ]
    return _the_only(binding.patient_id for binding in everyone)


def _bindings(node: NodeIdentity, dev: str, at: datetime) -> list[Binding]:
    for name in (dev, _NODE_ITSELF):
        device = node.devices.get(name)
        holding = _holding(device, at) if device else []
        if holding:
            return holding
    return []


def _holding(device: DeviceIdentity, at: datetime) -> list[Binding]:
    return [binding for binding in device.bindings if binding.holds_at(at)]


def _by_slot(bindings: list[Binding], who: str | None) -> int | None:
    by_slot = {binding.who: binding.patient_id for binding in bindings}
    if who is not None:
        return by_slot.get(who, by_slot.get(""))
    return by_slot.get("") or _the_only(by_slot.values())


def _the_only(patients: Iterable[int]) -> int | None:
    different = set(patients)
    return different.pop() if len(different) == 1 else None
