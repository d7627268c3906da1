"""Passwords: argon2id hashes, and random ones a person can copy from paper."""

import asyncio
import secrets
from functools import cache
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

MIN_LENGTH: Final = 10
MAX_LENGTH: Final = 200
# No letters that are read for one another; 20 of 31 are 99 bits.
_ALPHABET: Final = "abcdefghjkmnpqrstuvwxyz23456789"
_HASHER: Final = PasswordHasher()


class WeakPasswordError(ValueError):
    """A password that is not taken; the message says what one needs."""


def random_password() -> str:
    """A random password in four groups of five, such as `k7m2p-...`."""
    groups = ("".join(secrets.choice(_ALPHABET) for _ in range(5)) for _ in range(4))
    return "-".join(groups)


def accept(password: str, *, user_name: str) -> str:
    """The password itself, or WeakPasswordError when it is too short or the user name."""
    if not MIN_LENGTH <= len(password) <= MAX_LENGTH:
        raise WeakPasswordError(f"a password has {MIN_LENGTH} to {MAX_LENGTH} characters")
    if user_name.lower() in password.lower():
        raise WeakPasswordError("a password does not contain the user name")
    if len(set(password)) < 4:
        raise WeakPasswordError("a password has more than three different characters")
    return password


def hash_password(password: str) -> str:
    """The argon2id hash; takes tens of milliseconds and 64 MiB."""
    return _HASHER.hash(password)


async def verify(password_hash: str | None, password: str) -> bool:
    """Whether the password is right; None (nobody there) takes as long and is never right."""
    return await asyncio.to_thread(_verify, password_hash, password)


@cache
def _nobody() -> str:
    """Checked against when the account does not exist, so that the answer takes as long."""
    return _HASHER.hash(secrets.token_urlsafe(16))


def _verify(password_hash: str | None, password: str) -> bool:
    nobody = _nobody()
    try:
        right = _HASHER.verify(password_hash or nobody, password)
    except (VerificationError, InvalidHashError):
        return False
    return right and password_hash is not None
