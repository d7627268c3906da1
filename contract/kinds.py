"""Which kind of message something is: what its topic says, else what its keys look like."""

import re
from collections.abc import Set
from typing import Final, Literal, NamedTuple

from contract import topics

Direction = Literal["up", "dn", "claim"]

_CLAIM: Final = re.compile(r"^hh/1/claim/([^/]*)/(req|res)$")
# A key as it stands in JSON, or in CBOR as a short text.
_KEY: Final = re.compile(rb'"(\w{1,16})"\s*:')
_CBOR_TEXT: Final = range(0x61, 0x78)


class Kind(NamedTuple):
    """A kind of message and who sends it: `up` the device, `dn` the hub, `claim` both."""

    direction: Direction
    name: str

    def __str__(self) -> str:
        """As the end of a topic: `up/obs`."""
        if self == HUB_STATUS:
            return "hub/status"
        return f"{self.direction}/{self.name}"


HUB_STATUS: Final = Kind("dn", "status")

# The first line whose keys are all there tells; the more telling ones stand first.
_TELLING: Final[tuple[tuple[str, Kind], ...]] = (
    ("serial ok", Kind("claim", "res")),
    ("serial", Kind("claim", "req")),
    ("hz ch", Kind("up", "wave")),
    ("maker model", Kind("up", "birth")),
    ("ser", Kind("up", "obs")),
    ("acks", Kind("up", "ack")),
    ("s con", Kind("up", "state")),
    ("s spec", HUB_STATUS),
    ("op", Kind("dn", "cmd")),
    ("sha256", Kind("dn", "fw")),
    ("occ", Kind("dn", "plan")),
    ("rev items", Kind("dn", "plan")),
    ("rev set", Kind("dn", "config")),
    ("rev", Kind("up", "config")),
    ("rcpt", Kind("dn", "fb")),
    ("ref ok", Kind("dn", "fb")),
    ("t1 t2", Kind("dn", "time")),
    ("t1", Kind("up", "time")),
    ("at text", Kind("dn", "reminder")),
    ("type", Kind("up", "event")),
    ("id st", Kind("up", "res")),
    ("log", Kind("up", "diag")),
    ("m", Kind("up", "diag")),
    ("s", Kind("up", "state")),
)


def of_topic(topic: str) -> Kind | None:
    """What a whole topic says; None for one no device may use."""
    if topic == topics.HUB_STATUS:
        return HUB_STATUS
    claim = _CLAIM.match(topic)
    if claim and topics.SERIAL_PATTERN.match(claim[1]):
        return Kind("claim", "req" if claim[2] == "req" else "res")
    parsed = topics.parse(topic)
    return Kind(parsed.direction, parsed.kind) if parsed else None


def of_name(name: str, keys: Set[str]) -> Kind | None:
    """What the end of a topic says: `obs`, `dn/config`, `hub/status`, `claim`. Where both sides
    have a kind of this name the keys tell which; None for a name nobody has."""
    direction, _, last = name.rpartition("/")
    if last in {"status", "claim"} or direction == "claim":
        return HUB_STATUS if last == "status" else _claim(last, keys)
    known = [
        *([Kind("up", last)] if last in topics.UP_KINDS and direction in {"", "up"} else []),
        *([Kind("dn", last)] if last in topics.DN_KINDS and direction in {"", "dn"} else []),
    ]
    if not known:
        return None
    guessed = guess(keys)
    return guessed if guessed in known else known[0]


def _claim(last: str, keys: Set[str]) -> Kind | None:
    if last in {"req", "res"}:
        return Kind("claim", last)
    return Kind("claim", "res" if "ok" in keys else "req") if last == "claim" else None


def guess(keys: Set[str]) -> Kind | None:
    """What a message with these keys at its top must be; None when they tell nothing."""
    for telling, kind in _TELLING:
        if keys >= set(telling.split()):
            return kind
    return None


def keys_in(payload: bytes) -> frozenset[str]:
    """What look like keys in bytes nobody could decode."""
    if payload[:1] != b"{" and payload[:1]:
        return frozenset(_cbor_texts(payload[:4096]))
    return frozenset(key.decode() for key in _KEY.findall(payload[:65_536]))


def _cbor_texts(payload: bytes) -> list[str]:
    found = []
    for at, first in enumerate(payload):
        if first in _CBOR_TEXT:
            text = payload[at + 1 : at + 1 + first - 0x60]
            if text.isascii() and text.replace(b"_", b"").isalnum():
                found.append(text.decode())
    return found
