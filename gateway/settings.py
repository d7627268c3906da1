"""Settings of a gateway: from the environment (HEARTHBEAT_GATEWAY_*) and the command line.

Checked once at start, before any network. Numbers are seconds unless the name says otherwise;
their defaults are those of HH/1 and of the safety rules, and tests shorten them.
"""

import ipaddress
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from contract.claim_code import read_code
from contract.topics import NODE_PATTERN, SERIAL_PATTERN
from gateway.drivers.registry import driver
from gateway.identity import Identity, Vault
from gateway.sending import Pace
from runtime.settings import parse_broker_url

Seconds = Annotated[float, Field(ge=0)]


class GatewaySettings(BaseSettings):
    """Everything one gateway needs to know."""

    model_config = SettingsConfigDict(
        env_prefix="HEARTHBEAT_GATEWAY_", extra="ignore", frozen=True, hide_input_in_errors=True
    )

    # What is attached, and whose it is.
    serial: str | None = None  # a path, `auto` (by USB id), or None: a screen without a cuff
    model: str = "beurer-bm65"
    device: Annotated[str, Field(pattern=r"^[a-z0-9]{1,24}$")] = "cuff1"
    who: Annotated[str, Field(pattern=r"^([A-H]|r:[0-9a-z]{16})$")] | None = None
    zone: str = "Asia/Shanghai"

    # The hub.
    broker: str | None = None
    mqtt_version: Literal[3, 4, 5] = 5  # 3 and 4 are MQTT 3.1.1
    enc: Literal["json", "cbor"] = "json"
    ca_file: Path | None = None
    insecure: bool = False
    keep_alive: int = 60
    session_expiry: int = 86_400
    will_delay: int = 30

    # How this unit becomes a node, when no broker URL says who it is.
    claim_host: str | None = None
    claim_port: Annotated[int, Field(ge=1, le=65_535)] = 8884
    claim_serial: Annotated[str, Field(pattern=SERIAL_PATTERN.pattern)] | None = None
    claim_code: str | None = None
    claim_secret_file: Path | None = None
    claim_ca_file: Path | None = None
    claim_ca_sha256: Annotated[str, Field(pattern=r"^([0-9A-Fa-f]{2}:?){32}$")] | None = None
    claim_trust_on_first_use: bool = False
    claim_password: bool = False  # no certificate but a password

    # What is the owner's: programs to run, and whose firmware to believe.
    call_command: str | None = None
    reboot_command: str | None = None
    firmware_command: str | None = None
    firmware_key: Path | None = None
    firmware_ca_file: Path | None = None

    # The robot.
    state: Path
    screen_host: str = "127.0.0.1"
    screen_port: Annotated[int, Field(ge=0, le=65_535)] = 8090
    language: Literal["zh-CN", "en"] = "zh-CN"
    voice: Literal["auto", "browser", "espeak", "none"] = "auto"
    emergency_number: Annotated[str, Field(pattern=r"^[0-9 +-]{2,20}$")] = "120"
    profile: Literal["cn", "esc", "us_uk"] = "cn"

    # How often, how long.
    poll_seconds: Annotated[float, Field(gt=0)] = 2.0
    tick_seconds: Annotated[float, Field(gt=0)] = 0.5
    full_read_seconds: Seconds = 600.0
    resend_seconds: Seconds = 60.0
    event_resend_seconds: tuple[float, ...] = (5.0, 5.0, 10.0, 60.0)
    unanswered_seconds: Seconds = 30.0
    fallback_seconds: Seconds = 60.0
    cancel_seconds: Seconds = 10.0
    reconnect_base: Seconds = 1.0
    reconnect_cap: Seconds = 120.0
    reconnect_pause: Seconds = 5.0
    refused_pause: Seconds = 60.0
    stable_seconds: Seconds = 60.0
    live_seconds: Seconds = 60.0
    time_sync_seconds: Seconds = 6 * 3600.0
    diag_seconds: Annotated[float, Field(gt=0)] = 300.0
    config_trial_seconds: Seconds = 180.0
    selftest_seconds: Seconds = 30.0
    claim_seconds: Annotated[float, Field(gt=0)] = 5.0
    rest_seconds: Seconds = 60.0
    reading_seconds: Seconds = 300.0
    backlog_per_second: Seconds = 20.0
    in_flight: Annotated[int, Field(ge=1, le=10)] = 10
    spool_bytes: Annotated[int, Field(ge=1)] = 64 * 1024 * 1024
    spool_days: Annotated[float, Field(ge=3)] = 30.0

    @field_validator("model")
    @classmethod
    def _a_known_model(cls, model: str) -> str:
        driver(model)
        return model

    @field_validator("zone")
    @classmethod
    def _a_known_zone(cls, zone: str) -> str:
        try:
            ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(f"no time zone is called {zone}") from error
        return zone

    @field_validator("mqtt_version", mode="before")
    @classmethod
    def _a_number(cls, version: Any) -> Any:
        """The environment has texts only."""
        return int(version) if isinstance(version, str) and version.isdecimal() else version

    @field_validator("mqtt_version")
    @classmethod
    def _as_paho_counts(cls, version: int) -> int:
        return max(4, version)

    @field_validator("claim_code")
    @classmethod
    def _a_right_code(cls, code: str | None) -> str | None:
        if code is None:
            return None
        right = read_code(code)
        if right is None:
            raise ValueError("no claim code, or mistyped: ten letters and digits, as printed")
        return right

    @model_validator(mode="after")
    def _a_screen_at_home(self) -> "GatewaySettings":
        if not self.insecure and not _is_loopback(self.screen_host):
            raise ValueError("the screen is plain HTTP: on loopback only (or say --insecure)")
        return self

    @model_validator(mode="after")
    def _a_broker_we_may_talk_to(self) -> "GatewaySettings":
        if self.broker is None:
            return self
        broker = parse_broker_url(self.broker)
        if not broker.user or not NODE_PATTERN.match(broker.user) or not broker.password:
            raise ValueError("the broker URL needs the node's id and password: mqtt://node:pw@host")
        if not broker.tls and not self.insecure and not _is_loopback(broker.host):
            raise ValueError("readings leave this machine only over mqtts:// (or say --insecure)")
        return self

    @model_validator(mode="after")
    def _a_way_to_become_a_node(self) -> "GatewaySettings":
        parts = (self.claim_host, self.claim_serial, self.claim_code, self.claim_secret_file)
        if any(parts) and not all(parts):
            raise ValueError("a claim needs host, serial, code and secret file, all four")
        trusts = (self.claim_ca_file, self.claim_ca_sha256, self.claim_trust_on_first_use)
        if sum(bool(each) for each in trusts) > 1:
            raise ValueError("believe a CA file, a fingerprint or the first answer: one of them")
        if self.claim_password and self.claim_trust_on_first_use:
            raise ValueError("a password may not go to whoever answers: name a CA or fingerprint")
        if not any(parts) and self.broker is None and not Vault(self.state).generations():
            raise ValueError("say --broker mqtts://node:password@host, or claim this unit first")
        return self

    @property
    def configured_identity(self) -> Identity | None:
        """Who the broker URL says we are."""
        if self.broker is None:
            return None
        broker = parse_broker_url(self.broker)
        return Identity(
            node=broker.user or "",
            host=broker.host,
            port=broker.port,
            tls=broker.tls,
            password=broker.password,
            ca=self.ca_file,
        )

    @property
    def time_zone(self) -> ZoneInfo:
        """The zone of the home."""
        return ZoneInfo(self.zone)

    @property
    def pace(self) -> Pace:
        """How fast to send, and when again."""
        return Pace(
            unanswered=self.in_flight,
            resend_seconds=self.resend_seconds,
            event_resend_seconds=self.event_resend_seconds,
            measurements_per_second=self.backlog_per_second,
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
