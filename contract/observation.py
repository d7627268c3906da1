"""What a batch of measurements means: each series becomes readings or blocks, or a defect.

Partial acceptance: a series with a defect is dropped, the others are kept. A vital sign the hub
does not know is kept aside whole. Redelivery gives the same identities: see `contract.identity`.
"""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from msgspec import Struct

from contract.clocks import Instant, Timeline
from contract.columns import UNITS_OF_PARTS, Layout, lay_out
from contract.errors import Defect, Refused, defect, refused
from contract.experimental import Experimental
from contract.identity import Sample, ordinals
from contract.instants import from_millis
from contract.messages import Obs, Series
from contract.pointer import pointer
from contract.readings import Block, Observation, Reading, UnknownSeries
from contract.vitals import FLAGS, MAX_PARTS, VITALS, Vital

__all__ = ["NOT_UNDERSTOOD", "Block", "Observation", "Reading", "UnknownSeries", "observe"]

NOT_UNDERSTOOD: Final = "?"
WHO: Final = r"^(?:[A-H]|r:[0-9a-z]{16})\Z"
_WHO: Final = re.compile(WHO)
_NO_VALUE: Final = sum(flag.mask for flag in FLAGS.values() if flag.explains_no_value)
_IMPLAUSIBLE: Final = FLAGS["implausible"].mask
_MILLISECOND: Final = timedelta(milliseconds=1)


class _Common(Struct, frozen=True, kw_only=True):
    """What all readings of one series share."""

    at: int
    obs: Obs
    series: Series
    flags: int
    who: str | None
    context: dict[str, Any] | None
    warnings: list[Defect]


def observe(obs: Obs, *, received_at: datetime, aside: Experimental | None = None) -> Observation:
    """Turn a decoded batch into what is stored; never raises for what a device can send. `aside`
    are its experimental keys, kept in the context as `x`."""
    result = Observation(warnings=list(aside.warnings) if aside else [])
    timeline = Timeline(obs, received_at)
    kept = 0
    for at, series in enumerate(obs.ser):
        vital = VITALS.get(series.k)
        if vital is None:
            result.unknown.append(UnknownSeries(index=at, series=series))
            result.warnings.append(defect("W2001", pointer(["ser", at, "k"]), got=series.k))
            continue
        try:
            layout = lay_out(series, vital, at)
            common = _common(obs, series, at, layout, aside)
            _take(layout, common, timeline, result)
        except Refused as error:
            result.defects.append(error.defect)
            continue
        kept += 1
        _merge(result.warnings, common.warnings)
    return Observation(
        readings=result.readings,
        blocks=result.blocks,
        defects=result.defects,
        warnings=result.warnings,
        unknown=result.unknown,
        kept=kept,
        dropped=len(result.defects),
    )


def _take(layout: Layout, common: _Common, timeline: Timeline, result: Observation) -> None:
    if common.series.o is None:
        result.blocks.extend(_blocks(layout, common, timeline))
    else:
        result.readings.extend(_readings(layout, common, timeline, common.series.o))


def _merge(into: list[Defect], more: list[Defect]) -> None:
    """One warning per code and place: a wrong `t` is said once, not once a series."""
    seen = {(warning.code, warning.path) for warning in into}
    into.extend(warning for warning in more if (warning.code, warning.path) not in seen)


def _common(
    obs: Obs, series: Series, at: int, layout: Layout, aside: Experimental | None
) -> _Common:
    warnings = _deprecations(series, at, layout.vital)
    flags = _flags(series, at, warnings) if series.fl else 0
    who = series.who
    if who is not None and not _WHO.match(who):
        # What stands there may be a card number: it is told by its length only.
        got = f"{len(who)} characters"
        warnings.append(defect("W4001", pointer(["ser", at, "who"]), got=got))
        who = NOT_UNDERSTOOD
    context, own = context_of(series, layout.unit), aside.of(at) if aside else {}
    return _Common(
        at=at,
        obs=obs,
        series=series,
        flags=flags,
        who=who,
        context={**(context or {}), "x": own} if own else context,
        warnings=warnings,
    )


def _deprecations(series: Series, at: int, vital: Vital) -> list[Defect]:
    found = [
        (unit.deprecated, f"unit {unit.ucum} of {vital.k}", unit.ucum, "u")
        for unit in UNITS_OF_PARTS[vital.k, series.u][:1]
    ]
    if series.u is None:
        found = []  # the device named none: there is nothing for it to change
    found.append((vital.deprecated, f"vital sign {vital.k}", vital.k, "k"))
    return [
        defect("W1001", pointer(["ser", at, key]), f"{old} is deprecated: use {use}", got=got)
        for use, old, got, key in found
        if use is not None
    ]


def _flags(series: Series, at: int, warnings: list[Defect]) -> int:
    flags = 0
    for index, name in enumerate(series.fl or ()):
        flag = FLAGS.get(name)
        if flag is None or flag.by != "device":
            warnings.append(defect("W2002", pointer(["ser", at, "fl", index]), got=name))
        else:
            flags |= flag.mask
    return flags


