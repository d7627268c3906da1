"""Directories and files that nobody else on the machine may read."""

import os
import secrets
from pathlib import Path

from runtime.account import Account


def private_directory(path: Path, owner: Account | None = None) -> Path:
    """Make sure of a directory of mode 0700, with its parents; with `owner` it becomes theirs."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.chmod(0o700)
    if owner is not None:
        os.chown(path, owner.uid, owner.gid)
    return path


def write_private(path: Path, text: str, owner: Account | None = None) -> None:
    """Replace a file of mode 0600 in one step: a reader sees the old text or the new one."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            if owner is not None:
                os.fchown(file.fileno(), owner.uid, owner.gid)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def kept_secret(path: Path) -> str:
    """The random secret of 128 bits kept in this file; made when it is not there yet."""
    if not path.exists():
        write_private(path, secrets.token_hex(16))
    return path.read_text(encoding="utf-8").strip()
