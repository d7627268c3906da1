"""Bad input of every kind: refused with the right code or taken as specified, within bounds.

With HEARTHBEAT_SCALE=full the same runs at length (`make soak`).
"""

import json
import os
import time
import tracemalloc
from datetime import UTC, datetime
from typing import Any

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract import codec, fast_path
from contract.errors import ERRORS, Refused
from contract.experimental import experimental
from contract.messages import Obs
from contract.observation import observe
from contract.topics import UP_KINDS
from contract.unknown_keys import unknown_keys
from tests.contract.corpus import TWINS, UP, golden
from tests.contract.mutations import mutated

FULL = os.environ.get("HEARTHBEAT_SCALE") == "full"
pytestmark = [pytest.mark.soak, pytest.mark.timeout(3600)] if FULL else []
NOW = datetime(2026, 11, 22, 13, 40, tzinfo=UTC)
T = 1_795_354_700_000
PRESSURE = {"k": "bp", "o": [0], "c": {"sys": [148], "dia": [91]}}
EXAMPLES = sorted([*UP, *(twin for twin, name in TWINS.items() if name in UP)])


def scaled(few: int) -> settings:
    """So many examples, or fifty times as many."""
    return settings(max_examples=few * 50 if FULL else few, deadline=None)


def kind_of(name: str) -> str:
    """The kind of an example, in either encoding."""
    return UP[TWINS.get(name, name)]


def settles(kind: str, payload: bytes) -> None:
    """Whatever it is, it is understood or refused with everything a maker needs to know."""
    try:
        message = codec.decode(kind, payload)
    except Refused as refused:
        defect = refused.defect
    else:
        if isinstance(message, Obs):
            observed(message, payload)
        unknown_keys(kind, payload)
        return
    assert defect.code in ERRORS
    assert defect.path == "" or defect.path.startswith("/")
    assert defect.got is None or len(defect.got) <= 64
    assert defect.hint
    assert kind != "obs" or fast_path.prove(payload, NOW) is None
    codec.encode(defect)


def observed(obs: Obs, payload: bytes) -> None:
    """Every series ends somewhere, and what is told can be sent."""
    result = observe(obs, received_at=NOW, aside=experimental(payload))
    assert result.kept + result.dropped + len(result.unknown) == len(obs.ser)
    for defect in (*result.defects, *result.warnings):
        codec.encode(defect)


def batch(series: dict[str, Any], **envelope: Any) -> Any:
    """What a batch of one series becomes, in JSON and in CBOR alike."""
    said = {"v": 0, "boot": 1, "seq": 1, "t": T, "clk": "ntp", **envelope, "ser": [series]}
    found = []
    for payload in (json.dumps(said).encode(), cbor2.dumps(said)):
        obs = codec.decode("obs", payload)
        assert isinstance(obs, Obs)
        found.append(observe(obs, received_at=NOW))
    assert found[0] == found[1]
    return found[0]


@pytest.mark.parametrize(
    ("series", "code"),
    [
        (PRESSURE | {"u": "kPa", "c": {"sys": [19.7], "dia": [12.1]}}, "E3102"),
        (PRESSURE | {"c": {"sys": [19.7], "dia": [12.1]}}, "E3101"),  # kPa, and nobody says so
        (PRESSURE | {"c": {"sys": [148, 150], "dia": [91]}}, "E3103"),
        (PRESSURE | {"o": [0, 1]}, "E3103"),
        ({"k": "temp", "o": [0], "y": [98.6]}, "E3101"),
        ({"k": "spo2", "o": [0], "y": [0.97]}, None),  # possible, and marked as hard to believe
    ],
)
def test_wrong_units_and_lengths(series: dict[str, Any], code: str | None) -> None:
    """What can be told from a wrong unit is refused, the rest is marked."""
    result = batch(series)
    assert [defect.code for defect in result.defects] == ([code] if code else [])
    assert all(reading.flags for reading in result.readings)


@pytest.mark.parametrize("t", [0, 946_684_800_000, 4_070_908_800_000, -(2**53), 2**53])
def test_times_that_cannot_be_true_refuse_nothing(t: int) -> None:
    """1970, 2000, 2099 and the ends of the world: kept at arrival, with the claim, and told."""
    (reading,) = (result := batch(PRESSURE, t=t)).readings
    assert (reading.measured_at, reading.clock, reading.anchored) == (NOW, "untrusted", False)
    assert reading.claimed_at is not None
    assert [warning.code for warning in result.warnings] == ["W3201"]