def context_of(series: Series, converted_from: str | None) -> dict[str, Any] | None:
    """What else is kept of a series; a converted block keeps the unit it was sent in."""
    context: dict[str, Any] = {}
    if series.pos is not None:
        context["pos"] = series.pos
    if series.site is not None:
        context["site"] = series.site
    if series.how is not None:
        context["how"] = series.how
    if series.ses is not None:
        said = {"n": series.ses.n, "of": series.ses.of, "done": series.ses.done}
        context["session"] = {key: value for key, value in said.items() if value is not None}
    if converted_from is not None and series.o is None:
        context["sent_unit"] = converted_from
    return context or None


# --- readings -----------------------------------------------------------------------------


def _readings(
    layout: Layout, common: _Common, timeline: Timeline, offsets: Sequence[int]
) -> list[Reading]:
    rows = _rows(layout)
    explained = bool(common.flags & _NO_VALUE)
    nothing = (None,) * MAX_PARTS
    wanted = [i for i, row in enumerate(rows) if explained or row != nothing]
    if not wanted:
        raise refused("E3108", pointer(["ser", common.at]))
    last = len(rows) - 1
    placed = [timeline.place(offsets[i], (last - i) * _MILLISECOND) for i in wanted]
    numbers = _ordinals(common, wanted, placed)
    _warn_of_times(common, wanted, placed, timeline)
    return [
        _reading(layout, common, rows[i], i, instant, ordinal)
        for i, instant, ordinal in zip(wanted, placed, numbers, strict=True)
    ]


def _ordinals(common: _Common, wanted: list[int], placed: list[Instant]) -> list[int]:
    obs, offsets = common.obs, common.series.o or []
    return ordinals(
        [
            Sample(index, offsets[index], at.anchored)
            for index, at in zip(wanted, placed, strict=True)
        ],
        record=common.series.rec,
        place=(obs.boot, obs.seq, common.at),
    )


def _rows(layout: Layout) -> list[tuple[float | None, ...]]:
    empty: list[float | None] = [None] * layout.length
    by_part = [empty] * MAX_PARTS
    for column in layout.columns:
        by_part[column.number] = column.values
    return list(zip(*by_part, strict=True))


def _reading(
    layout: Layout,
    common: _Common,
    values: tuple[float | None, ...],
    index: int,
    instant: Instant,
    ordinal: int,
) -> Reading:
    series, session = common.series, common.series.ses
    context = common.context
    if series.q is not None and series.q[index] is not None:
        context = {**(context or {}), "q": series.q[index]}
    return Reading(
        kind=series.k,
        dev=series.dev or "",
        measured_at=instant.at,
        ordinal=ordinal,
        values=values,
        flags=common.flags | (0 if _plausible(layout, values) else _IMPLAUSIBLE),
        clock=instant.clock,
        claimed_at=instant.claimed_at,
        who=common.who,
        session_id=session.id if session else None,
        session_n=session.n if session else None,
        session_of=session.of if session else None,
        session_done=bool(session and session.done),
        context=context,
        original=_original(layout, index),
        fix=bool(series.fix),
        sent_at=None if common.obs.t is None else from_millis(common.obs.t),
        anchored=instant.anchored,
        series=common.at,
    )


def _plausible(layout: Layout, values: tuple[float | None, ...]) -> bool:
    for column in layout.columns:
        if not column.credible:
            value, (low, high) = values[column.number], column.part.plausible
            if value is not None and not low <= value <= high:
                return False
    return all(relation.holds(values) for relation in layout.vital.relations)


def _all_plausible(layout: Layout) -> bool:
    if not all(column.credible for column in layout.columns):
        return False
    relations = layout.vital.relations
    return not relations or all(r.holds(row) for row in _rows(layout) for r in relations)


def _original(layout: Layout, index: int) -> dict[str, Any] | None:
    if layout.unit is None:
        return None
    return {"u": layout.unit, "values": [column.sent[index] for column in layout.columns]}


def _warn_of_times(
    common: _Common, indices: list[int], placed: list[Instant], timeline: Timeline
) -> None:
    told: set[str] = set()
    for index, instant in zip(indices, placed, strict=True):
        if instant.warning is not None and instant.warning not in told:
            told.add(instant.warning)
            offsets = common.series.o or [0]
            path = "/t" if offsets[index] == 0 else pointer(["ser", common.at, "o", index])
            common.warnings.append(_time_warning(instant, path, timeline))


def _time_warning(instant: Instant, path: str, timeline: Timeline) -> Defect:
    hub = timeline.received_at.isoformat(timespec="milliseconds")
    claim = instant.claimed_at or (instant.at if instant.anchored else None)
    got = claim.isoformat(timespec="milliseconds") if claim else None
    return defect(str(instant.warning), path, f"the hub's time is {hub}", got=got)


# --- blocks -------------------------------------------------------------------------------


def _blocks(layout: Layout, common: _Common, timeline: Timeline) -> list[Block]:
    series = common.series
    step = series.dt or 1
    start = timeline.place_run((layout.length - 1) * step)
    if start.warning is not None:
        common.warnings.append(_time_warning(start, "/t", timeline))
    plausible = _all_plausible(layout)
    return [
        Block(
            kind=series.k,
            dev=series.dev or "",
            part=column.number,
            start_at=start.at,
            step_ms=step,
            samples=column.values,
            quality=series.q,
            flags=common.flags | (0 if plausible else _IMPLAUSIBLE),
            clock=start.clock,
            claimed_at=start.claimed_at,
            who=common.who,
            context=common.context,
            anchored=start.anchored,
            series=common.at,
        )
        for column in layout.columns
    ]
