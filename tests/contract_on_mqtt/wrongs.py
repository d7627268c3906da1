"""The table: for every error code what a device sends to provoke it, and what it hears.

A `Wrong` is sent as it stands: `body` with an envelope around it, without the keys in `without`,
in each of `encodings`; or `raw`, bytes per encoding. `path`, `got`, `kept`, `dropped` are what the
answer has to say; `msg` has to be found in its text. Codes that need a fault or a claim stand in
`ELSEWHERE` with the test that provokes them.
"""

import json
import time
from collections.abc import Mapping
from typing import Any, Final

import cbor2
from msgspec import Struct, field

BP: Final = {"k": "bp", "dev": "cuff1", "o": [0], "c": {"sys": [148], "dia": [91]}}
WAVE: Final = {
    "k": "ecg", "dev": "patch1", "ch": ["I"], "hz": 250, "n": 2, "enc": "i16le", "sc": 0.00488,
    "u": "mV", "ep": "e1", "cs": 0, "d": b"\x01\x00\x02\x00",
}  # fmt: skip
BOTH: Final = ("json", "cbor")


class Wrong(Struct, frozen=True, kw_only=True):
    """One mistake. `spread` more seconds may pass before its time (`t`) is now."""

    code: str
    name: str = ""
    kind: str = "obs"
    body: dict[str, Any] = field(default_factory=dict)
    without: tuple[str, ...] = ()
    raw: Mapping[str, bytes] = field(default_factory=dict)
    encodings: tuple[str, ...] = BOTH
    path: str = ""
    got: str | None = None
    msg: str = ""
    kept: int | None = None
    dropped: int | None = None
    shift_ms: int = 0
    again: bool = False  # sent twice, the second time with these `second` keys
    second: dict[str, Any] = field(default_factory=dict)

    def message(self, boot: int, seq: int) -> dict[str, Any]:
        """The whole message."""
        t = time.time_ns() // 1_000_000 + self.shift_ms
        envelope = {"v": 0, "boot": boot, "seq": seq, "t": t, "clk": "ntp", "rc": 1}
        return {k: v for k, v in (envelope | self.body).items() if k not in self.without}


def ser(*series: dict[str, Any]) -> dict[str, Any]:
    """A batch of these."""
    return {"ser": list(series)}


def obs(code: str, series: dict[str, Any], path: str, got: str | None = None, **more: Any) -> Wrong:
    """A wrong series behind a good one of another vital sign: the good one is stored."""
    good = {"k": "wt", "dev": "cuff1", "o": [0], "y": [70]}
    counts = {"kept": 1, "dropped": 1} | more
    return Wrong(code=code, body=ser(good, series), path=f"/ser/1{path}", got=got, **counts)


def warned(
    code: str, series: dict[str, Any], path: str, got: str | None = None, **more: Any
) -> Wrong:
    """A series that is kept."""
    counts = {"kept": 1, "dropped": 0} | more
    return Wrong(code=code, body=ser(series), path=path, got=got, **counts)


_GOOD: Final = json.dumps({"v": 0, "boot": 1, "seq": 0, "ser": [BP]}).encode()
_DEEP: Any = []
for _ in range(7):
    _DEEP = [_DEEP]
_CBOR_DEEP: Final = b"\xa1\x61a" + b"\x81" * 20 + b"\x00"

SYNTAX: Final = (
    Wrong(code="E1001", kind="observation", body=ser(BP), got="observation"),
    Wrong(code="E2001", raw={"json": _GOOD[:-5]}, encodings=("json",), msg="byte"),
    Wrong(code="E2002", raw={"json": b'{"v":"\xb0"}', "cbor": b"\xa1\x61v\x61\xb0"}, msg="UTF-8"),
    Wrong(code="E2003", raw={"json": b'{"a":' + b"[" * 9 + b"]" * 9 + b"}", "cbor": _CBOR_DEEP},
          path="/a/0/0/0/0/0"),
    Wrong(code="E2004", body=ser(BP | {"c": {"sys": [float("nan")], "dia": [91]}}),
          path="/ser/0/c/sys/0", got="NaN"),
    Wrong(code="E2004", name="infinity", body=ser(BP | {"c": {"sys": [float("inf")], "dia": [91]}}),
          path="/ser/0/c/sys/0", got="Infinity"),
    Wrong(code="E2005", raw={"json": b"\xef\xbb\xbf" + _GOOD}, encodings=("json",)),
    Wrong(code="E2007", raw={"json": b""}, encodings=("json",)),
    Wrong(code="E2008", raw={"json": b"[1,2]"}, encodings=("json",), got="[1,2]"),
    Wrong(code="E2009", body=ser(BP) | {"clk": "a\0b"}, path="/clk"),
    Wrong(code="E2010", raw={"cbor": cbor2.dumps(json.loads(_GOOD))[:-3]}, encodings=("cbor",),
          msg="cut short"),
    Wrong(code="E2010", name="more", raw={"cbor": cbor2.dumps(json.loads(_GOOD)) + b"\0"},
          encodings=("cbor",), got="0x00"),
    Wrong(code="E2011", name="tag", encodings=("cbor",), msg="tag", path="/v",
          raw={"cbor": cbor2.dumps({"v": cbor2.CBORTag(1, 1)})}),
    Wrong(code="E2011", name="key", encodings=("cbor",), got="1",
          raw={"cbor": cbor2.dumps({1: 2})}),
    Wrong(code="E2101", body=ser(BP | {"c": {"sys": ["148"], "dia": [91]}}),
          path="/ser/0/c/sys/0", got="148"),
    Wrong(code="E2101", name="birth", kind="birth", body={"maker": 5, "model": "x"}, path="/maker",
          got="5"),
    Wrong(code="E2101", name="time", kind="time", body={"t1": "now"}, path="/t1", got="now"),
    Wrong(code="E2102", body=ser(BP), without=("seq",), path="/seq", msg="seq"),
    Wrong(code="E2102", name="state", kind="state", body={"s": "ready"}, path="/con"),
    Wrong(code="E2102", name="ack", kind="ack", body={"acks": [{"id": "x"}]}, path="/acks/0/st"),
    Wrong(code="E2102", name="res", kind="res", body={"id": "c1"}, path="/st"),
    Wrong(code="E2102", name="config", kind="config", body={"applied": {}}, path="/rev"),
    Wrong(code="E2102", name="wave", kind="wave",
          body={k: v for k, v in WAVE.items() if k != "cs"}, path="/cs"),
    Wrong(code="E2103", body=ser(BP | {"site": "x" * 513}), path="/ser/0/site"),
    Wrong(code="E2104", body=ser(BP) | {"boot": -1}, path="/boot", got="-1"),
    Wrong(code="E2105", kind="wave", encodings=("json",), body=WAVE | {"d": "not base64!"},
          path="/d", got="not base64!"),
)  # fmt: skip

