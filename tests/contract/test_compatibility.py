"""What was released is never taken back: schemas, codes, flags and ids of clauses only grow."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from contract.specification import released
from contract.specification.__main__ import main, noted
from contract.specification.compatibility import breaks

ROOT = Path(__file__).parents[2]
RELEASED = noted(ROOT)


def schema(name: str) -> Any:
    """A schema as it was released."""
    return json.loads(RELEASED[f"{name}.json"])


def test_nothing_released_was_taken_back() -> None:
    """The present schemas, codes, flags and clauses against the snapshot."""
    assert released.taken_back(RELEASED) == []
    assert {f"{name}.json" for name in ("up-obs", "dn-fb", "claim-res", "codes")} <= set(RELEASED)


def bp(document: Any) -> Any:
    """What holds for a blood pressure in its unit."""
    rules = document["$defs"]["Series"]["allOf"]
    return next(r["then"] for r in rules if r["if"]["properties"]["k"].get("const") == "bp")


def columns(document: Any) -> Any:
    """The columns of a blood pressure."""
    return bp(document)["allOf"][0]["then"]["properties"]["c"]


def _rename(found: Any, old: str, new: str) -> None:
    found[new] = found.pop(old)


NARROWER: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "key removed": ("up-obs", lambda d: d["properties"].pop("cerr")),
    "inner key removed": ("up-obs", lambda d: d["$defs"]["Series"]["properties"].pop("rec")),
    "key renamed": ("up-event", lambda d: _rename(d["properties"], "type", "kind")),
    "made required": ("up-obs", lambda d: d["required"].append("t")),
    "inner made required": ("up-obs", lambda d: d["$defs"]["Series"]["required"].append("dev")),
    "retyped": ("up-obs", lambda d: d["properties"]["v"].update(type="string")),
    "null not allowed": ("up-obs", lambda d: d["properties"]["t"]["anyOf"].pop()),
    "maximum lowered": ("up-obs", lambda d: d["properties"]["boot"].update(maximum=65535)),
    "minimum raised": ("up-obs", lambda d: d["properties"]["seq"].update(minimum=1)),
    "fewer series": ("up-obs", lambda d: d["properties"]["ser"].update(maxItems=32)),
    "text shortened": ("up-birth", lambda d: d["properties"]["maker"].update(maxLength=64)),
    "word gone": ("up-state", lambda d: d["properties"]["s"]["x-hh-known"].remove("sleeping")),
    "words closed": ("up-state", lambda d: d["properties"]["s"].update(enum=["ready", "lost"])),
    "encoding gone": ("up-wave", lambda d: d["properties"]["enc"]["enum"].remove("i16le")),
    "keys closed": ("up-obs", lambda d: d.update(additionalProperties=False)),
    "pattern added": (
        "up-obs",
        lambda d: d["$defs"]["Series"]["properties"]["k"].update(pattern="^a"),
    ),
    "vital sign gone": ("up-obs", lambda d: d["$defs"]["Series"]["allOf"].pop()),
    "unit gone": ("up-obs", lambda d: bp(d)["properties"]["u"]["enum"].remove("mm[Hg]")),
    "column gone": ("up-obs", lambda d: columns(d)["properties"].pop("map")),
    "column required": ("up-obs", lambda d: columns(d)["required"].append("pr")),
    "range cut": ("up-obs", lambda d: columns(d)["properties"]["sys"]["items"].update(maximum=250)),
    "argument required": (
        "dn-cmd",
        lambda d: d["allOf"][0]["then"]["properties"]["args"]["required"].append("who"),
    ),
    "answer key gone": ("dn-fb", lambda d: d["properties"].pop("after")),
}


@pytest.mark.parametrize("name", NARROWER)
def test_what_is_taken_back_is_noticed(name: str) -> None:
    """Each kind of narrowing, in a schema as it was released."""
    title, narrow = NARROWER[name]
    changed = copy.deepcopy(schema(title))
    narrow(changed)
    assert breaks(schema(title), changed) != []


WIDER: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "optional key": ("up-obs", lambda d: d["properties"].update(mood={"type": "string"})),
    "inner key": ("up-obs", lambda d: d["$defs"]["Series"]["properties"].update(m={})),
    "word": ("up-state", lambda d: d["properties"]["s"]["x-hh-known"].append("dreaming")),
    "encoding": ("up-wave", lambda d: d["properties"]["enc"]["enum"].append("i64le")),
    "unit": ("up-obs", lambda d: bp(d)["properties"]["u"]["enum"].append("kPa")),
    "column": ("up-obs", lambda d: columns(d)["properties"].update(x={"type": "array"})),
    "range": ("up-obs", lambda d: columns(d)["properties"]["sys"]["items"].update(maximum=320)),
    "no longer required": ("up-obs", lambda d: d["required"].remove("v")),
    "explained better": ("up-obs", lambda d: d.update(description="Other words.")),
    "vital sign": (
        "up-obs",
        lambda d: d["$defs"]["Series"]["allOf"].append(
            {"if": {"properties": {"k": {"const": "bmi"}}}, "then": {"required": ["y"]}}
        ),
    ),
    "command": (
        "dn-cmd",
        lambda d: d["allOf"].append(
            {"if": {"properties": {"op": {"const": "dance"}}}, "then": {"required": ["args"]}}
        ),
    ),
}


@pytest.mark.parametrize("name", WIDER)
def test_what_is_added_is_no_break(name: str) -> None:
    """New keys, words, units, columns, vital signs and commands; wider ranges."""
    title, widen = WIDER[name]
    changed = copy.deepcopy(schema(title))
    widen(changed)
    assert changed != schema(title)
    assert breaks(schema(title), changed) == []


def test_a_code_a_flag_and_a_clause_stay() -> None:
    """A code gone or renamed, a flag moved, an id of a clause gone."""
    codes = json.loads(RELEASED["codes.json"])
    assert released.codes_changed(codes) == []
    assert released.codes_changed({"E9999": {"name": "gone", "retry": False}})
    assert released.codes_changed({"E3102": {**codes["E3102"], "name": "kpa_not_allowed"}})
    assert released.codes_changed({"E3102": {**codes["E3102"], "retry": True}})
    assert released.flags_moved({"motion": 0}) == []
    assert released.flags_moved({"motion": 1})
    assert released.flags_moved({"levitating": 12})
    assert released.clauses_gone(["HH1-CON-01", "HH1-CON-99"]) == [
        "the clause HH1-CON-99 is gone; withdraw it instead"
    ]


def test_a_message_that_is_gone_is_noticed() -> None:
    """And one that goes by another name."""
    dream = {**schema("up-obs"), "$id": "urn:hearthbeat:hh1:up:dream"}
    told = released.taken_back(
        {"up-dream.json": json.dumps(dream), "up-obs.json": json.dumps(dream)}
    )
    assert told[0] == "up-dream.json: the message is gone"
    assert "$id" in told[1]


def test_nothing_is_released_over_a_break(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`release` notes the present state the first time, and refuses once something is gone."""
    golden = tmp_path / "tests/contract/golden"
    golden.mkdir(parents=True)
    for path in (ROOT / "tests/contract/golden").glob("*.json"):
        (golden / path.name).write_bytes(path.read_bytes())
    where = ["--root", str(tmp_path)]
    assert [main([action, *where]) for action in ("write", "release")] == [0, 0]
    clauses = tmp_path / released.FOLDER / "clauses.txt"
    clauses.write_text(clauses.read_text(encoding="utf-8") + "HH1-CON-99\n", encoding="utf-8")
    capsys.readouterr()
    assert main(["release", *where]) == 1
    assert "HH1-CON-99 is gone" in capsys.readouterr().err
