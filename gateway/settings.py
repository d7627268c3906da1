"""Settings of a gateway: from the environment (HEARTHBEAT_GATEWAY_*) and the command line.

Checked once at start, before any network. Numbers are seconds unless the name says otherwise;
their defaults are those of HH/1 and of the safety rules, and tests shorten them.
"""

import ipaddress
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from contract.topics import NODE_PATTERN
from gateway.drivers.registry import driver
from gateway.sending import Pace
from runtime.settings import Broker, parse_broker_url

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
    broker: str
    mqtt_version: Literal[4, 5] = 5
    ca_file: Path | None = None
    insecure: bool = False
    keep_alive: int = 60
    session_expiry: int = 86_400
    will_delay: int = 30

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

    @model_validator(mode="after")
    def _a_broker_we_may_talk_to(self) -> "GatewaySettings":
        broker = parse_broker_url(self.broker)
        if not broker.user or not NODE_PATTERN.match(broker.user) or not broker.password:
            raise ValueError("the broker URL needs the node's id and password: mqtt://node:pw@host")
        if not broker.tls and not self.insecure and not _is_loopback(broker.host):
            raise ValueError("readings leave this machine only over mqtts:// (or say --insecure)")
        if not self.insecure and not _is_loopback(self.screen_host):
            raise ValueError("the screen is plain HTTP: on loopback only (or say --insecure)")
        return self

    @property
    def broker_address(self) -> Broker:
        """The broker, taken apart."""
        return parse_broker_url(self.broker)

    @property
    def node(self) -> str:
        """The id of this node: its user name at the broker."""
        user = self.broker_address.user
        if user is None:
            raise ValueError("the broker URL has no user")
        return user

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
