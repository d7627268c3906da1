"""The chart of one patient: pressures, the target band and the doses on one time axis. Pure.

Times are put on the axis as the patient's wall clock (shifted, and drawn as UTC), so that every
browser anywhere shows the morning as morning. Texts in the chart are drawn, never parsed as HTML.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from msgspec import Struct

from care.console import words
from care.console.texts import Say
from measures.session import Sample, sessions
from measures.target import LIMITS, Target
from store.chart import Dose, Pressure

Options = dict[str, Any]

SYS_COLOUR: Final = "#1d4f91"
DIA_COLOUR: Final = "#0f7b6c"
QUIET: Final = "#8a97a3"
INK: Final = "#33424f"
FONT: Final = "Roboto, 'PingFang SC', 'Microsoft YaHei', 'Noto Sans CJK SC', sans-serif"
# Below it the diastolic band ends: not a limit of any rule, only where the drawing stops.
BAND_FLOOR_DIA: Final = 60
_LANE: Final = 30
_LEFT: Final = 52
_LEFT_WITH_NAMES: Final = 104
_TOP: Final = 48
_PRESSURE_HEIGHT: Final = 310
_AXIS_HEIGHT: Final = 34

# Each state has its own shape: the colour only repeats it.
DOSES: Final = {
    "taken": ("circle", "#2f7d4f", 11),
    "late_taken": ("triangle", "#8a6d00", 12),
    "skipped": ("diamond", "#9a5b00", 14),
    "missed": (
        "path://M3,0 L8,5 L13,0 L16,3 L11,8 L16,13 L13,16 L8,11 L3,16 L0,13 L5,8 L0,3 Z",
        "#b3261e",
        12,
    ),
    "open": ("emptyCircle", QUIET, 10),
}
# From so many doses a lane on the marks are drawn smaller.
CROWDED: Final = 35
_CLOSED: Final = frozenset({"taken", "late_taken", "skipped", "missed"})


class Span(Struct, frozen=True):
    """The time the chart covers, and whose clock it shows."""

    since: datetime
    until: datetime
    zone: ZoneInfo

    def wall(self, at: datetime) -> int:
        """The instant as milliseconds of the local wall clock."""
        local = at.astimezone(self.zone).replace(tzinfo=UTC)
        return int(local.timestamp() * 1000)


def time_axis(span: Span) -> Options:
    """The days below a chart."""
    return {
        "type": "time",
        "gridIndex": 0,
        "min": span.wall(span.since),
        "max": span.wall(span.until),
        "minInterval": 24 * 3600 * 1000,
        "axisLine": {"lineStyle": {"color": "#c7d0d8"}},
        "axisTick": {"show": False},
        "axisLabel": {
            "formatter": "{MM}-{dd}",
            "fontSize": 14,
            "color": INK,
            "hideOverlap": True,
            "showMinLabel": False,
            "showMaxLabel": False,
        },
        "splitLine": {"show": True, "lineStyle": {"color": "#edf1f4"}},
    }


def base(series: Sequence[Options]) -> Options:
    """What every chart has in common: the words, the tip at the pointer, the legend."""
    return {
        "useUTC": True,
        "animation": False,
        "textStyle": {"fontFamily": FONT, "color": INK},
        "tooltip": {
            "trigger": "axis",
            "renderMode": "richText",
            "confine": True,
            "axisPointer": {"type": "line", "link": [{"xAxisIndex": "all"}]},
        },
        "axisPointer": {"link": [{"xAxisIndex": "all"}]},
        "legend": _legend(series),
        "series": list(series),
    }


def drugs(doses: Sequence[Dose]) -> list[str]:
    """The lanes, in the order the medicines first come."""
    return list(dict.fromkeys(dose.drug for dose in doses))


def height(doses: Sequence[Dose]) -> int:
    """Pixels the chart needs: the pressures, and one lane a medicine."""
    return _TOP + _PRESSURE_HEIGHT + _AXIS_HEIGHT + len(drugs(doses)) * _LANE + 8


def options(
    say: Say, pressures: Sequence[Pressure], doses: Sequence[Dose], target: Target, span: Span
) -> Options:
    """The ECharts options."""
    lanes = drugs(doses)
    series = [*_pressures(say, pressures, target, span), *_doses(say, doses, lanes, span)]
    return {
        **base(series),
        "grid": _grids(lanes),
        "xAxis": _time_axes(lanes, span),
        "yAxis": _value_axes(pressures, target, lanes),
    }


def _legend(series: Sequence[Options]) -> Options:
    names = dict.fromkeys(one["name"] for one in series if one["data"])
    return {
        "top": 0,
        "left": 0,
        "type": "scroll",
        "itemGap": 20,
        "itemWidth": 18,
        "itemHeight": 13,
        "textStyle": {"fontSize": 15, "color": INK},
        "data": [name for name in names if name],
    }


def _grids(lanes: Sequence[str]) -> list[Options]:
    edges = {"left": _LEFT_WITH_NAMES if lanes else _LEFT, "right": 64}
    grids: list[Options] = [{**edges, "top": _TOP, "height": _PRESSURE_HEIGHT}]
    if lanes:
        top = _TOP + _PRESSURE_HEIGHT + _AXIS_HEIGHT
        grids.append({**edges, "top": top, "height": len(lanes) * _LANE})
    return grids


def _time_axes(lanes: Sequence[str], span: Span) -> list[Options]:
    axis = time_axis(span)
    hidden = {**axis, "gridIndex": 1, "axisLabel": {"show": False}}
    return [axis, hidden] if lanes else [axis]


def _value_axes(
    pressures: Sequence[Pressure], target: Target, lanes: Sequence[str]
) -> list[Options]:
    values = [v for p in pressures for v in (p.sys, p.dia) if v is not None]
    low = min([*values, BAND_FLOOR_DIA]) - 5
    high = max([*values, target.sys + 15]) + 5
    pressure: Options = {
        "type": "value",
        "gridIndex": 0,
        "min": int(low // 20 * 20),
        "max": int(-(-high // 20) * 20),
        "interval": 20,
        "axisLabel": {"fontSize": 14, "color": INK},
        "splitLine": {"lineStyle": {"color": "#edf1f4"}},
    }
    return [pressure, _medicine_axis(lanes)] if lanes else [pressure]


def _medicine_axis(lanes: Sequence[str]) -> Options:
    width = _LEFT_WITH_NAMES - 10
    return {
        "type": "category",
        "gridIndex": 1,
        "data": list(lanes),
        "inverse": True,
        "axisLabel": {"fontSize": 14, "color": INK, "width": width, "overflow": "truncate"},
        "axisTick": {"show": False},
        "axisLine": {"show": False},
        "splitArea": {"show": True, "areaStyle": {"color": ["#f6f8f9", "#ffffff"]}},
    }


def _pressures(
    say: Say, pressures: Sequence[Pressure], target: Target, span: Span
) -> list[Options]:
    good = [p for p in pressures if words.counts(p.flags, p.clock)]
    left_out = [p for p in pressures if not words.counts(p.flags, p.clock)]
    means = sessions(
        Sample(p.measured_at, p.sys, p.dia) for p in good if p.sys is not None and p.dia is not None
    )
    sys_line = [[span.wall(s.start), round(s.sys)] for s in means]
    dia_line = [[span.wall(s.start), round(s.dia)] for s in means]
    bands = (
        (LIMITS.low_sys, target.sys, "rgba(29,79,145,0.08)"),
        (BAND_FLOOR_DIA, target.dia, "rgba(15,123,108,0.10)"),
    )
    return [
        _line(say("chart.sys"), sys_line, SYS_COLOUR, "circle", bands[0]),
        _line(say("chart.dia"), dia_line, DIA_COLOUR, "rect", bands[1]),
        _dots(say("chart.sys"), [[span.wall(p.measured_at), p.sys] for p in good], SYS_COLOUR),
        _dots(say("chart.dia"), [[span.wall(p.measured_at), p.dia] for p in good], DIA_COLOUR),
        _left_out(say, left_out, span),
    ]


def _left_out(say: Say, pressures: Sequence[Pressure], span: Span) -> Options:
    """What is shown and does not count: demonstrations, doubtful values and times."""
    points = [
        [span.wall(p.measured_at), v] for p in pressures for v in (p.sys, p.dia) if v is not None
    ]
    return {
        "name": say("chart.left_out"),
        "type": "scatter",
        "symbol": "emptyCircle",
        "symbolSize": 9,
        "itemStyle": {"color": QUIET},
        "data": points,
    }


def _line(
    name: str,
    data: list[list[int]],
    colour: str,
    symbol: str,
    band: tuple[float, float, str],
) -> Options:
    low, high, shade = band
    return {
        "name": name,
        "type": "line",
        "data": data,
        "symbol": symbol,
        "symbolSize": 7,
        "showAllSymbol": True,
        "lineStyle": {"width": 2, "color": colour},
        "itemStyle": {"color": colour},
        "markArea": {
            "silent": True,
            "itemStyle": {"color": shade},
            "data": [[{"yAxis": low}, {"yAxis": high}]],
        },
        "markLine": {
            "silent": True,
            "symbol": "none",
            "lineStyle": {"color": colour, "type": "dashed", "width": 1.5},
            "label": {"formatter": f"< {high}", "fontSize": 14, "color": colour},
            "data": [{"yAxis": high}],
        },
    }


def _dots(name: str, data: list[list[Any]], colour: str) -> Options:
    """The single readings behind the line of session means."""
    return {
        "name": name,
        "type": "scatter",
        "data": [point for point in data if point[1] is not None],
        "symbolSize": 5,
        "itemStyle": {"color": colour, "opacity": 0.35},
        "tooltip": {"show": False},
        "silent": True,
    }


def _doses(say: Say, doses: Sequence[Dose], lanes: Sequence[str], span: Span) -> list[Options]:
    made = []
    for state, (symbol, colour, size) in DOSES.items():
        points = [
            [span.wall(dose.due_at), dose.drug]
            for dose in doses
            if (dose.state if dose.state in _CLOSED else "open") == state
        ]
        if lanes:
            made.append(
                {
                    "name": say(f"chart.{state}"),
                    "type": "scatter",
                    "xAxisIndex": 1,
                    "yAxisIndex": 1,
                    "symbol": symbol,
                    "symbolSize": size if len(doses) <= CROWDED * len(lanes) else size * 0.7,
                    "itemStyle": {"color": colour},
                    "data": points,
                }
            )
    return made
