"""CBOR says what JSON says: the same messages, the same defects at the same places."""

import json
import math
import tracemalloc
from typing import Any

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract import cbor, codec
from contract.errors import Defect, Refused
from contract.messages import Event, Obs, Wave
from tests.contract.corpus import DOWN, TWINS, UP, golden

ENVELOPE = {"v": 0, "boot": 1, "seq": 1}
# A map with the one key x, whose value follows.
X = b"\xa1ax"


def refusal(payload: bytes, kind: str = "obs") -> Defect:
    """The defect a payload is refused for."""
    with pytest.raises(Refused) as caught:
        codec.decode(kind, payload)
    return caught.value.defect


@pytest.mark.parametrize("twin", sorted(TWINS))
def test_an_example_means_the_same_in_both(twin: str) -> None:
    """Every CBOR example decodes to what its JSON twin does."""
    name = TWINS[twin]
    if name.startswith("claim_"):
        assert codec.decode_claim(golden(twin)) == codec.decode_claim(golden(name))
    else:
        assert codec.decode(UP[name], golden(twin)) == codec.decode(UP[name], golden(name))


@pytest.mark.parametrize("name", sorted(UP))
def test_a_message_survives_cbor(name: str) -> None:
    """Encoded as CBOR and decoded again it is the same message."""
    message = codec.decode(UP[name], golden(name))
    assert codec.decode(UP[name], codec.encode(message, "cbor")) == message


@pytest.mark.parametrize("name", sorted(DOWN))
def test_a_downlink_survives_cbor(name: str) -> None:
    """The hub sends JSON; its messages could be CBOR all the same."""
    message = codec.decode_down(DOWN[name], golden(name))
    assert codec.decode_down(DOWN[name], codec.encode(message, "cbor")) == message


def streamed(value: Any) -> bytes:
    """As a small chip sends it: every map and array of open length."""
    if isinstance(value, dict):
        inner = b"".join(streamed(key) + streamed(entry) for key, entry in value.items())
        return b"\xbf" + inner + b"\xff"
    if isinstance(value, list):
        return b"\x9f" + b"".join(map(streamed, value)) + b"\xff"
    return cbor2.dumps(value)


@pytest.mark.parametrize("name", sorted(UP))
def test_open_lengths_are_taken(name: str) -> None:
    """What streams while it measures: the same message as with lengths in front."""
    message = codec.decode(UP[name], golden(name))
    values = cbor.read(codec.encode(message, "cbor"), frozenset({"d"}))
    assert codec.decode(UP[name], streamed(values)) == message


def test_short_floats_and_texts_in_chunks_are_taken() -> None:
    """Half and single floats are numbers; a text may come in pieces."""
    series = b"\x81\xa3ak\x7fahar\xffao\x81\x00ay\x81\xf9\x54\x60"
    obs = codec.decode("obs", b"\xa4av\x00dboot\x01cseq\x01cser" + series)
    assert isinstance(obs, Obs)
    assert (obs.ser[0].k, obs.ser[0].y) == ("hr", [70.0])


