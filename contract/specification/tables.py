"""The tables of the specification that come from the dictionary, the codes and the access list."""

from collections.abc import Iterable
from typing import Final

from contract.acl import with_units
from contract.errors import ERRORS
from contract.vitals import FLAGS, UNITS, VITALS, Part, Unit, Vital

NOTHING: Final = "–"
EXAMPLE_SERIAL: Final = "HB24-000137"


def rows(*lines: Iterable[str]) -> str:
    """A Markdown table; the first line is the head."""
    head, *body = [[cell.replace("|", "\\|") for cell in line] for line in lines]
    written = [head, ["---"] * len(head), *body]
    return "\n".join(f"| {' | '.join(line)} |" for line in written)


def _range(bounds: tuple[float, float]) -> str:
    return f"{bounds[0]:.9g}..{bounds[1]:.9g}"


def _units(part: Part) -> str:
    first, *others = part.units
    told = [f"`{first.ucum}`"]
    told += [f"`{unit.ucum}` ({_range(unit.possible)}{_instead(unit)})" for unit in others]
    return ", ".join(told)


def _instead(old: Unit | Vital) -> str:
    """For what is deprecated: what to use."""
    return "" if old.deprecated is None else f"; deprecated, use `{old.deprecated}`"


def _codes(codes: tuple[str, ...]) -> str:
    return " + ".join(codes) or NOTHING


def _vital_rows(vital: Vital) -> Iterable[list[str]]:
    if vital.named:
        mdc = NOTHING if vital.mdc is None else str(vital.mdc)
        names = f"{vital.names.en}, {vital.names.zh}{_instead(vital)}"
        yield [f"`{vital.k}`", "", names, "", _codes(vital.loinc), mdc, "", ""]
    for part in vital.parts:
        key = f"`{part.key}`" + ("" if part.required else "?") if vital.named else NOTHING
        yield [
            "" if vital.named else f"`{vital.k}`",
            key,
            f"{part.names.en}, {part.names.zh}{_instead(vital) if not vital.named else ''}",
            _units(part),
            _codes((*part.loinc, *(code for unit in part.units[1:] for code in unit.loinc))),
            NOTHING if part.mdc is None else str(part.mdc),
            _range(part.possible),
            _range(part.plausible),
        ]


def vitals() -> str:
    """Every vital sign and part."""
    head = ["k", "part", "name", "units", "LOINC", "MDC", "possible", "plausible"]
    return rows(head, *(row for vital in VITALS.values() for row in _vital_rows(vital)))


def relations() -> str:
    """What must hold between parts for a reading to be plausible."""
    lines = []
    for vital in VITALS.values():
        for relation in vital.relations:
            above, below = vital.parts[relation.above].key, vital.parts[relation.below].key
            sign = ">" if relation.strictly else "≥"
            lines.append(f"- `{vital.k}`: {above} − {below} {sign} {relation.by_at_least:g}")
    return "\n".join(lines)


def units() -> str:
    """The units as UCUM writes them, and as people do."""
    head = ["UCUM", "symbol", "name"]
    return rows(
        head,
        *([f"`{u.ucum}`", u.symbol, f"{u.names.en}, {u.names.zh}"] for u in UNITS.values()),
    )


def flags() -> str:
    """Every flag with its bit."""
    notes = {True: "", False: "kept out of trends and counts"}
    lines = []
    for flag in FLAGS.values():
        note = "a finding without a value" if flag.explains_no_value else notes[flag.counts]
        names = f"{flag.names.en}, {flag.names.zh}"
        lines.append([f"`{flag.name}`", str(flag.bit), names, flag.by, note])
    return rows(["flag", "bit", "name", "set by", ""], *lines)


def errors() -> str:
    """Every code, with an anchor, in both languages."""
    head = ["code", "name", "retry", "meaning", "what to do", "含义", "怎么办"]
    lines = (
        [
            f'<a id="{e.code}"></a>{e.code}',
            f"`{e.name}`",
            "yes" if e.retry else "no",
            e.en.meaning,
            e.en.hint,
            e.zh.meaning,
            e.zh.hint,
        ]
        for e in sorted(ERRORS.values(), key=lambda e: e.code)
    )
    return rows(head, *lines)


def acl() -> str:
    """The access list as the broker reads it, with one unit that is no node yet."""
    return f"```\n{with_units([EXAMPLE_SERIAL])}```"
