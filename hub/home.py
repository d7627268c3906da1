"""The hub's directory: what lies where, who may read it, and that only one hub works on it."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from runtime.account import Account, service_account
from runtime.private_files import private_directory, write_private

# The folders of a hub; a directory that has none of them and is not empty is somebody else's.
_FOLDERS = ("run", "log", "secrets")


class HomeError(RuntimeError):
    """The directory cannot be used; the message says why."""


class Home:
    """One hub's directory, mode 0700 throughout.

    As root the top belongs to the account of the embedded servers, so that they get to their own
    folders; `run`, `log` and `secrets` stay root's.
    """

    def __init__(self, root: Path) -> None:
        """Nothing is touched before `prepare`."""
        self.root = root.absolute()
        self.run = self.root / "run"
        self.log = self.root / "log"
        self.secrets = self.root / "secrets"
        self.tls = self.root / "tls"
        # The hub's own certificate authority; `ca` is the part of it that others may have.
        self.authority = self.root / "authority"
        self.ca = self.authority / "ca.crt"
        # Seals the factory secrets of units in the database.
        self.unit_key = self.secrets / "units"
        self.postgres = self.root / "postgres"
        self.mosquitto = self.root / "mosquitto"
        self.address_file = self.run / "hub.json"

    def prepare(self) -> Account | None:
        """Make the folders; returns the servers' account. Raises HomeError for a strange one."""
        account = service_account()
        try:
            if self.root.exists() and not self._is_ours():
                raise HomeError(f"{self.root} holds other things: choose an empty or new directory")
            private_directory(self.root, account)
            for folder in _FOLDERS:
                private_directory(self.root / folder)
        except OSError as error:
            raise HomeError(f"cannot use {self.root}: {error.strerror}") from error
        return account

    def _is_ours(self) -> bool:
        here = [entry.name for entry in self.root.iterdir()]
        return not here or all(name in here for name in _FOLDERS)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the directory for this process; raises HomeError when another hub has it."""
        with os.fdopen(os.open(self.run / "lock", os.O_RDWR | os.O_CREAT, 0o600), "r+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                holder = file.read().strip() or "unknown"
                raise HomeError(f"a hub already runs on {self.root} (pid {holder})") from error
            file.truncate(0)
            file.write(f"{os.getpid()}\n")
            file.flush()
            yield

    def note_pid(self, name: str, pid: int | None) -> None:
        """Keep (or forget) the process id of one part in `run/<name>.pid`."""
        path = self.run / f"{name}.pid"
        if pid is None:
            path.unlink(missing_ok=True)
        else:
            write_private(path, f"{pid}\n")

    def note_addresses(self, addresses: dict[str, Any]) -> None:
        """Say where the running hub is, for the administration commands."""
        write_private(self.address_file, json.dumps(addresses, indent=2) + "\n")

    def forget_addresses(self) -> None:
        """The hub stopped."""
        self.address_file.unlink(missing_ok=True)