@pytest.mark.parametrize(
    ("payload", "code", "path"),
    [
        (X, "E2010", ""),
        (b"\xbfax\x01", "E2010", ""),
        (b"\xbfax\xff", "E2010", ""),
        (X + b"\x01\x00", "E2010", ""),
        (X + b"\x01" + b'{"v":0}', "E2010", ""),
        (X + b"\xff", "E2010", ""),
        (X + b"\x1c", "E2010", ""),
        (X + b"\xf8\x14", "E2010", ""),
        (b"\xbc", "E2010", ""),
        (X + b"\x7f\x41b\xff", "E2010", ""),
        (b"\xa1\x62a\xff\x00", "E2002", ""),
        (X + b"\x61\xff", "E2002", ""),
        (X + b"\xf7", "E2011", "/x"),
        (X + b"\xe0", "E2011", "/x"),
        (X + b"\x82\x01\xf8\x40", "E2011", "/x/1"),
        (X + b"\xc0\x60", "E2011", "/x"),
        (X + b"\xc1\x00", "E2011", "/x"),
        (X + b"\xc2\x49" + b"\xff" * 9, "E2011", "/x"),
        (X + b"\xc4\x82\x1a\x7f\xff\xff\xff\x01", "E2011", "/x"),
        (X + b"\xd8\x1c\x81\xd8\x1d\x00", "E2011", "/x"),
        (X + b"\xd8\x23\x61(", "E2011", "/x"),
        (X + b"\xd9\x01\x00\x80", "E2011", "/x"),
        (X + b"\xda\x7f\xff\xff\xff\x00", "E2011", "/x"),
        (b"\xd9\xd9\xf7" + X + b"\x01", "E2011", ""),
        (b"\xa1\x01\x02", "E2011", ""),
        (b"\xa1\x81\x01\x02", "E2011", ""),
        (b"\xa1\x41a\x02", "E2011", ""),
        (X + b"\xa1\x01\x02", "E2011", "/x"),
        (X + b"\x42ab", "E2011", "/x"),
        (X + b"\xf9\x7e\x00", "E2004", "/x"),
        (X + b"\x82\x01\xf9\x7c\x00", "E2004", "/x/1"),
        (X + b"\x61\x00", "E2009", "/x"),
        (b"\xa1\x62a\x00\x01", "E2009", ""),
        (X + b"\x81" * 5 + b"\x01", "E2102", "/v"),
        (X + b"\x81" * 6 + b"\x01", "E2003", "/x/0/0/0/0/0"),
        (X + b"\x9f" * 6 + b"\x01", "E2003", "/x/0/0/0/0/0"),
        (X + b"\xa1\x61y" * 6 + b"\x01", "E2003", "/x/y/y/y/y/y"),
        (b"\xbfaa\x9f\x01\xfa\x00\x00\x00\x00\xffax\x82\x42ab\xc0\x60\xff", "E2011", "/x/1"),
        (b"\xa2aa\x7fab\xffax\x82\xa1\x7faa\x61/\xff\xc0\x60\x00", "E2011", "/x/0/a~1"),
        (b"\xa1\xc0\x60\x00", "E2011", ""),
        (X + b"\x81\xa1\xc0\x60\x00", "E2011", "/x/0"),
        (b"\xa2aa\x79\x20\x00" + b"a" * 0x2000 + b"ax\xc0\x60", "E2011", ""),
        (b"\x81\xa1ax\x00", "E2001", ""),
    ],
)
def test_each_mistake_has_its_code_and_its_place(payload: bytes, code: str, path: str) -> None:
    """Code and JSON pointer, for one example of each mistake."""
    defect = refusal(payload)
    assert (defect.code, defect.path) == (code, path), defect


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [
        ("obs", {}),
        ("obs", {**ENVELOPE, "ser": []}),
        ("obs", {**ENVELOPE, "ser": "none"}),
        ("obs", {**ENVELOPE, "boot": 2**32, "ser": []}),
        ("obs", {**ENVELOPE, "seq": 2**64 - 1, "ser": []}),
        ("obs", {**ENVELOPE, "seq": -(2**63), "ser": []}),
        ("obs", {**ENVELOPE, "seq": 1.5, "ser": []}),
        ("obs", {**ENVELOPE, "seq": 1.0, "ser": []}),
        ("obs", {**ENVELOPE, "ser": [{"k": "hr"}, {"y": [1]}]}),
        ("obs", {**ENVELOPE, "ser": [{"k": "hr", "y": [1, "70"]}]}),
        ("obs", {**ENVELOPE, "ser": [{"k": "bp", "c": {"sys": [1], "dia": [True]}}]}),
        ("obs", {**ENVELOPE, "ser": [{"k": "bp", "q": [101]}]}),
        ("obs", {**ENVELOPE, "ser": [{"k": "x" * 513}]}),
        ("obs", {**ENVELOPE, "ser": [{"k": "hr", "dt": 0}]}),
        ("event", {**ENVELOPE, "type": "sos", "ctx": {"a": [{"b": 2**63}]}}),
        ("event", {**ENVELOPE, "type": "sos", "ctx": {"note": "x" * 513}}),
        ("birth", {**ENVELOPE, "maker": "m"}),
        ("config", {**ENVELOPE, "rev": -1}),
        ("state", {"v": 0, "s": "ready"}),
        ("diag", {"v": 0, "m": {"rss": "5"}}),
        ("time", {"t1": None}),
    ],
)
def test_a_defect_is_the_same_in_both(kind: str, wrong: dict[str, Any]) -> None:
    """The same code, place, value and words in JSON and in CBOR."""
    in_json = refusal(json.dumps(wrong).encode(), kind)
    assert refusal(cbor2.dumps(wrong), kind) == in_json
    assert refusal(streamed(wrong), kind) == in_json


_TREES = st.recursive(
    st.one_of(st.integers(-(2**63), 2**63 - 1), st.text('ab]}é"', max_size=3), st.none()),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.text('ab/~é"', max_size=3), inner, max_size=3),
    ),
    max_leaves=8,
)


@given(_TREES, st.integers(0, 2), st.integers(4, 7))
def test_the_first_place_too_deep_is_the_same_in_both(tree: Any, before: int, depth: int) -> None:
    """Whatever stands before it, at the side of it and in it."""
    beside = [tree] * before
    for _ in range(depth):
        tree = [*beside, {"x": tree}] if before else [tree]
    document = {"a": [1], "later": tree}
    in_json = refusal(json.dumps(document).encode())
    assert (in_json.code == "E2003") == (depth_of(document) > 6)
    if in_json.code == "E2003" and len(json.dumps(document)) < 4000:
        assert in_json.path
        for payload in (cbor2.dumps(document), streamed(document)):
            if len(payload) < 4000:
                assert refusal(payload) == in_json


