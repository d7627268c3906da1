"""The hub's own certificate authority: what it keeps, what it signs, what it refuses."""

import stat
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from cryptography.x509.verification import PolicyBuilder, Store

from runtime.authority import Authority, NoAuthorityError, Revoked, UnusableRequestError

YEAR = timedelta(days=365)


@pytest.fixture
def authority(tmp_path, clock):
    return Authority.prepare(tmp_path / "authority", clock)


def request(key, name="somebody else", digest=None):
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    signed = builder.sign(key, digest)
    return signed.public_bytes(serialization.Encoding.PEM).decode()


def common_name(certificate):
    return certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value


def test_it_is_made_once_and_only_its_owner_reads_it(tmp_path, clock):
    """A second start finds the same authority; folder 0700, files 0600; without it, an error."""
    folder = tmp_path / "authority"
    with pytest.raises(NoAuthorityError):
        Authority.load(folder)
    made = Authority.prepare(folder, clock)
    assert Authority.prepare(folder, clock).pem == made.pem == Authority.load(folder).pem
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o600}


@pytest.mark.parametrize(
    ("key", "digest"),
    [
        (ec.generate_private_key(ec.SECP256R1()), hashes.SHA256()),
        (ec.generate_private_key(ec.SECP384R1()), hashes.SHA384()),
        (rsa.generate_private_key(65537, 2048), hashes.SHA256()),
        (ed25519.Ed25519PrivateKey.generate(), None),
    ],
    ids=["P-256", "P-384", "RSA-2048", "Ed25519"],
)
def test_it_signs_the_key_and_nothing_else_of_a_request(authority, clock, key, digest):
    """The subject is ours, the key theirs; it is for clients, for a year, and verifies."""
    issued = authority.sign("node00000001", request(key, digest=digest), life=YEAR, now=clock.now())
    made = x509.load_pem_x509_certificate(issued.pem.encode())
    ours = x509.load_pem_x509_certificate(authority.pem.encode())
    made.verify_directly_issued_by(ours)
    assert (common_name(made), made.public_key()) == ("node00000001", key.public_key())
    usage = made.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    assert not made.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert issued.not_after == clock.now() + YEAR
    assert int(issued.serial_number, 16) == made.serial_number


def weak(size=1024):
    return rsa.generate_private_key(65537, size)


def forged():
    """The signature of another key over this one's request."""
    mine = ec.generate_private_key(ec.SECP256R1())
    der = x509.load_pem_x509_csr(request(mine, digest=hashes.SHA256()).encode()).public_bytes(
        serialization.Encoding.DER
    )
    other = ec.generate_private_key(ec.SECP256R1()).public_key()
    form = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    swapped = der.replace(mine.public_key().public_bytes(*form), other.public_bytes(*form))
    assert swapped != der
    return x509.load_der_x509_csr(swapped).public_bytes(serialization.Encoding.PEM).decode()


@pytest.mark.parametrize(
    ("made", "why"),
    [
        (lambda: request(weak(), digest=hashes.SHA256()), "too short"),
        (lambda: request(ec.generate_private_key(ec.SECP521R1()), digest=hashes.SHA256()), "curve"),
        (lambda: request(ec.generate_private_key(ec.SECP256K1()), digest=hashes.SHA256()), "curve"),
        (forged, "own key"),
        (lambda: "", "PEM"),
        (
            lambda: "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----",
            "PEM",
        ),
        (lambda: "私" * 100, "PEM"),
    ],
    ids=["RSA-1024", "P-521", "secp256k1", "forged", "empty", "garbage", "not ASCII"],
)
def test_what_it_does_not_sign(authority, clock, made, why):
    """Weak and unusual keys, requests without proof of possession, and no requests at all."""
    with pytest.raises(UnusableRequestError, match=why):
        authority.sign("node00000001", made(), life=YEAR, now=clock.now())


def test_a_server_is_renewed_when_its_names_change_or_it_is_about_to_expire(
    authority, tmp_path, clock
):
    """Kept over restarts; new for another name and with less than 30 days left; it verifies."""
    names = ["hub.lan", "localhost", "127.0.0.1"]

    def served(wanted=names):
        files = authority.serve_as(tmp_path / "tls", wanted, clock)
        assert files.key.stat().st_mode & 0o777 == 0o600
        return files.certificate.read_bytes()

    first = served()
    assert served() == first
    verifier = PolicyBuilder().store(
        Store([x509.load_pem_x509_certificate(authority.pem.encode())])
    )
    at = verifier.time(clock.now()).build_server_verifier(x509.DNSName("hub.lan"))
    assert at.verify(x509.load_pem_x509_certificate(first), [])
    renamed = served([*names, "other.lan"])
    assert renamed != first
    clock.advance(360 * 86_400)
    assert served([*names, "other.lan"]) == renamed
    clock.advance(8 * 86_400)
    assert served([*names, "other.lan"]) != renamed


def test_a_server_certificate_of_another_authority_is_replaced(authority, tmp_path, clock):
    """A directory that was put together from two hubs does not serve what nobody trusts."""
    stranger = Authority.prepare(tmp_path / "stranger", clock)
    before = stranger.serve_as(tmp_path / "tls", ["hub.lan"], clock).certificate.read_bytes()
    after = authority.serve_as(tmp_path / "tls", ["hub.lan"], clock).certificate.read_bytes()
    assert after != before


def test_the_list_of_revoked_certificates_is_signed_and_holds_for_weeks(authority, clock):
    """It names what was revoked, is good from before now, and for longer than it is renewed."""
    text = authority.revocations([Revoked("1f", clock.now())], now=clock.now())
    listed = x509.load_pem_x509_crl(text.encode())
    ours = x509.load_pem_x509_certificate(authority.pem.encode())
    assert listed.is_signature_valid(ours.public_key())
    assert [one.serial_number for one in listed] == [0x1F]
    assert listed.last_update_utc < clock.now()
    assert listed.next_update_utc > clock.now() + timedelta(days=60)
