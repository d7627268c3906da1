"""The settings of a claim, turned into an order, and carried out until this unit is a node."""

import ssl
from collections.abc import Callable
from pathlib import Path

import structlog

from gateway import claiming, trust
from gateway.claiming import Order
from gateway.description import program_version
from gateway.identity import Identity, Vault
from gateway.settings import GatewaySettings

_LOG = structlog.get_logger()


async def bind(settings: GatewaySettings, vault: Vault) -> Identity:
    """Ask for ever: somebody will scan the code. Raises ValueError for an unreadable secret."""
    order = order_of(settings)
    return await claiming.until_bound(
        order, vault, forever=True, told=lambda why: _LOG.warning("not_bound", why=why)
    )


def order_of(settings: GatewaySettings) -> Order:
    """What the settings say about the claim. Raises ValueError where something is missing."""
    if settings.claim_host is None or settings.claim_secret_file is None:
        raise ValueError("a claim needs host, serial, code and secret file")
    return Order(
        host=settings.claim_host,
        port=settings.claim_port,
        serial=settings.claim_serial or "",
        code=settings.claim_code or "",
        secret=claiming.read_secret(settings.claim_secret_file),
        context=_trust(
            settings.claim_host,
            settings.claim_port,
            ca_file=settings.claim_ca_file,
            sha256=settings.claim_ca_sha256,
            first=settings.claim_trust_on_first_use,
        ),
        password=settings.claim_password,
        firmware=program_version(),
        mqtt_version=settings.mqtt_version,
        wait_seconds=settings.claim_seconds,
        refused_pause=settings.refused_pause,
    )


def _trust(
    host: str, port: int, *, ca_file: Path | None, sha256: str | None, first: bool
) -> Callable[[], ssl.SSLContext]:
    if sha256 is not None:
        return lambda: trust.by_fingerprint(host, port, sha256)
    return trust.anybody if first else lambda: trust.by_authority(ca_file)
