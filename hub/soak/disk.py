"""A file system of its own for a hub: it can be filled, and it can lose what was not synced.

A file with ext4 in it, mounted by a loop device. `cut_power` shuts the file system down the way
the makers of file systems test theirs: nothing more reaches the disk, not even the journal, so
that after the next mount there is what had been synced and nothing that had not. Needs root.
"""

import contextlib
import fcntl
import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

# EXT4_IOC_SHUTDOWN with EXT4_GOING_FLAGS_NOLOGFLUSH (include/uapi/linux/ext4.h).
_SHUTDOWN: Final = 0x8004587D
_NO_LOG_FLUSH: Final = (2).to_bytes(4, "little")
_PROGRAMS: Final = ("mkfs.ext4", "mount", "umount", "sync")
_PATHS: Final = "/usr/sbin:/sbin:/usr/bin:/bin"


class NoDiskError(RuntimeError):
    """This machine does not let us have a file system; the message says why."""


class Disk:
    """One file system in a file, mounted at `place` until `close`."""

    def __init__(self, folder: Path, *, megabytes: int) -> None:
        """Make and mount it. Raises NoDiskError."""
        self.place = folder / "disk"
        self._image = folder / "disk.img"
        self._filler = self.place / "filler"
        _demand_programs()
        with self._image.open("wb") as image:
            image.truncate(megabytes * 1024 * 1024)
        # Lazy tables would be written while the hub runs.
        _run("mkfs.ext4", "-q", "-m", "0", "-E", "lazy_itable_init=0", str(self._image))
        self.place.mkdir()
        self._mount()
        self.place.chmod(0o755)

    def free_bytes(self) -> int:
        """What is left for others than root."""
        return shutil.disk_usage(self.place).free

    def fill(self, *, leave_bytes: int = 0) -> None:
        """Take all the room that is left but so many bytes."""
        size = self.free_bytes() - leave_bytes
        with self._filler.open("ab") as filler:
            at = filler.seek(0, os.SEEK_END)
            while size > 4096:
                try:
                    os.posix_fallocate(filler.fileno(), at, size)
                except OSError:
                    size //= 2
                else:
                    at += size
                    size = min(size, self.free_bytes() - leave_bytes)

    def make_room(self) -> None:
        """Give the room back."""
        self._filler.unlink(missing_ok=True)

    def sync(self) -> None:
        """Bring everything that was written to the disk."""
        _run("sync", "--file-system", str(self.place))

    def cut_power(self) -> None:
        """Lose what was not synced, and be there again. Whoever used it must be dead."""
        descriptor = os.open(self.place, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, _SHUTDOWN, _NO_LOG_FLUSH)
        finally:
            os.close(descriptor)
        _run("umount", str(self.place))
        self._mount()

    def close(self) -> None:
        """Unmount and remove it."""
        with contextlib.suppress(NoDiskError):
            _run("umount", "--lazy", str(self.place))
        self._image.unlink(missing_ok=True)

    def _mount(self) -> None:
        _run("mount", "-t", "ext4", "-o", "loop,nosuid,nodev", str(self._image), str(self.place))


def _demand_programs() -> None:
    if os.geteuid() != 0:
        raise NoDiskError("only root may mount a file system")
    missing = [name for name in _PROGRAMS if shutil.which(name, path=_PATHS) is None]
    if missing:
        raise NoDiskError(f"not installed: {', '.join(missing)}")


def _run(*command: str) -> None:
    program = shutil.which(command[0], path=_PATHS) or command[0]
    done = subprocess.run([program, *command[1:]], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise NoDiskError(f"{command[0]}: {done.stderr.strip() or done.returncode}")
