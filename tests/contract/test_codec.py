"""Whatever arrives, decoding returns a message or refuses it with a code, a place and advice."""

import json
import time
import tracemalloc

import pytest

from contract import codec
from contract.errors import ERRORS, Defect, Refused
from contract.messages import Event, Obs
from contract.topics import DN_KINDS, UP_KINDS
from tests.contract.corpus import CLAIM, DOWN, UP, golden


def refusal(payload: bytes, kind: str = "obs") -> Defect:
    """The defect a payload is refused for."""
    with pytest.raises(Refused) as caught:
        codec.decode(kind, payload)
    return caught.value.defect


def series(text: str) -> bytes:
    """A batch with one series."""
    return ('{"v":0,"boot":1,"seq":1,"ser":[' + text + "]}").encode()


@pytest.mark.parametrize(
    ("payload", "code", "path", "got"),
    [
        (b"", "E2007", "", None),
        (b" \n", "E2007", "", None),
        (b"[1]", "E2008", "", "[1]"),
        (b"42", "E2008", "", "42"),
        (b'"ser"', "E2008", "", '"ser"'),
        (b"true", "E2008", "", "true"),
        (b"hello", "E2001", "", "hello"),
        (b"false alarm", "E2001", "", "false alarm"),
        (b"2026-11-22,120,80", "E2001", "", "2026-11-22,120,80"),
        (b'"cut', "E2001", "", '"cut'),
        (b"{", "E2001", "", None),
        (b'{"v":0', "E2001", "", None),
        (b'{"v":0,}', "E2001", "", "}"),
        (series('{"k":"hr"}') + b" x", "E2001", "", None),
        (b'{"v":01}', "E2001", "", "1}"),
        (b"{'v':0}", "E2001", "", "'v':0}"),
        (b"\xef\xbb\xbf{}", "E2005", "", None),
        (b"\xff\xfe{\x00", "E2005", "", None),
        (b"\xa1\x61v", "E2010", "", None),
        (b"\x81\xa1v", "E2001", "", "\\x81\\xa1v"),
        (b'{"k":"\xff"}', "E2002", "", "0xFF"),
        (b'{"x":"\xb1\xb1","v":0}', "E2002", "", "0xB1"),
        (b'{"v":"\\u0000"}', "E2009", "/v", None),
        (b"{}", "E2102", "/v", None),
        (series('{"y":[1]}'), "E2102", "/ser/0/k", None),
        (series("7"), "E2101", "/ser/0", "7"),
        (series('{"k":3}'), "E2101", "/ser/0/k", "3"),
        (series('{"k":"bp","y":"120"}'), "E2101", "/ser/0/y", "120"),
        (series('{"k":"bp","y":[1,"120"]}'), "E2101", "/ser/0/y/1", "120"),
        (series('{"k":"bp","y":[1,true]}'), "E2101", "/ser/0/y/1", "true"),
        (series('{"k":"bp","o":[1.5]}'), "E2101", "/ser/0/o/0", "1.5"),
        (series('{"k":"bp","c":{"sys":[1],"dia":["91"]}}'), "E2101", "/ser/0/c/dia/0", "91"),
        (series('{"k":"bp","c":{"a/b":3}}'), "E2101", "/ser/0/c/a~1b", "3"),
        (series('{"k":"bp","y":[1e400]}'), "E2004", "/ser/0/y/0", "Infinity"),
        (series('{"k":"bp","c":{"sys":[1],"dia":[1,1e999]}}'), "E2004", "/ser/0/c/dia/1", None),
        (series('{"k":"bp","y":[1,NaN]}'), "E2004", "/ser/0/y/1", "NaN"),
        (series('{"k":"bp","y":[-Infinity]}'), "E2004", "/ser/0/y/0", "-Infinity"),
        (series('{"k":"bp","q":[101]}'), "E2104", "/ser/0/q/0", "101"),
        (series('{"k":"bp","ses":{"id":"s","n":-1}}'), "E2104", "/ser/0/ses/n", "-1"),
        (b'{"v":0,"boot":4294967296,"seq":1,"ser":[]}', "E2104", "/boot", "4294967296"),
        (b'{"v":0,"boot":1,"seq":-1,"ser":[]}', "E2104", "/seq", "-1"),
        (b'{"v":0,"boot":1,"seq":1,"ser":[]}', "E3106", "/ser", None),
    ],
)
def test_each_mistake_has_its_code_and_its_place(
    payload: bytes, code: str, path: str, got: str | None
) -> None:
    """Code, JSON pointer and the offending value, for one example of each mistake."""
    defect = refusal(payload)
    assert (defect.code, defect.path) == (code, path)
    if got is not None:
        assert defect.got == got
    assert defect.name == ERRORS[code].name
    assert defect.hint == ERRORS[code].en.hint
    assert defect.retry is ERRORS[code].retry


