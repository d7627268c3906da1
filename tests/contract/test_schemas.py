"""The JSON Schemas, held against a validator we did not write, the examples, and the hub itself."""

import base64
import json
from functools import cache
from pathlib import Path
from typing import Any

import cbor2
import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract import codec
from contract.errors import Refused
from contract.instants import from_millis
from contract.messages import Obs
from contract.observation import observe
from contract.specification.catalog import BY_TITLE, CHANNELS
from contract.specification.examples import TOPICS
from contract.vitals import VITALS
from tests.contract.corpus import TWINS, golden

FOLDER = Path(__file__).parents[2] / "docs/hh1/schema"
NOW = 1795354700000


@cache
def validator(title: str) -> jsonschema.Draft202012Validator:
    """The validator of one message, from the file as it is published."""
    path = FOLDER / f"{BY_TITLE[title].name}.json"
    return jsonschema.Draft202012Validator(json.loads(path.read_text(encoding="utf-8")))


def plain(value: Any) -> Any:
    """CBOR's values as JSON has them: bytes are base64."""
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [plain(each) for each in value]
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value


@pytest.mark.parametrize("channel", CHANNELS, ids=lambda channel: channel.name)
def test_each_schema_is_one(channel: Any) -> None:
    """2020-12, valid, with a name of its own that is no address, and whole without a network."""
    schema = dict(validator(channel.title).schema)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["$id"] == f"urn:hearthbeat:hh1:{channel.direction}:{channel.kind}"
    references = set(_references(schema))
    assert references <= {f"#/$defs/{name}" for name in schema.get("$defs", {})}


