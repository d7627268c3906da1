"""What is printed on a unit and what it proves with: claim code, QR text, proofs. Pure.

A claim code is ten characters of Crockford's base 32: nine random ones (45 bits) and his check
character, modulo 37. Codes whose check character would be one of his five extra symbols are never
made, so that a code is letters and digits only. It is read with or without hyphens and spaces, in
either case, and with O for 0, I and L for 1.
"""

import hashlib
import hmac
import re
from typing import Final, NamedTuple

from contract.topics import SERIAL_PATTERN

CODE_LENGTH: Final = 10
SECRET_BYTES: Final = 16
_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_VALUES: Final = {letter: value for value, letter in enumerate(_ALPHABET)}
_CHECKS: Final = 37
_LOOKALIKES: Final = str.maketrans({"O": "0", "I": "1", "L": "1", "-": None, " ": None})
_CODE: Final = re.compile(f"^[{_ALPHABET}]{{{CODE_LENGTH}}}$")
_QR: Final = re.compile(r"^HH1:([^:]+):([^:]+)$")


class Printed(NamedTuple):
    """What a QR code on a unit says."""

    serial: str
    code: str


def make_code(number: int) -> str | None:
    """The code of a random number below 2**45; None when it has no plain check character."""
    if not 0 <= number < 2**45:
        raise ValueError("a claim code is made from a number below 2**45")
    digits = [_ALPHABET[number >> (5 * place) & 31] for place in range(CODE_LENGTH - 2, -1, -1)]
    check = number % _CHECKS
    return "".join(digits) + _ALPHABET[check] if check < len(_ALPHABET) else None


def read_code(typed: str) -> str | None:
    """A code as somebody typed it, in its one form; None when it is no code or mistyped."""
    code = typed.strip().upper().translate(_LOOKALIKES)
    if not _CODE.match(code):
        return None
    number = 0
    for letter in code[:-1]:
        number = number << 5 | _VALUES[letter]
    return code if number % _CHECKS == _VALUES[code[-1]] else None


def grouped(code: str) -> str:
    """The code as it is printed for people: `7KM2P-Q9X4D`."""
    return f"{code[:5]}-{code[5:]}"


def qr_text(serial: str, code: str) -> str:
    """What the QR code on a unit says."""
    return f"HH1:{serial}:{code}"


def read_qr(text: str) -> Printed | None:
    """A scanned QR text taken apart; None when it is not one of ours, or damaged."""
    match = _QR.match(text.strip())
    code = read_code(match[2]) if match else None
    if match is None or code is None or not SERIAL_PATTERN.match(match[1]):
        return None
    return Printed(match[1], code)


def claim_user(serial: str) -> str:
    """The broker user (and client id) of a unit that is no node yet; its password is the code.

    No node is called like this: the name of a node has no hyphen.
    """
    return f"claim-{serial}"


def unit_proof(secret: bytes, *, serial: str, nonce: str, csr: str | None) -> str:
    """How a unit proves itself to the hub: `ClaimRequest.proof`.

    `csr` is the signing request exactly as sent, None where none is: so nobody in between can put
    another one in its place, or leave it out to be given a password.
    """
    request = () if csr is None else (_digest(csr),)
    return _mac(secret, serial, nonce, *request)


def hub_proof(secret: bytes, *, serial: str, nonce: str, node: str, ca: str) -> str:
    """How the hub proves itself to the unit: `ClaimAnswer.proof`. `ca` is PEM, as answered."""
    return _mac(secret, "hub", serial, nonce, node, _digest(ca))


def same_proof(expected: str, said: str) -> bool:
    """Whether two proofs are the same, in a time that says nothing about where they differ."""
    return hmac.compare_digest(expected.encode(), said.lower().encode())


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _mac(secret: bytes, *lines: str) -> str:
    return hmac.new(secret, "\n".join(lines).encode(), hashlib.sha256).hexdigest()
