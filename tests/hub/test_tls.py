"""The two listeners with TLS on the real broker: who gets in, what cuts whom, what each may say."""

import asyncio
import socket
import ssl
import time
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from care.people.claiming import add_unit, make_unit
from care.people.enrolment import revoke_node
from contract.acl import ACL, CLAIMS_USER, DOWNLINK_USER, INGEST_USER
from contract.claim_code import claim_user
from hub.credentials import Credentials
from runtime.account import service_account
from runtime.authority import Authority
from runtime.clock import ManualClock, SystemClock
from runtime.mosquitto_password import hash_password
from runtime.mosquitto_server import MosquittoServer, Secured
from runtime.sealing import load_sealer, prepare_key
from store import certificate, credential
from tests.fixtures.fix_place import short_lived_directory
from tests.fixtures.promised import promised
from tests.hub.tls_device import Device, Key, refused, tls

HOST = "127.0.0.1"
ONE, TWO = "nodeaaaa0001", "nodebbbb0002"
YEAR = timedelta(days=365)


class Place:
    """A broker with all its listeners, its authority, and the keys of devices."""

    def __init__(self, home, authority, server):
        self.home, self.authority, self.server = home, authority, server
        self.keys = home / "keys"
        self.keys.mkdir()
        self.follow = Credentials(server, SystemClock(), authority)

    def context(self, node, *, authority=None, now=None, name=None):
        """TLS with a certificate for this node, and its serial number."""
        key = Key(self.keys, name or f"{node}{time.monotonic_ns()}")
        signer, at = authority or self.authority, now or datetime.now(UTC)
        issued = signer.sign(node, key.request, life=YEAR, now=at)
        return tls(self.authority.pem, key.certified(issued.pem), key.file), issued

    @property
    def certificates(self):
        return self.server.certificate_port

    @property
    def passwords(self):
        return self.server.password_port


@pytest.fixture
def place():
    with short_lived_directory("tls") as home:
        authority = Authority.prepare(home / "authority", SystemClock())
        secured = Secured(
            authority.serve_as(home / "tls", ["localhost", HOST], SystemClock(), service_account()),
            authority.pem,
            authority.revocations((), now=datetime.now(UTC)),
            0,
            0,
        )
        services = (INGEST_USER, DOWNLINK_USER, CLAIMS_USER)
        server = MosquittoServer(home / "mosquitto", acl=ACL, services=services, secured=secured)
        server.start()
        try:
            yield Place(home, authority, server)
        finally:
            server.stop()


async def add_node(conn, node, issued=None, password=None):
    now = datetime.now(UTC)
    await conn.execute("INSERT INTO area (level, name) VALUES ('county', 'x')")
    await conn.execute("INSERT INTO node (id, area_id) SELECT %s, max(id) FROM area", (node,))
    if password:
        hashed = hash_password(password)
        await credential.set_password(conn, node_id=node, password_hash=hashed, now=now)
    if issued:
        await note(conn, node, issued)


async def note(conn, node, issued):
    await certificate.add(
        conn,
        serial_number=issued.serial_number,
        node_id=node,
        not_before=issued.not_before,
        not_after=issued.not_after,
        now=datetime.now(UTC),
    )