def _references(schema: Any) -> Any:
    if isinstance(schema, dict):
        if "$ref" in schema:
            yield schema["$ref"]
        for value in schema.values():
            yield from _references(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from _references(value)


@pytest.mark.parametrize("name", TOPICS)
def test_every_example_fits_its_schema(name: str) -> None:
    """In JSON."""
    validator(TOPICS[name]).validate(json.loads(golden(f"{name}.json")))


@pytest.mark.parametrize("name", TWINS)
def test_every_cbor_example_fits_its_schema(name: str) -> None:
    """In CBOR, and it says the same as its twin in JSON."""
    value = plain(cbor2.loads(golden(name)))
    validator(TOPICS[name.removesuffix(".cbor")]).validate(value)
    assert value == json.loads(golden(TWINS[name]))


def obs(**series: Any) -> dict[str, Any]:
    """A batch with one series."""
    return {"v": 0, "boot": 1, "seq": 2, "t": NOW, "ser": [series]}


SERIES = {"k": "spo2", "o": [0], "y": [97]}
PRESSURE = {"k": "bp", "o": [0], "c": {"sys": [120], "dia": [80]}}
WRONG = {
    "no y, no c": obs(k="spo2", o=[0]),
    "y and c": obs(**SERIES, c={"sys": [1]}),
    "dt and o": obs(**SERIES, dt=1000),
    "neither dt nor o": obs(k="spo2", y=[97]),
    "null is absent": obs(k="spo2", o=None, y=[97]),
    "unit": obs(**PRESSURE, u="kPa"),
    "impossible": obs(k="spo2", o=[0], y=[101]),
    "impossible in its unit": obs(k="glu", u="mg/dL", o=[0], y=[1001]),
    "impossible in the first unit": obs(k="glu", o=[0], y=[61]),
    "unknown part": obs(k="bp", o=[0], c={"sys": [120], "dia": [80], "sdnn": [4]}),
    "missing part": obs(k="bp", o=[0], c={"sys": [120]}),
    "pressure as y": obs(k="bp", o=[0], y=[120]),
    "scalar as c": obs(k="wt", o=[0], c={"wt": [71]}),
    "number in quotes": obs(k="wt", o=[0], y=["71"]),
    "no samples": obs(k="wt", o=[], y=[]),
    "quality": obs(**SERIES, q=[101]),
    "step of nothing": obs(k="spo2", dt=0, y=[97]),
    "no series": {"v": 0, "boot": 1, "seq": 2, "ser": []},
    "no boot": {"v": 0, "seq": 2, "ser": [SERIES]},
    "boot too large": {"v": 0, "boot": 2**32, "seq": 2, "ser": [SERIES]},
    "seq below 0": {"v": 0, "boot": 1, "seq": -1, "ser": [SERIES]},
    "long text": obs(**SERIES, site="x" * 513),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_fails(name: str) -> None:
    """Each is refused by the schema, and by the hub."""
    assert not validator("up/obs").is_valid(WRONG[name])
    assert not hub_takes(WRONG[name])


@pytest.mark.parametrize(
    ("title", "message"),
    [
        ("up/state", {"v": 0, "s": "ready"}),
        ("up/state", {"v": 0, "s": 1, "con": 2}),
        ("up/wave", {**json.loads(golden("wave.json")), "enc": "mp3"}),
        ("up/wave", {**json.loads(golden("wave.json")), "hz": 0}),
        ("up/ack", {"v": 0, "boot": 1, "seq": 2, "acks": [{"st": "taken"}]}),
        ("dn/cmd", {"v": 0, "id": "c", "op": "ask", "args": {"qid": "q"}, "exp": NOW}),
        ("dn/plan", {**json.loads(golden("plan.json")), "rev": -1}),
        ("dn/config", {"v": 0, "rev": 1, "set": {"volume": 101}}),
        ("dn/fw", {**json.loads(golden("fw.json")), "sha256": "AB"}),
        ("claim/req", {"serial": "no/slash"}),
        ("claim/res", {"ok": False, "serial": "HB24-000137"}),
    ],
)
def test_what_is_wrong_elsewhere_fails(title: str, message: dict[str, Any]) -> None:
    """A missing key, a wrong type, a value out of bounds, in other messages."""
    assert not validator(title).is_valid(message)


def test_what_is_new_is_allowed() -> None:
    """Unknown keys, vital signs, flags and words are taken: that is how the contract grows."""
    taken = validator("up/obs")
    taken.validate({**obs(**SERIES, fl=["sparkles"], mood="fine"), "x_ours": {"deep": [1]}})
    taken.validate(obs(k="grip", u="kg", o=[0], y=[21]))
    validator("up/state").validate({"v": 9, "s": "dreaming", "con": 1})
    validator("dn/cmd").validate({"v": 0, "id": "c", "op": "dance", "args": {"n": 1}, "exp": NOW})
    validator("dn/config").validate({"v": 0, "rev": 1, "set": {"x_lamp": "on"}})


def hub_takes(message: dict[str, Any]) -> bool:
    """The hub decodes it and has nothing to drop."""
    try:
        decoded = codec.decode("obs", json.dumps(message).encode())
    except Refused:
        return False
    assert isinstance(decoded, Obs)
    return not observe(decoded, received_at=from_millis(NOW)).defects


values = st.one_of(st.none(), st.integers(-5, 400), st.floats(-5, 1100, allow_nan=False))
columns = st.lists(values, min_size=0, max_size=3)
parts = st.sampled_from(["sys", "dia", "map", "pr", "glu", "odd"])


@given(
    k=st.sampled_from([*VITALS, "grip"]),
    u=st.sampled_from([None, "mm[Hg]", "mg/dL", "mmol/L", "%", "kPa", "/min", "kg"]),
    axes=st.sampled_from([{"dt": 1000}, {"o": [0, 1]}, {"o": [0, 1], "dt": 5}, {}]),
    body=st.one_of(
        columns.map(lambda y: {"y": y}),
        st.dictionaries(parts, columns, max_size=3).map(lambda c: {"c": c}),
    ),
)
def test_what_the_hub_takes_the_schema_takes(
    k: str, u: str | None, axes: dict[str, Any], body: dict[str, Any]
) -> None:
    """Whatever the schema refuses the hub refuses too: a maker can trust either."""
    series = {"k": k, **axes, **body} | ({} if u is None else {"u": u})
    message = obs(**series)
    if hub_takes(message):
        validator("up/obs").validate(message)
