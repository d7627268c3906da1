"""Mosquitto's own password format: `$7$<iterations>$<base64 salt>$<base64 hash>`, PBKDF2-SHA512."""

import base64
import hashlib
import secrets
from typing import Final

# Our secrets are random 128 bits, which nobody guesses; many iterations would only make the
# broker slow when a thousand devices come back at once.
ITERATIONS: Final = 101
_HASH_BYTES: Final = 64
_SALT_BYTES: Final = 12


def hash_password(secret: str) -> str:
    """The hash of a random secret, for a line `user:hash` of Mosquitto's password file."""
    salt = secrets.token_bytes(_SALT_BYTES)
    digest = hashlib.pbkdf2_hmac("sha512", secret.encode(), salt, ITERATIONS, _HASH_BYTES)
    return f"$7${ITERATIONS}${_base64(salt)}${_base64(digest)}"


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")
