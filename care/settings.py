"""Settings of the place where people work: from the environment, checked once at start."""

import ipaddress
from datetime import timedelta
from pathlib import Path
from typing import Self

from pydantic import model_validator

from care.people.sign_in import Lifetime
from runtime.settings import ServiceSettings


class CareSettings(ServiceSettings):
    """What `hearthbeat care` needs; each is HEARTHBEAT_<NAME> in the environment.

    Off loopback it is refused to listen without TLS unless `insecure` says so, because passwords
    and patients pass here. `trusted_proxies` are the addresses whose X-Forwarded-For is believed.
    """

    broker_url: str = ""
    http_host: str = "127.0.0.1"
    http_port: int = 8080
    # What browsers call us; https here means that TLS ends in front of us.
    public_url: str | None = None
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    insecure: bool = False
    trusted_proxies: str = ""
    pool_size: int = 8
    session_idle_s: float = 12 * 3600.0
    session_absolute_s: float = 7 * 86_400.0
    # Where devices connect, told when a node is added; None: not known here.
    device_mqtt_host: str | None = None
    device_mqtt_port: int | None = None
    device_mqtt_tls: bool = False
    # Checks claim codes; None: units are not claimed at this hub.
    unit_key: Path | None = None

    @model_validator(mode="after")
    def _is_safe(self) -> Self:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("TLS needs both a certificate and a key")
        if self.tls_certificate is None and not self.insecure and not _is_loopback(self.http_host):
            raise ValueError(
                f"refusing to listen on {self.http_host} without TLS: give a certificate and a"
                " key, listen on 127.0.0.1 behind a proxy, or say --insecure"
            )
        return self

    @property
    def secure(self) -> bool:
        """Whether browsers reach us by TLS, ours or that of a proxy in front."""
        return self.tls_certificate is not None or (self.public_url or "").startswith("https:")

    @property
    def lifetime(self) -> Lifetime:
        """How long a session lasts."""
        return Lifetime(
            idle=timedelta(seconds=self.session_idle_s),
            absolute=timedelta(seconds=self.session_absolute_s),
        )


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