MEANING: Final = (
    obs("E2106", {k: v for k, v in BP.items() if k != "o"}, ""),
    obs("E2107", BP | {"y": [1]}, ""),
    obs("E3101", BP | {"c": {"sys": [1480], "dia": [91]}}, "/c/sys/0", "1480",
        msg="from 20 to 300"),
    obs("E3102", BP | {"u": "kPa"}, "/u", "kPa", msg="mm[Hg]"),
    obs("E3103", BP | {"c": {"sys": [148, 149], "dia": [91, 92]}}, "/o"),
    obs("E3104", BP | {"c": {"sys": [148], "dia": [91], "top": [1]}}, "/c/top", "top"),
    obs("E3105", BP | {"c": {"sys": [148]}}, "/c/dia"),
    obs("E3106", BP | {"o": [], "c": {"sys": [], "dia": []}}, ""),
    obs("E3107", {"k": "bp", "dev": "cuff1", "o": [0], "y": [148]}, "/y"),
    obs("E3108", BP | {"c": {"sys": [None], "dia": [None]}}, ""),
    Wrong(code="E3109", kind="wave", body=WAVE | {"n": 3}, path="/d"),
    Wrong(code="E3110", kind="wave", body=WAVE | {"enc": "i13"}, path="/enc", got="i13"),
    obs("E4001", BP | {"dev": "cuff9"}, "/dev", "cuff9"),
    Wrong(code="E5002", body=ser(*[BP | {"o": [n]} for n in range(65)]), path="/ser", msg="64"),
    Wrong(code="E5003", path="/ser", msg="20000",
          body=ser({"k": "steps", "dt": 1000, "y": [1] * 20_001})),
)  # fmt: skip

WARNINGS: Final = (
    # Told once an hour and node, so in one encoding only.
    warned("W1001", {"k": "steps", "dev": "cuff1", "u": "1", "o": [0], "y": [900]}, "/ser/0/u", "1",
           encodings=("json",)),
    warned("W2001", {"k": "aura", "dev": "cuff1", "o": [0], "y": [7]}, "/ser/0/k", "aura",
           kept=None, dropped=None),
    warned("W2002", BP | {"fl": ["shiny"]}, "/ser/0/fl/0", "shiny"),
    warned("W3201", BP, "/t", shift_ms=3_600_000),
    warned("W3201", BP, "/t", shift_ms=-70 * 365 * 86_400_000, name="1956"),
    warned("W3202", BP, "/t", without=("t", "clk")),
    warned("W3203", BP, "/t", shift_ms=-40 * 86_400_000),
    warned("W3301", BP, "/ser/0", again=True,
           second={"ser": [BP | {"c": {"sys": [150], "dia": [91]}}]}),
    warned("W4001", BP | {"who": "李秀英"}, "/ser/0/who", "3 characters"),
    warned("W4002", BP, "/seq", again=True,
           second={"ser": [BP | {"o": [5], "c": {"sys": [151], "dia": [91]}}]}),
)  # fmt: skip

ON_THE_WIRE: Final = (*SYNTAX, *MEANING, *WARNINGS)

# Codes that need more than a payload, and where they are provoked.
ELSEWHERE: Final = {
    "E4002": "test_error_faults",
    "E4003": "test_error_faults",
    "E5001": "test_error_faults",
    "E5101": "test_error_faults",
    "E9001": "test_error_faults",
    "E9002": "test_error_faults",
    "W2003": "test_unknown",
    "W5101": "test_error_faults",
    "E4101": "test_error_claims",
    "E4102": "test_error_claims",
    "E4103": "test_error_claims",
    "E4104": "test_error_claims",
    "E4105": "test_error_claims",
    "E4106": "test_error_claims",
    "E4107": "test_error_claims",
}