HUGE = {
    "a number of 10 MB": b'{"v":' + b"9" * 10_000_000 + b"}",
    "a number of a packet": b'{"v":' + b"9" * 131_000 + b"}",
    "a fraction of a packet": b'{"v":0.' + b"3" * 131_000 + b"}",
    "an exponent of a packet": b'{"v":1e' + b"9" * 131_000 + b"}",
    "a text of 10 MB": b'{"v":"' + b"x" * 10_000_000 + b'"}',
    "a text of a packet": b'{"v":0,"boot":1,"seq":1,"ser":[{"k":"' + b"x" * 131_000 + b'"}]}',
    "depth 100,000": b'{"v":' + b"[" * 100_000,
    "depth 100,000 of objects": b'{"v":' * 26_000,
    "a thousand keys twice": b'{"v":0' + b',"boot":1' * 10_000 + b"}",
    "ten thousand keys": b'{"v":0' + b"".join(b',"k%d":0' % n for n in range(10_000)) + b"}",
    "a CBOR text of a packet": b"\xa1av\x7a\x00\x01\xff\x00" + b"x" * 130_816,
    "a CBOR number of a packet": b"\xa1av\xc2\x5a\x00\x01\xff\x00" + b"\xff" * 130_816,
    "CBOR of 10 MB": b"\xa1av\x5a\x00\x98\x96\x80" + bytes(10_000_000),
}


@pytest.mark.parametrize("what", sorted(HUGE))
@pytest.mark.parametrize("kind", ["obs", "event", "config"])
def test_what_is_huge_is_refused_within_bounds(what: str, kind: str) -> None:
    """Refused, in a moment, without more memory than a few packets."""
    codec.decode("time", b'{"t1":1}')
    tracemalloc.start()
    begun = time.perf_counter()
    try:
        with pytest.raises(Refused) as caught:
            codec.decode(kind, HUGE[what])
        assert tracemalloc.get_traced_memory()[1] < 8_000_000
    finally:
        tracemalloc.stop()
    assert time.perf_counter() - begun < 5
    assert caught.value.defect.code.startswith(("E20", "E21", "E5"))
    assert len(HUGE[what]) <= codec.MAX_PACKET or caught.value.defect.code == "E5001"


@pytest.mark.parametrize("name", EXAMPLES)
def test_no_example_can_be_cut_short(name: str) -> None:
    """Every beginning of every example is refused, none raises anything else."""
    payload = golden(name).rstrip()
    for end in range(0, len(payload), 1 if FULL else 7):
        with pytest.raises(Refused) as caught:
            codec.decode(kind_of(name), payload[:end])
        assert caught.value.defect.code in {"E2001", "E2002", "E2007", "E2010"}


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
VALUES = st.recursive(
    SCALARS | st.binary(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=12,
)


@scaled(150)
@given(
    kind=st.sampled_from(sorted(UP_KINDS)),
    head=st.sampled_from([b"", b"{", b"\xa1", b"\xbf"]),
    payload=st.binary(max_size=200),
)
def test_bytes_never_raise_anything_else(kind: str, head: bytes, payload: bytes) -> None:
    """Any bytes: a message or a refusal."""
    settles(kind, head + payload)


@scaled(300)
@given(name=st.sampled_from(EXAMPLES), data=st.data())
def test_mutated_examples_never_raise_anything_else(name: str, data: st.DataObject) -> None:
    """Examples with bytes changed, cut out or put in: a message or a refusal."""
    settles(kind_of(name), mutated(golden(name), data))


@scaled(200)
@given(name=st.sampled_from(sorted(UP)), data=st.data())
def test_any_value_in_any_place_never_raises_anything_else(name: str, data: st.DataObject) -> None:
    """Examples with one value replaced by any other, NaN, huge numbers and bytes included."""
    document = json.loads(golden(name))
    place = document
    while isinstance(place, dict | list) and place:
        keys = sorted(place) if isinstance(place, dict) else range(len(place))
        key = data.draw(st.sampled_from(keys))
        if not isinstance(place[key], dict | list) or not place[key] or data.draw(st.booleans()):
            place[key] = data.draw(VALUES)
            break
        place = place[key]
    settles(UP[name], json.dumps(document, default=str).encode("utf-8", "surrogatepass"))
    settles(UP[name], cbor2.dumps(document))
