"""The signature of a firmware: Ed25519 over the version and the hash of the file. Pure.

A device checks size and hash of what it fetched, then the signature with the key built into it.
"""

import base64
import binascii

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey


def signed_bytes(version: str, sha256: str) -> bytes:
    """What is signed: the version, a line feed, the hash of the file in lower-case hex."""
    return f"{version}\n{sha256}".encode()


def sign(key: Ed25519PrivateKey, version: str, sha256: str) -> str:
    """The signature as the notice carries it, base64."""
    return base64.b64encode(key.sign(signed_bytes(version, sha256))).decode()


def is_signed(key: Ed25519PublicKey, version: str, sha256: str, signature: str) -> bool:
    """Whether the holder of the key signed this version of this file."""
    try:
        key.verify(base64.b64decode(signature, validate=True), signed_bytes(version, sha256))
    except (InvalidSignature, binascii.Error, ValueError):
        return False
    return True
