"""Settings and operations: what may be set and told, and what a device makes of it."""

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from contract import operations
from contract.configuration import DEFAULTS, SETTINGS, check, read, settle
from contract.signing import is_signed, sign

VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.text())
WANTED = st.dictionaries(
    st.sampled_from(sorted(SETTINGS)) | st.text(max_size=80),
    VALUES | st.sampled_from(["json", "cbor", "en", "zh-CN", "120", 1, 60, 150]),
)


def test_the_defaults_may_be_set() -> None:
    """What holds without a configuration would be taken as one."""
    assert check(DEFAULTS).errors == []


@pytest.mark.parametrize(
    ("key", "good", "bad"),
    [
        ("dev", [0, 1], [2, -1, True, "1", 1.0]),
        ("enc", ["json", "cbor"], ["xml", "", 1, None]),
        ("lang", ["zh-CN", "en"], ["zh", "de"]),
        ("volume", [0, 100], [-1, 101, 50.5]),
        ("help_number", ["120", "+86 138-0013"], ["1", "call me", "1" * 21, 120]),
        ("batch_s", [1, 60], [0, 61]),
        ("sys_limit", [100, 200], [99, 201]),
        ("dia_limit", [60, 130], [59, 131]),
    ],
)
def test_the_bounds_of_each_setting(key: str, good: list[Any], bad: list[Any]) -> None:
    """Bounds are included; another type is refused with what was expected."""
    for value in good:
        assert check({key: value}).applied == {key: value}
    for value in bad:
        (error,) = check({key: value}).errors
        assert error.path == f"/{key}"
        assert SETTINGS[key].allowed in error.msg


def test_a_makers_own_settings_pass_the_hub_only() -> None:
    """The hub lets x_ through; a device that does not know it says so."""
    wanted = {"x_led": 3, "x_name": "a", "x_BAD": 1, "x_deep": {"a": 1}, "x_nan": float("nan")}
    checked = check(wanted, experimental=True)
    assert checked.applied == {"x_led": 3, "x_name": "a"}
    assert [error.path for error in checked.errors] == ["/x_BAD", "/x_deep", "/x_nan"]
    assert [error.path for error in check({"x_led": 3}).errors] == ["/x_led"]


@given(WANTED, WANTED)
def test_a_device_always_works_with_something_valid(
    before: dict[str, Any], wanted: dict[str, Any]
) -> None:
    """Every setting has a valid value; a refused one keeps its own; the same again is the same."""
    standing = settle(before, DEFAULTS).applied
    settled = settle(wanted, standing)
    assert check(settled.applied).errors == []
    assert settled.applied.keys() == SETTINGS.keys()
    for key in SETTINGS:
        if key not in wanted:
            assert settled.applied[key] == DEFAULTS[key]
        elif not SETTINGS[key].takes(wanted[key]):
            assert settled.applied[key] == standing[key]
    assert settle(wanted, settled.applied).applied == settled.applied


@given(WANTED)
def test_every_setting_is_taken_or_told(wanted: dict[str, Any]) -> None:
    """Nothing is dropped in silence, and a report of it can be sent."""
    checked = check(wanted)
    assert len(checked.applied) + len(checked.errors) == min(len(wanted), 65)
    assert all(len(error.path) <= 512 and len(error.msg) <= 512 for error in checked.errors)


def test_what_a_person_types_becomes_a_value() -> None:
    """Numbers for numbers, text for text, and what is neither is left for the check."""
    assert read("volume", "40") == 40
    assert read("help_number", "120") == "120"
    assert read("lang", "en") == "en"
    assert read("volume", "loud") == "loud"
    assert read("x_led", "true") is True


@pytest.mark.parametrize(
    ("op", "args", "paths"),
    [
        ("measure_now", {}, []),
        ("measure_now", {"k": "bp", "who": "A", "rest_s": 60}, []),
        (
            "measure_now",
            {"k": "gold", "rest_s": 999, "inflate": True},
            ["/inflate", "/k", "/rest_s"],
        ),
        ("ask", {"qid": "q", "text": {"en": "Well?"}, "options": ["yes", "no"]}, []),
        ("ask", {"qid": "q", "text": {"fr": "Bien?"}, "options": []}, ["/text", "/options"]),
        ("speak", {}, ["/text"]),
        ("call", {"number": "120"}, []),
        ("resend", {"boot": 1, "from": 3, "to": 9}, []),
        ("resend", {"boot": 1, "from": 9, "to": 3}, ["/to"]),
        ("resend", {"boot": -1, "from": 1.5}, ["/boot", "/from", "/to"]),
        ("rebirth", {"now": 1}, ["/now"]),
        ("log", {"lines": 201}, ["/lines"]),
        ("inflate", {}, [""]),
    ],
)
def test_arguments_are_checked_by_the_table(
    op: str, args: dict[str, Any], paths: list[str]
) -> None:
    """Each wrong argument by its pointer, missing ones too; an unknown op at the root."""
    assert [error.path for error in operations.check(op, args)] == paths


@given(st.sampled_from(sorted(operations.OPERATIONS)), st.dictionaries(st.text(), VALUES))
def test_no_argument_breaks_the_check(op: str, args: dict[str, Any]) -> None:
    """Whatever is given, the answer is a list of what is wrong."""
    assert all(error.msg for error in operations.check(op, args))


def test_safety_07_no_operation_starts_anything() -> None:
    """The table is the whole of what may be told to a device."""
    assert set(operations.OPERATIONS) == {
        *("measure_now", "ask", "speak", "call", "resend", "selftest"),
        *("rebirth", "rotate", "reboot", "log"),
    }
    assert [each.op for each in operations.OPERATIONS.values() if each.internal] == ["rotate"]


def test_an_argument_typed_by_a_person() -> None:
    """JSON where that fits, else the text: a sentence may be a number."""
    assert operations.read("speak", "text", "120") == "120"
    assert operations.read("resend", "boot", "12") == 12
    assert operations.read("ask", "options", json.dumps(["yes"])) == ["yes"]
    assert operations.read("measure_now", "k", "bp") == "bp"


@given(st.text(max_size=20), st.binary(max_size=64))
def test_a_signature_holds_for_this_version_of_this_file_only(version: str, noise: bytes) -> None:
    """Another version, another file, another key or noise: not signed."""
    key, other = _KEY, _OTHER
    signature = sign(key, version, "a" * 64)
    assert is_signed(key.public_key(), version, "a" * 64, signature)
    assert not is_signed(key.public_key(), version + "1", "a" * 64, signature)
    assert not is_signed(key.public_key(), version, "b" * 64, signature)
    assert not is_signed(other.public_key(), version, "a" * 64, signature)
    assert not is_signed(key.public_key(), version, "a" * 64, noise.decode("latin-1"))


_KEY, _OTHER = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
