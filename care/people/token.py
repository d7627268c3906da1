"""Secrets handed to people and programs: random, shown once, kept only as SHA-256."""

import hashlib
import secrets
from typing import Final

API_PREFIX: Final = "hbt_"
SESSION_PREFIX: Final = "hbs_"


def api_token() -> str:
    """A random 256-bit token for a program."""
    return API_PREFIX + secrets.token_urlsafe(32)


def session_token() -> str:
    """A random 256-bit token for a browser's session."""
    return SESSION_PREFIX + secrets.token_urlsafe(32)


def digest(token: str) -> bytes:
    """What is stored of a token; the token has too much randomness to need more."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
