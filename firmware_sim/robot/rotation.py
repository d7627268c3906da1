"""New credentials for old ones: kept side by side until the new ones have worked."""

import contextlib
from typing import TYPE_CHECKING, Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from msgspec import structs

if TYPE_CHECKING:
    from firmware_sim.robot.device import Robot

_ANSWER_S: Final = 10.0


async def rotate(robot: "Robot", args: dict[str, Any]) -> dict[str, Any]:
    """One step of the command `rotate`: a new password, a new key, or its certificate."""
    if "pass" in args:
        # The hub switches only after our answer: the old one still works, the new one not yet.
        robot.use(structs.replace(robot.access, password=args["pass"]))
        _remember(robot)
        return {}
    if "cert" in args:
        key = robot.memory.take("next_key")
        if key is None:
            raise ValueError("no key was made for this certificate")
        ca = args.get("ca") or robot.access.ca
        robot.use(structs.replace(robot.access, certificate=args["cert"], key=key, ca=ca))
        robot.memory.put(next_key=None)
        _remember(robot)
        robot.start(_change_over(robot))
        return {}
    key, request = make_request(robot.access.node)
    robot.memory.put(next_key=key)
    return {"csr": request}


def make_request(name: str) -> tuple[str, str]:
    """A fresh P-256 key, which never leaves the robot, and a signing request for it; both PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    request = (
        x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return private.decode(), request.public_bytes(serialization.Encoding.PEM).decode()


async def _change_over(robot: "Robot") -> None:
    """Once the answer has arrived, connect with the new certificate; the old one stays at hand."""
    with contextlib.suppress(TimeoutError):
        await robot.until(lambda: not robot.outbox.waiting(), _ANSWER_S)
    await robot.reconnect()


def _remember(robot: "Robot") -> None:
    """Durable before the answer goes out."""
    spare = structs.asdict(robot.spare) if robot.spare else None
    robot.memory.put(access=structs.asdict(robot.access), spare=spare)
