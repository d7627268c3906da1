"""What a chunk of a waveform means: its samples checked, placed in time, and turned into values.

`ENCODINGS`, `WAVES` and the limits are the one place the specification is written from. A chunk
is taken or refused whole. A waveform of a kind the hub does not know is kept like any other, with
W2001: what a recording is called does not change how it is read.
"""

import struct
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from itertools import chain
from math import isfinite
from types import MappingProxyType
from typing import Final

from msgspec import Struct

from contract.clocks import Instant, Timeline
from contract.errors import Defect, defect, refused
from contract.messages import Wave
from contract.pointer import pointer
from contract.vitals import Names

MAX_SECONDS: Final = 60
MAX_CHANNELS: Final = 32
MAX_VALUES: Final = 20_000
UNKNOWN: Final = "W2001"


class Encoding(Struct, frozen=True, kw_only=True):
    """How one sample is written: `width` bytes, and what they hold."""

    name: str
    width: int
    names: Names
    read: Callable[[bytes], Sequence[float]]


class WaveKind(Struct, frozen=True, kw_only=True):
    """A waveform by its `k`, with the unit (UCUM) that is meant when a chunk names none."""

    k: str
    names: Names
    unit: str


class Chunk(Struct, frozen=True, kw_only=True):
    """One chunk as it is stored: a value is raw * scale + zero, in `unit`.

    `data` holds the samples as they came, the channels interleaved. With `anchored` False
    `started_at` depends on the time of arrival.
    """

    kind: str
    dev: str
    recording: str
    chunk: int
    started_at: datetime
    clock: str
    claimed_at: datetime | None
    hz: float
    samples: int
    channels: list[str]
    encoding: str
    scale: float
    zero: float
    unit: str | None
    last: bool
    data: bytes
    anchored: bool
    warnings: list[Defect]


def _packed(code: str, width: int) -> Callable[[bytes], Sequence[float]]:
    return lambda data: struct.unpack(f"{code[0]}{len(data) // width}{code[1]}", data)


def _three(order: str) -> Callable[[bytes], Sequence[float]]:
    """24 bits: widened to 32 by a byte of nothing below, and shifted back."""
    code, ends = ("<", (b"\0", b"")) if order == "le" else (">", (b"", b"\0"))

    def read(data: bytes) -> Sequence[float]:
        wide = b"".join(
            chain.from_iterable(
                (ends[0], data[at : at + 3], ends[1]) for at in range(0, len(data), 3)
            )
        )
        return [value >> 8 for value in struct.unpack(f"{code}{len(data) // 3}i", wide)]

    return read


_ORDERS: Final = {
    "le": ("<", "低字节在前", "low byte first"),
    "be": (">", "高字节在前", "high byte first"),
}


def _signed(bits: int, order: str) -> Encoding:
    sign, zh, en = _ORDERS[order]
    width = bits // 8
    read = _three(order) if width == 3 else _packed(sign + {2: "h", 4: "i"}[width], width)
    names = Names(zh=f"{bits} 位有符号整数，{zh}", en=f"{bits} bits, signed, {en}")
    return Encoding(name=f"i{bits}{order}", width=width, names=names, read=read)


def _byte(name: str, code: str, zh: str, en: str) -> Encoding:
    names = Names(zh=f"8 位{zh}整数", en=f"8 bits, {en}")
    return Encoding(name=name, width=1, names=names, read=_packed(code, 1))


_ENCODINGS: Final = (
    _byte("i8", "<b", "有符号", "signed"),
    _byte("u8", "<B", "无符号", "unsigned"),
    _signed(16, "le"),
    _signed(16, "be"),
    _signed(24, "le"),
    _signed(24, "be"),
    _signed(32, "le"),
    Encoding(
        name="f32le",
        width=4,
        names=Names(
            zh="32 位浮点数（IEEE 754），低字节在前；NaN 表示缺失",
            en="32 bits, floating point (IEEE 754), low byte first; NaN is a missing sample",
        ),
        read=_packed("<f", 4),
    ),
)
ENCODINGS: Final[Mapping[str, Encoding]] = MappingProxyType({e.name: e for e in _ENCODINGS})

