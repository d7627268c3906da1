"""Firmware: fetched over HTTPS after a notice, and used only when size, hash and signature fit."""

import asyncio
import base64
import hashlib
import ssl
import urllib.request
from typing import TYPE_CHECKING, Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

if TYPE_CHECKING:
    from firmware_sim.robot.device import Robot

_MOST_BYTES: Final = 64 * 1024 * 1024
_TIMEOUT_S: Final = 30


class Updates:
    """Acts on `dn/fw`; answers as results with the id `fw:` and the version."""

    def __init__(self, robot: "Robot") -> None:
        self._robot = robot
        self._seen: set[str] = set()

    def take(self, notice: dict[str, Any]) -> None:
        """Begin once per notice; what is installed already is not fetched again."""
        version, robot = notice["ver"], self._robot
        known = f"{version}:{notice['sha256']}"
        if version == robot.make.firmware or known in self._seen:
            return
        self._seen.add(known)
        if robot.make.update_key is None:
            robot.result(f"fw:{version}", "unsupported")
            return
        robot.result(f"fw:{version}", "accepted", out={"progress": 0})
        robot.start(self._install(notice))

    async def _install(self, notice: dict[str, Any]) -> None:
        robot, name = self._robot, f"fw:{notice['ver']}"
        try:
            image = await asyncio.to_thread(_fetch, notice["url"], robot.make.update_ca)
            check(notice, image, robot.make.update_key or "")
        except (OSError, ValueError, KeyError, TypeError) as error:
            robot.result(name, "error", out={"progress": 0, "why": str(error)[:200]})
            robot.say(f"firmware {notice['ver']} refused: {error}")
            return
        robot.result(name, "accepted", out={"progress": 90})
        robot.update(firmware=notice["ver"])
        await robot.restart()
        robot.result(name, "ok", out={"progress": 100})


def check(notice: dict[str, Any], image: bytes, public_key: str) -> None:
    """Raises ValueError that says what does not fit."""
    if len(image) != notice["size"]:
        raise ValueError(f"{len(image)} bytes, {notice['size']} were announced")
    if hashlib.sha256(image).hexdigest() != notice["sha256"]:
        raise ValueError("the hash is another one")
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public_key))
    signed = f"{notice['ver']}\n{notice['sha256']}".encode()
    try:
        key.verify(base64.b64decode(notice["sig"]), signed)
    except InvalidSignature as error:
        raise ValueError("the signature is not the maker's") from error


def _fetch(url: str, ca: str | None) -> bytes:
    if not url.startswith("https://"):
        raise ValueError("only https:// is fetched from")
    context = ssl.create_default_context(cadata=ca)
    with urllib.request.urlopen(url, timeout=_TIMEOUT_S, context=context) as answer:  # noqa: S310
        return bytes(answer.read(_MOST_BYTES + 1))
