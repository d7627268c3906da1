"""A certificate of our own, for hubs that have none: better than plain text, to be pinned."""

import ipaddress
from datetime import timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from runtime.account import Account
from runtime.clock import Clock
from runtime.mosquitto_server import TlsFiles
from runtime.private_files import private_directory, write_private

# Devices pin it, so it outlives them; whoever wants rotation brings certificates of their own.
_LIFETIME = timedelta(days=3650)


def self_signed(
    directory: Path, names: list[str], clock: Clock, owner: Account | None = None
) -> TlsFiles:
    """The self-signed certificate in `directory`; made new when it does not name all of `names`.

    `names` are host names and addresses, the first of them the subject.
    """
    private_directory(directory, owner)
    files = TlsFiles(directory / "hub.crt", directory / "hub.key")
    if not (_covers(files, names) and files.key.exists()):
        certificate, key = _make(names, clock)
        write_private(files.key, key, owner)
        write_private(files.certificate, certificate, owner)
    return files


def fingerprint(certificate: Path) -> str:
    """SHA-256 of a PEM certificate, as people compare it: AB:CD:…"""
    loaded = x509.load_pem_x509_certificate(certificate.read_bytes())
    return loaded.fingerprint(hashes.SHA256()).hex(":").upper()


def _covers(files: TlsFiles, names: list[str]) -> bool:
    if not files.certificate.exists():
        return False
    loaded = x509.load_pem_x509_certificate(files.certificate.read_bytes())
    said = loaded.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return {_general(name) for name in names} <= set(said)


def _make(names: list[str], clock: Clock) -> tuple[str, str]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:64])])
    # A device's clock may be a little behind ours.
    begin = clock.now() - timedelta(days=1)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + _LIFETIME)
        .add_extension(x509.SubjectAlternativeName([_general(name) for name in names]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return certificate.public_bytes(serialization.Encoding.PEM).decode(), private.decode()


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
