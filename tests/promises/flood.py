"""Many messages as fast as the broker takes them, and poison to send."""

import json
import random
from collections.abc import Iterable, Sequence

from tests.contract.corpus import TWINS, UP, golden
from tests.contract_on_mqtt.test_hostile import HOSTILE
from tests.fixtures.fix_broker import LiveBroker
from tests.ingest.conftest import now_ms
from tests.promises.wire import Wire

_AT_ONCE = 400
EXAMPLES = {
    name: UP[TWINS.get(name, name)] for name in [*UP, *TWINS] if TWINS.get(name, name) in UP
}
STRINGS = (
    "'; DROP TABLE reading;--", "\u202e\u200b\ufeff", "\ud800", "\x00", "../../etc/passwd", "%n%s",
    "=cmd|' /C calc'!A0", "<script>alert(1)</script>", "${jndi:ldap://x}", "𝓐" * 600, "12O", "NaN",
)  # fmt: skip
_BYTES = (
    *(b"", b'"', b"[", b"}", b"\\u0000", b"1e999", b"NaN", b"-", b"null", b"\x00", b"9" * 40),
    *(b"\xbf", b"\xff", b"\x9f", b"\xf7", b"\xc1", b"\xfb\x7f\xf0" + bytes(6)),
)


def send(broker: LiveBroker, node: str, messages: Iterable[tuple[str, bytes]]) -> int:
    """Publish (kind, payload) one after the other at QoS 1; how many the broker took."""
    sent, waiting = 0, 0
    with Wire(broker, node) as wire:
        for kind, payload in messages:
            wire.send(wire.publish(f"hh/1/up/{node}/{kind}", payload, sent % 60_000 + 1))
            sent, waiting = sent + 1, waiting + 1
            if waiting == _AT_ONCE:
                wire.taken(waiting)
                waiting = 0
        wire.taken(waiting)
    return sent


def spoilt(payload: bytes, dice: random.Random) -> bytes:
    """Some bytes changed, cut out or put in."""
    changed = bytearray(payload)
    for _ in range(dice.randint(1, 4)):
        at = dice.randrange(len(changed) + 1)
        changed[at : at + dice.randint(0, 8)] = dice.choice(_BYTES)
    return bytes(changed)


def misspelt(payload: bytes, dice: random.Random) -> bytes:
    """One value of a JSON example replaced by a hostile text."""
    document = json.loads(payload)
    place = document
    while True:
        key = dice.choice(sorted(place) if isinstance(place, dict) else range(len(place)))
        inner = place[key]
        if not isinstance(inner, dict | list) or not inner or dice.random() < 0.3:
            place[key] = dice.choice(STRINGS)
            return json.dumps(document).encode()
        place = inner


def poison(each: int, seed: int) -> list[tuple[str, bytes]]:
    """Every public kind of message, in JSON and CBOR, spoilt so many times; and what is hostile on
    every kind."""
    dice = random.Random(seed)
    found = [
        (kind, spoilt(golden(name), dice)) for name, kind in EXAMPLES.items() for _ in range(each)
    ]
    found += [
        (kind, misspelt(golden(name), dice)) for name, kind in UP.items() for _ in range(each)
    ]
    found += [(kind, payload) for kind in sorted(set(UP.values())) for payload in HOSTILE.values()]
    dice.shuffle(found)
    return found


def readings(first: int, number: int, boot: int = 1) -> Sequence[tuple[str, bytes]]:
    """Good pressures with these numbers."""
    began = now_ms() - 3_600_000
    series = [{"k": "bp", "o": [0], "c": {"sys": [148], "dia": [91]}}]
    envelope = {"v": 0, "boot": boot, "clk": "ntp", "ser": series}
    return [
        ("obs", json.dumps(envelope | {"seq": n, "t": began + n}).encode())
        for n in range(first, first + number)
    ]
