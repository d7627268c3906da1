"""The work with keys, in a process of its own that ends with it: `gateway.keys` starts it.

`python -m gateway.key_work ORDER` reads what it needs as JSON from standard input and writes the
answer as JSON to standard output. A private key goes from here into its file and nowhere else.
"""

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from contract.signing import is_signed
from runtime.private_files import write_private


def request(about: Mapping[str, Any]) -> str:
    """A PKCS#10 request, PEM, for the `name`, signed with the private key in the file `key`; where
    there is no such file it is made (EC P-256, mode 0600)."""
    if not Path(about["key"]).exists():
        _make(Path(about["key"]))
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, about["name"])])
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    signed = builder.sign(_private(about), hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.PEM).decode()


def signed(about: Mapping[str, Any]) -> bool:
    """Whether `sig` over `ver` and `sha256` is by the public Ed25519 key in the file `key`."""
    key = serialization.load_pem_public_key(Path(about["key"]).read_bytes())
    if not isinstance(key, Ed25519PublicKey):
        raise TypeError("no Ed25519 key")
    return is_signed(key, about["ver"], about["sha256"], about["sig"])


def _make(path: Path) -> None:
    pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    write_private(path, pem.decode())


def _private(about: Mapping[str, Any]) -> ec.EllipticCurvePrivateKey:
    key = serialization.load_pem_private_key(Path(about["key"]).read_bytes(), None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError("no EC key")
    return key


ORDERS: Final[Mapping[str, Callable[[Mapping[str, Any]], Any]]] = {
    "request": request,
    "signed": signed,
}


def main() -> None:
    """Do what the first argument orders; of a failure only its kind is told."""
    try:
        answer = {"answer": ORDERS[sys.argv[1]](json.load(sys.stdin))}
    except Exception as error:  # noqa: BLE001 - whatever it was, who ordered it has to hear
        answer = {"failed": type(error).__name__}
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