def test_who_does_not_get_in(place, tmp_path):
    """No certificate, another authority's, an expired one; TLS 1.1; plain text; a wrong server."""
    port = place.certificates
    good, _ = place.context(ONE)
    assert not refused(Device(ONE, context=good), HOST, port)
    stranger = Authority.prepare(tmp_path / "stranger", SystemClock())
    wrong, _ = place.context(ONE, authority=stranger)
    expired, _ = place.context(ONE, now=datetime.now(UTC) - 2 * YEAR)
    for context in (tls(place.authority.pem), wrong, expired, None):
        assert refused(Device(ONE, context=context), HOST, port)
    assert refused(Device(ONE, user=ONE, password="x"), HOST, place.passwords)
    for each in (port, place.passwords):
        with (
            pytest.raises(ssl.SSLCertVerificationError),
            socket.create_connection((HOST, each)) as s,
        ):
            tls(stranger.pem).wrap_socket(s, server_hostname="localhost")


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated")
def test_only_tls_1_2_and_newer(place):
    """An old version is refused on both listeners; 1.2 and 1.3 work."""
    for port in (place.certificates, place.passwords):
        old = tls()
        old.set_ciphers("ALL:@SECLEVEL=0")
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
        with pytest.raises(OSError), socket.create_connection((HOST, port), 5.0) as link:  # noqa: PT011
            old.wrap_socket(link)
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            new, _ = place.context(ONE)
            new.minimum_version = new.maximum_version = version
            with socket.create_connection((HOST, port), 5.0) as link:
                assert new.wrap_socket(link, server_hostname="localhost").version()


def test_the_certificate_says_who_somebody_is(place):
    """Whatever client id and user name it sends: it hears its own topics and writes its own."""
    context, _ = place.context(ONE)
    other, _ = place.context(TWO)
    with (
        Device(TWO, user=TWO, password="x", context=context).at(
            "localhost", place.certificates
        ) as one,
        Device(TWO, context=other).at("localhost", place.certificates) as two,
    ):
        two.listen(f"hh/1/dn/{TWO}/+")
        assert one.say(f"hh/1/up/{ONE}/obs", {}).value in (0x00, 0x10)
        assert not two.is_cut_within(0.2), "a client id of somebody else took its session over"
        assert one.say(f"hh/1/up/{TWO}/obs", {}).value == 0x87


async def test_revoking_cuts_both_kinds_of_sessions_within_ten_seconds(place, conn):
    """The live ones end, new ones are refused, also with the ticket of an earlier TLS session."""
    context, issued = place.context(ONE)
    await add_node(conn, ONE, issued)
    await add_node(conn, TWO, password="secret")
    await place.follow.sync(conn)
    by_password = tls(place.authority.pem)

    def both():
        one = Device(ONE, context=context).at("localhost", place.certificates)
        two = Device(TWO, user=TWO, password="secret", context=by_password)
        with one as first, two.at("localhost", place.passwords) as second:
            yield first, second

    session = await asyncio.to_thread(_tls_session, context, place.certificates)
    for first, second in both():
        began = time.monotonic()
        for node in (ONE, TWO):
            await revoke_node(conn, node, by=None, now=datetime.now(UTC))
        await place.follow.sync(conn)
        cut = [
            await asyncio.to_thread(one.is_cut_within, promised(10.0)) for one in (first, second)
        ]
        assert cut == [True, True]
        assert time.monotonic() - began < promised(10.0)
    assert refused(Device(ONE, context=context), "localhost", place.certificates)
    again = Device(TWO, user=TWO, password="secret", context=by_password)
    assert refused(again, "localhost", place.passwords)
    with pytest.raises(OSError):  # noqa: PT011 - whichever way TLS says it
        await asyncio.to_thread(_tls_session, context, place.certificates, session)


def _tls_session(context, port, session=None):
    """Connect as TLS only, with or without the ticket of an earlier session; its ticket."""
    with (
        socket.create_connection(("localhost", port), 5.0) as link,
        context.wrap_socket(link, server_hostname="localhost", session=session) as secured,
    ):
        name = ONE.encode()
        packet = b"\0\4MQTT\4\2\0\x3c" + len(name).to_bytes(2, "big") + name
        secured.sendall(b"\x10" + bytes([len(packet)]) + packet)
        if secured.recv(4) != b"\x20\2\0\0":
            raise ConnectionError("not let in")
        return secured.session


