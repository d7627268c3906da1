"""Firmware from the announcement to the birth of the new version, on the real hub: robot and
gateway fetch it from a real HTTPS server, and neither takes what its maker has not signed."""

import asyncio
import base64
import hashlib
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)
from typer.testing import CliRunner

from contract.signing import sign
from firmware_sim.robot.access import Make
from hub.main import app
from tests.contract_on_mqtt.conftest import LiveHub, Rows, StartRobot
from tests.contract_on_mqtt.test_gateway import at_home
from tests.gateway.firmware_shelf import IMAGE, standing_shelf

OTHER = bytes(len(IMAGE))
OVER = (
    "SELECT 1 FROM firmware_notice"
    " WHERE (node_id, firmware_id) = (%s, %s) AND cleared_at IS NOT NULL"
)


class Workshop:
    """A maker: its key and a stranger's, files, and the server its devices fetch them from."""

    def __init__(self, hub: LiveHub, place: Path, url: str, ca: Path) -> None:
        self.hub, self.place, self.url, self.ca = hub, place, url, ca
        for name in ("maker", "stranger"):
            made = CliRunner().invoke(app, ["firmware", "keygen", "--out", str(self.key(name))])
            assert made.exit_code == 0, made.stderr
        (place / "image").write_bytes(IMAGE)
        (place / "other").write_bytes(OTHER)

    def key(self, name: str) -> Path:
        """A private key."""
        return self.place / f"{name}.pem"

    def announce(
        self, product: tuple[str, str], version: str, key: str = "maker", file: str = "image"
    ) -> int:
        """By the command line; the number of the announcement."""
        maker, model = product
        about = ("--maker", maker, "--model", model, "--version", version)
        signed = ("--file", str(self.place / file), "--sign-key", str(self.key(key)))
        said = self.hub.cli("firmware", "announce", *about, "--url", f"{self.url}/image", *signed)
        return int(said["id"])

    async def told(self, firmware: int, node: str, *states: str) -> dict[str, Any]:
        """What REST says of the node and a firmware, once it is in one of these states; the
        command line says the same."""
        until = time.monotonic() + 15.0
        while True:
            body = await asyncio.to_thread(self.hub.api, "GET", f"/nodes/{node}/firmware")
            found = [one for one in body["notices"] if one["firmware_id"] == firmware]
            if found and found[0]["state"] in states:
                break
            assert time.monotonic() < until, str(found)
            await asyncio.sleep(0.1)
        words = "firmware", "progress", "--id", str(firmware)
        shown = (await asyncio.to_thread(self.hub.cli, *words))["notices"]
        (line,) = (one for one in shown if one["node_id"] == node)
        assert line["state"] == found[0]["state"]
        return dict(found[0])


@pytest.fixture
def workshop(hub: LiveHub, tmp_path: Path) -> Iterator[Workshop]:
    """A maker with a server."""
    with standing_shelf(tmp_path) as (url, ca):
        yield Workshop(hub, tmp_path, url, ca)


def public_of(path: Path) -> Ed25519PublicKey:
    """The public half of a private key."""
    key = load_pem_private_key(path.read_bytes(), None)
    assert isinstance(key, Ed25519PrivateKey)
    return key.public_key()


