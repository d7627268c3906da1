"""Whom to believe over TLS: an authority, a fingerprint, or (once, to be checked) anybody."""

import hashlib
import socket
import ssl
from pathlib import Path
from typing import Any, Final

from gateway.identity import Identity

_PATIENCE: Final = 10.0


class UntrustedError(Exception):
    """Nobody with this fingerprint answers there."""


def context_of(identity: Identity) -> ssl.SSLContext | None:
    """How to connect as this identity; None for plain text.

    Raises OSError when a file of it is missing or damaged.
    """
    if not identity.tls:
        return None
    context = ssl.create_default_context(cafile=identity.ca)
    if identity.cert is not None:
        context.load_cert_chain(identity.cert, identity.key)
    return context


def by_authority(ca_file: Path | None) -> ssl.SSLContext:
    """Whoever shows a certificate of this authority (None: of one the system knows)."""
    return ssl.create_default_context(cafile=ca_file)


def anybody() -> ssl.SSLContext:
    """Whoever answers: for a conversation in which the hub proves itself in another way."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def by_fingerprint(host: str, port: int, fingerprint: str) -> ssl.SSLContext:
    """Whoever shows a certificate with this SHA-256 (hex, colons allowed), or one issued by it.

    Blocking. Raises UntrustedError when no certificate shown has it, OSError without a server.
    """
    wanted = fingerprint.replace(":", "").strip().lower()
    chain = _shown(host, port)
    for place, der in enumerate(chain):
        if hashlib.sha256(der).hexdigest() == wanted:
            context = ssl.create_default_context(cadata=ssl.DER_cert_to_PEM_cert(der))
            # A pinned certificate is trusted as it stands; an authority still vouches for names.
            context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
            context.check_hostname = place > 0
            return context
    raise UntrustedError(f"no certificate of {host}:{port} has the SHA-256 fingerprint given")


def _shown(host: str, port: int) -> list[bytes]:
    """The certificates a server shows, its own first, DER."""
    with (
        socket.create_connection((host, port), _PATIENCE) as raw,
        anybody().wrap_socket(raw, server_hostname=host) as sock,
    ):
        own = sock.getpeercert(binary_form=True) or b""
        # Public from Python 3.13 on.
        inner: Any = sock if hasattr(sock, "get_unverified_chain") else sock._sslobj  # type: ignore[attr-defined]  # noqa: SLF001
        chain = [_der(each) for each in inner.get_unverified_chain() or ()]
    return [own, *[der for der in chain if der != own]]


def _der(certificate: Any) -> bytes:
    if isinstance(certificate, bytes):
        return certificate
    return ssl.PEM_cert_to_DER_cert(certificate.public_bytes())