async def test_the_others_of_a_node_stay_when_one_certificate_is_replaced(place, conn):
    """After a rotation the old one opens nothing and the new one still does."""
    old, first = place.context(ONE)
    new, second = place.context(ONE)
    await add_node(conn, ONE, first)
    await note(conn, ONE, second)
    await place.follow.sync(conn)
    now = datetime.now(UTC)
    await certificate.replace_by(
        conn, node_id=ONE, serial_number=second.serial_number, ends_at=now + timedelta(days=7)
    )
    assert await certificate.revoke_replaced(conn, now=now) == 0
    assert not refused(Device(ONE, context=old), "localhost", place.certificates)
    assert await certificate.revoke_replaced(conn, now=now + timedelta(days=8)) == 1
    await place.follow.sync(conn)
    assert refused(Device(ONE, context=old), "localhost", place.certificates)
    assert not refused(Device(ONE, context=new), "localhost", place.certificates)


async def test_a_unit_may_use_its_two_topics_and_no_other(place, conn, tmp_path):
    """It gets in by its code without a restart; it cannot write or hear anything else."""
    prepare_key(tmp_path / "units")
    sealer = load_sealer(tmp_path / "units")
    units = [make_unit(serial, None, None) for serial in ("HB24-0001", "HB24-0002")]
    for each in units:
        await add_unit(conn, sealer, each, by=None, now=datetime.now(UTC))
    assert await place.follow.sync(conn)

    def connected(number):
        user, code = claim_user(units[number].serial), units[number].code
        device = Device(user, user=user, password=code, context=tls())
        return device.at("localhost", place.passwords)

    own = f"hh/1/up/{claim_user('HB24-0001')}/obs"
    others = ("hh/1/claim/HB24-0002/req", "hh/1/claim/HB24-0001/res", f"hh/1/up/{ONE}/obs")
    with connected(1) as two:
        two.listen("#")
        with connected(0) as one:
            assert one.say("hh/1/claim/HB24-0001/req", {}).value in (0x00, 0x10)
        for topic in (*others, own, "hh/1/hub/status"):
            # Mosquitto cuts whoever was refused, so each on a connection of its own.
            with connected(0) as one:
                assert one.say(topic, {}, retain=True).value == 0x87, topic
        assert two.heard.empty()


async def test_files_are_private_and_nothing_is_read_again_for_nothing(place, conn):
    """Mode 0600 throughout; a change that changes no file causes no reload."""
    files = [f for f in place.home.rglob("*") if f.is_file() and f.name != "mosquitto.db"]
    assert {"acl", "passwords", "revoked.crl", "hub.key", "ca.key"} <= {f.name for f in files}
    keys = [f for f in files if f.parent != place.keys]
    assert [f for f in keys if f.stat().st_mode & 0o077] == []
    assert await place.follow.sync(conn)
    _, issued = place.context(ONE)
    await add_node(conn, ONE, issued)
    assert not await place.follow.sync(conn), "a certificate that was only issued"
    await credential.set_password(
        conn, node_id=ONE, password_hash=hash_password("x"), now=datetime.now(UTC)
    )
    assert await place.follow.sync(conn)


def test_the_hubs_own_certificate_is_renewed_while_it_runs(place):
    """With less than 30 days left it is made new, and the broker shows the new one."""
    from hub.renewal import renew

    later = ManualClock(datetime.now(UTC) + timedelta(days=380))

    def secured(clock):
        names = ["localhost", HOST]
        place.authority.serve_as(place.home / "tls", names, clock, service_account())

    assert not renew(lambda: secured(SystemClock()), place.server)
    assert renew(lambda: secured(later), place.server)
    chain = x509.load_pem_x509_certificates(place.server.secured.server.certificate.read_bytes())
    shown = chain[0].public_bytes(serialization.Encoding.DER)
    until = time.monotonic() + 5.0
    while _shown(place) != shown:
        assert time.monotonic() < until, "the broker still shows the old one"
        time.sleep(0.05)


def _shown(place):
    with (
        socket.create_connection(("localhost", place.passwords), 5.0) as link,
        tls().wrap_socket(link, server_hostname="localhost") as secured,
    ):
        return secured.getpeercert(binary_form=True)
