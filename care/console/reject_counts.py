"""How much was refused by code over time, as bars. Pure."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from care.console.patient_chart import INK, Options, base
from store.reject_query import Count

MOST_CODES: Final = 6
# Up to two days are told by the hour.
HOURLY_UP_TO: Final = 2
_COLOURS: Final = ("#1d4f91", "#0f7b6c", "#8a5a00", "#7a3b8f", "#a61b1b", "#47525c", "#8a97a3")


def totals(counts: Sequence[Count]) -> Counter[str]:
    """How often each code was told, in all."""
    found: Counter[str] = Counter()
    for one in counts:
        found[one.code] += one.times
    return found


def options(counts: Sequence[Count], others: str, offset: timedelta) -> Options:
    """Stacked bars, the most frequent codes apart and the `others` together. `offset` is that of
    the clock on the wall."""
    leading = [code for code, _ in totals(counts).most_common(MOST_CODES)]
    bars: dict[str, Counter[datetime]] = {code: Counter() for code in (*leading, others)}
    for one in counts:
        bars[one.code if one.code in leading else others][one.at] += one.times
    series: list[Options] = [
        {
            "name": code,
            "type": "bar",
            "stack": "codes",
            "barMaxWidth": 26,
            "itemStyle": {"color": _COLOURS[place % len(_COLOURS)]},
            "data": [[_millis(at + offset), n] for at, n in sorted(times.items())],
        }
        for place, (code, times) in enumerate(bars.items())
        if times
    ]
    return {
        **base(series),
        "grid": {"left": 56, "right": 20, "top": 48, "bottom": 34},
        "xAxis": {"type": "time", "axisLabel": {"fontSize": 14, "color": INK}},
        "yAxis": {
            "type": "value",
            "minInterval": 1,
            "axisLabel": {"fontSize": 14, "color": INK},
            "splitLine": {"lineStyle": {"color": "#edf1f4"}},
        },
    }


def _millis(at: datetime) -> int:
    return int(at.timestamp() * 1000)