def test_long_texts_are_refused_and_shown_short() -> None:
    """512 characters pass, 513 do not; what is shown of them has 64 characters."""
    fits, longer = "x" * 512, "测" * 513
    assert isinstance(codec.decode("obs", series(json.dumps({"k": fits}))), Obs)
    defect = refusal(series(json.dumps({"k": longer}, ensure_ascii=False)))
    assert (defect.code, defect.path) == ("E2103", "/ser/0/k")
    assert defect.got is not None
    assert len(defect.got) == 64


@pytest.mark.parametrize("digits", [40, 41, 64, 65, 300])
def test_long_numbers_can_be_shown_to_their_sender(digits: int) -> None:
    """What is told of a number too large to be one can itself be sent."""
    defect = refusal(b'{"t1":' + b"9" * digits + b"}", "time")
    assert (defect.code, defect.path) == ("E2104", "/t1")
    assert b"9" * 40 in codec.encode(defect)


def test_free_objects_keep_the_same_limits() -> None:
    """Inside `src`, `ctx`, `out` and `cap` no text over 512 characters, no integer over 64 bits."""
    event = {"v": 0, "boot": 1, "seq": 1, "type": "sos", "ctx": {"a": [{"b": 2**70}]}}
    assert refusal(json.dumps(event).encode(), "event").path == "/ctx/a/0/b"
    event["ctx"] = {"note": "x" * 513}
    defect = refusal(json.dumps(event).encode(), "event")
    assert (defect.code, defect.path) == ("E2103", "/ctx/note")
    event["ctx"] = {"x" * 513: 1}
    assert refusal(json.dumps(event).encode(), "event").code == "E2103"


def test_six_levels_pass_and_seven_do_not() -> None:
    """Depth counts everywhere, also in keys nobody knows, and not inside texts."""
    inner = '{"k":"bp","later":%s}'
    assert codec.decode("obs", series(inner % "[[[]]]"))
    assert codec.decode("obs", series(inner % '[[["]]]]{{{{[[[[\\"[[["]]]'))
    assert refusal(series(inner % "[[[[]]]]")).code == "E2003"
    assert refusal(series(inner % '[[[{"a":{}}]]]')).code == "E2003"


@pytest.mark.parametrize(
    ("later", "path"),
    [
        ("[[[[]]]]", "/ser/0/later/0/0/0"),
        ('[1,[{},[[],{"a":"\\"[[","b":[]}]]]', "/ser/0/later/1/1/0"),
        ('{"x":3,"a\\u002fb":{"]\\"":[{"y":{}}]}}', '/ser/0/later/a~1b/]"/0'),
        ('{"\\ud800":[[{}]]}', "/ser/0/later/?/0/0"),
        ('"' + "x" * 500 + '",' + '"more":[[[[]]]]', "/ser/0/more/0/0/0"),
        ('"' + "x" * 5000 + '",' + '"more":[[[[]]]]', ""),
    ],
)
def test_the_first_place_too_deep_is_named(later: str, path: str) -> None:
    """Whatever stands before it; of a long message only the beginning is looked at."""
    defect = refusal(series('{"k":"bp","later":' + later + "}"))
    assert (defect.code, defect.path) == ("E2003", path)
    codec.encode(defect)


def test_absurd_depth_costs_nothing() -> None:
    """100,000 levels are refused at once, without recursion and without memory."""
    payload = b'{"v":0,"boot":1,"seq":1,"ser":[],"x":' + b"[" * 100_000
    tracemalloc.start()
    begun = time.perf_counter()
    try:
        assert refusal(payload).code == "E2003"
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()
    assert time.perf_counter() - begun < 0.5


