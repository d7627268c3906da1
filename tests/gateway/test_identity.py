"""Generations of credentials: which is tried, which is kept, and a twin that is not fought."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.identity import Identities, Identity, Vault
from gateway.keys import KeyWorkError, is_signed
from tests.gateway.conftest import NODE, PASSWORD, Running, until

Power = Callable[..., Running]
GIVEN = Identity(node="somenode1", host="hub", port=8883, password="one")


def test_the_newest_first_then_the_others_each_once(tmp_path: Path) -> None:
    """Refused, the next is tried at once; when all were, it is time to wait; what worked is stayed
    with, and with the newest the older ones go."""
    vault = Vault(tmp_path)
    vault.keep(Identity(node="somenode1", host="old", port=1, password="two"))
    both = Identities(vault, GIVEN)
    assert (both.current.password, both.current.host) == ("two", "hub"), "where the operator says"
    assert both.refused()
    assert both.current == GIVEN
    assert not both.refused(), "all were tried"
    both.refused()
    both.worked(both.current)
    assert both.current == GIVEN
    assert len(vault.generations()) == 1, "the configured one is older: it lets nothing go"
    assert both.refused(), "the newer one may work by now"
    both.worked(both.current)
    third = vault.keep(Identity(node="somenode1", host="h", port=1, password="three"))
    both.read_again()
    assert both.current.generation == third.generation == 2
    both.worked(both.current)
    assert [each.generation for each in vault.generations()] == [2]


def test_another_node_of_the_same_directory_is_nobody(tmp_path: Path) -> None:
    """The operator names another node: what was kept is not for it."""
    vault = Vault(tmp_path)
    vault.keep(Identity(node="othernode1", host="h", port=1, password="x"))
    assert Identities(vault, GIVEN).current == GIVEN
    assert Identities(vault, None).node == "othernode1"
    with pytest.raises(LookupError, match="no node yet"):
        _ = Identities(Vault(tmp_path / "empty"), None).node


def test_a_key_is_made_once_and_only_for_the_owner(tmp_path: Path) -> None:
    """The same pending key until its certificate is there, of mode 0600, in a directory of 0700."""
    vault = Vault(tmp_path)
    path = vault.pending_key()
    assert not path.exists()
    assert not vault.fits("nonsense")
    assert "BEGIN CERTIFICATE REQUEST" in vault.signing_request("a" * 24)
    key = path.read_bytes()
    assert len(vault.signing_request("a" * 24)) <= 512, "fits into the answer to a command"
    assert path.read_bytes() == key
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert not vault.fits("nonsense")


def test_what_is_wrong_with_a_key_is_told_without_the_key(tmp_path: Path) -> None:
    """A file that holds no key, or the wrong kind; its text appears nowhere."""
    vault = Vault(tmp_path)
    vault.signing_request("somenode1")
    vault.pending_key().write_text("a secret that is no key")
    with pytest.raises(KeyWorkError, match="request: ValueError") as failed:
        vault.signing_request("somenode1")
    assert "secret" not in str(failed.value)
    with pytest.raises(KeyWorkError, match="signed: FileNotFoundError"):
        is_signed(tmp_path / "none.pem", ver="1", sha256="0", sig="")


async def test_a_twin_is_not_fought(power: Power) -> None:
    """A broker of MQTT 5 that says the session was taken over: a long wait, not a ping-pong.
    (Mosquitto 2.0.11 hangs up without a word; there the growing pauses do it.)"""
    connects = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connects
        connects += 1
        await reader.read(1000)
        writer.write(b"\x20\x03\x00\x00\x00")
        subscribe = await reader.read(1000)
        writer.write(b"\x90\x05" + subscribe[2:4] + b"\x00\x01\x01")
        await asyncio.sleep(0.1)
        writer.write(b"\xe0\x01\x8e")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    running = power(broker=f"mqtt://{NODE}:{PASSWORD}@127.0.0.1:{port}", refused_pause=1.0)
    await until(lambda: running.gateway.uplink.online)
    await until(lambda: not running.gateway.uplink.online)
    await asyncio.sleep(0.7)
    assert connects == 1
    await until(lambda: connects == 2)
    await running.stop()
    server.close()
