"""The tables of docs/contract.md, made from the dictionary, the codes and the access list.

A table stands between `<!-- table: name -->` and `<!-- end -->`. A test holds the page to what
`rewrite` makes of it; `python -m contract.tables docs/contract.md` writes it anew.
"""

import re
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final

from contract.acl import ACL
from contract.errors import ERRORS
from contract.vitals import FLAGS, UNITS, VITALS, Part, Vital

_TABLE: Final = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def _rows(*rows: Iterable[str]) -> str:
    """A Markdown table; the first row is the head."""
    head, *body = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    lines = [head, ["---"] * len(head), *body]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _range(bounds: tuple[float, float]) -> str:
    return f"{bounds[0]:.9g}..{bounds[1]:.9g}"


def _units(part: Part) -> str:
    first, *others = part.units
    told = [f"`{first.ucum}`"]
    told += [f"`{unit.ucum}` ({_range(unit.possible)})" for unit in others]
    return ", ".join(told)


def _codes(codes: tuple[str, ...]) -> str:
    return " + ".join(codes) or "–"


def _vital_rows(vital: Vital) -> Iterable[list[str]]:
    if vital.named:
        mdc = "–" if vital.mdc is None else str(vital.mdc)
        names = f"{vital.names.en}, {vital.names.zh}"
        yield [f"`{vital.k}`", "", names, "", _codes(vital.loinc), mdc, "", ""]
    for part in vital.parts:
        key = f"`{part.key}`" + ("" if part.required else "?") if vital.named else "–"
        yield [
            "" if vital.named else f"`{vital.k}`",
            key,
            f"{part.names.en}, {part.names.zh}",
            _units(part),
            _codes((*part.loinc, *(code for unit in part.units[1:] for code in unit.loinc))),
            "–" if part.mdc is None else str(part.mdc),
            _range(part.possible),
            _range(part.plausible),
        ]


def vitals() -> str:
    """Every vital sign and part."""
    head = ["k", "part", "name", "units", "LOINC", "MDC", "possible", "plausible"]
    return _rows(head, *(row for vital in VITALS.values() for row in _vital_rows(vital)))


def relations() -> str:
    """What must hold between parts for a reading to be plausible."""
    lines = []
    for vital in VITALS.values():
        for relation in vital.relations:
            above, below = vital.parts[relation.above].key, vital.parts[relation.below].key
            sign = ">" if relation.strictly else "≥"
            lines.append(f"- `{vital.k}`: {above} − {below} {sign} {relation.by_at_least:g}\n")
    return "".join(lines)


def units() -> str:
    """The units as UCUM writes them, and as people do."""
    head = ["UCUM", "symbol", "name"]
    return _rows(
        head,
        *([f"`{u.ucum}`", u.symbol, f"{u.names.en}, {u.names.zh}"] for u in UNITS.values()),
    )


def flags() -> str:
    """Every flag with its bit."""
    notes = {True: "", False: "kept out of trends and counts"}
    rows = []
    for flag in FLAGS.values():
        note = "a finding without a value" if flag.explains_no_value else notes[flag.counts]
        names = f"{flag.names.en}, {flag.names.zh}"
        rows.append([f"`{flag.name}`", str(flag.bit), names, flag.by, note])
    return _rows(["flag", "bit", "name", "set by", ""], *rows)


def errors() -> str:
    """Every code, with an anchor, in both languages."""
    head = ["code", "name", "retry", "meaning", "what to do", "含义", "怎么办"]
    rows = (
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
    return _rows(head, *rows)


def acl() -> str:
    """The access list as the broker reads it."""
    return f"```\n{ACL}```\n"


TABLES: Final[Mapping[str, Callable[[], str]]] = {
    "vitals": vitals,
    "relations": relations,
    "units": units,
    "flags": flags,
    "errors": errors,
    "acl": acl,
}


def rewrite(page: str) -> str:
    """The page with every table made anew; raises KeyError for a table nobody makes."""
    return _TABLE.sub(lambda match: match[1] + TABLES[match[2]]() + match[3], page)


if __name__ == "__main__":
    _page = Path(sys.argv[1])
    _page.write_text(rewrite(_page.read_text(encoding="utf-8")), encoding="utf-8")
