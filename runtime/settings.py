"""Settings of a service: from the environment, checked once at start."""

from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from pydantic_settings import BaseSettings, SettingsConfigDict


class Broker(NamedTuple):
    """Where the broker is and who we are there."""

    host: str
    port: int
    user: str | None
    password: str | None
    tls: bool


class ServiceSettings(BaseSettings):
    """What every service behind the broker needs; rooms add their own knobs in a subclass."""

    model_config = SettingsConfigDict(env_prefix="HEARTHBEAT_", extra="ignore", frozen=True)

    database_url: str
    broker_url: str
    metrics_port: int | None = None
    technical_webhook_url: str | None = None
    technical_webhook_secret: str | None = None


_PORTS = {"mqtt": 1883, "mqtts": 8883}


def parse_broker_url(url: str) -> Broker:
    """Take `mqtt://user:password@host:port` (or `mqtts://`) apart.

    The port defaults to 1883, with TLS to 8883. Raises ValueError for anything else; the message
    does not repeat the URL, which carries a password.
    """
    parts = urlsplit(url)
    if parts.scheme not in _PORTS or not parts.hostname:
        raise ValueError("a broker URL looks like mqtt://user:password@host:1883 (or mqtts://)")
    return Broker(
        host=parts.hostname,
        port=parts.port or _PORTS[parts.scheme],
        user=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
        tls=parts.scheme == "mqtts",
    )
