"""Secrets at rest: sealed with a key that lies in a file, away from the database.

A stolen copy of the database alone opens nothing of it. Each secret is sealed for what it is
about (its owner's name), so one cannot be put in another's place.
"""

import hashlib
import hmac
import secrets
from pathlib import Path
from typing import Final, NoReturn

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from runtime.private_files import private_directory, write_private

_NONCE_BYTES: Final = 12
_KEY_BYTES: Final = 32


class CannotUnsealError(RuntimeError):
    """What was sealed cannot be opened: another key, or changed since; or the key is not there."""


class Sealer:
    """One key: seals, opens, and makes digests that only it can make again."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(_derived(key, "seal"))
        self._digest = _derived(key, "digest")

    def seal(self, secret: bytes, *, about: str) -> bytes:
        """The secret, encrypted and bound to what it is about."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, secret, about.encode())

    def unseal(self, sealed: bytes, *, about: str) -> bytes:
        """The secret again. Raises CannotUnsealError."""
        nonce, text = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
        try:
            return self._cipher.decrypt(nonce, text, about.encode())
        except (InvalidTag, ValueError) as error:
            raise CannotUnsealError(f"the secret of {about} was sealed with another key") from error

    def digest(self, text: str, *, about: str) -> bytes:
        """A keyed digest: without the key nobody can try texts against it."""
        return hmac.new(self._digest, f"{about}\n{text}".encode(), hashlib.sha256).digest()


def prepare_key(path: Path) -> None:
    """Make the key of a Sealer in this file, mode 0600, when there is none yet."""
    if not path.exists():
        private_directory(path.parent)
        write_private(path, secrets.token_hex(_KEY_BYTES) + "\n")


def load_sealer(path: Path) -> Sealer:
    """The Sealer with the key in this file. Raises CannotUnsealError when it cannot be read."""
    try:
        key = bytes.fromhex(path.read_text(encoding="ascii").strip())
    except (OSError, ValueError) as error:
        _missing(path, error)
    if len(key) != _KEY_BYTES:
        _missing(path, None)
    return Sealer(key)


def _missing(path: Path, cause: Exception | None) -> NoReturn:
    raise CannotUnsealError(f"no key in {path}: only who runs the hub may read it") from cause


def _derived(key: bytes, purpose: str) -> bytes:
    return hmac.new(key, f"hearthbeat {purpose}".encode(), hashlib.sha256).digest()
