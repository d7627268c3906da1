"""What `hearthbeat up` was asked for."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from hub.disk_watch import DiskRules
from hub.technical import Webhook
from hub.watch import WatchSettings

ROOMS = ("ingest", "downlink", "alerts", "care")
# A second process of ingest, which waits until the first one is gone.
STANDBY = "ingest-standby"


class Listen(NamedTuple):
    """Who may come in, and how: `address` beyond loopback needs TLS or `insecure`."""

    address: str = "127.0.0.1"
    # How devices and browsers call this machine; goes into addresses and the certificate.
    public_name: str | None = None
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    self_signed: bool = False
    insecure: bool = False


class Ports(NamedTuple):
    """The ports that may be asked for, as `UpSettings` calls them."""

    mqtt_port: int | None = None
    mqtt_tls_port: int | None = None
    mqtts_port: int | None = None
    http_port: int | None = None


@dataclass(frozen=True, kw_only=True)
class UpSettings:
    """One hub. A port left out is the usual one if free, else another; it is kept from then on."""

    data: Path
    mqtt_port: int | None = None
    # With TLS always: for passwords, and for certificates of the hub's own authority.
    mqtt_tls_port: int | None = None
    mqtts_port: int | None = None
    http_port: int | None = None
    # With a URL that server is used and none of our own is started.
    database_url: str | None = None
    broker_url: str | None = None
    listen: Listen = field(default_factory=Listen)
    without: frozenset[str] = frozenset()
    standby_ingest: bool = False
    # The rooms answer /metrics and /health on this port and the next three, the hub itself on the
    # one after.
    metrics_port: int | None = None
    webhook: Webhook | None = None
    watch: WatchSettings = field(default_factory=WatchSettings)
    disk: DiskRules = field(default_factory=DiskRules)
    # More environment for the rooms, for example shorter times.
    environment: Mapping[str, str] = field(default_factory=dict)
