"""What was released, kept so that nothing of it is taken back: schemas, codes, ids of clauses."""

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from contract.errors import ERRORS, ErrorDef
from contract.specification import schemas
from contract.specification.catalog import CHANNELS
from contract.specification.clauses import BOOK, Book
from contract.specification.compatibility import breaks
from contract.specification.series import Schema
from contract.vitals import FLAGS, Flag

FOLDER: Final = "tests/contract/released"
_CODES: Final = "codes.json"
_FLAGS: Final = "flags.json"
_CLAUSES: Final = "clauses.txt"


def snapshot() -> dict[str, str]:
    """The present state, as text by file name."""
    parts = schemas.components()
    found = {f"{c.name}.json": _text(schemas.document(c, parts)) for c in CHANNELS}
    found[_CODES] = _text({e.code: {"name": e.name, "retry": e.retry} for e in ERRORS.values()})
    found[_FLAGS] = _text({flag.name: flag.bit for flag in FLAGS.values()})
    found[_CLAUSES] = "".join(f"{clause.id}\n" for clause in BOOK.clauses)
    return found


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=1, sort_keys=True) + "\n"


def taken_back(released: Mapping[str, str]) -> list[str]:
    """What was released and does not hold any more, in words; `released` as of `snapshot`."""
    parts = schemas.components()
    present = {f"{c.name}.json": schemas.document(c, parts) for c in CHANNELS}
    found = []
    for name, text in sorted(released.items()):
        if name == _CLAUSES:
            found += clauses_gone(text.split())
        elif name == _CODES:
            found += codes_changed(json.loads(text))
        elif name == _FLAGS:
            found += flags_moved(json.loads(text))
        else:
            found += _schema_broken(name, json.loads(text), present.get(name))
    return found


def _schema_broken(name: str, old: Schema, new: Schema | None) -> list[str]:
    if new is None:
        return [f"{name}: the message is gone"]
    if old["$id"] != new["$id"]:
        return [f"{name}: $id was {old['$id']}, is {new['$id']}"]
    return [f"{name} {what}" for what in breaks(old, new)]


def clauses_gone(released: Iterable[str], book: Book = BOOK) -> list[str]:
    """The ids of clauses that were released once and are not in the file any more."""
    present = {clause.id for clause in book.clauses}
    return [
        f"the clause {each} is gone; withdraw it instead"
        for each in released
        if each not in present
    ]


def codes_changed(
    released: Mapping[str, Mapping[str, Any]], codes: Mapping[str, ErrorDef] = ERRORS
) -> list[str]:
    """Codes that are gone, renamed, or ask for something else now."""
    found = []
    for code, old in released.items():
        new = codes.get(code)
        if new is None:
            found.append(f"the code {code} is gone")
        elif (new.name, new.retry) != (old["name"], old["retry"]):
            found.append(f"the code {code} was {old['name']}, retry {old['retry']}; it changed")
    return found


def flags_moved(released: Mapping[str, int], flags: Mapping[str, Flag] = FLAGS) -> list[str]:
    """Flags that are gone or have another bit now."""
    return [
        f"the flag {name} is gone or has another bit"
        for name, bit in released.items()
        if name not in flags or flags[name].bit != bit
    ]
