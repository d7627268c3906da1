"""What must be there against what is there: every way to be otherwise has its name."""

from typing import Any

import pytest

from hub.soak.compare import judge, together
from hub.soak.verify import without
from store.ledger_check import Due, Group, Held

GROUP = Group("node0001", "reading", "cuff1", "bp", 0, 0, 1000, 0)
LATER = GROUP._replace(at_ms=2000)
BLOCK = GROUP._replace(what="block", kind="spo2")
DUE = Due(1, 7, (120.0, 80.0, None, 60.0), "A", 5, "ntp", "new", 100, True)
HELD = Held(1, 7, (120.0, 80.0, None, 60.0), "A", 5, "ntp", False)
CONFLICT = DUE._replace(seq=8, values=(121.0,), role="conflict")
ASIDE = HELD._replace(seq=8, values=(121.0, None), who=None, clock="", aside=True)
FIX = DUE._replace(seq=9, values=(122.0,), role="fix", sent_ms=200)
FIXED = HELD._replace(seq=9, values=(122.0,))


def found(group: Group, due: list[Due], held: list[Held]) -> list[str]:
    """The names of what is wrong."""
    return [finding.what for finding in judge(group, due, held)]


@pytest.mark.parametrize(
    ("due", "held", "expected"),
    [
        ([DUE], [HELD], []),
        ([DUE], [], ["missing"]),
        ([DUE._replace(taken=False)], [], []),
        ([DUE._replace(taken=False)], [HELD], []),
        ([], [HELD], ["extra"]),
        ([DUE], [HELD, HELD], ["duplicate"]),
        ([DUE], [HELD, HELD._replace(seq=6)], ["extra"]),
        ([DUE], [HELD._replace(values=(120.0, 81.0, None, 60.0))], ["wrong"]),
        ([DUE], [HELD._replace(values=(120.0, 80.0))], ["wrong"]),
        ([DUE], [HELD._replace(patient_id=6)], ["wrong"]),
        ([DUE], [HELD._replace(patient_id=None)], ["wrong"]),
        ([DUE], [HELD._replace(who="B")], ["wrong"]),
        ([DUE], [HELD._replace(clock="untrusted")], ["wrong"]),
        ([DUE, CONFLICT], [HELD, ASIDE], []),
        ([DUE, CONFLICT], [HELD], ["missing"]),
        ([DUE, CONFLICT], [HELD._replace(seq=8, values=(121.0,)), ASIDE], ["duplicate", "missing"]),
        ([DUE, CONFLICT._replace(taken=False)], [HELD], []),
        ([DUE, CONFLICT], [ASIDE], ["wrong", "missing"]),
        ([DUE, FIX], [FIXED], []),
        ([DUE, FIX], [HELD], ["missing"]),
        ([DUE, FIX._replace(taken=False)], [HELD], []),
        ([DUE, FIX._replace(taken=False)], [FIXED], []),
        ([DUE, FIX], [], ["missing", "missing"]),
        ([DUE, FIX, FIX._replace(seq=10, sent_ms=300)], [FIXED], ["missing"]),
        ([DUE, FIX, FIX._replace(seq=8, sent_ms=150)], [FIXED], []),
        ([DUE, FIX], [FIXED._replace(values=(1.0,))], ["wrong"]),
    ],
)
def test_each_way_to_be_otherwise_has_its_name(due, held, expected):
    """Missing, duplicate, wrong, extra; what was not receipted may be there or not."""
    assert sorted(found(GROUP, due, held)) == sorted(expected)


def test_samples_are_compared_in_single_precision_and_without_a_slot():
    """A block is stored as real[]; what is no number is an empty place."""
    due = DUE._replace(values=(97.1, None, 96.3), who=None)
    held = HELD._replace(values=(97.0999984741211, float("nan"), 96.30000305175781), who=None)
    assert found(BLOCK, [due], [held]) == []
    assert found(BLOCK, [due], [held._replace(values=(97.2, None, 96.3))]) == ["wrong"]


def test_a_finding_says_where_and_never_a_value():
    """Which node, device, kind, time and message; no value of a person."""
    (finding,) = judge(GROUP, [DUE], [HELD._replace(values=(199.0,))])
    assert "node0001 cuff1 bp at 1000 part 0, message 1/7" in str(finding)
    assert "199" not in str(finding)


async def test_two_sorted_streams_become_one_of_groups():
    """Groups of either side, in order, none twice."""

    async def stream(*rows: Any) -> Any:
        for row in rows:
            yield row

    due = stream((GROUP, DUE), (GROUP, CONFLICT), (LATER, DUE))
    held = stream((GROUP, HELD), (BLOCK._replace(node_id="node0002"), HELD))
    groups = [group async for group in together(due, held)]
    assert groups == [
        (GROUP, [DUE, CONFLICT], [HELD]),
        (LATER, [DUE], []),
        (BLOCK._replace(node_id="node0002"), [], [HELD]),
    ]


@pytest.mark.parametrize(
    ("spans", "others", "left"),
    [
        ([(0, 9)], [(0, 9)], []),
        ([(0, 9)], [], [(0, 9)]),
        ([(0, 9)], [(3, 4), (6, 6)], [(0, 2), (5, 5), (7, 9)]),
        ([(0, 2), (4, 9)], [(1, 5)], [(0, 0), (6, 9)]),
        ([(5, 6)], [(0, 4), (7, 9)], [(5, 6)]),
    ],
)
def test_what_of_some_ranges_is_in_no_other(spans, others, left):
    """Both ends included, as receipts have them."""
    assert without(spans, others) == left
