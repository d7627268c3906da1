"""The chart of any vital sign: readings as marks, dense series as a mean in its spread. Pure.

Everything it writes comes from the dictionary of vital signs, so a new one needs nothing here.
"""

from collections.abc import Sequence
from typing import Any, Final

from care.console import words
from care.console.patient_chart import INK, QUIET, Options, Span, base, time_axis
from care.console.texts import Say
from contract.vitals import Part, Vital
from store.vital import Bucket, Reading

HEIGHT: Final = 260
# One colour and one shape for each of the four parts.
_MARKS: Final = (
    ("#1d4f91", "circle"),
    ("#0f7b6c", "rect"),
    ("#8a5a00", "triangle"),
    ("#7a3b8f", "diamond"),
)


def options(
    say: Say, vital: Vital, readings: Sequence[Reading], buckets: Sequence[Bucket], span: Span
) -> Options:
    """The ECharts options; readings and buckets are of this vital sign, oldest first."""
    series: list[Options] = []
    for place, part in enumerate(vital.parts):
        dense = [b for b in buckets if b.part == place and not b.left_out]
        if dense:
            series += _dense(say, place, part, dense, span)
        series.append(_marks(say, place, part, readings, span))
    series.append(_left_out(say, readings, buckets, span))
    for one in series:
        one["yAxisIndex"] = int(one.pop("unit", vital.parts[0].unit) != vital.parts[0].unit)
    return {
        **base(series),
        "grid": {"left": 56, "right": 64, "top": 48, "bottom": 34},
        "xAxis": time_axis(span),
        "yAxis": _value_axes(vital),
    }


def _value_axes(vital: Vital) -> list[Options]:
    """One axis a unit: the first part's to the left, the others' to the right."""
    units = list(dict.fromkeys(part.unit for part in vital.parts))[:2]
    return [
        {
            "type": "value",
            "scale": True,
            "name": words.unit_symbol(unit),
            "nameTextStyle": {"fontSize": 14, "color": INK},
            "axisLabel": {"fontSize": 14, "color": INK},
            "splitLine": {"show": not place, "lineStyle": {"color": "#edf1f4"}},
        }
        for place, unit in enumerate(units)
    ]


def _marks(say: Say, place: int, part: Part, readings: Sequence[Reading], span: Span) -> Options:
    colour, symbol = _MARKS[place]
    good = [r for r in readings if words.counts(r.flags, r.clock)]
    return {
        "name": part.names.of(say.locale),
        "unit": part.unit,
        "type": "line",
        "data": [
            [span.wall(r.measured_at), r.values[place]] for r in good if r.values[place] is not None
        ],
        "symbol": symbol,
        "symbolSize": 8,
        "showAllSymbol": True,
        "lineStyle": {"width": 2, "color": colour},
        "itemStyle": {"color": colour},
    }


def _dense(
    say: Say, place: int, part: Part, buckets: Sequence[Bucket], span: Span
) -> list[Options]:
    """The mean as a line, from the lowest to the highest as a shade behind it."""
    colour, _ = _MARKS[place]
    name, hidden = part.names.of(say.locale), {"opacity": 0}
    shade: Options = {
        "type": "line",
        "unit": part.unit,
        "symbol": "none",
        "stack": f"spread-{place}",
        "stackStrategy": "all",
        "lineStyle": hidden,
        "silent": True,
    }
    spread = say("vitals.spread", name=name)
    return [
        {**shade, "name": "", "data": _points(buckets, span, lambda b: b.low)},
        {
            **shade,
            "name": spread,
            "data": _points(buckets, span, lambda b: b.high - b.low),
            "areaStyle": {"color": colour, "opacity": 0.15},
            "itemStyle": {"color": colour, "opacity": 0.4},
            "tooltip": {"show": False},
        },
        {
            "name": name,
            "unit": part.unit,
            "type": "line",
            "data": _points(buckets, span, lambda b: b.mean),
            "showSymbol": len(buckets) == 1,
            "lineStyle": {"width": 1.5, "color": colour},
            "itemStyle": {"color": colour},
        },
    ]


def _points(buckets: Sequence[Bucket], span: Span, of: Any) -> list[list[Any]]:
    return [[span.wall(bucket.at), round(of(bucket), 2)] for bucket in buckets]


def _left_out(
    say: Say, readings: Sequence[Reading], buckets: Sequence[Bucket], span: Span
) -> Options:
    """What is shown and does not count: demonstrations, doubtful values and times."""
    points = [
        [span.wall(r.measured_at), value]
        for r in readings
        for value in r.values
        if value is not None and not words.counts(r.flags, r.clock)
    ]
    points += _points([b for b in buckets if b.left_out], span, lambda b: b.mean)
    return {
        "name": say("chart.left_out"),
        "type": "scatter",
        "symbol": "emptyCircle",
        "symbolSize": 9,
        "itemStyle": {"color": QUIET},
        "data": points,
    }
