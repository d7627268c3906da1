"""How a robot gets in, what it is, and how it behaves: plain values."""

import hashlib
from typing import Any, Final

from msgspec import Struct, field

MQTT_5: Final = 5
MQTT_3: Final = 3


class Access(Struct, frozen=True, kw_only=True):
    """Where the broker is and who the robot is there: a password, or a certificate with its key.

    `ca` (PEM) is the authority the broker's certificate is checked with; with `tls` and no `ca`
    the broker is not checked, which only a claim may do: its proofs stand in.
    """

    host: str
    port: int
    node: str
    password: str | None = None
    certificate: str | None = None
    key: str | None = None
    ca: str | None = None
    tls: bool = False

    @property
    def fingerprint(self) -> str:
        """Tells one access from another without showing a secret."""
        said = f"{self.host}:{self.port}:{self.node}:{self.password}:{self.certificate}"
        return hashlib.sha256(said.encode()).hexdigest()[:8]


def _own_self() -> list[dict[str, Any]]:
    return [
        {"dev": "cuff1", "type": "bpm", "maker": "sim", "model": "cuff", "link": "ble"},
        {"dev": "ox1", "type": "oximeter", "maker": "sim", "model": "clip", "link": "ble"},
        {"dev": "patch1", "type": "ecg", "maker": "sim", "model": "patch", "link": "ble"},
    ]


class Make(Struct, frozen=True, kw_only=True):
    """What the robot is: goes into its birth. `update_key` (Ed25519, base64) checks firmware."""

    maker: str = "hearthbeat"
    model: str = "simulated-robot"
    firmware: str = "1.0.0"
    hardware: str = "A"
    devices: list[dict[str, Any]] = field(default_factory=_own_self)
    screen: bool = True
    store_h: int = 72
    update_key: str | None = None
    update_ca: str | None = None  # PEM; without it the machine's own authorities count


class Habits(Struct, frozen=True, kw_only=True):
    """Times in seconds; the defaults are those of the specification."""

    mqtt: int = MQTT_5
    encoding: str = "json"
    clock: str = "ntp"  # what set it; `none` is a robot without a clock
    skew_ms: int = 0
    keep_alive: int = 60
    session_expiry: int = 86_400
    will_delay: int = 30
    resend_s: float = 60.0
    event_resend_s: tuple[float, ...] = (5.0, 10.0, 20.0)
    fallback_s: float = 60.0
    retry_s: float = 10.0  # after a refusal that may be tried again and names no time
    live_s: float = 60.0
    backlog_a_second: float = 20.0
    reconnect_base_s: float = 1.0
    reconnect_cap_s: float = 120.0
    refused_s: float = 60.0
    time_every_s: float = 6 * 3600.0
    time_again_s: float = 30.0  # until the hub has told the time
    person_s: float = 3.0  # from being asked to doing it
    tick_s: float = 0.1
    keeps: int = 5_000  # messages that `resend` can ask for
