"""The watch over the disk: told when it is nearly full, full, and not any more, once each."""

import asyncio
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.disk_watch import DiskRules, news, watch_disk
from hub.technical import TechnicalAlarms
from runtime.clock import SystemClock

MIB = 1024**2
RULES = DiskRules(full_bytes=32 * MIB, low_share=0.05, low_bytes_most=1024 * MIB)
LEVELS = st.sampled_from(["enough", "low", "full"])


@pytest.mark.parametrize(
    ("free", "size", "was", "level"),
    [
        (4000, 10_000, "enough", "enough"),
        (499, 10_000, "enough", "low"),
        (31, 10_000, "low", "full"),
        (33, 10_000, "full", "full"),
        (41, 10_000, "full", "low"),
        (520, 10_000, "low", "low"),
        (640, 10_000, "low", "enough"),
        (2000, 100_000, "enough", "enough"),
        (20, 64, "enough", "full"),
        (60, 64, "enough", "enough"),
    ],
)
def test_how_much_is_too_little(free, size, was, level):
    """A share of the disk, at most so much; what was too little is so until there is more."""
    assert RULES.level(free * MIB, size * MIB, now=was) == level


@given(st.lists(LEVELS))
def test_each_alarm_begins_and_ends_in_turn(levels):
    """Whatever the disk does, begin and over of each alarm take turns."""
    on: set[str] = set()
    was = "enough"
    for level in levels:
        for alarm, phase in news(was, level):
            assert (alarm in on) == (phase == "over")
            on ^= {alarm}
        was = level
        assert on == {"enough": set(), "low": {"disk_low"}, "full": {"disk_low", "disk_full"}}[was]


async def test_a_full_disk_is_told_once(tmp_path):
    """Rules under which any disk is full tell it once; rules under which none is tell nothing."""
    path = tmp_path / "technical.log"
    alarms = TechnicalAlarms(path, None, SystemClock())
    for rules in (DiskRules(full_bytes=2**60, every_s=0.05), DiskRules(full_bytes=0, low_share=0)):
        watching = asyncio.create_task(watch_disk(tmp_path, alarms, rules))
        await asyncio.sleep(0.5)
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
    told = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(one["alarm"], one["phase"]) for one in told] == [
        ("disk_low", "begin"),
        ("disk_full", "begin"),
    ]
    assert all("patient" not in one["text"] for one in told)
