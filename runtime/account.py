"""Which account the embedded servers run as, and how they are started so that none is orphaned.

PostgreSQL refuses to run as root and Mosquitto gives root up by itself, so as root both are
started as one unprivileged system account. As any other user they run as that user.
"""

import os
import pwd
import shutil
import stat
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO, NamedTuple

_CANDIDATES = ("hearthbeat", "postgres", "nobody")
# What root needs to hand files over to that account and to become it; a container may have
# taken some of it away.
_NEEDED = {"chown": 0, "dac_override": 1, "kill": 5, "setgid": 6, "setuid": 7}
# Either lets an account pass through directories that only root may enter. The first can do
# nothing else than read; the second is what containers usually leave to root.
_SEARCH = (("dac_read_search", 2), ("dac_override", 1))

# A server has no business with our environment, which may hold secrets.
_BARE = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC"}


class Account(NamedTuple):
    """A system account that is not root."""

    name: str
    uid: int
    gid: int


class CannotRunServerError(RuntimeError):
    """The machine lacks what is needed to start a server; the message says what to do."""


def service_account() -> Account | None:
    """The account for the servers when we are root; None when they run as ourselves.

    Raises CannotRunServerError for a root that may not become anybody else.
    """
    if os.geteuid() != 0:
        return None
    missing = [name for name, bit in _NEEDED.items() if not _effective() & (1 << bit)]
    if missing:
        raise CannotRunServerError(
            f"PostgreSQL does not run as root, and this root may not become another user (it "
            f"lacks the capabilities {', '.join(missing)}): run the hub as an ordinary user, in "
            "a container with --user, or give the container these capabilities back"
        )
    for name in _CANDIDATES:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)
    raise CannotRunServerError(
        f"none of the accounts {', '.join(_CANDIDATES)} exists: run as an ordinary user, "
        "or make one with `useradd --system hearthbeat`"
    )


def command_as(
    account: Account | None,
    command: Sequence[str],
    *,
    reach: Iterable[Path] = (),
    death_signal: str | None = None,
) -> list[str]:
    """The command line that runs `command` as the account and ends it when we die.

    `reach` are the paths it must get to, `death_signal` what it is sent when the thread that
    started it ends (start it from the main thread). Raises CannotRunServerError.
    """
    setpriv = shutil.which("setpriv", path=f"{os.environ.get('PATH', '')}:/usr/bin:/bin")
    if setpriv is None:
        raise CannotRunServerError("setpriv is missing: install the package util-linux")
    line = [setpriv]
    if death_signal is not None:
        line += ["--pdeathsig", death_signal]
    if account is not None:
        line += [f"--reuid={account.uid}", f"--regid={account.gid}", "--clear-groups"]
        line += _capabilities(account, reach)
    return [*line, "--", *command]


def run_as(
    account: Account | None, command: Sequence[str], *, reach: Iterable[Path] = ()
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end as the account and return what it said; never raises for it."""
    line = command_as(account, command, reach=reach)
    return subprocess.run(line, capture_output=True, text=True, check=False, cwd="/", env=_BARE)


def start_as(
    account: Account | None,
    command: Sequence[str],
    *,
    reach: Iterable[Path],
    death_signal: str,
    output: IO[bytes] | int,
) -> subprocess.Popen[bytes]:
    """Start a server as a direct child that is sent `death_signal` when we die."""
    return subprocess.Popen(
        command_as(account, command, reach=reach, death_signal=death_signal),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        cwd="/",
        env=_BARE,
        # A Ctrl-C in our terminal is ours: we stop the servers in order.
        process_group=0,
    )


def _capabilities(account: Account, reach: Iterable[Path]) -> list[str]:
    if all(may_reach(path, account) for path in reach):
        return []
    # dac_override is among what root needs here, so there is always one of the two.
    name = next(name for name, bit in _SEARCH if _effective() & (1 << bit))
    return ["--inh-caps", f"+{name}", "--ambient-caps", f"+{name}"]


def may_reach(path: Path, account: Account) -> bool:
    """Whether the account may enter every directory on the way, without any capability."""
    return all(_may_enter(parent, account) for parent in path.resolve().parents)


def _may_enter(directory: Path, account: Account) -> bool:
    info = directory.stat()
    if info.st_uid == account.uid:
        return bool(info.st_mode & stat.S_IXUSR)
    if info.st_gid == account.gid:
        return bool(info.st_mode & stat.S_IXGRP)
    return bool(info.st_mode & stat.S_IXOTH)


def _effective() -> int:
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("CapEff:"):
            return int(line.split()[1], 16)
    return 0
