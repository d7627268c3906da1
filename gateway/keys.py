"""Keys and signing requests made, signatures checked: in a process that ends with the work.

The cryptography library takes 11 MB that no process gives back, and a gateway needs it a few times
a year. Each function blocks for a fraction of a second.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

_LONGEST_SECONDS: Final = 60.0
_ROOT: Final = Path(__file__).parents[1]
_OURS: Final = "HEARTHBEAT_"


class KeyWorkError(OSError):
    """It could not be done: a file that cannot be read or written, or holds no such key."""


def make_request(key: Path, name: str) -> str:
    """A PKCS#10 request, PEM, for the private key in this file; made, for its owner only, where
    there is none. Raises KeyWorkError."""
    return str(_work("request", key=str(key), name=name))


def is_signed(key: Path, *, ver: str, sha256: str, sig: str) -> bool:
    """Whether the owner of this public key (Ed25519, a PEM file) signed that firmware.

    Raises KeyWorkError.
    """
    return bool(_work("signed", key=str(key), ver=ver, sha256=sha256, sig=sig))


def _work(order: str, **about: str) -> Any:
    # Not from the present directory (-P): anybody may have put a module there.
    command = [sys.executable, "-P", "-m", "gateway.key_work", order]
    # Our settings hold passwords that this work does not need.
    environment = {k: v for k, v in os.environ.items() if not k.startswith(_OURS)}
    try:
        done = subprocess.run(
            command,
            input=json.dumps(about).encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment | {"PYTHONPATH": str(_ROOT)},
            timeout=_LONGEST_SECONDS,
            check=True,
        )
        told = json.loads(done.stdout)
    except (subprocess.SubprocessError, ValueError) as error:
        raise KeyWorkError(f"{order}: {type(error).__name__}") from None
    if "failed" in told:
        raise KeyWorkError(f"{order}: {told['failed']}")
    return told["answer"]
