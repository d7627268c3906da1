"""Looking at certificates: what people compare, and how long they hold."""

from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes


def fingerprint(certificate: Path) -> str:
    """SHA-256 of a PEM certificate, as people compare it: AB:CD:…"""
    return _load(certificate).fingerprint(hashes.SHA256()).hex(":").upper()


def ends_at(certificate: Path) -> datetime:
    """Until when the (first) certificate of a PEM file is good."""
    return _load(certificate).not_valid_after_utc


def _load(certificate: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(certificate.read_bytes())
