"""Waveforms: what a chunk must hold, how its bytes become values, when it began."""

import struct
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract import wave
from contract.errors import Refused
from contract.messages import Wave
from contract.wave import ENCODINGS, WAVES

AT = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
T = int(AT.timestamp() * 1000)
GOOD = Wave(
    v=0, boot=1, seq=1, t=T, clk="ntp", k="ecg", ch=["I", "II"], hz=250, n=2, enc="i16le",
    sc=0.00488, ep="e1", cs=0, d=struct.pack("<4h", 0, 1, -1, 3),
)  # fmt: skip

# How a device would write whole numbers of each width, and the bounds of what fits.
INTEGERS = {
    "i8": (1, "little", True),
    "u8": (1, "little", False),
    "i16le": (2, "little", True),
    "i16be": (2, "big", True),
    "i24le": (3, "little", True),
    "i24be": (3, "big", True),
    "i32le": (4, "little", True),
}


def changed(**keys: object) -> Wave:
    """A good chunk with some keys changed."""
    return msgspec.structs.replace(GOOD, **keys)


def test_every_encoding_is_tested() -> None:
    """A new row of the table needs a line above."""
    assert {*ENCODINGS} == {*INTEGERS, "f32le"}
    assert all(ENCODINGS[name].width == width for name, (width, _, _) in INTEGERS.items())


@given(st.data(), st.sampled_from(sorted(INTEGERS)), st.integers(1, 3))
def test_bytes_become_what_was_sampled(data: st.DataObject, name: str, channels: int) -> None:
    """Whatever integers a device packs, channel by channel, are read back as raw * scale + zero."""
    width, order, signed = INTEGERS[name]
    low, high = (-(2 ** (8 * width - 1)), 2 ** (8 * width - 1) - 1) if signed else (0, 255)
    frames = data.draw(
        st.lists(st.lists(st.integers(low, high), min_size=channels, max_size=channels))
    )
    packed = b"".join(
        value.to_bytes(width, order, signed=signed) for frame in frames for value in frame
    )
    found = wave.values(packed, encoding=name, channels=channels, scale=0.5, zero=1.0)
    assert found == [[frame[at] * 0.5 + 1.0 for frame in frames] for at in range(channels)]


def test_floating_point_knows_missing_samples() -> None:
    """NaN, and what is not finite, is no value."""
    packed = struct.pack("<4f", 1.5, float("nan"), float("inf"), -2.0)
    found = wave.values(packed, encoding="f32le", channels=1, scale=2.0, zero=0.0)
    assert found == [[3.0, None, None, -4.0]]


def test_scaled_values_read_like_what_was_meant() -> None:
    """3 * 0.00488 is 0.01464, not 0.014639999999999999."""
    found = wave.values(GOOD.d, encoding="i16le", channels=2, scale=0.00488, zero=0.0)
    assert found == [[0.0, -0.00488], [0.00488, 0.01464]]


@pytest.mark.parametrize(
    ("keys", "code", "path"),
    [
        ({"ch": []}, "E3106", "/ch"),
        ({"n": 0}, "E3106", "/n"),
        ({"n": 3}, "E3109", "/d"),
        ({"ch": ["I"]}, "E3109", "/d"),
        ({"d": b""}, "E3109", "/d"),
        ({"enc": "i16"}, "E3110", "/enc"),
        ({"sc": 0.0}, "E2104", "/sc"),
        ({"n": 15_001}, "E2104", "/n"),
        ({"hz": 0.01}, "E2104", "/n"),
        ({"ch": ["x"] * 33}, "E2104", "/ch"),
        ({"hz": 500, "n": 10_001}, "E5003", "/n"),
    ],
)
def test_what_cannot_be_read_is_refused(keys: dict[str, object], code: str, path: str) -> None:
    """Nothing, too much, another length than announced, bytes of an unknown kind."""
    with pytest.raises(Refused) as refused:
        wave.check(changed(**keys), received_at=AT)
    assert (refused.value.defect.code, refused.value.defect.path) == (code, path)


def test_a_minute_is_taken() -> None:
    """60 s at 250 Hz of one channel, 20,000 values at once at 500."""
    d = bytes(2 * 15_000)
    assert wave.check(changed(ch=["I"], n=15_000, d=d), received_at=AT).samples == 15_000
    d = bytes(2 * 20_000)
    assert wave.check(changed(hz=500, n=10_000, d=d), received_at=AT).samples == 10_000


def test_an_unknown_waveform_is_kept_with_a_warning() -> None:
    """It can be read all the same; its unit is what it says, or nothing."""
    chunk = wave.check(changed(k="eeg"), received_at=AT)
    assert [(w.code, w.path, w.got) for w in chunk.warnings] == [("W2001", "/k", "eeg")]
    assert chunk.unit is None
    assert wave.check(GOOD, received_at=AT).unit == "mV"
    assert wave.check(changed(u="uV"), received_at=AT).unit == "uV"
    assert wave.check(GOOD, received_at=AT).warnings == []


def test_every_waveform_has_a_name_and_a_unit() -> None:
    """In both languages."""
    assert all(kind.names.zh and kind.names.en and kind.unit for kind in WAVES.values())
    assert all(one.names.zh and one.names.en for one in ENCODINGS.values())


@pytest.mark.parametrize(
    ("keys", "clock", "back_s", "claimed", "warning"),
    [
        ({}, "ntp", 0, False, None),
        ({"t": T - 40 * 86_400_000}, "ntp", 40 * 86_400, False, "W3203"),
        ({"t": T + 999_000}, "untrusted", 0.004, True, "W3201"),
        ({"t": 5}, "untrusted", 0.004, True, "W3201"),
        ({"t": None}, "untrusted", 0.004, False, "W3202"),
        ({"t": None, "clk": "none", "up": 7_000}, "derived", 0.004, False, None),
    ],
)
def test_time_is_judged_like_that_of_readings(
    keys: dict[str, object], clock: str, back_s: float, claimed: bool, warning: str | None
) -> None:
    """An impossible time puts the chunk before its arrival and keeps the claim."""
    chunk = wave.check(changed(**keys), received_at=AT)
    assert (chunk.clock, chunk.claimed_at is not None) == (clock, claimed)
    assert chunk.started_at == AT - timedelta(seconds=back_s)
    assert [w.code for w in chunk.warnings] == ([warning] if warning else [])
