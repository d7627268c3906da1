"""Whose reading is it: every way a binding can and cannot decide."""

from datetime import UTC, datetime, timedelta

import pytest

from ingest.owner import owner, owner_of_event
from store.identity import Binding, DeviceIdentity, NodeIdentity

AT = datetime(2026, 3, 4, tzinfo=UTC)
PEOPLE = {"r:000000000000000a": 9}


def bound(who: str, patient: int, until: datetime | None = None) -> Binding:
    """A binding from ever, perhaps ended."""
    return Binding(who, patient, None, until)


def node(**devices: list[Binding]) -> NodeIdentity:
    """A node; the device `self` is the node itself."""
    made = {
        ("" if dev == "self" else dev): DeviceIdentity(n, tuple(bindings))
        for n, (dev, bindings) in enumerate(devices.items())
    }
    return NodeIdentity("testnode1", revoked=False, devices=made)


COUPLE = [bound("A", 1), bound("B", 2)]


@pytest.mark.parametrize(
    ("devices", "dev", "who", "expected"),
    [
        ({"cuff": [bound("", 1)]}, "cuff", None, 1),
        ({"cuff": [bound("", 1)]}, "cuff", "B", 1),
        ({"cuff": COUPLE}, "cuff", "B", 2),
        ({"cuff": COUPLE}, "cuff", "C", None),
        ({"cuff": COUPLE}, "cuff", None, None),
        ({"cuff": [*COUPLE, bound("", 3)]}, "cuff", None, 3),
        ({"cuff": [bound("A", 1)]}, "cuff", None, 1),
        ({"cuff": [bound("A", 1), bound("B", 1)]}, "cuff", None, 1),
        ({"cuff": COUPLE}, "cuff", "r:000000000000000a", 9),
        ({"cuff": [bound("", 1)]}, "cuff", "r:000000000000000b", None),
        ({"cuff": [bound("", 1)]}, "cuff", "?", None),
        ({"self": [bound("", 1)], "cuff": []}, "cuff", None, 1),
        ({"self": [bound("", 1)], "cuff": COUPLE}, "cuff", None, None),
        ({"self": [bound("", 1)], "cuff": [bound("", 2, until=AT)]}, "cuff", None, 1),
        ({"self": [], "cuff": [bound("", 2)]}, "", None, None),
        ({"cuff": [bound("", 1, until=AT)]}, "cuff", None, None),
    ],
)
def test_a_reading_is_whose_the_binding_says(
    devices: dict[str, list[Binding]], dev: str, who: str | None, expected: int | None
) -> None:
    """The slot, else the whole device, else the only person bound, else the whole node, else
    nobody; a pseudonym decides alone; what is not understood belongs to nobody."""
    assert owner(node(**devices), dev, who, AT, PEOPLE) == expected


@pytest.mark.parametrize(
    ("devices", "dev", "who", "expected"),
    [
        ({"self": [], "cuff": [bound("", 1)]}, "robot", None, 1),
        ({"self": [], "cuff": COUPLE}, "", "B", 2),
        ({"self": [], "cuff": COUPLE}, "", None, None),
        ({"self": [bound("", 3)], "cuff": COUPLE}, "robot", None, 3),
        ({"self": [], "cuff": [bound("", 1)]}, "", "grandma", None),
    ],
)
def test_a_call_looks_at_the_whole_node(
    devices: dict[str, list[Binding]], dev: str, who: str | None, expected: int | None
) -> None:
    """A button is no cuff: where it decides nothing, whoever alone is measured by the node."""
    assert owner_of_event(node(**devices), dev, who, AT, PEOPLE) == expected


def test_the_measured_time_decides() -> None:
    """A reading from before a change is the former patient's, to the instant."""
    cuff = [bound("", 1, until=AT), Binding("", 2, AT, None)]
    before = AT - timedelta(microseconds=1)
    assert [owner(node(cuff=cuff), "cuff", None, at, {}) for at in (before, AT)] == [1, 2]
