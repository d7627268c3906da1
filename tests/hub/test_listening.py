"""Where the hub may listen, its certificate, and the ports it keeps."""

import socket
import ssl

import pytest

from hub.listening import RefusedError, decide, settle_port
from hub.settings import Listen
from runtime import mqtt_probe
from runtime.authority import Authority
from runtime.free_port import free_port, is_free


@pytest.fixture
def authority(tmp_path, clock):
    """The hub's own authority."""
    return Authority.prepare(tmp_path / "authority", clock)


@pytest.mark.parametrize("address", ["0.0.0.0", "192.0.2.7", "::", "2001:db8::1"])
def test_beyond_loopback_needs_tls_or_insecure(address, authority, tmp_path, clock):
    """Plain text beyond this machine is refused, and allowed when asked for by name."""
    with pytest.raises(RefusedError, match="--insecure"):
        decide(Listen(address), authority, tmp_path, clock, None)
    assert decide(Listen(address, insecure=True), authority, tmp_path, clock, None).tls is None
    assert (
        decide(Listen(address, self_signed=True), authority, tmp_path, clock, None).tls is not None
    )


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.2", "::1", "localhost"])
def test_loopback_needs_nothing(address, authority, tmp_path, clock):
    """On this machine the hub listens without further words."""
    assert decide(Listen(address), authority, tmp_path, clock, None).tls is None


@pytest.mark.parametrize("address", ["example.org", "", "0.0.0.0:80"])
def test_only_addresses_are_taken(address, authority, tmp_path, clock):
    """A name could resolve to anything, so it is refused with an example."""
    with pytest.raises(RefusedError, match="address like"):
        decide(Listen(address), authority, tmp_path, clock, None)


def test_certificate_and_key_come_together(authority, tmp_path, clock):
    """One of the two alone is refused; so is one that cannot be read."""
    with pytest.raises(RefusedError, match="come together"):
        decide(Listen("0.0.0.0", tls_key=tmp_path / "k"), authority, tmp_path, clock, None)
    both = Listen("0.0.0.0", tls_certificate=tmp_path / "c", tls_key=tmp_path / "k")
    with pytest.raises(RefusedError, match="cannot read"):
        decide(both, authority, tmp_path, clock, None)


def test_a_self_signed_certificate_is_kept_until_the_name_changes(authority, tmp_path, clock):
    """Devices pin it: a restart keeps it, another name makes a new one that verifies."""
    first = decide(
        Listen(self_signed=True, public_name="hub.lan"), authority, tmp_path, clock, None
    ).tls
    text = first.certificate.read_text()
    assert first.key.stat().st_mode & 0o777 == 0o600
    decide(Listen(self_signed=True, public_name="hub.lan"), authority, tmp_path, clock, None)
    assert first.certificate.read_text() == text
    decide(Listen(self_signed=True, public_name="other.lan"), authority, tmp_path, clock, None)
    assert first.certificate.read_text() != text


def test_ports_are_kept(tmp_path):
    """Asked for wins; else the kept one; else the usual one if it is free; 0 is any."""
    usual = free_port()
    assert settle_port(tmp_path / "a", None, usual, "127.0.0.1") == usual
    assert settle_port(tmp_path / "a", 0, 1, "127.0.0.1") == usual
    assert settle_port(tmp_path / "a", 4711, usual, "127.0.0.1") == 4711
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert not is_free(port)
        assert settle_port(tmp_path / "b", None, port, "127.0.0.1") != port


@pytest.mark.loop
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated")
def test_devices_and_browsers_meet_tls_beyond_loopback(start_hub):
    """With --self-signed both ports speak TLS 1.2 or newer with the kept certificate, only."""
    arguments = ("--listen=0.0.0.0", "--self-signed", "--public-name=hub.lan")
    hub = start_hub("data", *arguments, rooms=("care",)).wait_up()
    where = hub.addresses()
    assert (where["mqtt_host"], where["mqtt_tls"]) == ("hub.lan", True)
    assert where["http_url"].startswith("https://hub.lan:")
    trusting = ssl.create_default_context(cafile=where["certificate"])
    old = ssl.create_default_context(cafile=where["certificate"])
    old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    for port in (where["mqtt_port"], int(where["http_url"].rpartition(":")[2])):
        with (
            socket.create_connection(("127.0.0.1", port), 5.0) as link,
            trusting.wrap_socket(link, server_hostname="hub.lan") as secured,
        ):
            assert secured.version() in ("TLSv1.2", "TLSv1.3")
        with (
            socket.create_connection(("127.0.0.1", port), 5.0) as link,
            pytest.raises((ssl.SSLError, OSError)),
        ):
            old.wrap_socket(link, server_hostname="hub.lan")
    assert mqtt_probe.connect_code("127.0.0.1", where["mqtt_port"], "x", "y") == -1, "plain text"
