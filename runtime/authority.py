"""A small certificate authority of our own: for our listeners, and for clients from their requests.

It is made at the first start and stays: clients hold its certificate for as long as they live.
Its key lies in a directory of mode 0700 and goes nowhere else. Whoever else needs the certificate
gets a copy of it.
"""

import ipaddress
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from runtime.account import Account
from runtime.clock import Clock
from runtime.private_files import private_directory, write_private

_LIFETIME: Final = timedelta(days=30 * 365)
_SERVER_LIFETIME: Final = timedelta(days=397)
_RENEW_BEFORE: Final = timedelta(days=30)
# Long, because an expired list locks everybody out; it never leaves this machine, and the broker
# gets a new one with every change.
_LIST_LIFETIME: Final = timedelta(days=90)
# Clocks differ a little, and ours may be set back.
_BACKDATED: Final = timedelta(days=1)
_LARGEST_RSA: Final = 8192
_PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey | ed25519.Ed25519PublicKey


class UnusableRequestError(ValueError):
    """A signing request that is not signed; the message says why."""


class NoAuthorityError(RuntimeError):
    """There is no authority in this directory, or it may not be read."""


class TlsFiles(NamedTuple):
    """A certificate chain and its private key, both PEM."""

    certificate: Path
    key: Path


class Issued(NamedTuple):
    """A certificate given to a client. `serial_number` is hex, `pem` the certificate alone."""

    pem: str
    serial_number: str
    not_before: datetime
    not_after: datetime


class Revoked(NamedTuple):
    """One line of the list of revoked certificates."""

    serial_number: str
    at: datetime


class Authority:
    """The authority kept in one directory; `prepare` makes it, `load` takes it as it is."""

    def __init__(self, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
        self._certificate = certificate
        self._key = key
        self.pem = _pem(certificate)

    @classmethod
    def prepare(cls, directory: Path, clock: Clock) -> "Authority":
        """The authority in `directory`, made when there is none yet."""
        private_directory(directory)
        key_file, certificate_file = _files(directory)
        if not (key_file.exists() and certificate_file.exists()):
            key = ec.generate_private_key(ec.SECP256R1())
            write_private(key_file, _private(key))
            write_private(certificate_file, _pem(_own_certificate(key, clock.now())))
        return cls.load(directory)

    @classmethod
    def load(cls, directory: Path) -> "Authority":
        """The authority that is there. Raises NoAuthorityError."""
        key_file, certificate_file = _files(directory)
        try:
            certificate = x509.load_pem_x509_certificate(certificate_file.read_bytes())
            key = serialization.load_pem_private_key(key_file.read_bytes(), None)
        except (OSError, ValueError) as error:
            raise NoAuthorityError(
                f"no certificate authority in {directory} ({type(error).__name__})"
            ) from error
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise NoAuthorityError(f"the key in {directory} is not one this hub has made")
        return cls(certificate, key)

    def serve_as(
        self, directory: Path, names: Sequence[str], clock: Clock, owner: Account | None = None
    ) -> TlsFiles:
        """A server's certificate for these names and addresses, kept in `directory`.

        It is made new when it does not cover them, has less than 30 days left, or is not ours.
        """
        private_directory(directory, owner)
        files = TlsFiles(directory / "hub.crt", directory / "hub.key")
        if not self._still_serves(files, names, clock.now()):
            certificate, key = self._server(names, clock.now())
            write_private(files.key, key, owner)
            write_private(files.certificate, certificate + self.pem, owner)
        return files

    def sign(self, name: str, request: str, *, life: timedelta, now: datetime) -> Issued:
        """A client's certificate for the public key of a PEM request. Raises UnusableRequestError.

        The request proves that the client has the private key. Its subject and everything else
        it asks for is ignored: the client is called `name`.
        """
        public = _checked(request)
        certificate = (
            self._builder(name, public, now, life)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(digital_signature=True), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        return Issued(
            pem=_pem(certificate),
            serial_number=f"{certificate.serial_number:x}",
            not_before=certificate.not_valid_before_utc,
            not_after=certificate.not_valid_after_utc,
        )

    def revocations(self, revoked: Iterable[Revoked], *, now: datetime) -> str:
        """The list of revoked certificates, PEM, good for 90 days."""
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self._certificate.subject)
            .last_update(now - _BACKDATED)
            .next_update(now + _LIST_LIFETIME)
        )
        for line in revoked:
            one = x509.RevokedCertificateBuilder().serial_number(int(line.serial_number, 16))
            builder = builder.add_revoked_certificate(one.revocation_date(line.at).build())
        signed = builder.sign(self._key, hashes.SHA256())
        return signed.public_bytes(serialization.Encoding.PEM).decode()

    def _server(self, names: Sequence[str], now: datetime) -> tuple[str, str]:
        key = ec.generate_private_key(ec.SECP256R1())
        said = x509.SubjectAlternativeName([_general(name) for name in names])
        certificate = (
            self._builder(names[0], key.public_key(), now, _SERVER_LIFETIME)
            .add_extension(said, critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(digital_signature=True), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        return _pem(certificate), _private(key)

    def _builder(
        self, name: str, public: _PublicKey, now: datetime, life: timedelta
    ) -> x509.CertificateBuilder:
        end = min(now + life, self._certificate.not_valid_after_utc)
        own = self._certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        return (
            x509.CertificateBuilder()
            .subject_name(_called(name))
            .issuer_name(self._certificate.subject)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _BACKDATED)
            .not_valid_after(end)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own), critical=False
            )
        )

    def _still_serves(self, files: TlsFiles, names: Sequence[str], now: datetime) -> bool:
        try:
            kept = x509.load_pem_x509_certificate(files.certificate.read_bytes())
            kept.verify_directly_issued_by(self._certificate)
            said = kept.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        except Exception:  # noqa: BLE001 - whatever is there, it is no certificate of ours
            return False
        covers = {_general(name) for name in names} <= set(said)
        fresh = kept.not_valid_before_utc <= now < kept.not_valid_after_utc - _RENEW_BEFORE
        return covers and fresh and files.key.exists()


def _files(directory: Path) -> tuple[Path, Path]:
    return directory / "ca.key", directory / "ca.crt"


def _checked(request: str) -> _PublicKey:
    try:
        loaded = x509.load_pem_x509_csr(request.encode())
        public, proven = loaded.public_key(), loaded.is_signature_valid
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise UnusableRequestError("this is no PEM PKCS#10 request") from error
    if not proven:
        raise UnusableRequestError("the request is not signed by its own key")
    if isinstance(public, ed25519.Ed25519PublicKey):
        return public
    if isinstance(public, ec.EllipticCurvePublicKey):
        if isinstance(public.curve, ec.SECP256R1 | ec.SECP384R1):
            return public
        raise UnusableRequestError("the curve is neither P-256 nor P-384")
    if isinstance(public, rsa.RSAPublicKey) and 2048 <= public.key_size <= _LARGEST_RSA:
        return public
    raise UnusableRequestError("the key is of another kind, too short or too long")


def _own_certificate(key: ec.EllipticCurvePrivateKey, now: datetime) -> x509.Certificate:
    # A name of its own for each: two hubs of one house must not be taken for one another.
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    name = _called(f"Hearthbeat {identifier.digest.hex()[:12]}")
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + _LIFETIME)
        .add_extension(identifier, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(key_cert_sign=True, crl_sign=True), critical=True)
        .sign(key, hashes.SHA256())
    )


def _usage(**used: bool) -> x509.KeyUsage:
    every = (
        *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment"),
        *("key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
    )
    return x509.KeyUsage(**{name: used.get(name, False) for name in every})


def _called(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _private(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()
