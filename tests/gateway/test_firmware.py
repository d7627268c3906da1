"""Firmware from a real HTTPS server: only what the maker signed, whole, in its hours, once."""

import asyncio
import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from contract.messages import Firmware
from contract.signing import sign
from gateway.firmware import in_window
from tests.gateway.conftest import Running, until
from tests.gateway.firmware_shelf import IMAGE, Shelf, standing_shelf
from tests.gateway.scripted_hub import ScriptedHub

Power = Callable[..., Running]
KEY = Ed25519PrivateKey.generate()


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """Its address, and the certificate to trust."""
    with standing_shelf(tmp_path) as standing:
        yield standing


@pytest.fixture
def owner(tmp_path: Path, shelf: tuple[str, Path]) -> dict[str, Any]:
    """The settings of a gateway whose owner installs firmware: the program notes what it got."""
    public = KEY.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    (tmp_path / "maker.pem").write_bytes(public)
    script = tmp_path / "install"
    script.write_text(f'#!/bin/sh\nsha256sum < "$1" >> {tmp_path}/done; echo $2 >> {tmp_path}/done')
    script.chmod(0o755)
    return {
        "firmware_key": tmp_path / "maker.pem",
        "firmware_command": str(script),
        "firmware_ca_file": shelf[1],
    }


def notice(base: str, ver: str = "2.0", **different: Any) -> Firmware:
    """A right notice, with differences."""
    sha256 = hashlib.sha256(IMAGE).hexdigest()
    values = {"ver": ver, "url": f"{base}/image", "sha256": sha256, "size": len(IMAGE)}
    values |= {"sig": sign(KEY, ver, sha256)} | different
    return Firmware(v=0, **values)


def words(hub: ScriptedHub, ver: str = "2.0") -> list[str]:
    """What was said of a version."""
    return [body["st"] for body in hub.results(f"fw:{ver}")]


async def test_signed_whole_and_once(
    power: Power, hub: ScriptedHub, shelf: tuple[str, Path], owner: dict[str, Any], tmp_path: Path
) -> None:
    """Accepted with progress, installed by the owner's program with file and version; the same
    notice again, also after a restart, is done with."""
    running = power(**owner)
    hub.publish("fw", notice(shelf[0]), retain=True)
    await until(lambda: words(hub)[-1:] == ["ok"])
    steps = [body["out"].get("progress") for body in hub.results("fw:2.0")]
    assert steps[0] == 0
    assert steps == sorted(steps)
    assert (tmp_path / "done").read_text().split() == [
        hashlib.sha256(IMAGE).hexdigest(), "-", "2.0",
    ]  # fmt: skip
    said = len(words(hub))
    await running.stop()
    running.start()
    await until(lambda: running.gateway.uplink.online)
    hub.publish("fw", notice(shelf[0]), retain=True)
    await asyncio.sleep(0.3)
    assert len(words(hub)) == said
    assert len(Shelf.asked) == 1
    assert list((running.settings.state / "firmware").iterdir()) == []


WRONG: list[tuple[str, dict[str, Any], bool]] = [
    ("signature", {"sig": "AAAA"}, False),
    ("signature", {"sig": sign(Ed25519PrivateKey.generate(), "2.0", "0" * 64)}, False),
    ("signature", {"sha256": "0" * 64}, False),
    ("hash", {"sha256": "0" * 64, "sig": sign(KEY, "2.0", "0" * 64)}, True),
    ("larger", {"size": 1000}, True),
    ("bounds", {"size": 0}, False),
    ("early", {"size": len(IMAGE) + 1}, True),
    ("not https", {"url": "http://127.0.0.1:9/image"}, False),
    ("404", {"url": "{}/away"}, True),
    ("not https", {"url": "{}/moved"}, True),
    ("not https", {"url": "file:///etc/passwd"}, False),
]


