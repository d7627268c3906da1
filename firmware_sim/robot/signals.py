"""Signals that look like a body's: series with a regular step, and an electrocardiogram. Pure."""

import math
import random
import struct
from collections.abc import Iterator
from typing import Any, Final

# Gaussian bumps of one beat: height in mV, place and width as parts of the beat.
_BEAT: Final = (
    (0.12, 0.18, 0.025),  # P
    (-0.12, 0.275, 0.010),  # Q
    (1.10, 0.30, 0.011),  # R
    (-0.22, 0.325, 0.012),  # S
    (0.28, 0.52, 0.040),  # T
)
STEP_MV: Final = 0.00488


def ecg(
    seconds: float, *, hz: int = 250, beats_a_minute: float = 72.0, at: float = 0.0
) -> list[int]:
    """Lead I as raw 16-bit samples of STEP_MV each, `seconds` from the moment `at`."""
    beat_s = 60.0 / beats_a_minute
    return [
        round(_millivolts(((at + n / hz) % beat_s) / beat_s) / STEP_MV)
        for n in range(round(seconds * hz))
    ]


def _millivolts(phase: float) -> float:
    return sum(
        height * math.exp(-((phase - place) ** 2) / (2 * width**2))
        for height, place, width in _BEAT
    )


def packed(samples: list[int]) -> bytes:
    """As `i16le`."""
    return struct.pack(f"<{len(samples)}h", *samples)


def recording(
    episode: str, *, chunks: int, chunk_s: float = 2.0, hz: int = 250, dev: str = "patch1"
) -> Iterator[dict[str, Any]]:
    """The chunks of one recording, as bodies of `wave` without envelope; the last one closes it."""
    for number in range(chunks):
        samples = ecg(chunk_s, hz=hz, at=number * chunk_s)
        body: dict[str, Any] = {"k": "ecg", "dev": dev, "ch": ["I"], "hz": hz, "n": len(samples)}
        body |= {"enc": "i16le", "sc": STEP_MV, "ofs": 0, "u": "mV", "ep": episode, "cs": number}
        yield body | {"d": packed(samples)} | ({"last": 1} if number == chunks - 1 else {})


def oxygen(samples: int, *, seed: int = 1, dev: str = "ox1") -> list[dict[str, Any]]:
    """Oxygen saturation and pulse rate once a second, as two series."""
    dice = random.Random(seed)  # noqa: S311 - a simulation, not a secret
    saturation = [float(dice.choice((96, 97, 97, 98))) for _ in range(samples)]
    pulse = [float(72 + dice.randrange(-3, 4)) for _ in range(samples)]
    return [
        {"k": "spo2", "dev": dev, "dt": 1000, "y": saturation},
        {"k": "pr", "dev": dev, "dt": 1000, "y": pulse},
    ]


def pressure(
    sys: float, dia: float, pulse: float = 72, *, dev: str = "cuff1", **more: Any
) -> dict[str, Any]:
    """One blood pressure, as a series with one offset."""
    columns = {"sys": [sys], "dia": [dia], "pr": [pulse]}
    return {"k": "bp", "dev": dev, "o": [0], "c": columns, **more}