_WAVES: Final = (
    WaveKind(k="ecg", names=Names(zh="心电图", en="Electrocardiogram"), unit="mV"),
    WaveKind(k="ppg", names=Names(zh="光电容积脉搏波", en="Photoplethysmogram"), unit="1"),
    WaveKind(k="spiro", names=Names(zh="呼吸流量", en="Spirometry flow"), unit="L/s"),
    WaveKind(k="resp", names=Names(zh="呼吸波", en="Respiration"), unit="1"),
    WaveKind(k="pcg", names=Names(zh="心音", en="Heart sounds"), unit="1"),
    WaveKind(k="acc", names=Names(zh="加速度", en="Acceleration"), unit="m/s2"),
)
WAVES: Final[Mapping[str, WaveKind]] = MappingProxyType({wave.k: wave for wave in _WAVES})


def check(wave: Wave, *, received_at: datetime) -> Chunk:
    """The chunk in a decoded message; raises Refused for what cannot be read as one."""
    _check_amount(wave)
    _check_data(wave)
    span_ms = round((wave.n - 1) * 1000 / wave.hz)
    start = Timeline(wave, received_at).place_run(span_ms)
    known = WAVES.get(wave.k)
    return Chunk(
        kind=wave.k,
        dev=wave.dev or "",
        recording=wave.ep,
        chunk=wave.cs,
        started_at=start.at,
        clock=start.clock,
        claimed_at=start.claimed_at,
        hz=wave.hz,
        samples=wave.n,
        channels=wave.ch,
        encoding=wave.enc,
        scale=wave.sc,
        zero=wave.ofs,
        unit=wave.u if wave.u is not None or known is None else known.unit,
        last=bool(wave.last),
        data=wave.d,
        anchored=start.anchored,
        warnings=_warnings(wave, start, received_at),
    )


def _check_amount(wave: Wave) -> None:
    if not wave.ch or not wave.n:
        raise refused("E3106", "/ch" if not wave.ch else "/n")
    if len(wave.ch) > MAX_CHANNELS:
        raise refused("E2104", "/ch", f"{len(wave.ch)} channels, at most {MAX_CHANNELS}")
    if wave.n > MAX_SECONDS * wave.hz:
        most = int(MAX_SECONDS * wave.hz)
        msg = f"a chunk is at most {MAX_SECONDS} s, {most} samples at {wave.hz:g} Hz"
        raise refused("E2104", "/n", msg, str(wave.n))
    if wave.n * len(wave.ch) > MAX_VALUES:
        msg = f"{wave.n * len(wave.ch)} values, at most {MAX_VALUES}"
        raise refused("E5003", "/n", msg, str(wave.n))
    if not wave.sc:
        raise refused("E2104", "/sc", "with a scale of 0 every sample is the same", "0")


def _check_data(wave: Wave) -> None:
    encoding = ENCODINGS.get(wave.enc)
    if encoding is None:
        raise refused("E3110", "/enc", f"one of {', '.join(ENCODINGS)}", wave.enc)
    wanted = wave.n * len(wave.ch) * encoding.width
    if len(wave.d) != wanted:
        msg = f"{wave.n} samples of {len(wave.ch)} channels in {wave.enc} are {wanted} bytes"
        raise refused("E3109", "/d", msg, f"{len(wave.d)} bytes")


def _warnings(wave: Wave, start: Instant, received_at: datetime) -> list[Defect]:
    warnings = []
    if wave.k not in WAVES:
        msg = f"no waveform of HH/1: {', '.join(WAVES)}. It is kept and can be read all the same"
        warnings.append(defect(UNKNOWN, "/k", msg, wave.k))
    if start.warning is not None:
        hub = received_at.isoformat(timespec="milliseconds")
        claim = start.claimed_at or (start.at if start.anchored else None)
        got = claim.isoformat(timespec="milliseconds") if claim else None
        warnings.append(defect(start.warning, pointer(["t"]), f"the hub's time is {hub}", got))
    return warnings


def values(
    data: bytes, *, encoding: str, channels: int, scale: float, zero: float
) -> list[list[float | None]]:
    """The values of each channel, in the unit of the chunk; a missing sample is None.

    `data` has passed `check`; raises KeyError for an encoding nobody knows.
    """
    raw = ENCODINGS[encoding].read(data)
    return [[_value(one, scale, zero) for one in raw[at::channels]] for at in range(channels)]


def _value(raw: float, scale: float, zero: float) -> float | None:
    value = raw * scale + zero
    # Twelve digits: what was scaled from a whole number reads like one (0.01464, not 0.014639999).
    return float(f"{value:.12g}") if isfinite(value) else None