@pytest.mark.parametrize(("why", "different", "asks"), WRONG)
async def test_whatever_is_wrong_nothing_is_installed(
    power: Power,
    hub: ScriptedHub,
    shelf: tuple[str, Path],
    owner: dict[str, Any],
    tmp_path: Path,
    why: str,
    different: dict[str, Any],
    asks: bool,
) -> None:
    """An error with its reason; what is not signed is not even asked for."""
    if "url" in different:
        different = {**different, "url": different["url"].format(shelf[0])}
    power(**owner, resend_seconds=0.05)
    hub.publish("fw", notice(shelf[0], **different), retain=True)
    await until(lambda: "error" in words(hub))
    (said,) = {body["out"]["why"] for body in hub.results("fw:2.0") if body["st"] == "error"}
    assert why in said
    assert bool(Shelf.asked) is asks
    assert not (tmp_path / "done").exists()


async def test_a_server_nobody_trusts(
    power: Power, hub: ScriptedHub, shelf: tuple[str, Path], owner: dict[str, Any]
) -> None:
    """Its certificate is looked at, although the file is signed."""
    power(**{**owner, "firmware_ca_file": None})
    hub.publish("fw", notice(shelf[0]), retain=True)
    await until(lambda: words(hub)[-1:] == ["error"])
    assert "not trusted" in hub.results("fw:2.0")[-1]["out"]["why"]


async def test_it_goes_on_where_it_stopped(
    power: Power, hub: ScriptedHub, shelf: tuple[str, Path], owner: dict[str, Any], tmp_path: Path
) -> None:
    """A connection that breaks, and a power cut: what is there is not fetched again."""
    Shelf.broken = 2
    running = power(**owner, resend_seconds=0.3)
    hub.publish("fw", notice(shelf[0], url=f"{shelf[0]}/short"), retain=True)
    await until(lambda: len(Shelf.asked) == 1)
    await running.stop()
    running.start()
    await until(lambda: words(hub)[-1:] == ["ok"])
    assert [span for _, span in Shelf.asked] == [None, "bytes=200000-", "bytes=400000-"]
    assert "2.0" in (tmp_path / "done").read_text()


async def test_without_a_key_or_a_program_it_is_unsupported(
    power: Power, hub: ScriptedHub, shelf: tuple[str, Path]
) -> None:
    """Said once, nothing fetched."""
    power()
    hub.publish("fw", notice(shelf[0]), retain=True)
    await until(lambda: words(hub) == ["unsupported"])
    assert Shelf.asked == []


async def test_it_waits_for_its_hours_and_tells_how_the_program_ended(
    power: Power, hub: ScriptedHub, shelf: tuple[str, Path], owner: dict[str, Any], clock: Any
) -> None:
    """Eight in the morning is not between nine and ten; at nine it is installed, or not."""
    power(**{**owner, "firmware_command": "sh -c 'exit 7'"}, resend_seconds=0.05)
    hub.publish("fw", notice(shelf[0], window=(9, 10)), retain=True)
    await until(lambda: "waits" in str(hub.results("fw:2.0")))
    clock.advance(3600)
    await until(lambda: words(hub)[-1:] == ["error"])
    assert hub.results("fw:2.0")[-1]["out"]["why"] == "exit code 7"


async def test_interrupted_by_its_own_installation(
    power: Power, hub: ScriptedHub, shelf: tuple[str, Path], owner: dict[str, Any]
) -> None:
    """The program restarts the gateway: `ok` only if the new version runs then."""
    running = power(**{**owner, "firmware_command": "sh -c 'sleep 30'"})
    hub.publish("fw", notice(shelf[0]), retain=True)
    await until(lambda: getattr(running.gateway.firmware._job, "st", "") == "installing")
    await running.stop()
    running.start()
    await until(lambda: words(hub)[-1:] == ["error"])
    assert hub.results("fw:2.0")[-1]["out"]["why"].endswith("runs")


def test_hours_may_go_over_midnight() -> None:
    """[from, to); no hours are all hours."""
    assert [in_window(hour, (22, 5)) for hour in (21, 22, 4, 5)] == [False, True, True, False]
    assert [in_window(hour, (2, 4)) for hour in (1, 2, 3, 4)] == [False, True, True, False]
    assert in_window(12, None)
    assert in_window(12, (3, 3))