def depth_of(value: Any) -> int:
    """How many objects and arrays stand in each other."""
    inner = (
        value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    )
    return 0 if inner is None else 1 + max(map(depth_of, inner), default=0)


def test_bytes_stand_where_the_specification_has_them() -> None:
    """A wave's `d` is a byte string in CBOR and base64 in JSON, and nowhere else."""
    wave = {**ENVELOPE, "k": "ecg", "ch": ["I"], "hz": 250, "n": 1, "enc": "i16le"}
    wave |= {"ep": "e", "cs": 0, "d": b"\x01\x02"}
    decoded = codec.decode("wave", cbor2.dumps(wave))
    assert isinstance(decoded, Wave)
    assert decoded.d == b"\x01\x02"
    assert json.loads(codec.encode(decoded))["d"] == "AQI="
    assert refusal(cbor2.dumps(wave | {"d": "AQI="}), "wave").path == "/d"
    assert refusal(cbor2.dumps(wave | {"ep": b"e"}), "wave").code == "E2011"
    event = {**ENVELOPE, "type": "sos", "ctx": {"d": b"x"}}
    assert (refusal(cbor2.dumps(event), "event").path) == "/ctx/d"


@pytest.mark.parametrize(
    "payload",
    [
        b"\xbb\x10" + bytes(7) + b"ax\x00",
        X + b"\x9b\x10" + bytes(7),
        X + b"\x9b\x7f" + b"\xff" * 7 + b"\x01",
        X + b"\x5b\x10" + bytes(7),
        X + b"\x7b\xff" + b"\xff" * 7 + b"x",
        X + b"\x7a\x7f\xff\xff\xffx",
        X + b"\xc2\x5b\x10" + bytes(7),
        X + b"\xd8\x1c" * 40_000,
        X + b"\x81" * 100_000,
        X + b"\x9f" * 100_000,
        X + b"\xd8\x20" * 50_000,
        b"\xa1" * 100_000,
        b"\xa1\x81" * 50_000,
        X + b"\xd8\x1c\x82\xd8\x1d\x00\xd8\x1d\x00",
        X + b"\x7f" + b"\x60" * 120_000,
    ],
)
def test_claims_of_great_size_cost_nothing(payload: bytes) -> None:
    """Lengths of 2^60, endless nesting, shared values: refused with next to no memory."""
    codec.decode("time", b"\xa1bt1\x00")  # the library reads some modules on its first use
    tracemalloc.start()
    try:
        assert refusal(payload).code in {"E2003", "E2010", "E2011"}
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "item", [b"\x80", b"\xa0", b"\x60", b"\xf6", b"\xa1\x60\x80", b"\xf9\x3c\x00"]
)
def test_a_full_packet_of_small_things_stays_bounded(item: bytes) -> None:
    """The most that a packet can hold of the smallest values: some tens of megabytes at most."""
    count = 120_000 // len(item)
    payload = X + b"\x9a" + count.to_bytes(4, "big") + item * count
    tracemalloc.start()
    try:
        assert refusal(payload).code == "E2102"
        assert tracemalloc.get_traced_memory()[1] < 40_000_000
    finally:
        tracemalloc.stop()


def test_of_a_key_written_twice_the_last_holds() -> None:
    """As in JSON."""
    event = codec.decode("event", b"\xa5av\x00dboot\x01cseq\x01dtypecsosdtypedfall")
    assert isinstance(event, Event)
    assert event.type == "fall"


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.text(max_size=5)
    | st.floats(allow_nan=False, allow_infinity=False)
)
PLAIN = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(max_examples=200, deadline=None)
@given(values=st.dictionaries(st.text(max_size=4), PLAIN, max_size=4))
def test_any_map_is_read_alike_in_both(values: dict[str, Any]) -> None:
    """Plain values survive, or are refused for the same reason as in JSON."""
    in_json, in_cbor = outcome(json.dumps(values).encode()), outcome(cbor.write(values))
    if isinstance(in_json, str):
        assert in_cbor == in_json
    else:
        assert in_cbor == values
        assert all(
            math.isclose(a, b) for a, b in zip(numbers(in_json), numbers(in_cbor), strict=True)
        )


def outcome(payload: bytes) -> Any:
    """The plain values, or the code of the refusal."""
    try:
        return codec.plain(payload)
    except Refused as error:
        return error.defect.code


def numbers(value: Any) -> list[float]:
    """Every number in it, in order of the sorted keys."""
    if isinstance(value, dict):
        return [found for key in sorted(value) for found in numbers(value[key])]
    if isinstance(value, list):
        return [found for entry in value for found in numbers(entry)]
    return [value] if isinstance(value, int | float) else []