@pytest.mark.parametrize("filling", [b'"', b"\\", b'\\"', b'"\\', b"[]{}", b'"a":{', b"9", b" "])
def test_hostile_fillings_stay_linear(filling: bytes) -> None:
    """A full packet of anything is settled in well under a second."""
    payload = b'{"v":0,"x":' + filling * (120_000 // len(filling))
    begun = time.perf_counter()
    assert refusal(payload).code.startswith("E2")
    assert time.perf_counter() - begun < 0.5


def test_size_is_looked_at_first() -> None:
    """More than a packet is refused unread, also when it is no JSON at all."""
    assert refusal(b"x" * (codec.MAX_PACKET + 1)).code == "E5001"


def test_amounts_are_limited() -> None:
    """At most 64 series and 20,000 values a message."""
    one = '{"k":"hr","o":[0],"y":[70]}'
    assert refusal(series(",".join([one] * 65))).code == "E5002"
    assert codec.decode("obs", series(",".join([one] * 64)))
    many = ",".join(["70"] * 10_001)
    block = f'{{"k":"hr","dt":1000,"y":[{many}]}}'
    assert refusal(series(f"{block},{block}")).code == "E5003"


def test_numbers_at_the_edge_are_taken_as_specified() -> None:
    """-0, exponents and 300 digits are numbers; of a key written twice the last holds."""
    obs = codec.decode("obs", series('{"k":"hr","y":[-0,7e1,1' + "0" * 300 + "]}"))
    assert isinstance(obs, Obs)
    assert obs.ser[0].y == [0.0, 70.0, 1e300]
    twice = codec.decode("obs", series('{"k":"hr","k":"bp"}'))
    assert isinstance(twice, Obs)
    assert twice.ser[0].k == "bp"


def test_an_escaped_backslash_is_not_a_nul() -> None:
    """The text backslash-u-0-0-0-0 is harmless; the character it could mean is refused."""
    assert codec.decode("obs", series('{"k":"\\\\u0000"}'))
    assert refusal(series('{"k":"\\\\\\u0000"}')).code == "E2009"


def test_topics_are_told_apart() -> None:
    """An unknown kind is refused as such; every kind of the topic tree has its message."""
    assert refusal(b"{}", "vitals").code == "E1001"
    assert {refusal(b"{}", kind).code for kind in UP_KINDS} == {"E2102"}
    assert {*UP.values()} == UP_KINDS == {*codec.UP}
    assert {*DOWN.values()} == {*DN_KINDS, "status"} == {*codec.DOWN}
    for kind in ("obs", "vitals"):
        with pytest.raises(Refused):
            codec.decode_down(kind, b"{}")


def test_claims_are_read_on_both_sides() -> None:
    """A unit's request and the hub's answer, and what is wrong with a broken one."""
    for name in CLAIM:
        decode = codec.decode_claim_answer if b'"ok"' in golden(name) else codec.decode_claim
        message = decode(golden(name))
        assert decode(codec.encode(message, "cbor")) == message
    with pytest.raises(Refused) as caught:
        codec.decode_claim(b'{"serial":7}')
    assert (caught.value.defect.code, caught.value.defect.path) == ("E2101", "/serial")
    with pytest.raises(Refused):
        codec.decode_claim_answer(b"{}")


def test_a_signing_request_may_be_longer_than_other_texts() -> None:
    """In the result of `rotate`: 8192 characters of PEM, of anything else 512."""
    pem = "-----BEGIN CERTIFICATE REQUEST-----" + "x" * 8000
    result = {"v": 0, "boot": 1, "seq": 1, "id": "c", "st": "ok", "out": {"csr": pem}}
    assert codec.decode("res", json.dumps(result).encode())
    result["out"] = {"csr": pem + "x" * 200}
    assert refusal(json.dumps(result).encode(), "res").code == "E2103"


def test_a_zero_byte_is_told_apart_from_other_rubbish() -> None:
    """A text sent with its terminating zero: behind the message, or inside of it."""
    assert refusal(series('{"k":"hr"}') + b"\x00").code == "E2009"
    assert refusal(b'{"v":"a\x00"}').code == "E2009"


def test_leading_blanks_are_json() -> None:
    """A line feed before the object is taken, as every JSON parser takes it."""
    assert isinstance(codec.decode("event", b"\n " + golden("event_fall.json")), Event)
