"""Who this node is at the broker: generations of credentials, each on disk before it is used.

`identity/` in the state directory holds one directory a generation, made whole or not at all. Two
stand side by side after a rotation, until a connection with the newer one worked. A private key is
made here and never leaves.
"""

import json
import os
import secrets
import shutil
import ssl
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import structlog
from msgspec import Struct, structs

from gateway import keys
from runtime.private_files import private_directory, write_private

_LOG = structlog.get_logger()
_ABOUT: Final = "node.json"
_KEY: Final = "key.pem"
_CERT: Final = "cert.pem"
_CA: Final = "ca.pem"
_PENDING: Final = "pending.key"


class Identity(Struct, frozen=True, kw_only=True):
    """A way to be let in: with a certificate and its key, or with a password.

    `ca` is whom to trust (None: who the system trusts). Generation 0 is the configured one.
    """

    node: str
    host: str
    port: int
    tls: bool = True
    password: str | None = None
    cert: Path | None = None
    key: Path | None = None
    ca: Path | None = None
    generation: int = 0


class Vault:
    """The generations on disk."""

    def __init__(self, state: Path) -> None:
        self._home = state / "identity"

    def generations(self) -> list[Identity]:
        """All that are whole, the newest first."""
        if not self._home.is_dir():
            return []
        numbers = [int(each.name) for each in self._home.iterdir() if each.name.isdecimal()]
        return [self._read(number) for number in sorted(numbers, reverse=True)]

    def _read(self, number: int) -> Identity:
        place = self._home / str(number)
        about = json.loads((place / _ABOUT).read_text(encoding="utf-8"))
        return Identity(
            **about,
            cert=_there(place / _CERT),
            key=_there(place / _KEY),
            ca=_there(place / _CA),
            generation=number,
        )

    def keep(
        self, identity: Identity, *, cert: str | None = None, ca: str | None = None
    ) -> Identity:
        """Store a further generation; on disk when it returns, or not at all.

        With `cert` the key of `pending_key` goes with it.
        """
        private_directory(self._home)
        number = 1 + max((each.generation for each in self.generations()), default=0)
        draft = self._home / f".{secrets.token_hex(4)}"
        private_directory(draft)
        about = {name: getattr(identity, name) for name in ("node", "host", "port", "tls")}
        texts = {_ABOUT: json.dumps(about | {"password": identity.password}), _CERT: cert, _CA: ca}
        if cert is not None:
            texts[_KEY] = self.pending_key().read_text(encoding="ascii")
        for name, text in texts.items():
            if text is not None:
                write_private(draft / name, text)
        _sync(draft)
        draft.rename(self._home / str(number))
        _sync(self._home)
        if cert is not None:
            (self._home / _PENDING).unlink()
        self._sweep()
        _LOG.info("credentials_kept", generation=number, certificate=cert is not None)
        return self._read(number)

    def forget(self, generations: Sequence[Identity]) -> None:
        """Let go of generations that nobody needs any more."""
        for each in generations:
            place = self._home / str(each.generation)
            # Renamed first: what is half deleted must not look like a generation.
            gone = place.rename(self._home / f".{secrets.token_hex(4)}")
            shutil.rmtree(gone, ignore_errors=True)
            _LOG.info("credentials_forgotten", generation=each.generation)

    def _sweep(self) -> None:
        for left in self._home.glob(".*"):
            if left.is_dir():
                shutil.rmtree(left, ignore_errors=True)

    def pending_key(self) -> Path:
        """Where the private key of the next certificate is, from the first request for it on."""
        path = self._home / _PENDING
        if path.exists() and self._belongs_to_a_generation(path):
            path.unlink()  # the power went between keeping the certificate and this
        return path

    def _belongs_to_a_generation(self, path: Path) -> bool:
        key = path.read_bytes()
        kept = [each.key for each in self.generations() if each.key is not None]
        return any(each.read_bytes() == key for each in kept)

    def signing_request(self, name: str) -> str:
        """A PKCS#10 request, PEM, for the pending key, which is made once and kept until its
        certificate is there. Blocks; raises OSError."""
        private_directory(self._home)
        request = keys.make_request(self.pending_key(), name)
        _sync(self._home)
        return request

    def fits(self, cert: str) -> bool:
        """Whether a certificate is for the pending key."""
        path = self.pending_key()
        if not path.exists():
            return False
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", suffix=".pem") as file:
            file.write(cert)
            file.flush()
            try:
                # TLS itself refuses a pair that does not belong together.
                ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(file.name, path)
            except ssl.SSLError:
                return False
        return True


def _there(path: Path) -> Path | None:
    return path if path.exists() else None


def _sync(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class Identities:
    """Which identity to try, and what became of the others."""

    def __init__(self, vault: Vault, configured: Identity | None) -> None:
        self.vault = vault
        self._configured = configured
        self._all: list[Identity] = []
        self._at = self._failed = 0
        self.read_again()

    def read_again(self) -> None:
        """A generation was added."""
        kept, given = self.vault.generations(), self._configured
        if given is not None:
            # Where the hub is, the operator says; who we are there, the newest generation.
            place = {"host": given.host, "port": given.port, "tls": given.tls, "ca": given.ca}
            of_this_node = [each for each in kept if each.node == given.node]
            kept = [
                each if each.cert else structs.replace(each, **place) for each in of_this_node
            ] + [given]
        self._all, self._at, self._failed = kept, 0, 0

    @property
    def known(self) -> bool:
        """Whether this is a node at all, or still waits to become one."""
        return bool(self._all)

    @property
    def node(self) -> str:
        """The id of this node. Raises LookupError before there is one."""
        return self.current.node

    @property
    def current(self) -> Identity:
        """The identity to connect with next: the newest, or whichever worked last."""
        if not self._all:
            raise LookupError("this gateway is no node yet")
        return self._all[self._at]

    def worked(self, identity: Identity) -> None:
        """The broker let it in: what is older is of no use any more."""
        if identity not in self._all:
            return
        self._at, self._failed = self._all.index(identity), 0
        older = [each for each in self._all[self._at + 1 :] if each.generation]
        if older and identity.generation:
            self.vault.forget(older)
            self._all = [each for each in self._all if each not in older]

    def refused(self) -> bool:
        """The broker did not; whether there is another one that was not tried since it last did."""
        self._failed += 1
        self._at = (self._at + 1) % len(self._all)
        return self._failed % len(self._all) != 0
