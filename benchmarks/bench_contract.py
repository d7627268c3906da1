"""How dear is the contract? Compare lines of one run only: the machine is shared.

    python benchmarks/bench_contract.py [rounds]

The floor is `orjson.loads` of the same bytes, which checks nothing. Everything is measured in
turns, many times over; shown are the least time of each and, against the floor, the ratio of the
least times and the median of the ratios of each turn.

    strict decode   bytes to structs that hold every value to its plausible range
    proved columns  the same with lengths, relations and times checked: columns that ingest stores
    + rows          and made into the readings or blocks of an observation
    + digest        and what tells a resend from a reused number: all of ingest's decode stage
    general         the exact way, which alone knows what is wrong; right messages do not go it
"""

import json
import statistics
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import cbor2
import orjson

from contract import codec, fast_path
from contract.observation import observe
from contract.strict import STRICT
from ingest.numbers import digest_of

NOW = datetime(2026, 11, 22, 13, 40, 0, 123456, tzinfo=UTC)
ENVELOPE = {"v": 0, "boot": 12, "seq": 4711, "t": 1795354700000, "clk": "ntp", "cerr": 40}
SPO2 = {"k": "spo2", "dev": "ox1", "dt": 1000, "y": [97 - n % 3 for n in range(60)]}
PULSE = {"k": "pr", "dev": "ox1", "dt": 1000, "y": [71 + n % 5 for n in range(60)]}
COLUMNS = {"sys": [148], "dia": [91], "pr": [72]}
PRESSURE = {"k": "bp", "dev": "cuff1", "o": [0], "c": COLUMNS, "pos": "sitting"}
MESSAGES = {
    "120 samples": (ENVELOPE | {"ser": [SPO2, PULSE]}, 2.0),
    "one blood pressure": (ENVELOPE | {"ser": [PRESSURE]}, 3.0),
}
TURN = 200


def rows(payload: bytes) -> Any:
    """Proved and made into readings or blocks."""
    proven = fast_path.prove(payload, NOW)
    assert proven is not None
    return proven.observation()


def stage(payload: bytes) -> Any:
    """What the decode stage of ingest does with a right batch."""
    proven = fast_path.prove(payload, NOW)
    assert proven is not None
    return digest_of(proven.obs), proven.observation()


def general(payload: bytes) -> Any:
    """The exact way."""
    obs = codec.decode("obs", payload)
    assert isinstance(obs, codec.messages.Obs)
    return observe(obs, received_at=NOW)


WAYS: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "orjson.loads (floor)": (orjson.loads, ()),
    "strict decode": (STRICT.decode, ()),
    "proved columns": (fast_path.prove, (NOW,)),
    "+ rows": (rows, ()),
    "+ digest": (stage, ()),
    "general": (general, ()),
}


def turn(call: Callable[..., Any], arguments: tuple[Any, ...]) -> float:
    """Microseconds a call, over one turn."""
    started = time.perf_counter()
    for _ in range(TURN):
        call(*arguments)
    return (time.perf_counter() - started) / TURN * 1e6


def measure(name: str, payload: bytes, target: float, rounds: int) -> None:
    """One message by every way, in turns."""
    times: dict[str, list[float]] = {way: [] for way in WAYS}
    for _ in range(rounds):
        for way, (call, more) in WAYS.items():
            times[way].append(turn(call, (payload, *more)))
    floor = times["orjson.loads (floor)"]
    print(f"{name}, {len(payload)} bytes of JSON    least us   of least   median")
    for way, spent in times.items():
        median = statistics.median(a / b for a, b in zip(spent, floor, strict=True))
        said = f"   at most {target:.1f}" if way == "proved columns" else ""
        least = min(spent)
        print(f"  {way:32} {least:8.2f} {least / min(floor):9.2f}x {median:7.2f}x{said}")


def main(rounds: int) -> None:
    """Measure and print."""
    for name, (message, target) in MESSAGES.items():
        payload = json.dumps(message, separators=(",", ":")).encode()
        assert rows(payload) == general(payload)
        measure(name, payload, target, rounds)
        in_cbor(message, rounds)


def in_cbor(message: dict[str, Any], rounds: int) -> None:
    """The same in CBOR, whose floor is another one: the library's own reading."""
    payload = cbor2.dumps(message)
    ways = {"cbor2.loads (floor)": (cbor2.loads, ()), "proved columns": (fast_path.prove, (NOW,))}
    print(f"  the same in {len(payload)} bytes of CBOR")
    for way, (call, more) in ways.items():
        least = min(turn(call, (payload, *more)) for _ in range(rounds))
        print(f"    {way:30} {least:8.2f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 300)
