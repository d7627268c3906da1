"""Announcing a firmware: what must hold before any device is told of it. Pure."""

import re
from typing import Final
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from contract.signing import is_signed
from store.firmware import NewFirmware

_LINE: Final = re.compile(r"[^\x00-\x1f\x7f]{1,64}")
_HASH: Final = re.compile(r"[0-9a-f]{64}")
_LARGEST: Final = 2**40
_LONGEST_URL: Final = 512


class AnnouncementRefusedError(Exception):
    """A firmware no device may be told of: `path` names the part that is wrong."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(message)
        self.path = path


def read_public_key(pem: str) -> Ed25519PublicKey:
    """An Ed25519 public key. Raises AnnouncementRefusedError."""
    try:
        key = load_pem_public_key(pem.encode())
    except (ValueError, TypeError) as error:
        raise AnnouncementRefusedError("/public_key", "this is no public key in PEM") from error
    if not isinstance(key, Ed25519PublicKey):
        raise AnnouncementRefusedError("/public_key", "the key must be an Ed25519 key")
    return key


def checked(new: NewFirmware, key: Ed25519PublicKey) -> NewFirmware:
    """The firmware, signed by the holder of the key. Raises AnnouncementRefusedError."""
    for path, text in (
        ("/maker", new.maker),
        ("/model", new.model),
        ("/version", new.version),
        ("/hardware", "any" if new.hardware is None else new.hardware),
    ):
        if not _LINE.fullmatch(text):
            raise AnnouncementRefusedError(path, f"{path[1:]}: expected 1 to 64 characters")
    _check_file(new)
    if not is_signed(key, new.version, new.sha256, new.signature):
        raise AnnouncementRefusedError(
            "/signature",
            "the signature does not fit: sign version, a line feed and the SHA-256 in hex"
            " with Ed25519, and write it in base64",
        )
    return new


def _check_file(new: NewFirmware) -> None:
    parts = urlsplit(new.url)
    if parts.scheme != "https" or not parts.hostname or len(new.url) > _LONGEST_URL:
        raise AnnouncementRefusedError("/url", "the url must begin with https:// and name a host")
    if parts.username or parts.password:
        raise AnnouncementRefusedError("/url", "no password in the url: every device reads it")
    if not _HASH.fullmatch(new.sha256):
        raise AnnouncementRefusedError("/sha256", "sha256: expected 64 of 0-9 and a-f")
    if not 0 < new.size <= _LARGEST:
        raise AnnouncementRefusedError("/size", "size: expected the bytes of the file")
    if new.window is not None:
        start, end = new.window
        if not (0 <= start <= 23 and 0 <= end <= 24 and start != end):
            raise AnnouncementRefusedError("/window", "window: expected two hours, such as 2 and 5")
