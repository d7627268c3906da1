"""The chart's options: what is drawn where, without a browser."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from care.console import patient_chart
from care.console.texts import Say
from contract.vitals import FLAGS
from measures.target import Target
from store.chart import Dose, Pressure

NOW = datetime(2026, 3, 4, 0, 0, tzinfo=UTC)
SPAN = patient_chart.Span(NOW - timedelta(days=7), NOW, ZoneInfo("Asia/Shanghai"))
TARGET = Target(135, 85, "test")


def _pressure(at: datetime, sys: float | None, dia: float | None, **more: Any) -> Pressure:
    values = {
        "device_id": 1,
        "ordinal": 0,
        "measured_at": at,
        "received_at": at,
        "claimed_at": None,
        "sys": sys,
        "dia": dia,
        "pulse": 70.0,
        "flags": 0,
        "clock": "ntp",
        "who": None,
        "session_id": None,
        "context": None,
        "model": None,
        "conflict": False,
        "corrected": False,
    }
    return Pressure(**(values | more))


def _dose(due: datetime, state: str, drug: str = "氨氯地平") -> Dose:
    window = {"window_from": due, "window_to": due, "state_at": None, "by": None, "why": None}
    return Dose(id=f"{drug}{due}", plan_item_id=1, drug=drug, due_at=due, state=state, **window)


def _series(options: dict[str, Any], name: str, kind: str) -> dict[str, Any]:
    found = [s for s in options["series"] if s["name"] == name and s["type"] == kind]
    assert found, name
    return found[0]


def test_a_session_is_one_point_at_the_wall_clock_of_the_patient() -> None:
    """Two readings a minute apart make one point, at 08:00 as Shanghai's clocks show it."""
    readings = [_pressure(NOW, 150, 90), _pressure(NOW + timedelta(minutes=1), 140, 84)]
    drawn = patient_chart.options(Say("en"), readings, [], TARGET, SPAN)
    line = _series(drawn, "Systolic", "line")["data"]
    eight = int(datetime(2026, 3, 4, 8, 0, tzinfo=UTC).timestamp() * 1000)
    assert line == [[eight, 145]]
    assert drawn["useUTC"]
    assert len(_series(drawn, "Systolic", "scatter")["data"]) == 2


def test_the_target_is_a_band_below_its_line() -> None:
    """Both bands end at the target; the doses stand on an axis with the same ends."""
    drawn = patient_chart.options(
        Say("en"), [_pressure(NOW, 150, 90)], [_dose(NOW, "taken")], TARGET, SPAN
    )
    band = _series(drawn, "Systolic", "line")["markArea"]["data"][0]
    assert band == [{"yAxis": 90}, {"yAxis": 135}]
    assert _series(drawn, "Diastolic", "line")["markLine"]["data"] == [{"yAxis": 85}]
    first, second = drawn["xAxis"]
    assert (first["min"], first["max"]) == (second["min"], second["max"])


def test_what_does_not_count_is_apart() -> None:
    """Demo data, unbelievable values and untrusted times are shown and not in the line."""
    demo, odd = FLAGS["demo"].mask, FLAGS["implausible"].mask
    readings = [
        _pressure(NOW, 150, 90),
        _pressure(NOW - timedelta(hours=1), 160, 95, flags=demo),
        _pressure(NOW - timedelta(hours=2), 170, 99, flags=odd),
        _pressure(NOW - timedelta(hours=3), 180, 99, clock="untrusted"),
        _pressure(NOW - timedelta(hours=4), None, None, flags=FLAGS["above_range"].mask),
    ]
    drawn = patient_chart.options(Say("en"), readings, [], TARGET, SPAN)
    assert len(_series(drawn, "Systolic", "line")["data"]) == 1
    assert len(_series(drawn, "Not in the trend", "scatter")["data"]) == 6


def test_every_dose_state_has_a_shape_of_its_own() -> None:
    """Nobody has to tell red from green: taken, late, skipped, missed and due differ in shape."""
    states = ("taken", "late_taken", "skipped", "missed", "scheduled", "snoozed")
    doses = [_dose(NOW - timedelta(hours=n), state) for n, state in enumerate(states)]
    doses.append(_dose(NOW, "taken", "缬沙坦"))
    drawn = patient_chart.options(Say("zh-CN"), [], doses, TARGET, SPAN)
    assert drawn["yAxis"][1]["data"] == ["氨氯地平", "缬沙坦"]
    assert len(_series(drawn, "待服", "scatter")["data"]) == 2
    shapes = {s["symbol"] for s in drawn["series"] if s.get("xAxisIndex") == 1}
    assert len(shapes) == 5
    assert patient_chart.height(doses) > patient_chart.height([])
