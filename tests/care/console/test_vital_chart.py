"""The chart of any vital sign: what is drawn where, without a browser."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from care.console import vital_chart
from care.console.patient_chart import Span
from care.console.texts import Say
from contract.vitals import FLAGS, VITALS
from store.vital import Bucket, Reading

NOW = datetime(2026, 3, 4, tzinfo=UTC)
SPAN = Span(NOW - timedelta(days=7), NOW, ZoneInfo("Asia/Shanghai"))


def _reading(value: float | None, *others: float, **more: Any) -> Reading:
    values: dict[str, Any] = {
        "kind": "spo2",
        "device_id": 1,
        "ordinal": 0,
        "measured_at": NOW,
        "received_at": NOW,
        "claimed_at": None,
        "flags": 0,
        "clock": "ntp",
        "conflict": False,
        "corrected": False,
    }
    parts = dict(zip(("v0", "v1", "v2", "v3"), (value, *others, None, None, None), strict=False))
    return Reading(**(values | parts | more))


def _bucket(low: float, mean: float, high: float, **more: Any) -> Bucket:
    values: dict[str, Any] = {
        "kind": "spo2",
        "part": 0,
        "at": NOW,
        "left_out": False,
        "samples": 60,
        "flags": 0,
    }
    return Bucket(**(values | {"low": low, "mean": mean, "high": high} | more))


def _drawn(kind: str, readings: list[Reading], buckets: list[Bucket]) -> dict[str, Any]:
    return vital_chart.options(Say("en"), VITALS[kind], readings, buckets, SPAN)


def test_readings_and_dense_series_are_in_one_chart() -> None:
    """A mark a reading; the mean of the series as a line, its spread as a shade."""
    drawn = _drawn("spo2", [_reading(97)], [_bucket(88, 95.5, 99)])
    wall = SPAN.wall(NOW)
    data = [(one["name"], one["data"]) for one in drawn["series"]]
    assert data == [
        ("", [[wall, 88]]),
        ("Oxygen saturation range", [[wall, 11]]),
        ("Oxygen saturation", [[wall, 95.5]]),
        ("Oxygen saturation", [[wall, 97]]),
        ("Not in the trend", []),
    ]
    assert drawn["yAxis"][0]["name"] == "%"


@pytest.mark.parametrize(
    "quality",
    [{"flags": FLAGS["demo"].mask}, {"flags": FLAGS["implausible"].mask}, {"clock": "untrusted"}],
)
def test_what_does_not_count_is_apart(quality: dict[str, Any]) -> None:
    """Demonstrations, doubtful values and times are shown, and no line goes through them."""
    drawn = _drawn("spo2", [_reading(40, **quality)], [_bucket(30, 35, 40, left_out=True)])
    named = {one["name"]: [y for _, y in one["data"]] for one in drawn["series"]}
    assert named == {"Oxygen saturation": [], "Not in the trend": [40, 35]}


def test_a_finding_without_a_value_draws_nothing() -> None:
    """LO on the meter stands in the table, not on the chart."""
    drawn = _drawn("spo2", [_reading(None, flags=FLAGS["below_range"].mask)], [])
    assert all(one["data"] == [] for one in drawn["series"])


def test_parts_in_other_units_have_an_axis_of_their_own() -> None:
    """A pressure's pulse is per minute: to the right."""
    drawn = _drawn("bp", [_reading(148, 91, 100, 72, kind="bp")], [])
    axes = {one["name"]: one["yAxisIndex"] for one in drawn["series"]}
    assert [axis["name"] for axis in drawn["yAxis"]] == ["mmHg", "/min"]
    assert (axes["Systolic"], axes["Diastolic"], axes["Pulse"]) == (0, 0, 1)