@pytest.mark.parametrize(("mqtt", "encoding"), [(3, "json"), (5, "cbor")])
async def test_a_robot_becomes_the_version_it_was_told_of(
    workshop: Workshop, start_robot: StartRobot, rows: Rows, mqtt: int, encoding: str
) -> None:
    """Signed by somebody else, another file: refused with the reason. The right one is fetched,
    restarted into and born; then the notice is taken back from the broker."""
    raw = public_of(workshop.key("maker")).public_bytes(Encoding.Raw, PublicFormat.Raw)
    product = f"acme-{secrets.token_hex(3)}", "G2"
    make = Make(
        maker=product[0],
        model=product[1],
        update_key=base64.b64encode(raw).decode(),
        update_ca=workshop.ca.read_text(),
    )
    robot = await start_robot(make=make, mqtt=mqtt, encoding=encoding)
    node = robot.access.node
    for version, different, why in (
        ("1.1.0", {"key": "stranger"}, "signature"),
        ("1.2.0", {"file": "other"}, "hash"),
    ):
        wrong = await asyncio.to_thread(workshop.announce, product, version, **different)
        refused = await workshop.told(wrong, node, "error")
        assert why in refused["detail"]
        assert robot.make.firmware == "1.0.0"
    right = await asyncio.to_thread(workshop.announce, product, "2.0.0")
    done = await workshop.told(right, node, "ok")
    assert (done["progress"], robot.make.firmware) == (100, "2.0.0")
    steps = [m.body for m in robot.outbox.all() if m.body.get("id") == "fw:2.0.0"]
    assert sorted((s["out"]["progress"], s["st"]) for s in steps) == [
        (0, "accepted"), (90, "accepted"), (100, "ok"),
    ]  # fmt: skip
    born = "SELECT 1 FROM node WHERE id = %s AND firmware = '2.0.0'"
    await rows.until(born, node)
    await rows.until(OVER, node, right)
    await robot.heard("fw cleared")


async def test_a_gateway_hands_over_what_its_maker_signed(
    hub: LiveHub, workshop: Workshop, rows: Rows, tmp_path: Path
) -> None:
    """Announced over REST: not signed by its key, another file: an error with the reason, and the
    owner's program is not run. The right one is handed to it; withdrawn, the notice goes."""
    script = tmp_path / "install"
    script.write_text(f'#!/bin/sh\nsha256sum < "$1" >> {tmp_path}/done; echo $2 >> {tmp_path}/done')
    script.chmod(0o755)
    pem = public_of(workshop.key("maker")).public_bytes(
        Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
    )
    (tmp_path / "maker.pub").write_bytes(pem)
    owner = {"firmware_key": tmp_path / "maker.pub", "firmware_ca_file": workshop.ca}
    access = await asyncio.to_thread(hub.node)
    product = "hearthbeat", "gateway"
    series = secrets.token_hex(3)
    async with at_home(access, tmp_path / "state", firmware_command=str(script), **owner):
        known = "SELECT 1 FROM node WHERE id = %s AND model = 'gateway'"
        await rows.until(known, access.node)
        wrong = await asyncio.to_thread(workshop.announce, product, f"{series}.1", "stranger")
        assert "signature" in (await workshop.told(wrong, access.node, "error"))["detail"]
        wrong = await asyncio.to_thread(workshop.announce, product, f"{series}.2", file="other")
        assert "hash" in (await workshop.told(wrong, access.node, "error"))["detail"]
        assert not (tmp_path / "done").exists()
        right = await asyncio.to_thread(announce_over_rest, workshop, product, f"{series}.3")
        assert (await workshop.told(right, access.node, "ok"))["progress"] == 100
        done = (tmp_path / "done").read_text().split()
        assert done == [hashlib.sha256(IMAGE).hexdigest(), "-", f"{series}.3"]
        every = await asyncio.to_thread(hub.api, "GET", "/firmware")
        for one in every["firmware"]:
            if one["version"].startswith(series):
                await asyncio.to_thread(hub.api, "POST", f"/firmware/{one['id']}/withdraw")
        await rows.until(OVER, access.node, right)


def announce_over_rest(workshop: Workshop, product: tuple[str, str], version: str) -> int:
    """The same by REST, signed elsewhere."""
    key = load_pem_private_key(workshop.key("maker").read_bytes(), None)
    assert isinstance(key, Ed25519PrivateKey)
    digest = hashlib.sha256(IMAGE).hexdigest()
    pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    body = {
        "maker": product[0],
        "model": product[1],
        "version": version,
        "url": f"{workshop.url}/image",
        "sha256": digest,
        "size": len(IMAGE),
        "signature": sign(key, version, digest),
        "public_key": pem.decode(),
    }
    return int(workshop.hub.api("POST", "/firmware", json=body)["id"])
